"""Keys and certificates: the key that signs receipts, the authority `ca`, and the broker's configuration."""

from pathlib import Path
from typing import Annotated, Final

import typer

from handschlag.sealing.encoding import to_base64url
from handschlag.sealing.keys import SigningKey
from handschlag_archive.broker import write_broker_configuration
from handschlag_archive.ca import Authority, Issued, write_secret
from handschlag_archive.clerk import read_signing_key
from handschlag_archive.cli.options import Folder, Json, say

ca: Final = typer.Typer(help="Zertifikate / certificates for broker, archive and boxes.", no_args_is_help=True)


def keys(folder: Folder, as_json: Json = False) -> None:
    """Make the key that signs receipts, and say its public half for the boxes' trust files."""
    path = folder / "archive-signing.key"
    if path.exists():
        key = read_signing_key(path)
    else:
        key = SigningKey.new()
        write_secret(path, key.to_file())
    public = to_base64url(key.public)
    say(as_json, f"{path}\nkid {key.kid}\npublic {public}", key=str(path), kid=key.kid, public=public)


@ca.command("init")
def ca_init(folder: Folder, as_json: Json = False) -> None:
    """Make the authority: ca.pem for everyone, ca.key for nobody else."""
    _say_issued(as_json, Authority(folder).init())


@ca.command("issue")
def ca_issue(  # noqa: PLR0917 - typer turns parameters into options
    kind: Annotated[str, typer.Argument(help="server, archive, box")],
    folder: Folder,
    name: Annotated[str | None, typer.Option(help="Name der Box / the box's name")] = None,
    host: Annotated[list[str] | None, typer.Option(help="Name oder Adresse des Brokers / the broker's names")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="gültig für Tage / valid for days")] = 825,
    as_json: Json = False,
) -> None:
    """Issue a certificate with its key: for the broker (server), the archive, or a box."""
    authority = Authority(folder)
    match kind, name:
        case "server", None:
            issued = authority.issue_server(host or ["localhost", "127.0.0.1"], days=days)
        case "archive", None:
            issued = authority.issue_archive(days=days)
        case "box", str(box):
            issued = authority.issue_box(box, days=days)
        case "box", None:
            raise typer.BadParameter("a box needs --name")
        case (("server" | "archive"), _):
            raise typer.BadParameter(f"{kind} takes no --name")
        case _:
            raise typer.BadParameter(f"{kind!r}: allowed are server, archive, box")
    _say_issued(as_json, issued)


def broker_config(  # noqa: PLR0917 - typer turns parameters into options
    folder: Folder,
    authority: Annotated[Path | None, typer.Option("--ca", help="Ordner von `ca init` (sonst --dir)")] = None,
    port: Annotated[int, typer.Option(help="TCP-Port")] = 8883,
    bind: Annotated[str | None, typer.Option(help="Adresse / address to listen on; all when absent")] = None,
    user: Annotated[str | None, typer.Option(help="läuft als / runs as, when started by root")] = None,
    as_json: Json = False,
) -> None:
    """Write mosquitto.conf and its access rules."""
    written = write_broker_configuration(folder, authority=authority or folder, port=port, bind=bind, user=user)
    say(
        as_json,
        f"mosquitto -c {written.configuration}",
        configuration=str(written.configuration),
        acl=str(written.rules),
    )


def _say_issued(as_json: bool, issued: Issued) -> None:
    say(as_json, f"{issued.certificate}\n{issued.key}", certificate=str(issued.certificate), key=str(issued.key))
