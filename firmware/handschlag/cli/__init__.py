"""The command line: one program, `handschlag`. Here, and only here, adapters are chosen.

Errors of this product are one line on the error output and exit code 2; findings (a recording that does not verify) are
exit code 1.
"""

from __future__ import annotations

import sys

import typer

from handschlag.cli import box, evidence, exclude, hear, keys, report, show, staff
from handschlag.errors import HandschlagError

app = typer.Typer(
    name="handschlag",
    help="The recording box: records a call only after consent. | Die Aufnahmebox: nimmt nur mit Einwilligung auf.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(show.demo)
app.command("run")(box.run)
app.command("check")(box.check)
app.command("hear")(hear.hear)
app.command("verify")(evidence.verify)
app.command("open")(evidence.open_)
app.command("report")(report.report)
app.add_typer(keys.app, name="keys")
app.add_typer(staff.app, name="staff")
app.add_typer(exclude.app, name="exclude")


def main() -> None:
    """Run the command line."""
    try:
        app()
    except HandschlagError as error:
        print(f"handschlag: {error}", file=sys.stderr)
        raise SystemExit(2) from None
