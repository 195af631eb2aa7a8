"""What every `ports.Uplink` keeps: the simulated one, and MQTT over a real Mosquitto, both to the same archive."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handschlag.adapters.uplink import MqttUplink
from handschlag.core.events import (
    ArchiveDestroyed,
    Connected,
    Disconnected,
    FileSent,
    LedgerSynced,
    Missing,
    Progressed,
    Refused,
    SendFailed,
    Stored,
)
from handschlag.ports import Uplink
from handschlag.sealing.receipt import read_receipt
from handschlag.sim.uplink import SimArchive, SimUplink
from tests.support.broker import Broker, running_broker
from tests.support.inbox import Inbox
from tests.support.mqtt_peer import Peer

BOX = "box-7"
RECORDING = "0190a5b0-7c1e-7abc-8def-0123456789ab"


class Rig:
    """An uplink, the files of its box, and its archive."""

    uplink: Uplink

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.archive = SimArchive(BOX)
        self.files: dict[str, bytes] = {}
        self.lines: list[bytes] = []
        self.pump: Callable[[], None] = lambda: None

    def read(self, _recording: str, name: str) -> bytes:
        """A file of the recording."""
        if name not in self.files:
            raise FileNotFoundError(name)
        return self.files[name]

    def ledger_lines(self, first: int, last: int) -> list[bytes]:
        """Lines by number, both ends included."""
        return self.lines[first - 1 : last]

    def until(self, condition: Callable[[], bool]) -> None:
        """Let messages flow until `condition` holds."""
        self.inbox.until(condition, self.pump)

    def send(self, *names: str) -> None:
        """Put files on disk and send them."""
        for name in names:
            self.files[name] = name.encode()
            self.uplink.send(RECORDING, name)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker in clear."""
    folder: Path = tmp_path_factory.mktemp("broker")
    with running_broker(folder) as broker:
        yield broker


