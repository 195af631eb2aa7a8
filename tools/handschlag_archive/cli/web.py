"""`handschlag-archive web`: the archive in the browser; `web invite-owner`: the way in for its first person."""

import logging
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from handschlag_archive.cli.options import Config, Json, say
from handschlag_archive.cli.parts import check_index, open_index, open_owner
from handschlag_archive.cli.running import stop_on_signal
from handschlag_archive.settings import BadSetting, Settings, read_settings
from handschlag_archive.stores.open import open_stores
from handschlag_archive.trusted import TrustFile
from handschlag_archive.upkeep import Upkeep
from handschlag_archive.web.books import Books
from handschlag_archive.web.books.audit import first_wrong
from handschlag_archive.web.invitations import Invitations
from handschlag_archive.web.journal import Journal
from handschlag_archive.web.roles import Role
from handschlag_archive.web.upkeep import check_vault, tidy
from handschlag_archive.web.vault import Vault

web: Final = typer.Typer(help="Das Archiv im Browser / the archive in the browser.", invoke_without_command=True)

_GOOD_FOR: Final = "Der Link gilt einmal und eine Woche / the link is good once, for a week"


@web.callback()
def serve(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", help="archive.toml")] = None,
    as_json: Json = False,
) -> None:
    """Das Archiv im Browser, bis SIGTERM / serve the archive in the browser until told to stop (SIGTERM)."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise typer.BadParameter("--config archive.toml is needed")
    _serve(read_settings(config), as_json=as_json)


@web.command("invite-owner")
def invite_owner(
    config: Config,
    name: Annotated[str, typer.Option(help="womit sich diese Person anmeldet / what this person logs in with")],
    as_json: Json = False,
) -> None:
    """Einen Inhaber einladen / invite an owner: prints a link, once."""
    settings = read_settings(config)
    vault = Vault.at(Path(settings.web.secret))
    with closing(open_index(settings)) as index:
        check_vault(index, vault)
        invitations = Invitations(index, vault, Journal(vault))
        invitation, token = invitations.make(name, Role.OWNER, datetime.now(UTC))
    link = f"{address_of(settings)}/#/invite/{invitation.invitation}.{token}"
    say(as_json, f"{link}\n{_GOOD_FOR}", link=link, expires_at=invitation.expires_at)


@web.command("check-audit")
def check_audit(config: Config, as_json: Json = False) -> None:
    """Das Protokoll prüfen / check that the audit log is whole: each line, and that it follows the one before."""
    with closing(open_index(read_settings(config))) as index, index.speaking(Books, reading=True) as books:
        last, wrong = None, None
        while wrong is None and (page := books.audit(last.seq if last else 0, 1000)):
            wrong = first_wrong(page, last)
            last = page[-1]
    seq, sha256 = (last.seq, last.sha256) if last else (0, "")
    say(as_json, wrong or f"{seq} Zeilen / lines, {sha256}", ok=wrong is None, lines=seq, sha256=sha256, wrong=wrong)
    if wrong is not None:
        sys.exit(1)


def address_of(settings: Settings) -> str:
    """Where browsers find it, as far as the settings tell."""
    scheme = "http" if settings.web.plain else "https"
    host = settings.web.names[0] if settings.web.names else settings.web.host
    host = f"[{host}]" if ":" in host else host
    port = "" if settings.web.trusted_proxies else f":{settings.web.port}"
    return f"{scheme}://{host}{port}"


def _serve(settings: Settings, *, as_json: bool) -> None:
    _need_parts()
    from handschlag_archive.web.gate import Manners  # noqa: PLC0415 - needs parts that may be missing
    from handschlag_archive.web.serving import make_gate, make_server  # noqa: PLC0415 - likewise

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    vault = Vault.at(Path(settings.web.secret))
    stores = open_stores(settings)
    with closing(open_index(settings)) as index:
        check_index(settings, index)
        gate = make_gate(
            index,
            vault,
            clips=stores.clips,
            keys=stores.keys,
            owner=open_owner(settings, index),
            trust=TrustFile(Path(settings.trust)),
            manners=Manners(
                plain=settings.web.plain,
                hosts=frozenset(name.lower() for name in settings.web.names) or None,
                trusted_proxies=frozenset(settings.web.trusted_proxies),
            ),
        )
        server = make_server(
            gate,
            host=settings.web.host,
            port=settings.web.port,
            certificate=settings.web.certificate,
            key=settings.web.key,
            on_ready=lambda: say(as_json, f"ready: {address_of(settings)}", ready=True, address=address_of(settings)),
        )
        upkeep = Upkeep([lambda now: tidy(index, now)])
        stop_on_signal(server.stop)
        try:
            upkeep.start()
            server.run()
        finally:
            upkeep.stop()
    say(as_json, "stopped", stopped=True)


def _need_parts() -> None:
    try:
        import starlette  # noqa: F401, PLC0415 - to say what to do where it is missing
        import uvicorn  # noqa: F401, PLC0415 - likewise
    except ImportError as error:
        raise BadSetting(f"the web needs a part that is missing ({error}); pip install 'handschlag[web]'") from None
