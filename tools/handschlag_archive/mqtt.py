"""The worker: takes messages from the broker, has them committed in groups, acknowledges, answers.

Two threads. paho's own thread only puts messages into a bounded queue. The committing thread takes a group, lets
`Ingest` make it durable, acknowledges it to the broker and only then publishes the receipts. While a commit hangs,
nothing is acknowledged, and the broker stops sending at the receive maximum: that is the back-pressure.

Sessions are clean (MQTT 5, 3.1.2.4): after a reconnect, message ids start again, so an acknowledgement belongs to the
connection its message came by and is never sent on another. What a lost connection took with it is sent again by the
box, because no receipt named it.

The name of the workers' shared subscription is a secret of theirs: a stranger who joined it would be handed a share of
what the boxes send, and a broker that refuses to deliver it to him drops it.
"""

import hmac
import logging
import secrets
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from handschlag.errors import HandschlagError
from handschlag.sealing.keys import SigningKey
from handschlag_archive.clerk import Answer, read_signing_key
from handschlag_archive.index import IndexBroken
from handschlag_archive.ingest import Ingest, Message
from handschlag_archive.settings import Settings

_MOST_UNSENT_RECEIPTS: Final = 2_000
_SUBSCRIBED_WITHIN_S: Final = 30.0
_PAUSE_S: Final = 1.0

_log: Final = logging.getLogger(__name__)


class BrokerRefused(HandschlagError, ConnectionError):
    """The broker does not let this archive work."""


class WorkerDied(HandschlagError, RuntimeError):
    """The network thread is gone; the process must be started anew."""


@dataclass(frozen=True)
class _Arrived:
    message: Message
    mid: int
    connection: int


def shared_subscription(key: SigningKey) -> str:
    """What all workers of the archive with this key subscribe to, and nobody else can know."""
    group = hmac.digest(key.to_file(), b"handschlag/1 share", "sha256").hex()[:32]
    return f"$share/{group}/handschlag/1/+/up/#"


