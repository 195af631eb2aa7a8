"""Oversight: the audit log, and what is processed, in numbers. For the owner and the data protection officer."""

from collections import Counter
from datetime import timedelta
from typing import Any, Final

from handschlag_archive.index import Index, Which
from handschlag_archive.periods import written
from handschlag_archive.web import forms
from handschlag_archive.web.asked import Answer, Asked, bad_request, not_found, said
from handschlag_archive.web.books import Books
from handschlag_archive.web.books.audit import GENESIS
from handschlag_archive.web.books.overview import month_of
from handschlag_archive.web.journal import CONSOLE, Journal
from handschlag_archive.web.vault import Vault

PAGE_AT_MOST: Final = 1000
_ENDING_WITHIN_DAYS: Final = (30, 90, 365)


class Oversight:
    """Shows what was done and what is kept; never a file."""

    def __init__(self, index: Index, vault: Vault, journal: Journal) -> None:
        self._index = index
        self._vault = vault
        self._journal = journal

    def audit(self, asked: Asked) -> Answer:
        """A page of the audit log."""
        after = asked.number("after", 0, least=0, most=2**53 - 1)
        count = asked.number("limit", 200, least=1, most=PAGE_AT_MOST)
        with self._index.speaking(Books, reading=True) as books:
            entries = books.audit(after, count + 1)
            head = books.audit_head()
            people = books.people(removed=True)
        names = {one.person: self._vault.open(one.name, f"name {one.person}") for one in people}
        names[CONSOLE] = CONSOLE
        page = entries[:count]
        return said(
            {
                "entries": [self._journal.told(entry, names) for entry in page],
                "head": {"seq": head.seq if head else 0, "sha256": head.sha256 if head else GENESIS},
                "next": page[-1].seq if len(entries) > count else None,
            }
        )

    def tell(self, asked: Asked) -> Answer:
        """A browser says what it does with what it has opened: an export, a search for a person."""
        form = asked.read(forms.AuditForm)
        if (form.box is None) != (form.recording is None) or (form.what == "export") != (form.recording is not None):
            raise bad_request("an export names box and recording; a search names neither")
        which = Which(form.box, form.recording) if form.box and form.recording else None
        with self._index.speaking(Books) as books:
            if which is not None and books.row(which) is None:
                raise not_found()
            entry = self._journal.write(books, asked.at, form.what, user=asked.who, which=which, reason=form.reason)
        return said({"seq": entry.seq, "sha256": entry.sha256}, status=201)

    def processing(self, asked: Asked) -> Answer:
        """Counts: by month, by class, what ends when, what was ended and why, what is held."""
        with self._index.speaking(Books, reading=True) as books:
            months = {one.month: {**one.__dict__, "why": Counter[str]()} for one in books.months()}
            for recording, why, _ in books.ended_why():
                month = months.get(month_of(recording) or "")
                if month is not None:
                    _count(month, why)
            ending = {
                str(days): books.ends_by_class("", written(asked.now + timedelta(days=days)))
                for days in _ENDING_WITHIN_DAYS
            }
            answer = {
                "months": list(months.values()),
                "stored": books.stored_by_class(),
                "held": books.held_by_class(),
                "ending_within_days": ending,
                "endless": books.endless(),
                "overdue": books.ends_by_class("", asked.at),
                "alarms": [
                    {"kind": one.kind, "box": one.box, "since": one.since, "text": one.text} for one in books.alarms()
                ],
                "people": dict(Counter(one.role.value for one in books.people())),
            }
            head = books.audit_head()
        return said({**answer, "audit": {"seq": head.seq if head else 0, "sha256": head.sha256 if head else GENESIS}})


def _count(month: dict[str, Any], why: str) -> None:
    month["why"][why] += 1