@pytest.fixture(params=["sim", "mqtt"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """Each kind of uplink, connected."""
    rig = Rig()
    if request.param == "sim":
        sim = SimUplink(rig.archive, read=rig.read, ledger_lines=rig.ledger_lines, now=lambda: 1.0)
        rig.uplink, rig.pump = sim, sim.pump
        sim.start(rig.inbox.post)
        yield rig
        sim.close()
        return
    port = request.getfixturevalue("broker").port
    with Peer(port, f"handschlag/1/{BOX}/up/#", on_got=lambda peer, topic, payload: answer(rig, peer, topic, payload)):
        rig.uplink = MqttUplink(
            "127.0.0.1",
            port,
            BOX,
            tls=None,
            read=rig.read,
            ledger_lines=rig.ledger_lines,
            trust=rig.archive.trust(),
            jitter=lambda _longest: 0.02,
        )
        rig.uplink.start(rig.inbox.post)
        rig.until(lambda: bool(rig.inbox.of(Connected)))
        yield rig
        rig.uplink.close()


def answer(rig: Rig, peer: Peer, topic: str, payload: bytes) -> None:
    """The archive's side of the broker."""
    *_, recording, name = topic.split("/")
    if recording == "ledger":
        receipts = rig.archive.take_ledger(int(name), payload)
    else:
        receipts = rig.archive.take(recording, name, payload)
    for said in receipts:
        peer.publish(f"handschlag/1/{BOX}/down/receipt", rig.archive.sign(said))


def test_files_arrive_and_their_progress_comes_back(rig: Rig) -> None:
    """What was sent is named by the archive, clips unfolded from their ranges."""
    rig.send("head.json", "000000.clip", "000001.clip", "000003.clip")
    rig.until(lambda: len(rig.inbox.of(Progressed)) == 4)
    assert [sent.name for sent in rig.inbox.of(FileSent)] == ["head.json", "000000.clip", "000001.clip", "000003.clip"]
    assert rig.inbox.of(Progressed)[-1].names == set(rig.files)
    assert rig.archive.files[RECORDING] == rig.files


def test_stored_carries_a_receipt_that_anyone_can_check(rig: Rig) -> None:
    """The receipt's bytes are the archive's own, naming the manifest that was sent."""
    rig.send("head.json", "manifest.jws")
    rig.until(lambda: bool(rig.inbox.of(Stored)))
    (stored,) = rig.inbox.of(Stored)
    assert stored.recording == RECORDING
    assert stored.manifest_hash == hashlib.sha256(b"manifest.jws").hexdigest()
    said = read_receipt(stored.receipt, rig.archive.trust().keys("archive"))
    assert said.box == BOX


def test_missing_files_are_named_and_can_be_sent_again(rig: Rig) -> None:
    """What got lost comes back as Missing, and sending it again completes the recording."""
    rig.archive.losing = {"000001.clip", "keys.json"}
    rig.send("head.json", "000000.clip", "000001.clip", "keys.json", "manifest.jws")
    rig.until(lambda: bool(rig.inbox.of(Missing)))
    assert set(rig.inbox.of(Missing)[0].names) == {"000001.clip", "keys.json"}
    assert not rig.inbox.of(Stored)
    rig.send("000001.clip", "keys.json")
    rig.until(lambda: bool(rig.inbox.of(Stored)))


def test_a_refusal_says_why(rig: Rig) -> None:
    """A refused manifest is told with its reason."""
    rig.archive.refusing = "unknown suite"
    rig.send("manifest.jws")
    rig.until(lambda: bool(rig.inbox.of(Refused)))
    assert rig.inbox.of(Refused)[0].why == "unknown suite"


def test_a_revocation_destroys(rig: Rig) -> None:
    """After revoke.jws the archive has nothing of the recording, and says so."""
    rig.send("head.json")
    rig.until(lambda: bool(rig.inbox.of(Progressed)))
    rig.send("revoke.jws")
    rig.until(lambda: bool(rig.inbox.of(ArchiveDestroyed)))
    assert RECORDING not in rig.archive.files


def test_the_ledger_arrives_line_by_line(rig: Rig) -> None:
    """LedgerSynced names the last line without a gap before it, and its hash."""
    rig.lines = [b'{"seq":%d}' % seq for seq in range(1, 31)]
    rig.uplink.send_ledger(11, 30)
    rig.uplink.send_ledger(1, 10)
    rig.until(lambda: any(synced.seq == 30 for synced in rig.inbox.of(LedgerSynced)))
    assert rig.inbox.of(LedgerSynced)[-1].hash == hashlib.sha256(rig.lines[-1]).hexdigest()
    assert rig.archive.lines == dict(enumerate(rig.lines, 1))


def test_a_file_that_is_not_there_fails_for_good(rig: Rig) -> None:
    """Sending what was destroyed meanwhile fails, permanently, and alone."""
    rig.uplink.send(RECORDING, "000009.clip")
    rig.send("head.json")
    rig.until(lambda: bool(rig.inbox.of(FileSent)))
    (failed,) = rig.inbox.of(SendFailed)
    assert (failed.recording, failed.name, failed.permanent) == (RECORDING, "000009.clip", True)


def test_connected_comes_before_everything(rig: Rig) -> None:
    """A session begins with Connected, and nothing is Disconnected in it."""
    rig.send("head.json")
    rig.until(lambda: bool(rig.inbox.of(FileSent)))
    assert isinstance(rig.inbox.events[0], Connected)
    assert not rig.inbox.of(Disconnected)


def test_offline_nothing_is_kept() -> None:
    """Without a connection every send fails at once, as temporary; the real part is asked the same with its broker."""
    rig = Rig()
    sim = SimUplink(rig.archive, read=rig.read, ledger_lines=rig.ledger_lines, now=lambda: 1.0)
    sim.start(rig.inbox.post)
    sim.send(RECORDING, "a")
    sim.go(online=False)
    sim.send(RECORDING, "b")
    assert [(failed.name, failed.permanent) for failed in rig.inbox.of(SendFailed)] == [("a", False), ("b", False)]
    assert len(rig.inbox.of(Disconnected)) == 1
    sim.go(online=True)
    sim.pump()
    assert not rig.inbox.of(FileSent)
