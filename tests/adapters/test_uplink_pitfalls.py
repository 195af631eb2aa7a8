"""What is known to go wrong with paho and with brokers, each shown to be gone. The list stands in README.md."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from handschlag.adapters.uplink import MqttUplink
from handschlag.adapters.uplink import session as session_module
from handschlag.adapters.uplink.pace import Pace
from handschlag.adapters.uplink.session import Session
from handschlag.core.delivery import MANIFEST
from handschlag.core.effects import Rank
from handschlag.core.events import Connected, Disconnected, FileSent, SendFailed, StatusRefused
from handschlag.sealing import receipt
from handschlag.sim.uplink import SimArchive
from tests.support.broker import running_broker
from tests.support.delivery import Delivery, files_of, hash_of
from tests.support.inbox import Inbox
from tests.support.mqtt_peer import Peer
from tests.support.scripted_broker import Link, Published, ScriptedBroker

BOX = "box-7"
ONE = "0190a5b0-7c1e-7abc-8def-0123456789ab"
TWO = "0190a5b0-7c1e-7abc-8def-0123456789ac"
ARCHIVE = SimArchive(BOX)
AT = "2026-11-24T10:00:00Z"
Read = Callable[[str, str], bytes]


def uplink_to(port: int, read: Read, now: Callable[[], float] = lambda: 1.0, **options: Any) -> MqttUplink:
    """An uplink that tries again at once."""
    return MqttUplink(
        "127.0.0.1",
        port,
        BOX,
        tls=None,
        read=read,
        ledger_lines=lambda _first, _last: [],
        trust=ARCHIVE.trust(),
        now=now,
        jitter=lambda _longest: 0.01,
        **options,
    )


@contextmanager
def connected(
    port: int, read: Read = lambda _recording, _name: b"x", **options: Any
) -> Iterator[tuple[MqttUplink, Inbox]]:
    """A started uplink and what it posts; closed afterwards."""
    inbox = Inbox()
    uplink = uplink_to(port, read, **options)
    uplink.start(inbox.post)
    try:
        inbox.until(lambda: bool(inbox.of(Connected)))
        yield uplink, inbox
    finally:
        uplink.close()


@contextmanager
def delivering(port: int, delivery: Delivery) -> Iterator[Delivery]:
    """The core's delivery behind a real uplink."""
    delivery.uplink = uplink_to(port, delivery.read, now=lambda: delivery.now)
    delivery.uplink.start(delivery.inbox.post)
    try:
        yield delivery
    finally:
        delivery.uplink.close()


class Memory:
    """An archive that knows what a recording must have, and what came of it."""

    def __init__(self, wanted: dict[str, dict[str, bytes]]) -> None:
        self.wanted = wanted
        self.got: dict[str, list[str]] = {recording: [] for recording in wanted}
        self.asked = 0

    def answer(self, recording: str, name: str) -> receipt.Receipt | None:
        """Take a file; the receipt for a manifest."""
        self.got[recording].append(name)
        if name != MANIFEST:
            return None
        missing = set(self.wanted[recording]) - set(self.got[recording])
        about = {"box": BOX, "at": AT, "epoch": "1", "recording": recording, "manifest_hash": hash_of(recording)}
        if not missing:
            return receipt.Stored(**about, copies=1)
        self.asked += 1
        names, clips = receipt.fold_names(missing)
        return receipt.Incomplete(**about, names=names, clips=clips)

    def on_got(self, peer: Peer, topic: str, _payload: bytes) -> None:
        """For a peer that plays the archive."""
        *_, recording, name = topic.split("/")
        said = self.answer(recording, name)
        if said is not None:
            peer.publish(f"handschlag/1/{BOX}/down/receipt", ARCHIVE.sign(said))


# --- poison


def answering(memory: Memory, poisonous: Callable[[Published], bool], end: Callable[[Link], None]) -> Any:
    """A broker's part: ends the connection at the poison, acknowledges all else, and plays the archive."""

    def on_file(file: Published) -> None:
        if poisonous(file):
            end(file.link)
            return
        file.link.acknowledge(file.mid)
        recording = TWO if file.payload.startswith(b"two") else ONE
        said = memory.answer(recording, file.name)
        if said is not None:
            file.link.send(published(ARCHIVE.sign(said)))

    return on_file


