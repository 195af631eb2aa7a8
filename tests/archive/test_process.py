"""The real thing: Mosquitto as shipped, `handschlag-archive ingest` as a process, boxes with certificates."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from handschlag.sealing.receipt import Destroyed, Incomplete, LedgerSynced, Progress, Receipt, Stored, read_receipt
from handschlag.sealing.revoke import sign_revoke
from handschlag.sealing.trust import write_trust
from handschlag_archive.ca import Authority
from tests.archive.desk import OTHER_BOX, OTHER_BOX_KEY, two_boxes
from tests.archive.postgres import PostgreSQL
from tests.archive.stand import PATIENCE_S, ArchiveProcess, BoxClient, Broker
from tests.archive.words import word
from tests.sealing.builder import ARCHIVE_KEY, AT, BOX, BOX_KEY, LedgerBuilder, build


def _recording(number: int) -> str:
    return f"01890a5d-ac96-774b-bcce-b302099a{number:04x}"


def _files(number: int, *, box: str = BOX) -> dict[str, bytes]:
    key = BOX_KEY if box == BOX else OTHER_BOX_KEY
    return build(receipt=False, recording=_recording(number), box=box, box_key=key).files


def _in_order(files: dict[str, bytes]) -> list[tuple[str, bytes]]:
    return sorted(files.items(), key=lambda file: (file[0] == "manifest.jws", file[0]))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all tests here, as shipped."""
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        running.authority.issue_archive()
        yield running


@pytest.fixture
def config(broker: Broker, tmp_path: Path) -> Path:
    """An archive of this test's own, at that broker."""
    ca = broker.authority.folder
    (tmp_path / "trust.json").write_bytes(write_trust(two_boxes()))
    (tmp_path / "archive-signing.key").write_bytes(ARCHIVE_KEY.to_file())
    path = tmp_path / "archive.toml"
    path.write_text(
        f'[broker]\nport = {broker.port}\nca = "{ca / "ca.pem"}"\ncertificate = "{ca / "archive.pem"}"\n'
        f'key = "{ca / "archive.key"}"\n[ingest]\nsettle_s = 0.3\n'
    )
    return path


@pytest.fixture
def archive(config: Path) -> Iterator[ArchiveProcess]:
    """A running archive process."""
    started = ArchiveProcess(config, config.with_name("archive.log"))
    started.wait_ready()
    yield started
    started.close()


@pytest.fixture
def box(broker: Broker) -> Iterator[BoxClient]:
    """A box at the broker."""
    client = BoxClient(broker, BOX)
    yield client
    client.close()


def _receipts(box: BoxClient, number: int | None = None) -> list[Receipt]:
    read = [read_receipt(one, ARCHIVE_KEY.verify_key) for one in box.receipts]
    return [one for one in read if number is None or getattr(one, "recording", None) == _recording(number)]


def _has(box: BoxClient, number: int | None, kind: type) -> bool:
    return any(isinstance(one, kind) for one in _receipts(box, number))


def _all_stored(box: BoxClient, numbers: Iterable[int]) -> bool:
    return all(_has(box, number, Stored) for number in numbers)


def _run(*arguments: str, program: str = "handschlag_archive") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", program, *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


def test_a_recording_goes_all_the_way(archive: ArchiveProcess, box: BoxClient, config: Path, tmp_path: Path) -> None:
    """Progress, incomplete, stored; then list, export and `handschlag verify` agree; then a clean stop."""
    files = _files(1)
    held_back = files.pop("keys.json")
    box.publish_all(_recording(1), _in_order(files))
    box.until(lambda: _has(box, 1, Incomplete))
    assert _has(box, 1, Progress)
    assert [one.every_name for one in _receipts(box, 1) if isinstance(one, Incomplete)] == [("keys.json",)]
    box.publish(_recording(1), "keys.json", held_back)
    box.until(lambda: _has(box, 1, Stored))
    said = archive.stop()
    assert said["stopped"] is True

    listed = json.loads(_run("list", "--config", str(config), "--json").stdout)
    assert (listed["box"], listed["recording"], listed["state"]) == (BOX, _recording(1), "stored")
    assert listed["bytes"] == sum(map(len, files.values())) + len(held_back)
    out = tmp_path / "out"
    assert _run("export", "--config", str(config), "--recording", _recording(1), "--out", str(out)).returncode == 0
    verified = _run("verify", str(out), "--trust", str(tmp_path / "trust.json"), "--json", program="handschlag")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert json.loads(verified.stdout.splitlines()[-1])["ok"] is True


