"""The command line imports a command's module when it is asked for, and finds all of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from handschlag.cli import COMMANDS, app


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_found(name: str) -> None:
    """Each command, and each group, stands where the table says, and says in both languages what it is for."""
    told = CliRunner().invoke(app, [name, "--help"], prog_name="handschlag", terminal_width=200)
    assert told.exit_code == 0
    assert f"handschlag {name}" in told.output
    assert " | " in told.output


def test_help_names_every_command() -> None:
    """The overview lists them all."""
    told = CliRunner().invoke(app, ["--help"])
    assert told.exit_code == 0
    assert all(f" {name} " in told.output for name in COMMANDS)


def test_unknown_command_is_refused() -> None:
    """A command that does not exist is an error of use."""
    told = CliRunner().invoke(app, ["hera"])
    assert told.exit_code == 2


@pytest.mark.parametrize(
    ("command", "absent"),
    [("hear", "handschlag.app paho gpiozero handschlag.sim"), ("run", "handschlag.sim.demo handschlag_archive")],
)
def test_a_command_imports_no_other_one(command: str, absent: str) -> None:
    """`hear` does not load the box, and the box does not load the demonstration."""
    program = (
        "import sys; from typer.testing import CliRunner; from handschlag.cli import app;"
        f"told = CliRunner().invoke(app, [{command!r}, '--help']); assert told.exit_code == 0, told.output;"
        f"print(*[name for name in {absent.split()!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
