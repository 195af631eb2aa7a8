"""What browsers store back: sealed monthly indexes and notes. The server sees sizes and times."""

import re
from typing import Any, Final

from handschlag.sealing.encoding import sha256_hex, to_base64url
from handschlag_archive.index import Index
from handschlag_archive.web.archive import check_month, stored, which_of
from handschlag_archive.web.asked import BYTES, Answer, Asked, Refused, bad_request, not_found, said
from handschlag_archive.web.books import Books

INDEX_AT_MOST: Final = 8 * 1024 * 1024
NOTE_AT_MOST: Final = 64 * 1024
NOTES_AT_MOST: Final = 1000

_TAG: Final = re.compile(r'"([0-9a-f]{64})"')


class Kept:
    """Takes and gives sealed bytes."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def indexes(self, _asked: Asked) -> Answer:
        """Which months have an index that is good."""
        with self._index.speaking(Books) as books:
            books.drop_stale_indexes()
            return said({"indexes": [one.__dict__ for one in books.sealed_indexes()]})

    def index(self, asked: Asked) -> Answer:
        """A month's index; none where it tells of what is over."""
        month = _month(asked)
        with self._index.speaking(Books, reading=True) as books:
            stale = bool(books.stale_months(month))
            found = None if stale else books.sealed_index(month)
        if stale:
            with self._index.speaking(Books) as books:
                books.drop_stale_indexes(month)
        if found is None:
            raise not_found()
        return Answer(body=found[1], type=BYTES, headers=_tagged(found[0]))

    def put_index(self, asked: Asked) -> Answer:
        """Store a month's index over the one that it was made from."""
        month = _month(asked)
        ended = asked.number("ended", -1, least=0, most=2**53 - 1)
        if ended < 0:
            raise bad_request("ended: say how many of the month's recordings were over when it was listed")
        over = _condition(asked)
        etag = sha256_hex(asked.body)
        with self._index.speaking(Books) as books:
            books.drop_stale_indexes(month)
            now = books.ended_in(month)
            if now != ended or not books.put_index(
                month, etag=etag, over=over, sealed=asked.body, ended=now, at=asked.at
            ):
                raise Refused(412, "changed", "the month is another by now; list it and build the index anew")
        return Answer(status=204, headers=_tagged(etag))

    def notes(self, asked: Asked) -> Answer:
        """All notes of a recording."""
        which = which_of(asked)
        with self._index.speaking(Books, reading=True) as books:
            stored(books, which)
            found = books.notes(which)
        return said({"notes": [_told(one.note, one.at, one.person, one.sealed) for one in found]})

    def add_note(self, asked: Asked) -> Answer:
        """One more note."""
        which = which_of(asked)
        if not asked.body:
            raise bad_request("the note is empty")
        with self._index.speaking(Books) as books:
            stored(books, which)
            number = books.add_note(which, person=asked.who.person.person, at=asked.at, sealed=asked.body)
            if number > NOTES_AT_MOST:
                raise Refused(409, "conflict", f"a recording has {NOTES_AT_MOST} notes at most")
        return said({"id": number, "at": asked.at}, status=201)


def _month(asked: Asked) -> str:
    month = asked.parameters["month"]
    check_month(month)
    return month


def _condition(asked: Asked) -> str | None:
    """The tag of the index to be replaced; None: there must be none."""
    match, none = asked.headers.get("if-match"), asked.headers.get("if-none-match")
    if none == "*" and match is None:
        return None
    found = _TAG.fullmatch(match or "")
    if found is None or none is not None:
        raise Refused(428, "unconditional", 'say If-Match: "<its tag>", or If-None-Match: * for a first one')
    return found[1]


def _tagged(etag: str) -> dict[str, str]:
    return {"etag": f'"{etag}"'}


def _told(note: int, at: str, person: str, sealed: bytes) -> dict[str, Any]:
    return {"id": note, "at": at, "person": person, "data": to_base64url(sealed)}