def published(token: bytes) -> bytes:
    """A PUBLISH at QoS 0 to the box."""
    topic = f"handschlag/1/{BOX}/down/receipt".encode()
    body = len(topic).to_bytes(2, "big") + topic + b"\x00" + token
    length = bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) if len(body) > 127 else bytes([len(body)])
    return b"\x30" + length + body


def two_recordings() -> dict[str, dict[str, bytes]]:
    """The first holds a file that is too large for the broker, in the middle; all of the second say so."""
    first = files_of(20, 300) | {"000010.clip": bytes(5000)}
    second = {name: b"two" + payload for name, payload in files_of(20, 300).items()}
    return {ONE: first, TWO: second}


def test_a_packet_too_large_that_no_broker_announced_is_found_and_set_aside() -> None:
    """The broker ends the connection with 0x95; its file is told as hopeless, the other recording goes through."""
    recordings = two_recordings()
    memory = Memory(recordings)
    on_file = answering(memory, lambda file: len(file.payload) > 2000, lambda link: link.disconnect(0x95))
    with ScriptedBroker(on_file) as broker, delivering(broker.port, Delivery(recordings)) as delivery:
        delivery.until(lambda: delivery.receipted == [TWO] and bool(delivery.state.aside))
        assert delivery.state.aside == {ONE}
        (hopeless,) = [each for each in delivery.inbox.of(SendFailed) if each.permanent]
        assert (hopeless.recording, hopeless.name) == (ONE, "000010.clip")
        assert "Packet too large" in hopeless.why
        assert broker.connections <= 4


def test_a_file_that_ends_connections_without_a_word_holds_up_nobody_else() -> None:
    """No reason is given, so it is tried again, later and later; meanwhile the other recording goes through."""
    recordings = two_recordings()
    memory = Memory(recordings)
    on_file = answering(memory, lambda file: len(file.payload) > 2000, lambda link: link.cut())
    with ScriptedBroker(on_file) as broker, delivering(broker.port, Delivery(recordings)) as delivery:
        delivery.until(lambda: delivery.receipted == [TWO])
        assert not delivery.state.aside
        assert broker.connections <= 12
        attempts = delivery.state.active[ONE].attempts
        assert attempts <= broker.connections


def test_a_bad_line_is_no_reason_to_hold_a_file_back() -> None:
    """A connection ends once, with one file on its way: that one goes again at once."""
    recordings = {ONE: files_of(3, 300)}
    memory = Memory(recordings)
    cuts = iter([True])

    def on_file(file: Published) -> None:
        if file.name == MANIFEST and next(cuts, False):
            file.link.cut()
        else:
            answering(memory, lambda _file: False, lambda link: link.cut())(file)

    with ScriptedBroker(on_file) as broker, delivering(broker.port, Delivery(recordings)) as delivery:
        delivery.until(lambda: delivery.receipted == [ONE])
        assert broker.connections == 2
        told = [type(event) for event in delivery.inbox.events if isinstance(event, Disconnected | SendFailed)]
        assert told == [Disconnected, SendFailed]  # the other way round its recording would back off


# --- offline, doubles, acknowledgements


def test_what_is_sent_while_offline_is_neither_kept_nor_doubled(tmp_path: Path) -> None:
    """It fails at once; after the reconnect nothing of it arrives by itself, and what is sent again arrives once."""
    with running_broker(tmp_path) as broker, connected(broker.port) as (uplink, inbox):
        broker.kill()
        inbox.until(lambda: bool(inbox.of(Disconnected)))
        for _ in range(3):
            uplink.send(ONE, "offline")
        assert [failed.why for failed in inbox.of(SendFailed)] == ["not connected"] * 3
        broker.start()
        with Peer(broker.port, f"handschlag/1/{BOX}/up/#") as archive:
            inbox.until(lambda: len(inbox.of(Connected)) == 2)
            uplink.send(ONE, "again")
            uplink.send(ONE, "last")
            archive.until(lambda: archive.got[-1:] == [(f"handschlag/1/{BOX}/up/{ONE}/last", b"x")])
            assert [topic.rsplit("/", 1)[1] for topic, _ in archive.got] == ["again", "last"]


