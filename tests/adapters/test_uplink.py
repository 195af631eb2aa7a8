"""The uplink against a real Mosquitto, and against brokers that misbehave."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import msgspec
import pytest

from handschlag.adapters.uplink import BadUplink, MqttUplink, TlsFiles
from handschlag.adapters.uplink import session as session_module
from handschlag.core.effects import Rank
from handschlag.core.events import Connected, Disconnected, FileSent, OperatorSaid, OwnerSaid, Progressed, SendFailed
from handschlag.sealing.command import Command, sign_command
from handschlag.sealing.keys import OwnerSecret, SigningKey
from handschlag.sealing.owner import OwnerMessage, message_id, sign_owner
from handschlag.sealing.trust import TrustedKey
from handschlag.sim.uplink import SimArchive
from tests.support.broker import Broker, free_port, make_certificates, running_broker
from tests.support.inbox import Inbox
from tests.support.mqtt_peer import Peer

BOX = "box-7"
RECORDING = "0190a5b0-7c1e-7abc-8def-0123456789ab"
ARCHIVE = SimArchive(BOX)
OWNER = OwnerSecret.from_bytes(bytes(range(32)))
OPERATOR = SigningKey.from_seed(bytes(range(1, 33)))


def jitter(_longest: float) -> float:
    """No pause to speak of."""
    return 0.02


class Box:
    """An uplink with its files, and what it posted."""

    def __init__(
        self,
        port: int,
        *,
        tls: TlsFiles | None = None,
        in_flight: int = 8,
        jitter: Callable[[float], float] = jitter,
        read: Callable[[str, str], bytes] | None = None,
    ) -> None:
        self.files: dict[str, bytes] = {}
        self.lines: list[bytes] = []
        self.inbox = Inbox()
        self.uplink = MqttUplink(
            "127.0.0.1",
            port,
            BOX,
            tls=tls,
            read=read or self._read,
            ledger_lines=self._ledger_lines,
            trust=msgspec.structs.replace(
                ARCHIVE.trust(),
                owner=(TrustedKey.of(OWNER.signing().verify_key),),
                operator=(TrustedKey.of(OPERATOR.verify_key),),
            ),
            in_flight=in_flight,
            jitter=jitter,
        )
        self.uplink.start(self.inbox.post)

    def _read(self, _recording: str, name: str) -> bytes:
        if name not in self.files:
            raise FileNotFoundError(name)
        return self.files[name]

    def _ledger_lines(self, first: int, last: int) -> Sequence[bytes]:
        return self.lines[first - 1 : last]

    def meet(self) -> None:
        """Wait for the next Connected."""
        met = len(self.inbox.of(Connected))
        self.inbox.until(lambda: len(self.inbox.of(Connected)) > met)


@contextlib.contextmanager
def boxed(box: Box) -> Iterator[Box]:
    """The box, closed afterwards."""
    try:
        yield box
    finally:
        box.uplink.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker in clear, shared by the tests that leave it alive."""
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


