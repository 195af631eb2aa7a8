"""Keys and certificates: the key that signs receipts, the authority `ca`, and the broker's configuration."""

from pathlib import Path
from typing import Annotated, Final

import typer

from handschlag.sealing.encoding import to_base64url
from handschlag.sealing.keys import SigningKey
from handschlag_archive.broker import rewrite_rules, write_broker_configuration
from handschlag_archive.ca import CLIENT_SERVICES, Authority, Issued, write_secret
from handschlag_archive.clerk import read_signing_key
from handschlag_archive.cli.options import Folder, Json, say

ca: Final = typer.Typer(help="Zertifikate / certificates for broker, archive and boxes.", no_args_is_help=True)


_TELL_THE_BROKER: Final = (
    "Dem Broker sagen / tell the broker: SIGHUP (systemctl reload mosquitto); ein Neustart beendet auch die "
    "offene Verbindung / a restart ends the open connection, too"
)


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
    kind: Annotated[str, typer.Argument(help="server, box, archive, operator, fleet")],
    folder: Folder,
    name: Annotated[str | None, typer.Option(help="Name der Box / the box's name")] = None,
    host: Annotated[list[str] | None, typer.Option(help="Name oder Adresse des Brokers / the broker's names")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="gültig für Tage / valid for days")] = 825,
    as_json: Json = False,
) -> None:
    """Issue a certificate with its key: for the broker (server), a box, the archive, the operator, the fleet's view."""
    authority = Authority(folder)
    match kind, name:
        case "server", None:
            issued = authority.issue_server(host or ["localhost", "127.0.0.1"], days=days)
        case str(service), None if service in CLIENT_SERVICES:
            issued = authority.issue_service(service, days=days)
        case "box", str(box):
            issued = authority.issue_box(box, days=days)
        case "box", None:
            raise typer.BadParameter("a box needs --name")
        case _ if kind in {"server", *CLIENT_SERVICES}:
            raise typer.BadParameter(f"{kind} takes no --name")
        case _:
            raise typer.BadParameter(f"{kind!r}: allowed are server, box, {', '.join(CLIENT_SERVICES)}")
    _say_issued(as_json, issued)


@ca.command("revoke")
def ca_revoke(
    name: Annotated[str, typer.Argument(help="Name der Box, oder / the box's name, or archive, operator, fleet")],
    folder: Folder,
    broker: Annotated[Path | None, typer.Option(help="Ordner von / folder of `broker-config` (sonst --dir)")] = None,
    as_json: Json = False,
) -> None:
    """Revoke all certificates of a name: no new connection, and no right for one that stands."""
    authority = Authority(folder)
    revoked = authority.revoke(name)
    where = rewrite_rules(broker or folder, authority)
    words = f"{authority.revoked_list}\n{where}\n{name}: {revoked} gesperrt / revoked\n{_TELL_THE_BROKER}"
    say(as_json, words, revoked=revoked, crl=str(authority.revoked_list), acl=str(where))


@ca.command("crl")
def ca_crl(folder: Folder, as_json: Json = False) -> None:
    """Write the list of revoked certificates anew, with what it names."""
    authority = Authority(folder)
    authority.renew_revoked_list()
    say(as_json, f"{authority.revoked_list}\n{_TELL_THE_BROKER}", crl=str(authority.revoked_list))


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
