"""The command line `handschlag-archive`: prints, chooses the parts, decides nothing.

Errors of the user's making are one line on stderr and exit code 2.
"""

import json
import logging
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from handschlag.errors import HandschlagError
from handschlag.sealing.encoding import to_base64url
from handschlag.sealing.keys import SigningKey
from handschlag_archive.broker import write_broker_configuration
from handschlag_archive.ca import Authority, Issued, write_secret
from handschlag_archive.clerk import Clerk, read_signing_key
from handschlag_archive.export import export_recording
from handschlag_archive.index import Index
from handschlag_archive.ingest import Ingest
from handschlag_archive.judge import Judge
from handschlag_archive.mqtt import Worker
from handschlag_archive.settings import Settings, read_settings
from handschlag_archive.stores.folder import FolderStore
from handschlag_archive.trusted import TrustFile

app: Final = typer.Typer(
    name="handschlag-archive",
    help="Das Archiv / the archive: nimmt Aufnahmen an, quittiert sie, bewahrt sie auf.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ca: Final = typer.Typer(help="Zertifikate / certificates for broker, archive and boxes.", no_args_is_help=True)
app.add_typer(ca, name="ca")

Folder = Annotated[Path, typer.Option("--dir", help="Ordner / folder")]
Config = Annotated[Path, typer.Option("--config", help="archive.toml")]
Json = Annotated[bool, typer.Option("--json", help="ein JSON-Objekt je Zeile / one JSON object per line")]


@app.command()
def keys(folder: Folder, as_json: Json = False) -> None:
    """Make the key that signs receipts, and say its public half for the boxes' trust files."""
    path = folder / "archive-signing.key"
    if path.exists():
        key = read_signing_key(path)
    else:
        key = SigningKey.new()
        write_secret(path, key.to_file())
    public = to_base64url(key.public)
    _say(as_json, f"{path}\nkid {key.kid}\npublic {public}", key=str(path), kid=key.kid, public=public)


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


@app.command("broker-config")
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
    _say(
        as_json,
        f"mosquitto -c {written.configuration}",
        configuration=str(written.configuration),
        acl=str(written.rules),
    )


@app.command()
def ingest(
    config: Config,
    host: Annotated[str | None, typer.Option(help="statt broker.host / instead of broker.host")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="statt / instead of broker.port")] = None,
    settle: Annotated[float | None, typer.Option(min=0.05, max=3600, help="statt / instead of ingest.settle_s")] = None,
    as_json: Json = False,
) -> None:
    """Take in what the boxes send, until told to stop (SIGTERM)."""
    settings = _with_flags(read_settings(config), host=host, port=port, settle=settle)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    index, core = _open(settings)
    said = threading.Event()

    def ready() -> None:
        if not said.is_set():
            said.set()
            _say(as_json, "ready", ready=True, broker=f"{settings.broker.host}:{settings.broker.port}")

    worker = Worker(settings, core, on_ready=ready)
    _stop_on_signal(worker.stop)
    try:
        core.recover()
        worker.run()
    finally:
        index.close()
    _say(as_json, "stopped", stopped=True, dropped=dict(core.counts), uplink=dict(worker.counts))


@app.command("list")
def list_recordings(config: Config, as_json: Json = False) -> None:
    """List the recordings: box, id, state, files, bytes, since when stored."""
    with closing(_index(read_settings(config))) as index, index.transaction() as transaction:
        summaries = list(transaction.summaries())
    for one in summaries:
        row = one.row
        _say(
            as_json,
            f"{row.which.box:<32} {row.which.recording} {row.state:<10} "
            f"{one.files:>6} {one.size:>12} {row.stored_at or '-'}",
            box=row.which.box,
            recording=row.which.recording,
            state=row.state.value,
            files=one.files,
            bytes=one.size,
            stored_at=row.stored_at,
            retain_until=row.retain_until,
            manifest=row.manifest_sha256,
        )


@app.command()
def export(
    config: Config,
    recording: Annotated[str, typer.Option(help="Kennung der Aufnahme / the recording's id")],
    out: Annotated[Path, typer.Option(help="neuer Ordner / a new folder")],
    box: Annotated[str | None, typer.Option(help="wenn zwei Boxen dieselbe Kennung haben / to choose the box")] = None,
    as_json: Json = False,
) -> None:
    """Lay out one stored recording as on the box, with its receipt."""
    settings = read_settings(config)
    clips, secrets = _stores(settings)
    with closing(_index(settings)) as index:
        files = export_recording(index, clips, secrets, recording=recording, box=box, out=out)
    _say(
        as_json,
        f"{out}: {files} Dateien / files. Prüfen / verify:  handschlag verify {out} --trust TRUST.json",
        out=str(out),
        files=files,
    )


def main() -> None:
    """Run the command line."""
    try:
        app(prog_name="handschlag-archive")
    except HandschlagError as error:
        print(f"handschlag-archive: {error}", file=sys.stderr)
        sys.exit(2)


def _say(as_json: bool, words: str, **facts: Any) -> None:
    print(json.dumps(facts) if as_json else words, flush=True)


def _say_issued(as_json: bool, issued: Issued) -> None:
    _say(as_json, f"{issued.certificate}\n{issued.key}", certificate=str(issued.certificate), key=str(issued.key))


def _with_flags(settings: Settings, *, host: str | None, port: int | None, settle: float | None) -> Settings:
    broker, taking = settings.broker, settings.ingest
    return msgspec.structs.replace(
        settings,
        broker=msgspec.structs.replace(broker, host=host or broker.host, port=port or broker.port),
        ingest=msgspec.structs.replace(taking, settle_s=settle or taking.settle_s),
    )


def _index(settings: Settings) -> Index:
    return Index.in_folder(Path(settings.data))


def _stores(settings: Settings) -> tuple[FolderStore, FolderStore]:
    data = Path(settings.data)
    return FolderStore(data / "clips"), FolderStore(data / "keys")


def _open(settings: Settings) -> tuple[Index, Ingest]:
    judge = Judge(TrustFile(Path(settings.trust)))
    signing_key = read_signing_key(Path(settings.signing_key))
    index = _index(settings)
    clips, secrets = _stores(settings)
    for store in (clips, secrets):
        store.sweep()
    clerk = Clerk(signing_key, epoch=index.epoch, copies=1)
    return index, Ingest(
        index=index, clips=clips, keys=secrets, judge=judge, clerk=clerk, settle_s=settings.ingest.settle_s
    )


def _stop_on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` from a thread of its own: a handler in the working thread could meet it holding a lock."""
    wanted = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)

    def wait() -> None:
        signal.sigwait(wanted)
        stop()

    threading.Thread(target=wait, name="signals", daemon=True).start()
