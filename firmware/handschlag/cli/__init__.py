"""The command line: one program, `handschlag`. Here, and only here, adapters are chosen.

Errors of this product are one line on the error output and exit code 2; findings (a recording that does not verify) are
exit code 1.

A command's module is imported when the command is asked for: the box must not hold what only the demonstration needs,
and `hear` must not wait for what only the box needs.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from handschlag.errors import HandschlagError

COMMANDS: Final = {
    "demo": ("handschlag.cli.show", "demo"),
    "run": ("handschlag.cli.box", "run"),
    "check": ("handschlag.cli.box", "check"),
    "hear": ("handschlag.cli.hear", "hear"),
    "verify": ("handschlag.cli.evidence", "verify"),
    "open": ("handschlag.cli.evidence", "open_"),
    "export": ("handschlag.cli.evidence", "export"),
    "stamp": ("handschlag.cli.evidence", "stamp"),
    "report": ("handschlag.cli.report", "report"),
    "keys": ("handschlag.cli.keys", "app"),
    "staff": ("handschlag.cli.staff", "app"),
    "owner": ("handschlag.cli.owner", "app"),
    "command": ("handschlag.cli.command", "command"),
    "exclude": ("handschlag.cli.exclude", "app"),
}
"""Where each command, or group of commands, stands."""


class _Commands(TyperGroup):
    """Finds a command by its name, and imports no other one."""

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        found = getattr(import_module(module), name)
        alone = typer.Typer(add_completion=False)
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=cmd_name)
            group = typer.main.get_group(alone)
            return group.commands[cmd_name]
        alone.command(cmd_name)(found)
        return typer.main.get_command(alone)


app = typer.Typer(
    name="handschlag",
    cls=_Commands,
    help="The recording box: records a call only after consent. | Die Aufnahmebox: nimmt nur mit Einwilligung auf.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _every() -> None:
    """What comes before each command: nothing."""


def main() -> None:
    """Run the command line."""
    try:
        app()
    except HandschlagError as error:
        print(f"handschlag: {error}", file=sys.stderr)
        raise SystemExit(2) from None
