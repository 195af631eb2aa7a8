"""The owner's signed word, as a browser brings it: erase, hold, release, class, a revocation.

What it may do is decided by its signature, not by who is logged in; that the session is an owner's comes on top. The
reason is in the audit log before anything happens, what came of it afterwards. What an erasure leaves behind in sealed
indexes and notes goes at once.
"""

from typing import Final

from handschlag.sealing.encoding import BoxName
from handschlag.sealing.owner import message_id
from handschlag_archive.index import Index, Which
from handschlag_archive.owner import Owner
from handschlag_archive.owner import Refused as NotTaken
from handschlag_archive.web import forms
from handschlag_archive.web.archive import check_name
from handschlag_archive.web.asked import Answer, Asked, Refused, bad_request, said
from handschlag_archive.web.books import Books
from handschlag_archive.web.journal import Journal

_MOST_SHOWN: Final = 1000


class Owners:
    """Takes the owner's messages in, and shows what came of them."""

    def __init__(self, index: Index, owner: Owner, journal: Journal) -> None:
        self._index = index
        self._owner = owner
        self._journal = journal

    def messages(self, asked: Asked) -> Answer:
        """The newest messages to a box, and the counter that the next one must have at least."""
        box = asked.parameters["box"]
        check_name(box, BoxName)
        with self._index.speaking(Books, reading=True) as books:
            newest = books.newest_word(box)
            words = books.words(box)[-_MOST_SHOWN:]
        return said(
            {
                "next_counter": max(newest + 1, int(asked.now.timestamp() * 1000)),
                "messages": [
                    {
                        "id": word.id,
                        "name": word.name,
                        "recording": word.recording,
                        "at": word.taken_at,
                        "outcome": word.outcome,
                        "reply": word.reply,
                        "replied_at": word.replied_at,
                    }
                    for word in words
                ],
            }
        )

    def take(self, asked: Asked) -> Answer:
        """Carry a message out."""
        form = asked.read(forms.OwnerForm)
        if not form.message.isascii():
            raise bad_request("message: allowed is a compact JWS")
        token = form.message.encode("ascii")
        subject = message_id(token)
        with self._index.speaking(Books) as books:
            self._journal.write(books, asked.at, "owner-message", user=asked.who, subject=subject, reason=form.reason)
        try:
            taken = self._owner.take(token)
        except NotTaken as error:
            with self._index.speaking(Books) as books:
                self._journal.write(books, asked.at, "owner-message-refused", user=asked.who, subject=subject)
            raise Refused(409, "not-taken", str(error)) from None
        which = Which(taken.box, taken.recording) if taken.recording else None
        with self._index.speaking(Books) as books:
            if taken.name in {"erase", "revoke"}:
                books.drop_stale_indexes()
                books.drop_notes_of_ended()
            self._journal.write(
                books, asked.at, taken.name, user=asked.who, which=which, subject=f"{taken.outcome} {taken.id}"
            )
        return said(
            {
                "id": taken.id,
                "box": taken.box,
                "name": taken.name,
                "recording": taken.recording,
                "outcome": taken.outcome,
                "again": taken.again,
                "waits": bool(taken.waits),
            }
        )
