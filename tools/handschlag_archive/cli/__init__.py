"""The command line `handschlag-archive`: prints, chooses the parts, decides nothing.

Errors of the user's making are one line on stderr and exit code 2.
"""

import sys
from typing import Final

import typer

from handschlag.errors import HandschlagError
from handschlag_archive.cli.certificates import broker_config, ca, keys
from handschlag_archive.cli.keeping import owner, restored, retention, rewrap
from handschlag_archive.cli.looking import export, list_recordings
from handschlag_archive.cli.running import ingest
from handschlag_archive.cli.scrubbing import scrub
from handschlag_archive.cli.storing import buckets
from handschlag_archive.cli.web import web

app: Final = typer.Typer(
    name="handschlag-archive",
    help="Das Archiv / the archive: nimmt Aufnahmen an, quittiert sie, bewahrt sie auf.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("keys")(keys)
app.add_typer(ca, name="ca")
app.command("broker-config")(broker_config)
app.command("ingest")(ingest)
app.command("buckets")(buckets)
app.command("scrub")(scrub)
app.command("list")(list_recordings)
app.command("export")(export)
app.command("retention")(retention)
app.add_typer(web, name="web")
app.command("owner")(owner)
app.command("rewrap")(rewrap)
app.command("restored")(restored)


def main() -> None:
    """Run the command line."""
    try:
        app(prog_name="handschlag-archive")
    except HandschlagError as error:
        print(f"handschlag-archive: {error}", file=sys.stderr)
        sys.exit(2)
