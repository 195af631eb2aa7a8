"""One connection, from CONNECT to its end."""

from __future__ import annotations

import contextlib
import json
import logging
import select
import time
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from handschlag.adapters.uplink.errors import Ended, reason
from handschlag.adapters.uplink.link import MAX_PACKET, MAX_PAYLOAD, Link
from handschlag.adapters.uplink.outbox import File, LedgerLines, Outbox, Reply
from handschlag.adapters.uplink.poison import PACKETS_FAULT
from handschlag.adapters.uplink.tls import client_id, tls_context
from handschlag.archives_word import archive_said
from handschlag.core.effects import Rank
from handschlag.core.events import Connected, Event, FileSent, StatusRefused
from handschlag.errors import HandschlagError
from handschlag.operators_word import operator_said
from handschlag.owners_word import owner_said
from handschlag.sealing import receipt
from handschlag.sealing.command import read_command
from handschlag.sealing.manifest import REVOKE
from handschlag.sealing.owner import read_owner

KEEPALIVE_S = 30
ANSWER_S = 30.0
"""A broker that answers nothing for so long is as good as gone."""

_GOODBYE_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Flying:
    """What was published and is not acknowledged; `file` where it is one."""

    file: File | None
    topic: str
    since: float


class Session:
    """One connection, from CONNECT to its end. Everything here runs in the uplink's thread."""

    def __init__(self, link: Link, outbox: Outbox) -> None:
        self._link = link
        self._outbox = outbox
        self._tls = tls_context(link.tls) if link.tls is not None else None
        self._client = self._make_client()
        self._flying: dict[int, _Flying] = {}
        self._most = 65535  # the broker's Receive Maximum (MQTT 5, 3.2.2.3.3)
        self._limit = link.max_packet
        self._ended: Ended | None = None
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
            self._turn(self._patience_s())
            self._check_answers()
            self._send_waiting()
        self._say_goodbye()

    def end(self) -> list[File]:
        """Close the connection whatever state it is in; gives what was not acknowledged, oldest first."""
        flying = [each.file for each in self._flying.values() if each.file is not None]
        # the library forgets a connection whose handshake failed without closing it
        wrapped = self._tls.wrapped if self._tls is not None else None
        for connection in (self._client.socket(), wrapped):
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.close()
        return flying

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
            raise self._ended or Ended("connection closed")
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
            raise self._ended or Ended("connection lost")

    def _patience_s(self) -> float:
        """For how long nothing needs to be done by itself."""
        wait_s = self._link.pace.wait_s(time.monotonic())
        return min(1.0, wait_s) if wait_s and self._outbox.waits else 1.0

    def _check_answers(self) -> None:
        now = time.monotonic()
        oldest = next((each.since for each in self._flying.values()), now)
        if not self.accepted:
            oldest = self._began
        if now - oldest > ANSWER_S:
            raise Ended(f"the broker answered nothing for {ANSWER_S:.0f} s")

    def _send_waiting(self) -> None:
        while self.accepted:
            lowest = self._may_go()
            what = self._outbox.next(lowest) if lowest is not None else None
            match what:
                case None:
                    return
                case File() as file:
                    self._send_file(file)
                case LedgerLines() as lines:
                    self._send_lines(lines)
                case Reply() as reply:
                    self._publish(f"handschlag/1/{self._link.box}/up/reply/{reply.message}", reply.payload)

    def _may_go(self) -> Rank | None:
        """What must at least rank so high may be sent now; None: nothing, the broker takes no more."""
        flying, link = len(self._flying), self._link
        if flying >= self._most:
            return None
        places = 1 if link.poison.alone else link.in_flight
        if flying >= places or link.pace.wait_s(time.monotonic()):
            return Rank.STATUS  # a withdrawal waits for no place and for no cap
        return Rank.BACKLOG

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
        if file.name != REVOKE:
            self._link.pace.sent(len(payload), time.monotonic())
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
        self._link.pace.sent(len(payload), time.monotonic())
        self._publish(topic, bytes(payload))
        if count < len(found):
            self._outbox.offer(LedgerLines(lines.first + count, lines.last), Rank.MANIFEST, first=True)

    def _lines_failed(self, why: str) -> None:
        # counted only: the core asks again when no receipt comes
        self._link.counts.ledger_failed += 1
        _log.warning("ledger lines not sent: %s", why)

    def _longest_payload(self, topic: str) -> int:
        # fixed header with a length of up to 4 bytes, topic with its length, packet id, no properties (MQTT 5, 3.3)
        return self._limit - (1 + 4 + 2 + len(topic.encode()) + 2 + 1)

    def _publish(self, topic: str, payload: bytes, file: File | None = None, *, retain: bool = False) -> None:
        told = self._client.publish(topic, payload, qos=1, retain=retain)
        self._flying[told.mid] = _Flying(file, topic, time.monotonic())
        if told.rc:
            raise Ended("connection lost while sending")

    def _say_goodbye(self) -> None:
        """Tell that the box goes on purpose, so that the broker does not tell its will."""
        until = time.monotonic() + _GOODBYE_S
        with contextlib.suppress(Ended, OSError):
            if self.accepted:
                while (reply := self._outbox.next(Rank.STATUS)) is not None:
                    if isinstance(reply, Reply):  # the answer to `restart` is one
                        self._publish(f"handschlag/1/{self._link.box}/up/reply/{reply.message}", reply.payload)
                self._publish(f"homie/5/{self._link.box}/$state", b"disconnected", retain=True)
                while self._flying and (left := until - time.monotonic()) > 0:
                    self._turn(left)
            self._client.disconnect()

    # --- called by the library, within _turn; they note, post, and never raise

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._ended = Ended(f"the broker refuses the box: {code}")
            return
        if getattr(properties, "MaximumQoS", 1) < 1:
            self._ended = Ended("the broker offers no QoS 1")
            return
        self._limit = min(self._limit, getattr(properties, "MaximumPacketSize", self._limit))
        self._most = getattr(properties, "ReceiveMaximum", self._most)
        client.subscribe(f"handschlag/1/{self._link.box}/down/#", qos=1)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if any(code.is_failure for code in codes):
            self._ended = Ended(f"the broker refuses receipts: {codes[0]}")
            return
        link = self._link
        self.accepted = True
        link.counts.connections += 1
        base = f"homie/5/{link.box}"
        description = {"homie": "5.0", "version": 1, "name": f"Handschlag {link.box}", "nodes": {}}
        try:
            self._publish(f"{base}/$description", json.dumps(description).encode(), retain=True)
            self._publish(f"{base}/$state", b"ready", retain=True)
        except Ended as ended:
            self._ended = ended
            return
        self._outbox.open()
        link.post(Connected(link.now()))

    def _on_publish(
        self, _client: Client, _data: object, mid: int, code: ReasonCode, _properties: Properties | None
    ) -> None:
        flying = self._flying.pop(mid, None)
        if flying is None:
            return
        link, file = self._link, flying.file
        if file is None and code.is_failure:
            link.counts.refused += 1
            _log.warning("the broker refuses what is sent to %s: %s", flying.topic, code)
            if flying.topic.startswith("homie/"):
                link.post(StatusRefused(link.now(), str(code)))  # so is the will, which it drops without a word
        elif file is not None and code.is_failure:
            link.fail(file, f"the broker refused: {code}", permanent=code.value in PACKETS_FAULT)
        elif file is not None:
            # 0x10, nobody subscribed, is no failure: the file was sent, and `incomplete` will ask for it
            link.poison.taken()
            link.post(FileSent(link.now(), file.recording, file.name))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        link = self._link
        what = message.topic.removeprefix(f"handschlag/1/{link.box}/down/")
        read = {"receipt": self._receipt, "owner": self._owner, "command": self._command}.get(what)
        if read is None:
            link.counts.foreign += 1
            return
        if len(message.payload) > MAX_PACKET:
            link.counts.too_long += 1
            return
        token = bytes(message.payload)
        try:
            box, event = read(token)
        except HandschlagError as error:
            link.counts.forged += 1
            _log.warning("%s dropped: %s", what, error)
            return
        if box != link.box:
            link.counts.foreign += 1
            return
        link.post(event)

    def _receipt(self, token: bytes) -> tuple[str, Event]:
        said = receipt.read_receipt(token, self._link.archive)
        return said.box, archive_said(said, token, self._link.now())

    def _owner(self, token: bytes) -> tuple[str, Event]:
        message = read_owner(token, self._link.owner)
        return message.box, owner_said(message, token, self._link.now())

    def _command(self, token: bytes) -> tuple[str, Event]:
        message = read_command(token, self._link.operator)
        return message.box, operator_said(message, self._link.now())

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if self._ended is None:
            self._ended = Ended(f"disconnected: {code}", code.value)


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0
    properties.MaximumPacketSize = MAX_PACKET
    return properties
