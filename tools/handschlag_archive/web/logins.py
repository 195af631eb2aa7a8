"""Sessions: made at a login, renewed every quarter of an hour, ended by leaving, by time, or by an old token.

A token is 256 random bits that only its browser has; the database has its hash. A token that the server has not made is
never taken on, and a login always makes a new one, so none can be fixed beforehand. When a token is renewed the old one
is good for a minute more, for requests that were under way; used later, somebody has kept a copy, and the session ends
for both.
"""

import secrets
from datetime import datetime, timedelta
from typing import Final

from handschlag.sealing.encoding import to_base64url
from handschlag_archive.index import Index
from handschlag_archive.periods import moment, written
from handschlag_archive.web.asked import User
from handschlag_archive.web.books import Books
from handschlag_archive.web.books.sessions import Session
from handschlag_archive.web.journal import Journal
from handschlag_archive.web.vault import Vault, token_hash

ROTATED_AFTER: Final = timedelta(minutes=15)
OLD_TOKEN_GOOD_FOR: Final = timedelta(minutes=1)
IDLE_AT_MOST: Final = timedelta(hours=1)
AT_MOST: Final = timedelta(hours=12)
_SEEN_EVERY: Final = timedelta(minutes=1)
_TOKEN_BYTES: Final = 32
_TOKEN_LETTERS: Final = 43


class Logins:
    """Makes, finds and ends sessions."""

    def __init__(self, index: Index, vault: Vault, journal: Journal) -> None:
        self._index = index
        self._vault = vault
        self._journal = journal

    def begin(self, books: Books, person: str, now: datetime) -> tuple[str, Session]:
        """A new session of a person; its token and what is kept of it."""
        token, at = _new_token(), written(now)
        session = Session(secrets.token_hex(16), person, token_hash(token), None, at, at, at)
        books.end_stale_sessions(seen_before=written(now - IDLE_AT_MOST), began_before=written(now - AT_MOST))
        books.add_session(session)
        return token, session

    def renew(self, books: Books, session: Session, now: datetime, *, keep_old: bool) -> str | None:
        """A new token for a session; None when another request has just got one."""
        token = _new_token()
        return token if books.rotate(session, token_hash(token), written(now), keep_old=keep_old) else None

    def find(self, token: str | None, now: datetime) -> tuple[User | None, str | None]:
        """Whose token that is, and the new one where it was time for it."""
        if token is None or len(token) != _TOKEN_LETTERS:
            return None, None
        hashed = token_hash(token)
        with self._index.speaking(Books, reading=True) as books:
            session = books.session_by(hashed)
            person = books.person(session.person) if session else None
        if session is None:
            return None, None
        if person is None or _is_over(session, now):
            self._end(session)
            return None, None
        user = User(person, session, self._vault.csrf(session.session))
        return self._with_current(user, now) if hashed == session.token else (self._with_old(user, now), None)

    def _with_current(self, user: User, now: datetime) -> tuple[User, str | None]:
        session = user.session
        if now - moment(session.rotated_at) > ROTATED_AFTER:
            with self._index.speaking(Books) as books:
                return user, self.renew(books, session, now, keep_old=True)
        if now - moment(session.seen_at) > _SEEN_EVERY:
            with self._index.speaking(Books) as books:
                books.see(session.session, written(now))
        return user, None

    def _with_old(self, user: User, now: datetime) -> User | None:
        if now - moment(user.session.rotated_at) <= OLD_TOKEN_GOOD_FOR:
            return user
        with self._index.speaking(Books) as books:
            if books.end_session(user.session.session):
                self._journal.write(books, written(now), "session-ended", user=user, subject="old token")
        return None

    def _end(self, session: Session) -> None:
        with self._index.speaking(Books) as books:
            books.end_session(session.session)


def _is_over(session: Session, now: datetime) -> bool:
    return now - moment(session.seen_at) > IDLE_AT_MOST or now - moment(session.began_at) > AT_MOST


def _new_token() -> str:
    return to_base64url(secrets.token_bytes(_TOKEN_BYTES))
