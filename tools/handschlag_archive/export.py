"""Laying one stored recording out as on the box, so that everything that reads a recording there reads it here."""

import os
from pathlib import Path

from handschlag.errors import HandschlagError
from handschlag_archive.index import Index, Row, State
from handschlag_archive.ingest import is_key
from handschlag_archive.stores.port import Store

RECEIPT = "receipt.jws"


class CannotExport(HandschlagError, LookupError):
    """There is nothing to lay out, or no place to lay it out in."""


def export_recording(index: Index, clips: Store, keys: Store, *, recording: str, box: str | None, out: Path) -> int:
    """Lay out one stored recording in the new folder `out`; how many files.

    Raises:
        CannotExport: unknown, not stored, ambiguous without `box`, or `out` is there already.
        LostBytes: the archive no longer has its bytes as they were.

    """
    with index.transaction() as transaction:
        rows = [row for row in transaction.named(recording) if box in {None, row.which.box}]
        row = _the_one(rows, recording)
        places = transaction.files(row.which)
    try:
        out.mkdir(parents=True)
    except FileExistsError as error:
        raise CannotExport(f"{out}: is there already; name a folder that is not") from error
    for place in sorted(places):
        store = keys if is_key(place.name) else clips
        _write(out / place.name, store.get(place))
    _write(out / RECEIPT, row.receipt or b"")
    return len(places) + 1


def _the_one(rows: list[Row], recording: str) -> Row:
    if not rows:
        raise CannotExport(f"recording {recording!r}: not known here; see: handschlag-archive list")
    if len(rows) > 1:
        boxes = ", ".join(sorted(row.which.box for row in rows))
        raise CannotExport(f"recording {recording!r}: more than one box has it ({boxes}); choose with --box")
    if rows[0].state is not State.STORED:
        raise CannotExport(f"recording {recording!r}: is {rows[0].state}; only stored ones can be laid out")
    return rows[0]


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
