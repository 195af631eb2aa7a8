"""The MQTT side of the box (MQTT 5, paho-mqtt 2), as `ports.Uplink`. Topics and payloads: design/wire.md.

The one idea: nothing is trusted to the library or the broker. One thread owns the client, and every connection has a
client of its own, so nothing is queued, sent again or remembered behind our back; what was on its way when a connection
ended is told as not sent, and the core sends it again. What is sent is measured first against what the broker said it
takes. A PUBACK only frees a place among the files in flight: only a verified receipt means anything.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import re
import select
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from handschlag.core.events import (
    ArchiveDestroyed,
    Connected,
    Disconnected,
    Event,
    FileSent,
    LedgerSynced,
    Missing,
    Progressed,
    Refused,
    SendFailed,
    Stored,
)
from handschlag.errors import HandschlagError
from handschlag.owners_word import owner_said
from handschlag.ports import Post
from handschlag.sealing import receipt
from handschlag.sealing.keys import Keyring
from handschlag.sealing.owner import OwnerMessage, read_owner
from handschlag.sealing.trust import Trust

MAX_PAYLOAD = 96 * 1024
"""No file of a recording is longer (design/wire.md)."""

MAX_PACKET = 131072
"""What the shipped broker takes; also what the box takes from a broker."""

MAX_WAITING = 4096
"""Sends that may wait for their turn."""

KEEPALIVE_S = 30
ANSWER_S = 30.0
"""A broker that answers nothing for so long is as good as gone."""

LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
"""A connection that lasted so long sets the pauses between attempts back."""

_GOODBYE_S = 1.0
_BOX = re.compile(r"[a-z0-9-]{1,32}")
_LEVEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NO_SUBSCRIBER = 0x10
_HOPELESS = {0x90, 0x95, 0x99}  # topic name invalid, packet too large, payload format invalid (MQTT 5, 2.4)

_log = logging.getLogger(__name__)


class BadUplink(HandschlagError, ValueError):
    """The uplink's settings cannot work."""


class _Ended(Exception):
    """Not an error: the way out of a session, with its reason."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the authority that signed the broker's certificate, and the box's own certificate and key."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class _File:
    recording: str
    name: str


@dataclass(frozen=True, slots=True)
class _LedgerLines:
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Reply:
    message: str
    outcome: str


_Waiting = _File | _LedgerLines | _Reply


@dataclass(slots=True)
class UplinkCounts:
    """What was dropped on the way in, and how often a connection began."""

    connections: int = 0
    foreign: int = 0
    forged: int = 0
    too_long: int = 0
    ledger_failed: int = 0


@dataclass(frozen=True, slots=True)
class _Link:
    """What a session must know; see `MqttUplink`."""

    host: str
    port: int
    box: str
    tls: TlsFiles | None
    read: Callable[[str, str], bytes]
    ledger_lines: Callable[[int, int], Sequence[bytes]]
    archive: Keyring
    owner: Keyring
    in_flight: int
    max_packet: int
    now: Callable[[], float]
    post: Post
    counts: UplinkCounts

    def fail(self, file: _File, why: str, *, permanent: bool) -> None:
        """Tell that a file was not sent."""
        self.post(SendFailed(self.now(), file.recording, file.name, why, permanent))


class _Outbox:
    """What waits for its turn, and the bell that wakes the uplink's thread. Safe from any thread."""

    def __init__(self) -> None:
        self.closing = False
        self.bell, self._rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._open = False

    def offer(self, what: _Waiting, *, first: bool = False) -> str:
        """Take it, and give "", or why not."""
        with self._lock:
            if not self._open:
                return "not connected"
            if len(self._waiting) >= MAX_WAITING:
                return "too many are waiting"
            if first:
                self._waiting.appendleft(what)
            else:
                self._waiting.append(what)
        self.ring()
        return ""

    def next(self) -> _Waiting | None:
        """Whose turn it is."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def open(self) -> None:
        """The broker is there: sends are taken."""
        with self._lock:
            self._open = True

    def shut(self) -> list[_File]:
        """The broker is gone: nothing more is taken. Gives the files whose turn never came."""
        with self._lock:
            self._open = False
            left = [each for each in self._waiting if isinstance(each, _File)]
            self._waiting.clear()
        return left

    def ring(self) -> None:
        """Wake the thread."""
        with contextlib.suppress(OSError):  # full: it is awake already; closed: it has ended
            os.write(self._rope, b"\0")

    def heard(self) -> None:
        """The thread is awake."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.bell, 512):
                pass

    def close(self) -> None:
        """Take the bell down."""
        os.close(self.bell)
        os.close(self._rope)


