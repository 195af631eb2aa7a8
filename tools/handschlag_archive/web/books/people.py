"""People, invitations, and how often somebody got a password wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql

from handschlag_archive.index.statements import Statements
from handschlag_archive.web import tables
from handschlag_archive.web.roles import Role

_people = tables.people
_invitations = tables.invitations
_failures = tables.failures


@dataclass(frozen=True)
class Person:
    """One account. `name` and `totp` are sealed by the server; `wrapped` was wrapped in the browser."""

    person: str
    name: bytes
    role: Role
    salt: bytes
    login_salt: bytes
    login: bytes
    wrapped: bytes | None
    totp: bytes | None
    totp_new: bytes | None
    totp_step: int
    joined_at: str
    removed_at: str | None


@dataclass(frozen=True)
class Invitation:
    """Somebody who may make an account once."""

    invitation: str
    token: str
    person: str
    name_key: str
    name: bytes
    role: Role
    wrapped: bytes | None
    expires_at: str


@dataclass(frozen=True)
class Failures:
    """How often in a row a login under a name went wrong."""

    count: int
    last_at: str
    locked_until: str | None


class People(Statements):
    """What can be asked and changed about people."""

    def person(self, person: str) -> Person | None:
        """An account that is open."""
        return self._person(_people.c.person == person)

    def person_named(self, name_key: str) -> Person | None:
        """An account that is open, by name."""
        return self._person(_people.c.name_key == name_key)

    def people(self, *, removed: bool = False) -> Sequence[Person]:
        """All accounts that are open, the oldest first; with `removed` those that were, too."""
        query = sql.select(_people).order_by(_people.c.joined_at, _people.c.person)
        if not removed:
            query = query.where(_people.c.removed_at.is_(None))
        return [_person_of(row) for row in self._connection.execute(query)]

    def add_person(
        self, invitation: Invitation, *, wrapped: bytes | None, salt: bytes, login_salt: bytes, login: bytes, at: str
    ) -> None:
        """Open the account that somebody was invited to."""
        self._connection.execute(
            sql.insert(_people).values(
                person=invitation.person,
                name_key=invitation.name_key,
                name=invitation.name,
                role=invitation.role.value,
                salt=salt,
                login_salt=login_salt,
                login=login,
                wrapped=wrapped,
                joined_at=at,
            )
        )

    def change_person(self, person: str, **values: Any) -> None:
        """Change columns of an account."""
        self._connection.execute(sql.update(_people).where(_people.c.person == person).values(**values))

    def use_totp_step(self, person: str, step: int) -> bool:
        """Note that the code of this step was used; False when it, or a later one, was used before."""
        done = self._connection.execute(
            sql.update(_people).where(_people.c.person == person, _people.c.totp_step < step).values(totp_step=step)
        )
        return done.rowcount > 0

    def remove_person(self, person: str, at: str) -> None:
        """Close an account: its name stays for the log, all that could open anything goes."""
        self.change_person(
            person,
            name_key=None,
            salt=b"",
            login_salt=b"",
            login=b"",
            wrapped=None,
            totp=None,
            totp_new=None,
            removed_at=at,
        )

    def owners(self) -> Sequence[str]:
        """The ids of all owners, locked until the transaction ends: nobody removes the last but one meanwhile."""
        query = sql.select(_people.c.person).where(_people.c.role == Role.OWNER.value, _people.c.removed_at.is_(None))
        if self._locking:
            query = query.with_for_update()
        return list(self._connection.execute(query.order_by(_people.c.person)).scalars())

    def add_invitation(self, invitation: Invitation) -> None:
        """Note an invitation; an earlier one under the same name is void."""
        self._connection.execute(sql.delete(_invitations).where(_invitations.c.name_key == invitation.name_key))
        self._connection.execute(
            sql.insert(_invitations).values(
                invitation=invitation.invitation,
                token=invitation.token,
                person=invitation.person,
                name_key=invitation.name_key,
                name=invitation.name,
                role=invitation.role.value,
                wrapped=invitation.wrapped,
                expires_at=invitation.expires_at,
            )
        )

    def invitation(self, invitation: str) -> Invitation | None:
        """One invitation."""
        row = self._connection.execute(sql.select(_invitations).where(_invitations.c.invitation == invitation)).first()
        return _invitation_of(row) if row else None

    def invitations(self) -> Sequence[Invitation]:
        """All invitations."""
        return [_invitation_of(row) for row in self._connection.execute(sql.select(_invitations))]

    def remove_invitation(self, invitation: str) -> bool:
        """Take an invitation back, or note that it was used; whether it was there. Only one of several gets True."""
        done = self._connection.execute(sql.delete(_invitations).where(_invitations.c.invitation == invitation))
        return done.rowcount > 0

    def failures(self, name_key: str) -> Failures | None:
        """How often a login under that name went wrong."""
        query = sql.select(_failures).where(_failures.c.name_key == name_key)
        if self._locking:
            query = query.with_for_update()
        row = self._connection.execute(query).first()
        return Failures(row.tries, row.last_at, row.locked_until) if row else None

    def set_failures(self, name_key: str, failures: Failures | None) -> None:
        """Note it; None: it went right."""
        if failures is None:
            self._connection.execute(sql.delete(_failures).where(_failures.c.name_key == name_key))
            return
        values = {"tries": failures.count, "last_at": failures.last_at, "locked_until": failures.locked_until}
        insert = self._insert(_failures).values(name_key=name_key, **values)
        self._connection.execute(insert.on_conflict_do_update(index_elements=["name_key"], set_=values))

    def has_failures(self, before: str) -> bool:
        """Whether some are long past."""
        query = sql.select(_failures.c.name_key).where(_failures.c.last_at < before).limit(1)
        return self._connection.execute(query).first() is not None

    def forget_failures(self, before: str) -> None:
        """Those that are long past."""
        self._connection.execute(sql.delete(_failures).where(_failures.c.last_at < before))

    def _person(self, condition: sql.ColumnElement[bool]) -> Person | None:
        row = self._connection.execute(sql.select(_people).where(condition, _people.c.removed_at.is_(None))).first()
        return _person_of(row) if row else None


def _person_of(row: sql.Row[Any]) -> Person:
    return Person(
        person=row.person,
        name=row.name,
        role=Role(row.role),
        salt=row.salt,
        login_salt=row.login_salt,
        login=row.login,
        wrapped=row.wrapped,
        totp=row.totp,
        totp_new=row.totp_new,
        totp_step=row.totp_step,
        joined_at=row.joined_at,
        removed_at=row.removed_at,
    )


def _invitation_of(row: sql.Row[Any]) -> Invitation:
    return Invitation(
        invitation=row.invitation,
        token=row.token,
        person=row.person,
        name_key=row.name_key,
        name=row.name,
        role=Role(row.role),
        wrapped=row.wrapped,
        expires_at=row.expires_at,
    )