@pytest.mark.usefixtures("archive")
def test_a_withdrawal_and_a_ledger_are_answered(box: BoxClient, tmp_path: Path) -> None:
    """`destroyed` after a withdrawal, with nothing left on the disk; `ledger` after ledger lines."""
    files = _in_order(_files(2))[:-1]
    box.publish_all(_recording(2), files)
    box.until(lambda: any(len(one.every_name) == len(files) for one in _receipts(box, 2) if isinstance(one, Progress)))
    token = sign_revoke(box=BOX, recording=_recording(2), reason="withdrawn", at=AT, ledger_seq=1, key=BOX_KEY)
    box.publish(_recording(2), "revoke.jws", token)
    box.until(lambda: _has(box, 2, Destroyed))
    assert not list(tmp_path.glob(f"data/*/{BOX}/{_recording(2)}"))
    ledger = LedgerBuilder()
    ledger.add("boot")
    box.publish("ledger", "1", ledger.lines[0] + b"\n")
    box.until(lambda: _has(box, None, LedgerSynced))


def test_a_killed_archive_goes_on_where_it_was(
    archive: ArchiveProcess, box: BoxClient, config: Path, tmp_path: Path
) -> None:
    """A kill -9 between the files: after the restart it says by itself what it has, and the rest completes it."""
    files = _in_order(_files(3))
    half = len(files) // 2
    box.publish_all(_recording(3), files[:half])
    box.until(lambda: any(len(one.every_name) == half for one in _receipts(box, 3) if isinstance(one, Progress)))
    archive.kill()
    box.receipts.clear()
    second = ArchiveProcess(config, tmp_path / "second.log")
    try:
        second.wait_ready()
        box.until(lambda: any(len(one.every_name) == half for one in _receipts(box, 3) if isinstance(one, Progress)))
        box.publish_all(_recording(3), files[half:])
        box.until(lambda: _has(box, 3, Stored))
        second.stop()
    finally:
        second.close()


@pytest.mark.usefixtures("archive")
def test_two_workers_take_turns_and_still_complete_every_recording(
    box: BoxClient, broker: Broker, config: Path, tmp_path: Path
) -> None:
    """Two processes on one shared subscription and one archive: ten recordings of two boxes, all stored."""
    second = ArchiveProcess(config, tmp_path / "second.log")
    other = BoxClient(broker, OTHER_BOX)
    try:
        second.wait_ready()
        for number in range(10, 15):
            box.publish_all(_recording(number), _in_order(_files(number)))
            other.publish_all(_recording(number), _in_order(_files(number, box=OTHER_BOX)))
        for client in (box, other):
            client.until(partial(_all_stored, client, range(10, 15)))
            assert {one.box for one in _receipts(client)} == {client.name}
        assert second.stop()["stopped"] is True
    finally:
        other.close()
        second.close()


def test_several_workers_of_one_command_go_on_when_one_is_killed(
    box: BoxClient, config: Path, tmp_path: Path, postgres: PostgreSQL
) -> None:
    """`--workers 2` on PostgreSQL: one is killed, another takes its place; all is stored, and both leave cleanly."""
    config.write_text(f'database = "{postgres.new_database()}"\n{config.read_text()}')
    archive = ArchiveProcess(config, tmp_path / "archive.log", workers=2)
    try:
        archive.wait_ready()
        first, *others = _children(archive.process.pid)
        assert len(others) == 1
        for number in range(20, 23):
            box.publish_all(_recording(number), _in_order(_files(number))[:-1])
        os.kill(first, signal.SIGKILL)
        archive.wait_for_log("worker 0 ended with -9", "worker 1 ended with -9")
        for number in range(20, 23):
            box.publish_all(_recording(number), _in_order(_files(number)))
        box.until(partial(_all_stored, box, range(20, 23)))
        said = archive.stop()
        assert said["uplink"]["messages"] >= 1
    finally:
        archive.close()
    assert not [child for child in (first, *others) if Path(f"/proc/{child}").exists()]
    listed = _run("list", "--config", str(config), "--json").stdout.splitlines()
    assert [json.loads(line)["state"] for line in listed] == ["stored"] * 3


