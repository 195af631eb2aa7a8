"""One connection, from CONNECT to its end."""

from __future__ import annotations

import contextlib
import json
import logging
import select
import time
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from handschlag.adapters.uplink.errors import Ended, reason
from handschlag.adapters.uplink.link import MAX_PACKET, MAX_PAYLOAD, Link
from handschlag.adapters.uplink.outbox import File, LedgerLines, Outbox, Reply
from handschlag.adapters.uplink.receipts import event_of
from handschlag.adapters.uplink.tls import client_id, tls_context
from handschlag.core.events import Connected, Event, FileSent
from handschlag.errors import HandschlagError
from handschlag.owners_word import owner_said
from handschlag.sealing import receipt
from handschlag.sealing.owner import OwnerMessage, read_owner

KEEPALIVE_S = 30
ANSWER_S = 30.0
"""A broker that answers nothing for so long is as good as gone."""

_GOODBYE_S = 1.0
_HOPELESS = {0x90, 0x95, 0x99}  # topic name invalid, packet too large, payload format invalid (MQTT 5, 2.4)

_log = logging.getLogger(__name__)


class Session:
    """One connection, from CONNECT to its end. Everything here runs in the uplink's thread."""

    def __init__(self, link: Link, outbox: Outbox) -> None:
        self._link = link
        self._outbox = outbox
        self._tls = tls_context(link.tls) if link.tls is not None else None
        self._client = self._make_client()
        self._flying: dict[int, tuple[File | None, float]] = {}
        self._places = link.in_flight
        self._limit = link.max_packet
        self._ended: str | None = None
        self._began = time.monotonic()
        self.accepted = False

    def run(self) -> None:
        """Connect and serve. Returns when the uplink closes; raises when the connection cannot go on."""
        self._client.connect(
            self._link.host,
            self._link.port,
            keepalive=KEEPALIVE_S,
            clean_start=True,
            properties=_connect_properties(),
        )
        while not self._outbox.closing:
            self._turn(1.0)
            self._check_answers()
            self._send_waiting()
        self._say_goodbye()

    def end(self) -> list[File]:
        """Close the connection whatever state it is in; gives what was not acknowledged, oldest first."""
        flying = [what for what, _ in self._flying.values() if what is not None]
        unsent = flying + self._outbox.shut()
        # the library forgets a connection whose handshake failed without closing it
        wrapped = self._tls.wrapped if self._tls is not None else None
        for connection in (self._client.socket(), wrapped):
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.close()
        return unsent

    def _make_client(self) -> Client:
        link = self._link
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id(link.box, link.tls), protocol=MQTTv5)
        client.connect_timeout = 10.0
        client.max_inflight_messages_set(65535)  # our own count is lower; the library shall never queue
        client.will_set(f"homie/5/{link.box}/$state", b"lost", qos=1, retain=True)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _turn(self, longest_s: float) -> None:
        """Wait for something to happen, and let the library handle it."""
        connection: Any = self._client.socket()
        if connection is None or self._ended is not None:
            raise Ended(self._ended or "connection closed")
        # TLS may hold whole packets that select() on the descriptor does not see
        pending = getattr(connection, "pending", None)
        if pending is not None and pending():
            longest_s = 0.0
        writing = [connection] if self._client.want_write() else []
        readable, writable, _ = select.select([connection, self._outbox.bell], writing, [], longest_s)
        if self._outbox.bell in readable:
            self._outbox.heard()
        outcome = MQTTErrorCode.MQTT_ERR_SUCCESS
        if connection in readable or longest_s == 0.0:
            outcome = self._client.loop_read()
        if not outcome and writable:
            outcome = self._client.loop_write()
        if not outcome:
            outcome = self._client.loop_misc()
        if outcome or self._ended is not None:
            raise Ended(self._ended or "connection lost")

    def _check_answers(self) -> None:
        now = time.monotonic()
        oldest = min((since for _, since in self._flying.values()), default=now)
        if not self.accepted:
            oldest = self._began
        if now - oldest > ANSWER_S:
            raise Ended(f"the broker answered nothing for {ANSWER_S:.0f} s")

    def _send_waiting(self) -> None:
        while self.accepted and len(self._flying) < self._places:
            match self._outbox.next():
                case None:
                    return
                case File() as file:
                    self._send_file(file)
                case LedgerLines() as lines:
                    self._send_lines(lines)
                case Reply() as reply:
                    topic = f"handschlag/1/{self._link.box}/up/reply/{reply.message}"
                    self._publish(topic, json.dumps({"outcome": reply.outcome}).encode(), None)

    def _send_file(self, file: File) -> None:
        try:
            payload = self._link.read(file.recording, file.name)
        except FileNotFoundError:
            self._link.fail(file, "no such file", permanent=True)
            return
        except (OSError, HandschlagError) as error:
            self._link.fail(file, f"cannot be read: {reason(error)}", permanent=False)
            return
        topic = f"handschlag/1/{self._link.box}/up/{file.recording}/{file.name}"
        longest = min(MAX_PAYLOAD, self._longest_payload(topic))
        if len(payload) > longest:
            self._link.fail(file, f"{len(payload)} bytes; allowed are {longest}", permanent=True)
            return
        self._publish(topic, payload, file)

    def _send_lines(self, lines: LedgerLines) -> None:
        topic = f"handschlag/1/{self._link.box}/up/ledger/{lines.first}"
        longest = min(MAX_PAYLOAD, self._longest_payload(topic))
        payload = bytearray()
        count = 0
        try:
            found = self._link.ledger_lines(lines.first, lines.last)
        except (OSError, LookupError, HandschlagError) as error:
            self._lines_failed(reason(error))
            return
        for line in found:
            if len(payload) + len(line) + 1 > longest:
                break
            payload += line + b"\n"
            count += 1
        if not count:
            self._lines_failed("there are no such lines, or the first is too long for the broker")
            return
        self._publish(topic, bytes(payload), None)
        if count < len(found):
            self._outbox.offer(LedgerLines(lines.first + count, lines.last), first=True)

    def _lines_failed(self, why: str) -> None:
        # counted only: the core asks again when no receipt comes
        self._link.counts.ledger_failed += 1
        _log.warning("ledger lines not sent: %s", why)

    def _longest_payload(self, topic: str) -> int:
        # fixed header with a length of up to 4 bytes, topic with its length, packet id, no properties (MQTT 5, 3.3)
        return self._limit - (1 + 4 + 2 + len(topic.encode()) + 2 + 1)

    def _publish(self, topic: str, payload: bytes, file: File | None, *, retain: bool = False) -> None:
        told = self._client.publish(topic, payload, qos=1, retain=retain)
        self._flying[told.mid] = (file, time.monotonic())
        if told.rc:
            raise Ended("connection lost while sending")

    def _say_goodbye(self) -> None:
        """Tell that the box goes on purpose, so that the broker does not tell its will."""
        until = time.monotonic() + _GOODBYE_S
        with contextlib.suppress(Ended, OSError):
            if self.accepted:
                self._publish(f"homie/5/{self._link.box}/$state", b"disconnected", None, retain=True)
                while self._flying and (left := until - time.monotonic()) > 0:
                    self._turn(left)
            self._client.disconnect()

    # --- called by the library, within _turn; they note, post, and never raise

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._ended = f"the broker refuses the box: {code}"
            return
        if getattr(properties, "MaximumQoS", 1) < 1:
            self._ended = "the broker offers no QoS 1"
            return
        self._limit = min(self._limit, getattr(properties, "MaximumPacketSize", self._limit))
        self._places = min(self._places, getattr(properties, "ReceiveMaximum", 65535))
        client.subscribe(f"handschlag/1/{self._link.box}/down/#", qos=1)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if any(code.is_failure for code in codes):
            self._ended = f"the broker refuses receipts: {codes[0]}"
            return
        link = self._link
        self.accepted = True
        link.counts.connections += 1
        base = f"homie/5/{link.box}"
        description = {"homie": "5.0", "version": 1, "name": f"Handschlag {link.box}", "nodes": {}}
        try:
            self._publish(f"{base}/$description", json.dumps(description).encode(), None, retain=True)
            self._publish(f"{base}/$state", b"ready", None, retain=True)
        except Ended as ended:
            self._ended = str(ended)
            return
        self._outbox.open()
        link.post(Connected(link.now()))

    def _on_publish(
        self, _client: Client, _data: object, mid: int, code: ReasonCode, _properties: Properties | None
    ) -> None:
        file, _ = self._flying.pop(mid, (None, 0.0))
        if code.is_failure and file is None:
            _log.warning("the broker refused a message: %s", code)
        elif code.is_failure and file is not None:
            self._link.fail(file, f"the broker refused: {code}", permanent=code.value in _HOPELESS)
        elif file is not None:
            # 0x10, nobody subscribed, is no failure: the file was sent, and `incomplete` will ask for it
            self._link.post(FileSent(self._link.now(), file.recording, file.name))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        link = self._link
        what = message.topic.removeprefix(f"handschlag/1/{link.box}/down/")
        if what not in {"receipt", "owner"}:
            link.counts.foreign += 1
            return
        if len(message.payload) > MAX_PACKET:
            link.counts.too_long += 1
            return
        token = bytes(message.payload)
        said: receipt.Receipt | OwnerMessage
        try:
            if what == "owner":
                said = read_owner(token, link.owner)
                event: Event = owner_said(said, token, link.now())
            else:
                said = receipt.read_receipt(token, link.archive)
                event = event_of(said, token, link.now())
        except HandschlagError as error:
            link.counts.forged += 1
            _log.warning("%s dropped: %s", what, error)
            return
        if said.box != link.box:
            link.counts.foreign += 1
            return
        if not isinstance(said, OwnerMessage) and link.is_replayed(said):
            link.counts.replayed += 1
            return
        link.post(event)

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if self._ended is None:
            self._ended = f"disconnected: {code}"


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0
    properties.MaximumPacketSize = MAX_PACKET
    return properties
