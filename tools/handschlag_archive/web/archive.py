"""Recordings: lists, and their bytes as they were sealed. Nothing is opened here, and nothing could be.

Only what is stored is given, under the names that its manifest selected. The first clip of a recording that a session
asks for is written to the audit log as a playback, and is given once that line is durable.
"""

import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from handschlag.sealing.encoding import BoxName, RecordingId
from handschlag.sealing.manifest import KEYS, RECEIPT, clip_index, is_name, rewrap_counter
from handschlag.sealing.trust import Trust, write_trust
from handschlag_archive.index import Index, Row, State, Which
from handschlag_archive.ingest.shelves import is_key
from handschlag_archive.stores.port import LostBytes, Place, Store
from handschlag_archive.web import forms
from handschlag_archive.web.asked import BYTES, JSON, Answer, Asked, Refused, User, bad_request, not_found, said
from handschlag_archive.web.books import Books
from handschlag_archive.web.books.overview import Listed
from handschlag_archive.web.journal import Journal

BUNDLE_MAGIC: Final = b"HSB1"
LOST: Final = 0xFFFFFFFF
PAGE_AT_MOST: Final = 1000
_LEDGER_LINES: Final = 1000
_MOST_REMEMBERED: Final = 10_000
_MONTH: Final = re.compile(r"(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])")


class Archive:
    """Shows and gives what is stored."""

    def __init__(
        self, index: Index, *, clips: Store, keys: Store, trust: Callable[[], Trust], journal: Journal
    ) -> None:
        self._index = index
        self._clips = clips
        self._keys = keys
        self._trust = trust
        self._journal = journal
        self._played: OrderedDict[tuple[str, Which], None] = OrderedDict()

    def months(self, _asked: Asked) -> Answer:
        """Every month with how many recordings it has."""
        with self._index.speaking(Books, reading=True) as books:
            return said({"months": [one.__dict__ for one in books.months()]})

    def recordings(self, asked: Asked) -> Answer:
        """A page of the list."""
        count = asked.number("limit", 200, least=1, most=PAGE_AT_MOST)
        month = asked.query.get("month")
        if month is not None:
            check_month(month)
        order = asked.query.get("order", "newest")
        if order not in {"newest", "oldest"}:
            raise bad_request("order: allowed are newest and oldest")
        after = asked.query.get("after")
        with self._index.speaking(Books, reading=True) as books:
            page = books.listed(
                month=month,
                after=_cursor(after) if after is not None else None,
                newest_first=order == "newest",
                count=count + 1,
            )
        rows = [_told(one) for one in page[:count]]
        more = len(page) > count
        last = page[count - 1].row.which if more else None
        return said({"rows": rows, "next": f"{last.recording}.{last.box}" if last else None})

    def recording(self, asked: Asked) -> Answer:
        """One stored recording and its files."""
        which = which_of(asked)
        with self._index.speaking(Books, reading=True) as books:
            row = stored(books, which)
            places = books.files(which)
            sizes = books.sizes(which)
            noted = len(books.notes(which))
        files = [{"name": place.name, "size": sizes[place], "sha256": place.sha256} for place in sorted(places)]
        receipt = row.receipt or b""
        files.append({"name": RECEIPT, "size": len(receipt), "sha256": None})
        listed = Listed(row, sum(sizes.values()), noted)
        return said({**_told(listed), "files": files})

    def file(self, asked: Asked) -> Answer:
        """One file of a stored recording."""
        which, name = which_of(asked), asked.parameters["name"]
        if not is_name(name):
            raise not_found()
        with self._index.speaking(Books, reading=True) as books:
            row = stored(books, which)
            place = next((place for place in books.files(which) if place.name == name), None)
        if name == RECEIPT:
            return _bytes(row.receipt or b"")
        if place is None:
            raise not_found()
        content = self._read(place)
        if clip_index(name) is not None:
            self._note_playback(asked, asked.who, which)
        return _bytes(content)

    def openings(self, asked: Asked) -> Answer:
        """What a list row needs, of many recordings: everything but clips and receipts, and the notes."""
        wanted = [Which(box, recording) for box, recording in asked.read(forms.Openings).recordings]
        with self._index.speaking(Books, reading=True) as books:
            rows = books.rows(wanted)
            found = [which for which in dict.fromkeys(wanted) if which in rows and rows[which].state is State.STORED]
            places = {which: _opening(books.files(which)) for which in found}
            noted = {which: {f"note.{one.note}": one.sealed for one in books.notes(which)} for which in found}
        return Answer(body=self._bundle(places, noted), type=BYTES)

    def ledger(self, asked: Asked) -> Answer:
        """Lines of a box's ledger, which have nothing personal in them."""
        box = asked.parameters["box"]
        check_name(box, BoxName)
        first = asked.number("first", 1, least=1, most=2**53 - 1)
        count = asked.number("count", _LEDGER_LINES, least=1, most=_LEDGER_LINES)
        with self._index.speaking(Books, reading=True) as books:
            lines = books.ledger(box, first, count + 1)
        page = lines[:count]
        more = len(lines) > count and lines[count].seq != page[-1].seq
        return said({"lines": [line.line.decode("utf-8") for line in page], "next": page[-1].seq + 1 if more else None})

    def trust(self, _asked: Asked) -> Answer:
        """The public keys by which all can be verified."""
        return Answer(body=write_trust(self._trust()), type=JSON)

    def _bundle(
        self, places: Mapping[Which, list[Place]], notes: Mapping[Which, Mapping[str, bytes]]
    ) -> Iterator[bytes]:
        yield BUNDLE_MAGIC
        for which, files in places.items():
            for place in files:
                try:
                    yield _entry(which, place.name, self._store(place).get(place))
                except LostBytes:
                    yield _entry(which, place.name, None)
            for name, sealed in notes[which].items():
                yield _entry(which, name, sealed)

    def _note_playback(self, asked: Asked, user: User, which: Which) -> None:
        played = (user.session.session, which)
        if played in self._played:
            return
        with self._index.speaking(Books) as books:
            if books.play(user.session.session, which):
                self._journal.write(books, asked.at, "playback", user=user, which=which)
        self._played[played] = None
        if len(self._played) > _MOST_REMEMBERED:
            self._played.popitem(last=False)

    def _read(self, place: Place) -> bytes:
        try:
            return self._store(place).get(place)
        except LostBytes:
            raise Refused(500, "lost", "the archive has lost this file, or it was altered") from None

    def _store(self, place: Place) -> Store:
        return self._keys if is_key(place.name) else self._clips