class Worker:
    """One ingest worker on one broker connection. `run` is to be called once."""

    def __init__(self, settings: Settings, ingest: Ingest, *, on_ready: Callable[[], None]) -> None:
        self.counts: Counter[str] = Counter()
        self._settings = settings
        self._ingest = ingest
        self._on_ready = on_ready
        # A broker that keeps to the receive maximum sends no more than that; Mosquitto 2.0.11 sends far more. What is
        # not taken in is not read: a message that was dropped here would never be acknowledged, and never come again.
        self._queue: deque[_Arrived] = deque()
        self._room = 2 * settings.ingest.receive_maximum
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._subscribed = threading.Event()
        self._connection = 0
        self._connected = False
        self._unsubscribed_since: float | None = None
        self._refused: str | None = None
        self._network = f"archive-{secrets.token_hex(6)}"
        self._subscription = shared_subscription(read_signing_key(Path(settings.signing_key)))
        self._client = self._make_client()

    def run(self) -> None:
        """Work until `stop` is called; the group in hand is finished first.

        Raises:
            BrokerRefused: the broker refuses the subscription.
            WorkerDied: the network thread ended by itself, or the broker does not answer the subscription.

        """
        broker = self._settings.broker
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.ReceiveMaximum = self._settings.ingest.receive_maximum
        properties.SessionExpiryInterval = 0
        self._client.connect_async(
            broker.host, broker.port, keepalive=broker.keepalive_s, clean_start=True, properties=properties
        )
        self._client.loop_start()
        try:
            while not self._stopping.is_set():
                group = self._next_group()
                if self._subscribed.is_set():
                    self._subscribed.clear()
                    self._publish(self._look(self._ingest.resume))
                if group:
                    self._handle(group)
                self._publish(self._look(self._ingest.due))
                self._check()
        finally:
            self.stop()  # also the network's thread, which may wait for room
            self._client.disconnect()
            self._client.loop_stop()

    def stop(self) -> None:
        """Finish the group in hand, then leave. May be called from any thread."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def _make_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2, self._network, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        broker = self._settings.broker
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=broker.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.load_cert_chain(broker.certificate, broker.key)
        except (ssl.SSLError, OSError) as error:
            raise BrokerRefused(
                f"broker.ca, broker.certificate or broker.key cannot be used ({error}); "
                "allowed are PEM files, the key belonging to the certificate"
            ) from error
        client.tls_set_context(context)
        client.max_queued_messages_set(_MOST_UNSENT_RECEIPTS)
        client.reconnect_delay_set(1, 30)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _next_group(self) -> list[_Arrived]:
        """The next messages, in the order they came; empty when it is time to look at something else."""
        with self._changed:
            due = self._ingest.next_due
            wait_s = _PAUSE_S if due is None else min(_PAUSE_S, max(0.0, due - time.monotonic()))
            self._changed.wait_for(
                lambda: self._queue or self._stopping.is_set() or self._subscribed.is_set(), timeout=wait_s
            )
            most = min(self._settings.ingest.group, len(self._queue))
            group = [self._queue.popleft() for _ in range(most)]
            self._changed.notify_all()  # there is room again
            return group

    def _handle(self, group: Sequence[_Arrived]) -> None:
        answers = self._commit([arrived.message for arrived in group])
        if answers is None:
            return  # told to stop while nothing could be kept: not acknowledged, so the box will send it again
        self.counts["groups"] += 1
        self.counts["messages"] += len(group)
        with self._changed:
            for arrived in group:
                if self._connected and arrived.connection == self._connection:
                    self._client.ack(arrived.mid, 1)
        self._publish(answers)

    def _commit(self, messages: Sequence[Message]) -> Sequence[Answer] | None:
        try:
            return self._without_fault(lambda: self._ingest.take(messages, time.monotonic()))
        except IndexBroken:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the other boxes' messages must go on
            if len(messages) > 1:
                return self._commit_one_by_one(messages)
            self.counts["faulty"] += 1
            _log.exception("a message was dropped: a fault of this program")
            return []

    def _commit_one_by_one(self, messages: Sequence[Message]) -> Sequence[Answer] | None:
        answers: list[Answer] = []
        for message in messages:
            some = self._commit([message])
            if some is None:
                return None
            answers += some
        return answers

    def _look(self, work: Callable[[float], Sequence[Answer]]) -> Sequence[Answer]:
        """What `work` says at this moment, if disk and database let it."""
        return self._without_fault(lambda: work(time.monotonic())) or ()

    def _without_fault(self, work: Callable[[], Sequence[Answer]]) -> Sequence[Answer] | None:
        """Do `work` as often as it takes while disk or database refuse; None when told to stop meanwhile."""
        while True:
            try:
                return work()
            except OSError as error:
                self.counts["store refused"] += 1
                _log.error("nothing can be kept at the moment (%s); trying again", error)
            if self._stopping.wait(_PAUSE_S):
                return None

    def _publish(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            if not self._connected:
                self.counts["receipts not sent"] += 1  # the box asks again
                continue
            sent = self._client.publish(answer.topic, answer.receipt, qos=1)
            self.counts["receipts" if sent.rc == paho.MQTT_ERR_SUCCESS else "receipts not sent"] += 1

    def _check(self) -> None:
        if self._refused is not None:
            raise BrokerRefused(self._refused)
        if not any(thread.name == f"paho-mqtt-client-{self._network}" for thread in threading.enumerate()):
            raise WorkerDied("the network thread ended by itself")
        since = self._unsubscribed_since
        if since is not None and time.monotonic() - since > _SUBSCRIBED_WITHIN_S:
            raise WorkerDied(f"the broker has not answered the subscription for {_SUBSCRIBED_WITHIN_S:.0f} s")

    # paho's thread from here on: these only note what happened.

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: paho.ConnectFlags, reason: ReasonCode, _p: Properties | None
    ) -> None:
        if reason.is_failure:
            _log.error("the broker refuses the connection: %s", reason)
            return
        with self._changed:
            self._connection += 1
            self._connected = True
            self._unsubscribed_since = time.monotonic()
        client.subscribe(self._subscription, qos=1)

    def _on_connect_fail(self, _client: paho.Client, _data: Any) -> None:
        _log.warning("no connection to the broker %s:%d", self._settings.broker.host, self._settings.broker.port)

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: paho.DisconnectFlags, reason: ReasonCode, _p: Properties | None
    ) -> None:
        with self._changed:
            self._connected = False
            self._unsubscribed_since = None
        if not self._stopping.is_set():
            _log.warning("the connection to the broker ended: %s", reason)

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _p: Properties | None
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            with self._changed:
                self._refused = f"the broker refuses the shared subscription: {reasons[0]}"
                self._changed.notify_all()
            return
        self._unsubscribed_since = None
        self._on_ready()
        self._subscribed.set()
        with self._changed:
            self._changed.notify_all()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if message.qos != 1:
            self.counts["not QoS 1"] += 1  # cannot be acknowledged, so cannot be answered for
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # dropped and counted like every other foreign topic
        with self._changed:
            self._changed.wait_for(lambda: len(self._queue) < self._room or self._stopping.is_set())
            self._queue.append(_Arrived(Message(topic, bytes(message.payload)), message.mid, self._connection))
            self._changed.notify_all()

    def _on_publish(
        self, _client: paho.Client, _data: Any, _mid: int, reason: ReasonCode, _p: Properties | None
    ) -> None:
        if reason.is_failure:
            self.counts["receipts refused"] += 1
            _log.warning("the broker refused a receipt: %s", reason)