@pytest.mark.parametrize(
    ("code", "permanent"),
    [(0x80, False), (0x83, False), (0x87, False), (0x91, False), (0x97, False), (0x90, True), (0x99, True)],
)
def test_a_negative_acknowledgement_is_a_failure(code: int, permanent: bool) -> None:  # noqa: FBT001 - a table
    """Unspecified, implementation, not authorised, id in use, quota: again later; a topic or payload: never."""
    with (
        ScriptedBroker(lambda file: file.link.acknowledge(file.mid, code if file.name == "bad" else 0)) as broker,
        connected(broker.port) as (uplink, inbox),
    ):
        uplink.send(ONE, "bad")
        uplink.send(ONE, "good")
        inbox.until(lambda: bool(inbox.of(FileSent)))
        assert [each.name for each in inbox.of(FileSent)] == ["good"]
        assert [(each.name, each.permanent) for each in inbox.of(SendFailed)] == [("bad", permanent)]


def test_message_ids_that_start_again_confuse_no_files() -> None:
    """The same id on the next connection is another file: the first is told as not sent, the second as sent."""
    came: list[Published] = []

    def on_file(file: Published) -> None:
        came.append(file)
        if file.number == 1:
            file.link.cut()
        else:
            file.link.acknowledge(file.mid)

    with ScriptedBroker(on_file) as broker, connected(broker.port) as (uplink, inbox):
        uplink.send(ONE, "first")
        inbox.until(lambda: len(inbox.of(Connected)) == 2)
        uplink.send(TWO, "second")
        inbox.until(lambda: bool(inbox.of(FileSent)))
        assert came[0].mid == came[1].mid
        assert [(each.recording, each.name) for each in inbox.of(SendFailed)] == [(ONE, "first")]
        assert [(each.recording, each.name) for each in inbox.of(FileSent)] == [(TWO, "second")]


# --- the thread