def check_month(month: str) -> None:
    """Raise Refused unless it is `YYYY-MM`."""
    if not _MONTH.fullmatch(month):
        raise bad_request("month: allowed is YYYY-MM, from 1970-01")


def which_of(asked: Asked) -> Which:
    """The recording that the path names. Raises Refused."""
    which = Which(asked.parameters["box"], asked.parameters["recording"])
    check_name(which.box, BoxName)
    check_name(which.recording, RecordingId)
    return which


def check_name(value: str, form: Any) -> None:
    """Raise Refused unless a part of the path has the form of such a name."""
    try:
        msgspec.convert(value, form)
    except msgspec.ValidationError:
        raise not_found() from None


def stored(books: Books, which: Which) -> Row:
    """A recording that is stored. Raises Refused, for all others alike."""
    row = books.row(which)
    if row is None or row.state is not State.STORED:
        raise not_found()
    return row


def _cursor(text: str) -> Which:
    recording, _, box = text.partition(".")
    try:
        return Which(msgspec.convert(box, BoxName), msgspec.convert(recording, RecordingId))
    except msgspec.ValidationError:
        raise bad_request("after: allowed is what `next` said") from None


def _told(one: Listed) -> dict[str, Any]:
    row = one.row
    return {
        "box": row.which.box,
        "recording": row.which.recording,
        "state": row.state,
        "stored_at": row.stored_at,
        "manifest": row.manifest_sha256,
        "retain_until": row.retain_until,
        "kept_for": row.kept_for,
        "held": row.held,
        "size": one.size,
        "notes": one.notes,
    }


def _opening(places: frozenset[Place]) -> list[Place]:
    """All but clips and the rewraps that a newer one has replaced."""
    newest = max((rewrap_counter(place.name) or 0 for place in places), default=0)

    def needed(name: str) -> bool:
        counter = rewrap_counter(name)
        return clip_index(name) is None and (name == KEYS or counter is None or counter == newest)

    return sorted(place for place in places if needed(place.name))


def _entry(which: Which, name: str, content: bytes | None) -> bytes:
    label = f"{which.box}/{which.recording}/{name}".encode()
    head = struct.pack(">H", len(label)) + label
    return head + (struct.pack(">I", LOST) if content is None else struct.pack(">I", len(content)) + content)


def _bytes(content: bytes) -> Answer:
    return Answer(body=content, type=BYTES, headers={"content-disposition": "attachment"})
