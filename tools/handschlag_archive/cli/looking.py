"""Looking at what is kept: `list` and `export`."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from handschlag_archive.cli.options import Config, Json, say
from handschlag_archive.cli.parts import open_index
from handschlag_archive.export import export_recording
from handschlag_archive.settings import read_settings
from handschlag_archive.stores.open import open_stores


def list_recordings(config: Config, as_json: Json = False) -> None:
    """List the recordings: box, id, state, files, bytes, since when stored."""
    with closing(open_index(read_settings(config))) as index, index.transaction() as transaction:
        summaries = list(transaction.summaries())
    for one in summaries:
        row = one.row
        say(
            as_json,
            f"{row.which.box:<32} {row.which.recording} {row.state:<10} "
            f"{one.files:>6} {one.size:>12} {row.stored_at or '-'}",
            box=row.which.box,
            recording=row.which.recording,
            state=row.state.value,
            files=one.files,
            bytes=one.size,
            stored_at=row.stored_at,
            kept_for=row.kept_for,
            retain_until=row.retain_until,
            held=row.held,
            ended_why=row.ended_why,
            ended_at=row.ended_at,
            manifest=row.manifest_sha256,
        )


def export(
    config: Config,
    recording: Annotated[str, typer.Option(help="Kennung der Aufnahme / the recording's id")],
    out: Annotated[Path, typer.Option(help="neuer Ordner / a new folder")],
    box: Annotated[str | None, typer.Option(help="wenn zwei Boxen dieselbe Kennung haben / to choose the box")] = None,
    as_json: Json = False,
) -> None:
    """Lay out one stored recording as on the box, with its receipt."""
    settings = read_settings(config)
    stores = open_stores(settings)
    with closing(open_index(settings)) as index:
        files = export_recording(index, stores.clips, stores.keys, recording=recording, box=box, out=out)
    say(
        as_json,
        f"{out}: {files} Dateien / files. Prüfen / verify:  handschlag verify {out} --trust TRUST.json",
        out=str(out),
        files=files,
    )