class MqttUplink:
    """The connection to the broker at `host`:`port`, as the box named `box`.

    Args:
        host: name or address, as the broker's certificate has it.
        port: TCP port.
        box: the box's name, which is its certificate's common name.
        tls: certificate files; None connects in clear, for tests and the demonstration only.
        read: gives a sealed file's bytes by recording and name; called in the uplink's own thread.
        ledger_lines: gives ledger lines by number, both ends included; likewise.
        trust: whose receipts count: the keys of the role `archive`.
        in_flight: files without PUBACK at a time; the broker's Receive Maximum may lower it.
        max_packet: bytes of a whole packet at most; the broker's Maximum Packet Size may lower it.
        now: monotonic seconds, for events.
        jitter: the pause before an attempt, given its longest (1 to 30 s).

    Raises:
        BadUplink: a name that no topic can carry, or certificate files that cannot be read.
    """

    def __init__(
        self,
        host: str,
        port: int,
        box: str,
        *,
        tls: TlsFiles | None,
        read: Callable[[str, str], bytes],
        ledger_lines: Callable[[int, int], Sequence[bytes]],
        trust: Trust,
        in_flight: int = 8,
        max_packet: int = MAX_PACKET,
        now: Callable[[], float] = time.monotonic,
        jitter: Callable[[float], float] = lambda longest: random.uniform(0, longest),
    ) -> None:
        if not _BOX.fullmatch(box):
            raise BadUplink(f"box {box!r}: allowed are 1 to 32 of a-z, 0-9 and -")
        if not 1 <= in_flight <= 1000:
            raise BadUplink(f"in_flight {in_flight}: allowed are 1 to 1000")
        if tls is not None:
            tls_context(tls)  # a file that cannot be read is told now and here, not at each attempt
        self.counts = UplinkCounts()
        self._link = _Link(
            host=host,
            port=port,
            box=box,
            tls=tls,
            read=read,
            ledger_lines=ledger_lines,
            archive=trust.keys("archive"),
            owner=trust.keys("owner"),
            in_flight=in_flight,
            max_packet=max_packet,
            now=now,
            post=self._tell,
            counts=self.counts,
        )
        self._jitter = jitter
        self._post: Post = lambda _event: None
        self._outbox = _Outbox()
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    def start(self, post: Post) -> None:
        """Begin to connect, for ever."""
        self._post = post
        self._thread.start()

    def send(self, recording: str, name: str) -> None:
        """Publish a file; its bytes are read when its turn comes. Posts FileSent or SendFailed."""
        file = _File(recording, name)
        if not _LEVEL.fullmatch(recording) or not _LEVEL.fullmatch(name):
            self._link.fail(file, "a name that no topic can carry", permanent=True)
            return
        # a withdrawal goes before everything
        refusal = self._outbox.offer(file, first=name == "revoke.jws")
        if refusal:
            self._link.fail(file, refusal, permanent=False)

    def send_ledger(self, first: int, last: int) -> None:
        """Publish ledger lines; while offline nothing is kept: the core asks again."""
        self._outbox.offer(_LedgerLines(first, last))

    def reply(self, message: str, outcome: str) -> None:
        """Answer a message of the owner; while offline nothing is kept: the message comes again."""
        self._outbox.offer(_Reply(message, outcome))

    def close(self) -> None:
        """Say goodbye, and end."""
        if self._outbox.closing:
            return
        self._outbox.closing = True
        self._outbox.ring()
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * _GOODBYE_S + 1)
        if not self._thread.is_alive():
            self._outbox.close()

    def _tell(self, event: Event) -> None:
        self._post(event)

    def _run(self) -> None:
        told = False
        longest = 1.0
        while not self._outbox.closing:
            began = time.monotonic()
            session = _Session(self._link, self._outbox)
            try:
                session.run()
            except Exception as error:  # noqa: BLE001 - whatever a broker can provoke in the library ends one session only
                why = _reason(error)
            else:
                break
            finally:
                unsent = session.end()
            if session.accepted or not told:
                told = True
                self._tell(Disconnected(self._link.now(), why))
            for file in unsent:
                self._link.fail(file, why, permanent=False)
            if time.monotonic() - began > STEADY_S:
                longest = 1.0
            self._pause(self._jitter(longest))
            longest = min(LONGEST_PAUSE_S, longest * 2)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._outbox.closing and (left := until - time.monotonic()) > 0:
            select.select([self._outbox.bell], [], [], left)
            self._outbox.heard()