def _children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


@pytest.mark.parametrize(
    "topic",
    [
        f"handschlag/1/{OTHER_BOX}/up/{_recording(4)}/head.json",
        f"handschlag/1/{OTHER_BOX}/down/receipt",
        f"handschlag/1/{BOX}/down/receipt",
        f"homie/5/{OTHER_BOX}/$state",
        f"homeassistant/device/{OTHER_BOX}/config",
    ],
)
def test_a_box_reaches_its_own_topics_and_no_others(broker: Broker, box: BoxClient, topic: str) -> None:
    """Speaking as another box or as the archive is refused by the broker with 0x87 (not authorized)."""
    other = BoxClient(broker, OTHER_BOX)
    try:
        box.publish(_recording(4), "head.json", b"x")
        mid = box.publish_to(topic, b"x")
        box.until(lambda: bool(box.refused))
        assert {number: reason.value for number, reason in box.refused.items()} == {mid: 0x87}
        assert other.receipts == []
    finally:
        other.close()


def test_the_broker_lets_nobody_in_without_a_certificate_of_its_authority(broker: Broker, tmp_path: Path) -> None:
    """No certificate, another authority's, and TLS 1.2 are each turned away."""
    stranger = Authority(tmp_path / "ca")
    stranger.init()
    foreign = stranger.issue_box(BOX)

    def connect(context: ssl.SSLContext) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", broker.port), timeout=PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            secured.sendall(bytes.fromhex("101100044d5154540502003c00000461626364"))  # CONNECT
            return secured.recv(64)  # TLS 1.3 tells the client only now that it was turned away

    good = ssl.create_default_context(cafile=str(broker.authority.certificate))
    with pytest.raises(OSError, match=r"(?i)certificate required|reset|eof"):
        assert connect(good) == b""
    good.load_cert_chain(foreign.certificate, foreign.key)
    with pytest.raises(OSError, match=r"(?i)unknown ca|reset|eof"):
        assert connect(good) == b""
    mine = broker.authority.issue_box("proper-box")
    old = ssl.create_default_context(cafile=str(broker.authority.certificate))
    old.load_cert_chain(mine.certificate, mine.key)
    assert connect(old)[0] == 0x20  # CONNACK
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)version"):
        connect(old)


def test_an_archive_that_may_not_subscribe_is_not_left_waiting(config: Path, broker: Broker) -> None:
    """With a key that does not belong to the certificate, the process says so in one line and exits with 2."""
    text = config.read_text().replace("archive.key", "server.key")
    config.write_text(text)
    ended = _run("ingest", "--config", str(config))
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "the key belonging to the certificate" in ended.stderr
    assert broker.authority.folder.name in text


def test_a_stop_comes_through_while_there_is_no_broker(config: Path) -> None:
    """SIGTERM ends an archive that never found its broker, with 0."""
    config.write_text(config.read_text().replace("settle_s", "group = 1\nsettle_s"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        lines = config.read_text().splitlines()
        lines[1] = f"port = {silent.getsockname()[1]}"
        config.write_text("\n".join(lines))
        process = ArchiveProcess(config, config.with_name("alone.log"))
        try:
            silent.settimeout(PATIENCE_S)
            silent.accept()[0].close()
            assert process.stop()["stopped"] is True
        finally:
            process.close()


def test_the_owners_word_reaches_a_box_until_it_answers(archive: ArchiveProcess, box: BoxClient, config: Path) -> None:
    """Given to the command line while a worker runs, it goes over the broker as shipped; the answer is noted."""
    token = word("hold")
    message = config.with_name("hold.jws")
    message.write_bytes(token)
    command = (sys.executable, "-m", "handschlag_archive", "owner", "--config", str(config), "--json")
    taken = json.loads(subprocess.run([*command, str(message)], check=True, capture_output=True).stdout)
    assert taken["outcome"] == "not-yet"
    box.until(lambda: token in box.receipts)
    box.publish("reply", taken["id"], b'{"outcome":"not-here"}')
    archive.wait_for_log("says not-here")
    (listed,) = subprocess.run(command, check=True, capture_output=True).stdout.splitlines()
    assert json.loads(listed)["reply"] == "not-here"