def test_a_file_arrives_as_it_is(broker: Broker) -> None:
    """Topic and bytes are those of design/wire.md, and FileSent comes once."""
    with Peer(broker.port, f"handschlag/1/{BOX}/up/#") as archive, boxed(Box(broker.port)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        box.files["000000.clip"] = bytes(range(256)) * 300
        box.uplink.send(RECORDING, "000000.clip")
        box.inbox.until(lambda: bool(box.inbox.of(FileSent)))
        topic = f"handschlag/1/{BOX}/up/{RECORDING}/000000.clip"
        archive.until(lambda: archive.got == [(topic, box.files["000000.clip"])])
        (sent,) = box.inbox.of(FileSent)
        assert (sent.recording, sent.name) == (RECORDING, "000000.clip")


def test_nobody_listening_still_counts_as_sent(broker: Broker) -> None:
    """Mosquitto's 0x10 (no subscribers) is no failure; `incomplete` repairs what was lost."""
    with boxed(Box(broker.port)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        box.files["head.json"] = b"{}"
        box.uplink.send(RECORDING, "head.json")
        box.inbox.until(lambda: bool(box.inbox.of(FileSent)))


def test_what_cannot_be_sent_says_why(broker: Broker) -> None:
    """A missing file, an oversized one and a name for no topic fail for good; the connection stays."""
    with boxed(Box(broker.port)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        box.files["big"] = bytes(96 * 1024 + 1)
        box.files["largest"] = bytes(96 * 1024)
        for name in ("absent", "big", "a/b", "largest"):
            box.uplink.send(RECORDING, name)
        box.inbox.until(lambda: bool(box.inbox.of(FileSent)))
        failed = {each.name: each for each in box.inbox.of(SendFailed)}
        assert set(failed) == {"absent", "big", "a/b"}
        assert all(each.permanent for each in failed.values())
        assert failed["big"].why == "98305 bytes; allowed are 98304"
        assert not box.inbox.of(Disconnected)


def test_the_brokers_own_limit_is_kept(tmp_path: Path) -> None:
    """A file over the broker's Maximum Packet Size is never sent: sending it would end the connection, for ever."""
    with running_broker(tmp_path, "max_packet_size 2000") as broker, boxed(Box(broker.port)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        overhead = 10 + len(f"handschlag/1/{BOX}/up/{RECORDING}/fits")
        box.files = {"fits": bytes(2000 - overhead), "long": bytes(2001 - overhead)}
        box.uplink.send(RECORDING, "long")
        box.uplink.send(RECORDING, "fits")
        box.inbox.until(lambda: bool(box.inbox.of(FileSent)))
        assert [(each.name, each.permanent) for each in box.inbox.of(SendFailed)] == [("long", True)]
        assert not box.inbox.of(Disconnected)


def test_every_file_is_told_exactly_once(broker: Broker) -> None:
    """Three hundred sends give three hundred answers, with 8 in flight at a time."""
    with boxed(Box(broker.port)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        names = [f"{number:06d}.clip" for number in range(300)]
        box.files = dict.fromkeys(names, bytes(500))
        for name in names:
            box.uplink.send(RECORDING, name)
        box.inbox.until(lambda: len(box.inbox.of(FileSent)) >= 300)
        assert [sent.name for sent in box.inbox.of(FileSent)] == names


OTHER = "0190a5b0-7c1e-7abc-8def-0123456789ac"
THIRD = "0190a5b0-7c1e-7abc-8def-0123456789ad"


def test_what_ranks_higher_overtakes_what_waits(broker: Broker) -> None:
    """A withdrawal before everything (P7), then answers, manifests, a call's clips, the backlog."""
    gate = threading.Event()
    order: list[str] = []

    def read(_recording: str, name: str) -> bytes:
        order.append(name)
        gate.wait(10)
        return b"x"

    with boxed(Box(broker.port, read=read)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        for number in range(50):
            box.uplink.send(OTHER, f"{number:06d}.clip")
        for name, rank in (("live.clip", Rank.LIVE), ("manifest.jws", Rank.MANIFEST), ("revoke.jws", Rank.REVOCATION)):
            box.uplink.send(THIRD if rank is Rank.REVOCATION else RECORDING, name, rank)
        gate.set()
        box.inbox.until(lambda: len(box.inbox.of(FileSent)) == 53)
        clips = [f"{number:06d}.clip" for number in range(1, 50)]
        assert [name for name in order if name != "000000.clip"] == ["revoke.jws", "manifest.jws", "live.clip", *clips]


def test_a_withdrawal_takes_back_what_waits_of_its_recording(broker: Broker) -> None:
    """Files that were handed out before are told as not sent; those of others go on (P7)."""
    gate = threading.Event()
    order: list[str] = []

    def read(recording: str, name: str) -> bytes:
        order.append(f"{recording[-1]} {name}")
        gate.wait(10)
        return b"x"

    with boxed(Box(broker.port, read=read)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        for name in "abcd":
            box.uplink.send(RECORDING, name)
            box.uplink.send(OTHER, name)
        box.inbox.until(lambda: bool(order))
        box.uplink.send(RECORDING, "revoke.jws", Rank.REVOCATION)
        gate.set()
        box.inbox.until(lambda: len(box.inbox.of(FileSent)) == 6)
        assert order == ["b a", "b revoke.jws", "c a", "c b", "c c", "c d"]
        assert [(each.name, each.permanent) for each in box.inbox.of(SendFailed)] == [(n, False) for n in "bcd"]


def test_ledger_lines_are_cut_to_what_fits(broker: Broker) -> None:
    """Lines arrive whole and in order, over as many messages as they need, each named by its first number."""
    with Peer(broker.port, f"handschlag/1/{BOX}/up/ledger/+") as archive, boxed(Box(broker.port)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        box.lines = [json.dumps({"seq": seq, "pad": "x" * 200}).encode() for seq in range(1, 1001)]
        box.uplink.send_ledger(1, 1000)
        archive.until(lambda: sum(payload.count(b"\n") for _, payload in archive.got) == 1000)
        assert len(archive.got) > 2
        assert b"".join(payload for _, payload in archive.got) == b"\n".join(box.lines) + b"\n"
        for topic, payload in archive.got:
            assert json.loads(payload.split(b"\n")[0])["seq"] == int(topic.rsplit("/", 1)[1])


def test_only_our_archives_receipts_for_us_become_events(broker: Broker) -> None:
    """Forged, garbled, foreign and misplaced receipts are dropped and counted, and the next good one counts (P10)."""
    (progress,) = ARCHIVE.take(RECORDING, "head.json", b"{}")
    good = ARCHIVE.sign(progress)
    forged = SimArchive(BOX).sign(progress)
    for_another = ARCHIVE.sign(SimArchive("box-8").take(RECORDING, "head.json", b"{}")[0])
    ours = f"handschlag/1/{BOX}/down/receipt"
    with Peer(broker.port) as archive, boxed(Box(broker.port)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        for payload in (b"", b"forged", b"\xff" * 70000, forged, good[:-1], good[:-4] + b"AAAA", for_another):
            archive.publish(ours, payload)
        archive.publish(f"handschlag/1/{BOX}/down/nonsense", good)
        archive.publish(ours, good)
        box.inbox.until(lambda: bool(box.inbox.of(Progressed)))
        assert [(each.recording, each.names) for each in box.inbox.of(Progressed)] == [
            (RECORDING, frozenset({"head.json"}))
        ]
        assert (box.uplink.counts.forged, box.uplink.counts.foreign) == (6, 2)
        assert not box.inbox.of(Disconnected)


def test_the_owners_word_to_this_box_becomes_an_event_and_is_answered(broker: Broker) -> None:
    """Garbled, a stranger's and another box's are dropped and counted; the answer goes out under the message's id."""
    held = OwnerMessage(box=BOX, name="hold", counter=7, at="2026-11-24T10:00:00Z", recording=RECORDING)
    good = sign_owner(held, OWNER.signing())
    strangers = sign_owner(held, OwnerSecret.new().signing())
    for_another = sign_owner(msgspec.structs.replace(held, box="box-8"), OWNER.signing())
    ours = f"handschlag/1/{BOX}/down/owner"
    with Peer(broker.port, f"handschlag/1/{BOX}/up/reply/#") as archive, boxed(Box(broker.port)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        for payload in (b"", b"erase", strangers, good[:-4] + b"AAAA", for_another, good):
            archive.publish(ours, payload)
        box.inbox.until(lambda: bool(box.inbox.of(OwnerSaid)))
        (said,) = box.inbox.of(OwnerSaid)
        assert (said.name, said.recording, said.counter, said.id) == ("hold", RECORDING, 7, message_id(good))
        assert (box.uplink.counts.forged, box.uplink.counts.foreign) == (4, 1)
        box.uplink.reply(said.id, "done")
        archive.until(lambda: bool(archive.got))
        ((topic, answer),) = archive.got
        assert topic == f"handschlag/1/{BOX}/up/reply/{said.id}"
        assert json.loads(answer)["outcome"] == "done"


def test_an_operators_command_to_this_box_becomes_an_event_and_is_answered_before_the_goodbye(broker: Broker) -> None:
    """Garbled, a stranger's, the owner's and another box's are dropped; what is to be answered goes out at the end."""
    ordered = Command(
        box=BOX, name="restart", id="ab" * 16, counter=7, at="2026-11-24T10:00:00Z", expires="2026-11-24T10:15:00Z"
    )
    good = sign_command(ordered, OPERATOR)
    strangers, owners = sign_command(ordered, SigningKey.new()), sign_command(ordered, OWNER.signing())
    for_another = sign_command(msgspec.structs.replace(ordered, box="box-8"), OPERATOR)
    ours = f"handschlag/1/{BOX}/down/command"
    with Peer(broker.port, f"handschlag/1/{BOX}/up/reply/#") as operator:
        with boxed(Box(broker.port)) as box:
            box.inbox.until(lambda: bool(box.inbox.of(Connected)))
            for payload in (b"", b"restart", strangers, owners, good[:-4] + b"AAAA", for_another, good):
                operator.publish(ours, payload)
            box.inbox.until(lambda: bool(box.inbox.of(OperatorSaid)))
            (said,) = box.inbox.of(OperatorSaid)
            assert (said.name, said.id, said.counter, said.expires) == ("restart", "ab" * 16, 7, 1_795_515_300.0)
            assert (box.uplink.counts.forged, box.uplink.counts.foreign) == (5, 1)
            box.uplink.reply(said.id, "done", {"phase": "idle"})
        operator.until(lambda: bool(operator.got))
        ((topic, answer),) = operator.got
        assert topic == f"handschlag/1/{BOX}/up/reply/{said.id}"
        assert json.loads(answer) == {"outcome": "done", "status": {"phase": "idle"}}


def test_state_is_ready_then_disconnected(broker: Broker) -> None:
    """Homie's $state is retained as ready, as disconnected after a goodbye, and the description parses."""
    with Peer(broker.port, f"homie/5/{BOX}/#") as watcher:
        with boxed(Box(broker.port)) as box:
            box.inbox.until(lambda: bool(box.inbox.of(Connected)))
            watcher.until(lambda: (f"homie/5/{BOX}/$state", b"ready") in watcher.got)
        watcher.until(lambda: watcher.got[-1] == (f"homie/5/{BOX}/$state", b"disconnected"))
        description = dict(watcher.got)[f"homie/5/{BOX}/$description"]
        assert json.loads(description)["homie"] == "5.0"


def test_the_will_is_lost() -> None:
    """The CONNECT packet carries the will: retained `lost` on the box's state."""
    with DeafBroker() as deaf, boxed(Box(deaf.port)):
        deaf.heard.wait(10)
        assert b"homie/5/box-7/$state\x00\x04lost" in deaf.first


def test_a_killed_broker_fails_what_was_on_its_way_and_is_found_again(tmp_path: Path) -> None:
    """A lost broker is told once; everything unsent fails as temporary; nothing is repeated behind our back."""
    with running_broker(tmp_path) as broker, boxed(Box(broker.port)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        gate = threading.Event()
        box.files["a"] = b"a"
        broker.kill()
        box.inbox.until(lambda: bool(box.inbox.of(Disconnected)))
        box.uplink.send(RECORDING, "a")
        assert [(each.why, each.permanent) for each in box.inbox.of(SendFailed)] == [("not connected", False)]
        broker.start()
        box.inbox.until(lambda: len(box.inbox.of(Connected)) == 2)
        assert len(box.inbox.of(Disconnected)) == 1
        assert not box.inbox.of(FileSent)
        box.uplink.send(RECORDING, "a")
        box.inbox.until(lambda: len(box.inbox.of(FileSent)) == 1)
        gate.set()


def test_in_flight_at_the_cut_is_told_as_not_sent() -> None:
    """A broker that dies with files unacknowledged leaves none of them untold."""
    with StubBroker(receive_maximum=3) as stub, boxed(Box(stub.port)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        box.files = dict.fromkeys("abcdef", b"x")
        for name in "abcdef":
            box.uplink.send(RECORDING, name)
        stub.until_files(1)
        stub.cut()
        box.inbox.until(lambda: len(box.inbox.of(SendFailed)) == 6)
        assert sorted(each.name for each in box.inbox.of(SendFailed)) == list("abcdef")
        assert not any(each.permanent for each in box.inbox.of(SendFailed))


def test_the_brokers_receive_maximum_is_kept() -> None:
    """With Receive Maximum 3 and no acknowledgement, a fourth message never leaves."""
    with StubBroker(receive_maximum=3, acknowledge_state=True) as stub, boxed(Box(stub.port)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        box.files = dict.fromkeys("abcdef", b"x")
        for name in "abcdef":
            box.uplink.send(RECORDING, name)
        stub.until_files(3)
        stub.acknowledge(code=0x87)
        stub.until_files(4)
        assert stub.most_unacknowledged == 3
        box.inbox.until(lambda: bool(box.inbox.of(SendFailed)))
        (failed,) = box.inbox.of(SendFailed)
        assert (failed.name, failed.permanent) == ("a", False)
        assert "Not authorized" in failed.why


@pytest.mark.parametrize(
    "noise", [b"", b"\x20\x7f", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x03\x00\x87\x00", bytes(64)]
)
def test_a_broker_that_talks_nonsense_is_left_and_tried_again(noise: bytes) -> None:
    """Whatever answers on the port, the box posts Disconnected once and keeps trying (P10)."""
    with DeafBroker(answer=noise) as deaf, boxed(Box(deaf.port)) as box:
        box.inbox.until(lambda: deaf.connections >= 3)
        assert len(box.inbox.of(Disconnected)) == 1
        assert not box.inbox.of(Connected)


def test_nobody_there_is_told_once() -> None:
    """A refused connection is Disconnected, with a pause that grows from 1 s to 30 s at most."""
    longest: list[float] = []

    def note(at_most: float) -> float:
        longest.append(at_most)
        return 0.0

    with boxed(Box(free_port(), jitter=note)) as box:
        box.inbox.until(lambda: len(longest) >= 8)
        assert [each.why for each in box.inbox.of(Disconnected)] == ["Connection refused"]
    assert longest[:8] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_tls_with_client_certificates(tmp_path: Path) -> None:
    """With TLS 1.3 a known box is let in; a file over many TLS records arrives whole."""
    made = make_certificates(tmp_path / "tls", BOX)
    tls = TlsFiles(made.ca, made.certificate(BOX), made.key(BOX))
    with running_broker(tmp_path / "broker", certificates=made) as broker, boxed(Box(broker.port, tls=tls)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Connected)))
        box.files = {f"{number}.clip": bytes(90000) for number in range(20)}
        for name in box.files:
            box.uplink.send(RECORDING, name)
        box.inbox.until(lambda: len(box.inbox.of(FileSent)) == 20)


def test_what_tls_holds_back_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packets that came in one TLS record with others are read before the box waits for the next record."""
    waits: list[float] = []
    really = select.select

    def watched(reading: list[Any], writing: list[Any], failing: list[Any], timeout: float) -> Any:
        if isinstance(reading[0], ssl.SSLSocket) and reading[0].pending():
            waits.append(timeout)
        return really(reading, writing, failing, timeout)

    made = make_certificates(tmp_path, BOX)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate("broker"), made.key("broker"))
    topic = f"handschlag/1/{BOX}/down/receipt".encode()
    body = len(topic).to_bytes(2, "big") + topic + b"\x00" + b"forged"
    receipts = 20 * (b"\x30" + bytes([len(body)]) + body)
    monkeypatch.setattr(session_module, "select", SimpleNamespace(select=watched))
    tls = TlsFiles(made.ca, made.certificate(BOX), made.key(BOX))
    with (
        StubBroker(receive_maximum=3, tls=server, after_suback=receipts) as stub,
        boxed(Box(stub.port, tls=tls)) as box,
    ):
        box.inbox.until(lambda: box.uplink.counts.forged == 20)
    assert set(waits) == {0.0}


def test_a_strangers_broker_is_refused(tmp_path: Path) -> None:
    """A broker whose certificate another authority signed gets nothing from the box."""
    made = make_certificates(tmp_path / "ours", BOX)
    theirs = make_certificates(tmp_path / "theirs")
    tls = TlsFiles(made.ca, made.certificate(BOX), made.key(BOX))
    with running_broker(tmp_path / "broker", certificates=theirs) as broker, boxed(Box(broker.port, tls=tls)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Disconnected)))
        assert "CERTIFICATE_VERIFY_FAILED" in box.inbox.of(Disconnected)[0].why
        assert not box.inbox.of(Connected)


def test_a_box_without_certificate_is_not_let_in(tmp_path: Path) -> None:
    """The broker's refusal is told as Disconnected."""
    made = make_certificates(tmp_path / "tls", BOX)
    strange = make_certificates(tmp_path / "strange", BOX)
    tls = TlsFiles(made.ca, strange.certificate(BOX), strange.key(BOX))
    with running_broker(tmp_path / "broker", certificates=made) as broker, boxed(Box(broker.port, tls=tls)) as box:
        box.inbox.until(lambda: bool(box.inbox.of(Disconnected)))
        assert not box.inbox.of(Connected)


def test_certificate_files_that_are_away_for_a_while_stop_nothing(tmp_path: Path) -> None:
    """While a certificate is being renewed its file may be missing: the next attempts fail, a later one connects."""
    made = make_certificates(tmp_path / "tls", BOX)
    tls = TlsFiles(made.ca, made.certificate(BOX), made.key(BOX))
    attempts: list[float] = []

    def note(at_most: float) -> float:
        attempts.append(at_most)
        return 0.01

    with running_broker(tmp_path / "broker", certificates=made) as broker:
        broker.kill()
        with boxed(Box(broker.port, tls=tls, jitter=note)) as box:
            box.inbox.until(lambda: bool(box.inbox.of(Disconnected)))
            away = tls.certificate.rename(tmp_path / "away.pem")
            before = len(attempts)
            box.inbox.until(lambda: len(attempts) > before + 1)  # no attempt has the certificate any more
            broker.start()
            so_far = len(attempts)
            box.inbox.until(lambda: len(attempts) > so_far + 3)
            assert not box.inbox.of(Connected)
            away.rename(tls.certificate)
            box.inbox.until(lambda: bool(box.inbox.of(Connected)))


@pytest.mark.parametrize("box", ["", "Box", "a/b", "#", "a" * 33, "bäckerei"])
def test_bad_box_names_are_refused(box: str) -> None:
    """A name that would be a pattern, a level or a stranger's topic never reaches a topic."""
    with pytest.raises(BadUplink, match="allowed are 1 to 32 of a-z"):
        MqttUplink(
            "localhost",
            1883,
            box,
            tls=None,
            read=lambda _recording, _name: b"",
            ledger_lines=lambda _first, _last: [],
            trust=ARCHIVE.trust(),
        )


def test_certificate_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A missing file is an error at once, by name, and not an endless attempt."""
    missing = tmp_path / "box.pem"
    with pytest.raises(BadUplink, match=r"box\.pem"):
        MqttUplink(
            "localhost",
            8883,
            BOX,
            tls=TlsFiles(missing, missing, missing),
            read=lambda _recording, _name: b"",
            ledger_lines=lambda _first, _last: [],
            trust=ARCHIVE.trust(),
        )


class DeafBroker:
    """Takes connections, keeps their first packet, answers `answer` and closes."""

    def __init__(self, answer: bytes = b"") -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.first = b""
        self.heard = threading.Event()
        self.connections = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                self.first = connection.recv(4096)
                self.heard.set()
                connection.sendall(self._answer)
                self.connections += 1


class StubBroker:
    """Just enough of MQTT 5 to withhold acknowledgements: CONNACK with Receive Maximum, SUBACK, counted PUBLISHes."""

    def __init__(
        self,
        receive_maximum: int,
        *,
        acknowledge_state: bool = False,
        tls: ssl.SSLContext | None = None,
        after_suback: bytes = b"",
    ) -> None:
        self._tls = tls
        self._after_suback = after_suback
        self._receive_maximum = receive_maximum
        self._acknowledge_state = acknowledge_state
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connection: socket.socket | None = None
        self._files = threading.Semaphore(0)
        self._seen = 0
        self._unacknowledged: list[int] = []
        self.most_unacknowledged = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()
        self._thread.join(timeout=5)

    def until_files(self, count: int) -> None:
        """Wait until so many files have come in all."""
        while self._seen < count:
            assert self._files.acquire(timeout=20)
            self._seen += 1

    def acknowledge(self, code: int) -> None:
        """PUBACK the oldest."""
        assert self._connection is not None
        mid = self._unacknowledged.pop(0)
        self._connection.sendall(b"\x40\x03" + mid.to_bytes(2, "big") + bytes([code]))

    def cut(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        connection, _ = self._listener.accept()
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        self._connection = connection
        self._listener.close()
        with connection, contextlib.suppress(OSError, EOFError):
            stream = connection.makefile("rb")
            with stream:
                while True:
                    self._serve(connection, *_packet(stream.read))

    def _serve(self, connection: socket.socket, kind: int, body: bytes) -> None:
        if kind == 0x10:  # CONNECT
            connection.sendall(b"\x20\x06\x00\x00\x03\x21" + self._receive_maximum.to_bytes(2, "big"))
        elif kind == 0x80:  # SUBSCRIBE
            connection.sendall(b"\x90\x04" + body[:2] + b"\x00\x01" + self._after_suback)
        elif kind == 0x30:  # PUBLISH
            topic_length = int.from_bytes(body[:2], "big")
            mid = int.from_bytes(body[2 + topic_length : 4 + topic_length], "big")
            if body[2:].startswith(b"homie"):
                if self._acknowledge_state:
                    connection.sendall(b"\x40\x02" + mid.to_bytes(2, "big"))
                return
            self._unacknowledged.append(mid)
            self.most_unacknowledged = max(self.most_unacknowledged, len(self._unacknowledged))
            self._files.release()


def _packet(read: Callable[[int], bytes]) -> tuple[int, bytes]:
    """One MQTT packet: its type nibble and its body."""
    first = read(1)
    if not first:
        raise EOFError
    length = shift = 0
    while True:
        (digit,) = read(1)
        length |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            return first[0] & 0xF0, read(length)