class _Session:
    """One connection, from CONNECT to its end. Everything here runs in the uplink's thread."""

    def __init__(self, link: _Link, outbox: _Outbox) -> None:
        self._link = link
        self._outbox = outbox
        self._tls = tls_context(link.tls) if link.tls is not None else None
        self._client = self._make_client()
        self._flying: dict[int, tuple[_File | None, float]] = {}
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

    def end(self) -> list[_File]:
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
        client = Client(CallbackAPIVersion.VERSION2, client_id=link.box, protocol=MQTTv5)
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
            raise _Ended(self._ended or "connection closed")
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
            raise _Ended(self._ended or "connection lost")

    def _check_answers(self) -> None:
        now = time.monotonic()
        oldest = min((since for _, since in self._flying.values()), default=now)
        if not self.accepted:
            oldest = self._began
        if now - oldest > ANSWER_S:
            raise _Ended(f"the broker answered nothing for {ANSWER_S:.0f} s")

    def _send_waiting(self) -> None:
        while self.accepted and len(self._flying) < self._places:
            match self._outbox.next():
                case None:
                    return
                case _File() as file:
                    self._send_file(file)
                case _LedgerLines() as lines:
                    self._send_lines(lines)
                case _Reply() as reply:
                    topic = f"handschlag/1/{self._link.box}/up/reply/{reply.message}"
                    self._publish(topic, json.dumps({"outcome": reply.outcome}).encode(), None)

    def _send_file(self, file: _File) -> None:
        try:
            payload = self._link.read(file.recording, file.name)
        except FileNotFoundError:
            self._link.fail(file, "no such file", permanent=True)
            return
        except (OSError, HandschlagError) as error:
            self._link.fail(file, f"cannot be read: {_reason(error)}", permanent=False)
            return
        topic = f"handschlag/1/{self._link.box}/up/{file.recording}/{file.name}"
        longest = min(MAX_PAYLOAD, self._longest_payload(topic))
        if len(payload) > longest:
            self._link.fail(file, f"{len(payload)} bytes; allowed are {longest}", permanent=True)
            return
        self._publish(topic, payload, file)

    def _send_lines(self, lines: _LedgerLines) -> None:
        topic = f"handschlag/1/{self._link.box}/up/ledger/{lines.first}"
        longest = min(MAX_PAYLOAD, self._longest_payload(topic))
        payload = bytearray()
        count = 0
        try:
            found = self._link.ledger_lines(lines.first, lines.last)
        except (OSError, LookupError, HandschlagError) as error:
            self._lines_failed(_reason(error))
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
            self._outbox.offer(_LedgerLines(lines.first + count, lines.last), first=True)

    def _lines_failed(self, why: str) -> None:
        # counted only: the core asks again when no receipt comes
        self._link.counts.ledger_failed += 1
        _log.warning("ledger lines not sent: %s", why)

    def _longest_payload(self, topic: str) -> int:
        # fixed header with a length of up to 4 bytes, topic with its length, packet id, no properties (MQTT 5, 3.3)
        return self._limit - (1 + 4 + 2 + len(topic.encode()) + 2 + 1)

    def _publish(self, topic: str, payload: bytes, file: _File | None, *, retain: bool = False) -> None:
        told = self._client.publish(topic, payload, qos=1, retain=retain)
        self._flying[told.mid] = (file, time.monotonic())
        if told.rc:
            raise _Ended("connection lost while sending")

    def _say_goodbye(self) -> None:
        """Tell that the box goes on purpose, so that the broker does not tell its will."""
        until = time.monotonic() + _GOODBYE_S
        with contextlib.suppress(_Ended, OSError):
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
        except _Ended as ended:
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
        link.post(event)

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if self._ended is None:
            self._ended = f"disconnected: {code}"


def event_of(said: receipt.Receipt, token: bytes, at: float) -> Event:
    """What a verified receipt means to the core; raises BadFile for names that cannot be unfolded."""
    match said:
        case receipt.Progress():
            return Progressed(at, said.recording, frozenset(receipt.unfold_names(said.names, said.clips)))
        case receipt.Stored():
            return Stored(at, said.recording, said.manifest_hash, said.copies, said.epoch, token)
        case receipt.Incomplete():
            return Missing(at, said.recording, said.manifest_hash, receipt.unfold_names(said.names, said.clips))
        case receipt.Refused():
            return Refused(at, said.recording, said.why)
        case receipt.Destroyed():
            return ArchiveDestroyed(at, said.recording)
        case receipt.LedgerSynced():
            return LedgerSynced(at, said.seq, said.hash)
        case _:
            assert_never(said)


class _TlsContext(ssl.SSLContext):
    """Keeps the connection it wrapped, so that it can be closed by whoever owns it."""

    wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        self.wrapped = super().wrap_socket(*args, **options)
        return self.wrapped


def tls_context(files: TlsFiles) -> _TlsContext:
    """TLS 1.3, the broker checked against `ca` and its name, the box shown by its certificate; raises BadUplink."""
    context = _TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(files.ca)
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise BadUplink(
            f"certificate files {files.ca}, {files.certificate}, {files.key}: {_reason(error)}; "
            "allowed are PEM files, the key belonging to the certificate"
        ) from error
    return context


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0
    properties.MaximumPacketSize = MAX_PACKET
    return properties


def _reason(error: Exception) -> str:
    if isinstance(error, _Ended):
        return str(error)
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"
