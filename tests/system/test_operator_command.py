"""`handschlag command`: the operator signs a command, and a box that pins the operator's key can read it."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from handschlag.cli.box import set_log_level
from handschlag.core.events import OperatorSaid
from handschlag.sealing.command import expires_at, read_command
from handschlag.sealing.keys import SigningKey
from handschlag.sealing.trust import Trust, TrustedKey
from tests.system.house import House

OPERATOR = SigningKey.from_seed(bytes(range(32)))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The operator's key file."""
    path = tmp_path / "operator.key"
    path.write_bytes(OPERATOR.to_file())
    return path


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "handschlag", "command", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_command_is_read_by_its_box(key: Path, tmp_path: Path) -> None:
    """Signed, for one box, with an end; what is printed names the topic and the answer's, in both languages."""
    out = tmp_path / "said.jws"
    for_an_hour = ("--level", "debug", "--for", "60", "--minutes", "5")
    done = _command("log-level", "--box", "box-1", "--key", str(key), "-o", str(out), "--counter", "5", *for_an_hour)
    assert done.returncode == 0, done.stderr
    said = read_command(out.read_bytes(), Trust(operator=(TrustedKey.of(OPERATOR.verify_key),)).keys("operator"))
    assert (said.box, said.name, said.counter, said.level, said.minutes) == ("box-1", "log-level", 5, "debug", 60)
    assert 0 < expires_at(said) - time.time() <= 300
    assert done.stdout.count("handschlag/1/box-1/down/command") == 2
    assert done.stdout.count(f"up/reply/{said.id}") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("record", "--box", "box-1"), ["'record'", "identify"]),
        (("identify", "--box", "Box 1"), ["box"]),
        (("identify", "--box", "box-1", "--level", "debug"), ["'identify' has no 'level'"]),
        (("log-level", "--box", "box-1"), ["'log-level' needs 'level'"]),
        (("log-level", "--box", "box-1", "--level", "all", "--for", "5"), ["--level", "'all'", "debug"]),
        (("identify", "--box", "box-1", "--minutes", "99999"), ["--minutes 99999", "10080"]),
    ],
)
def test_what_is_no_command_is_one_line(key: Path, tmp_path: Path, arguments: tuple[str, ...], said: list[str]) -> None:
    """Named, with what is allowed; nothing is written."""
    out = tmp_path / "said.jws"
    done = _command(*arguments, "--key", str(key), "-o", str(out))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert all(words in done.stderr for words in said), done.stderr
    assert not out.exists()


def test_the_box_carries_out_what_it_may(house: House) -> None:
    """The ledger has each command, the answers name them, and `restart` ends the loop so that it is started again."""
    levels: list[str] = []
    house.app._set_log_level = levels.append
    house.app._report = lambda app: {"ledger_seq": app.state.delivery.ledger_durable}
    now = house.clock.mono()
    expires = house.clock.wall()[0] + 60.0
    for counter, name in enumerate(("report", "log-level", "update", "restart"), 1):
        house.app.handle(OperatorSaid(now, f"{counter:032x}", name, counter, expires, level="debug", minutes=5))
        house.world.run(0.5)
    assert [(entry["by"], entry["name"], entry["outcome"]) for entry in house.entries("command")] == [
        ("operator", "report", "done"),
        ("operator", "log-level", "done"),
        ("operator", "update", "not-supported"),
        ("operator", "restart", "done"),
    ]
    assert [outcome for _, outcome in house.uplink.replies] == ["done", "done", "not-supported", "done"]
    assert [status["ledger_seq"] > 0 for status in house.uplink.statuses] == [True]
    assert levels == ["debug"]
    assert house.app.restarts


def test_the_log_level_is_that_of_this_program() -> None:
    """And "" is what it was."""
    own = logging.getLogger("handschlag")
    before = own.level
    set_log_level("debug")
    assert own.level == logging.DEBUG
    set_log_level("")
    assert own.level == before == logging.NOTSET


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A whole box, switched off afterwards."""
    house = House(tmp_path / "house")
    yield house
    house.close()
