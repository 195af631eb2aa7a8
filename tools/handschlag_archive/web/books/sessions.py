"""Sessions: who has logged in, and what was played in one."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql

from handschlag_archive.index import Which
from handschlag_archive.index.statements import Statements
from handschlag_archive.web import tables

_sessions = tables.sessions
_played = tables.played


@dataclass(frozen=True)
class Session:
    """One login. Tokens are kept hashed."""

    session: str
    person: str
    token: str
    old_token: str | None
    began_at: str
    rotated_at: str
    seen_at: str


class Sessions(Statements):
    """What can be asked and changed about sessions."""

    def session_by(self, token: str) -> Session | None:
        """The session whose token, hashed, is or was that."""
        row = self._connection.execute(
            sql.select(_sessions).where(sql.or_(_sessions.c.token == token, _sessions.c.old_token == token))
        ).first()
        return _session_of(row) if row else None

    def add_session(self, session: Session) -> None:
        """A login."""
        self._connection.execute(sql.insert(_sessions).values(**session.__dict__))

    def rotate(self, session: Session, token: str, at: str, *, keep_old: bool) -> bool:
        """Give the session a new token, hashed; False when somebody else has just done so."""
        old = session.token if keep_old else None
        done = self._connection.execute(
            sql.update(_sessions)
            .where(_sessions.c.session == session.session, _sessions.c.token == session.token)
            .values(token=token, old_token=old, rotated_at=at, seen_at=at)
        )
        return done.rowcount > 0

    def see(self, session: str, at: str) -> None:
        """Note that a session is in use."""
        self._connection.execute(sql.update(_sessions).where(_sessions.c.session == session).values(seen_at=at))

    def end_session(self, session: str) -> bool:
        """End one; whether it was there."""
        self._connection.execute(sql.delete(_played).where(_played.c.session == session))
        return self._connection.execute(sql.delete(_sessions).where(_sessions.c.session == session)).rowcount > 0

    def end_sessions(self, person: str, *, but: str | None = None) -> None:
        """End all of a person's sessions, but one where it is named."""
        those = [_sessions.c.person == person]
        if but is not None:
            those.append(_sessions.c.session != but)
        for session in self._connection.execute(sql.select(_sessions.c.session).where(*those)).scalars().all():
            self.end_session(session)

    def end_stale_sessions(self, *, seen_before: str, began_before: str) -> None:
        """End those that nobody uses any more."""
        query = sql.select(_sessions.c.session).where(
            sql.or_(_sessions.c.seen_at < seen_before, _sessions.c.began_at < began_before)
        )
        for session in self._connection.execute(query).scalars().all():
            self.end_session(session)

    def play(self, session: str, which: Which) -> bool:
        """Note that a recording is played in a session; whether it is the first time."""
        insert = self._insert(_played).values(session=session, box=which.box, recording=which.recording)
        new = self._connection.execute(insert.on_conflict_do_nothing().returning(_played.c.session))
        return new.first() is not None


def _session_of(row: sql.Row[Any]) -> Session:
    return Session(
        session=row.session,
        person=row.person,
        token=row.token,
        old_token=row.old_token,
        began_at=row.began_at,
        rotated_at=row.rotated_at,
        seen_at=row.seen_at,
    )