@pytest.mark.parametrize("callback", ["_on_connect", "_on_subscribe", "_on_publish", "_on_message"])
def test_an_exception_in_a_callback_ends_a_connection_and_never_the_thread(
    callback: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails in there, the next connection serves again."""
    really = getattr(Session, callback)
    failures = iter([True])

    def failing(self: Session, *args: Any) -> None:
        if next(failures, False):
            raise RuntimeError("a fault")
        really(self, *args)

    monkeypatch.setattr(Session, callback, failing)
    told = published(b"forged")
    with (
        ScriptedBroker(
            lambda file: file.link.acknowledge(file.mid), on_subscribed=lambda link: link.send(told)
        ) as broker,
        connected(broker.port) as (uplink, inbox),
    ):
        inbox.until(lambda: any("a fault" in each.why for each in inbox.of(Disconnected)))
        inbox.until(lambda: isinstance(inbox.events[-1], Connected))
        uplink.send(ONE, "after")
        inbox.until(lambda: bool(inbox.of(FileSent)))


def test_a_file_that_cannot_be_read_as_expected_ends_a_connection_and_never_the_thread() -> None:
    """A fault of ours in reading is no different."""
    failures = iter([True])

    def read(_recording: str, _name: str) -> bytes:
        if next(failures, False):
            raise RuntimeError("a fault")
        return b"x"

    with (
        ScriptedBroker(lambda file: file.link.acknowledge(file.mid)) as broker,
        connected(broker.port, read) as (uplink, inbox),
    ):
        uplink.send(ONE, "a")
        inbox.until(lambda: len(inbox.of(Connected)) == 2)
        uplink.send(ONE, "a")
        inbox.until(lambda: bool(inbox.of(FileSent)))


def test_a_half_open_connection_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is acknowledged any more: what was on its way is told as not sent, and another connection begins."""
    monkeypatch.setattr(session_module, "ANSWER_S", 0.2)
    with ScriptedBroker(lambda _file: None) as broker, connected(broker.port) as (uplink, inbox):
        uplink.send(ONE, "a")
        inbox.until(lambda: bool(inbox.of(SendFailed)))
        assert "answered nothing" in inbox.of(SendFailed)[0].why
        inbox.until(lambda: broker.connections >= 2)


def test_a_connection_that_answers_no_ping_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing to send, too: the library's keep-alive ends it."""
    monkeypatch.setattr(session_module, "KEEPALIVE_S", 1)
    with ScriptedBroker(lambda _file: None, pings=False) as broker, connected(broker.port) as (_, inbox):
        inbox.until(lambda: bool(inbox.of(Disconnected)))
        inbox.until(lambda: broker.connections >= 2)


# --- what a broker loses


def test_what_a_broker_drops_silently_is_asked_for(tmp_path: Path) -> None:
    """`max_queued_messages 1` and a slow archive: all is acknowledged, most of it is lost, and `incomplete` repairs."""
    recordings = {ONE: files_of(40, 500)}
    memory = Memory(recordings)
    gate = threading.Event()

    def slow(peer: Peer, topic: str, payload: bytes) -> None:
        gate.wait(20)
        memory.on_got(peer, topic, payload)

    options = ("max_queued_messages 1", "max_inflight_messages 1")
    with (
        running_broker(tmp_path, *options) as broker,
        Peer(broker.port, f"handschlag/1/{BOX}/up/#", on_got=slow),
        delivering(broker.port, Delivery(recordings)) as delivery,
    ):
        delivery.until(lambda: len(delivery.inbox.of(FileSent)) >= len(recordings[ONE]))
        gate.set()
        delivery.until(lambda: delivery.receipted == [ONE])
        assert memory.asked >= 1
        assert len(delivery.inbox.of(FileSent)) > len(recordings[ONE]) + 10


def test_a_broker_that_dies_after_its_acknowledgements_costs_nothing(tmp_path: Path) -> None:
    """A PUBACK is no durability: every file was acknowledged, none reached the archive, and all arrive in the end."""
    recordings = {ONE: files_of(12, 500)}
    memory = Memory(recordings)
    with running_broker(tmp_path) as broker, delivering(broker.port, Delivery(recordings)) as delivery:
        delivery.until(lambda: any(sent.name == MANIFEST for sent in delivery.inbox.of(FileSent)))
        broker.kill()
        broker.start()
        with Peer(broker.port, f"handschlag/1/{BOX}/up/#", on_got=memory.on_got):
            delivery.until(lambda: delivery.receipted == [ONE])
        assert set(memory.got[ONE]) == set(recordings[ONE])


# --- access rules, cap


def test_a_box_whose_state_is_not_allowed_is_told_and_sends_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The will is dropped silently, so the state's refusal stands for both: an event, the log, the count."""
    rules = tmp_path / "rules"
    rules.write_text("topic readwrite handschlag/#\n", encoding="utf-8")
    with running_broker(tmp_path, f"acl_file {rules}") as broker, connected(broker.port) as (uplink, inbox):
        inbox.until(lambda: len(inbox.of(StatusRefused)) == 2)
        assert "Not authorized" in inbox.of(StatusRefused)[0].why
        assert f"homie/5/{BOX}/$state" in caplog.text
        assert uplink.counts.refused == 2
        uplink.send(ONE, "a")
        inbox.until(lambda: bool(inbox.of(FileSent)))
        assert not inbox.of(Disconnected)


def test_the_cap_holds_back_files_and_no_withdrawal() -> None:
    """With a byte each second the second file waits; a revocation and an answer do not."""
    with (
        ScriptedBroker(lambda file: file.link.acknowledge(file.mid)) as broker,
        connected(broker.port, lambda _recording, _name: bytes(1000), cap_kbit_s=0.008) as (uplink, inbox),
    ):
        uplink.send(ONE, "a")
        inbox.until(lambda: len(inbox.of(FileSent)) == 1)
        uplink.send(ONE, "b")
        uplink.send_ledger(1, 1)
        for number in range(2):
            uplink.reply("0" * 32, "done")
            uplink.send(TWO, "revoke.jws", Rank.REVOCATION)
            inbox.until(lambda: len(inbox.of(FileSent)) == 2 + number)  # noqa: B023 - called at once
        assert [sent.name for sent in inbox.of(FileSent)] == ["a", "revoke.jws", "revoke.jws"]


def test_the_cap_is_kept_on_the_average_and_never_by_a_burst() -> None:
    """At 80 kbit/s, 10 kB take a second, whatever their number; an idle hour is not made up for."""
    pace = Pace(80.0)
    now, sizes = 0.0, [2000, 8000, 500, 10_000, 4500] * 4
    for size in sizes:
        now += pace.wait_s(now)
        pace.sent(size, now)
    assert now + pace.wait_s(now) == pytest.approx(sum(sizes) / 10_000)
    later = now + 3600.0
    pace.sent(10_000, later)
    assert pace.wait_s(later) == pytest.approx(1.0)
    free = Pace(None)
    free.sent(10**9, 0.0)
    assert free.wait_s(0.0) == 0.0
