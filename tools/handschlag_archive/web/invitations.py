"""People and invitations: how somebody comes in, and how somebody goes.

An invitation is a link that is good once and for a week. Its token opens it here; the device secret beside it, in the
fragment that no browser sends, opens the bundle of keys that lies in it, which this server cannot. The very first owner
is invited by the command line, by whoever runs the server, with no bundle: that owner's browser imports the secret.
"""

import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final

from handschlag.sealing.encoding import to_base64url
from handschlag_archive.index import Index
from handschlag_archive.periods import moment, written
from handschlag_archive.web import forms, names
from handschlag_archive.web.asked import Answer, Asked, Refused, User, done, not_found, said
from handschlag_archive.web.books import Books
from handschlag_archive.web.books.people import Invitation
from handschlag_archive.web.journal import CONSOLE, Journal
from handschlag_archive.web.roles import HOLD_KEYS, Role
from handschlag_archive.web.vault import SALT_BYTES, Vault, token_hash

GOOD_FOR: Final = timedelta(days=7)
_TOKEN_BYTES: Final = 32


class Invitations:
    """Brings people in and lets them go."""

    def __init__(self, index: Index, vault: Vault, journal: Journal) -> None:
        self._index = index
        self._vault = vault
        self._journal = journal

    def people(self, asked: Asked) -> Answer:
        """Who has an account, and who was invited."""
        with self._index.speaking(Books, reading=True) as books:
            people, invitations = books.people(), books.invitations()
        return said(
            {
                "people": [
                    {
                        "person": one.person,
                        "name": self._vault.open(one.name, f"name {one.person}"),
                        "role": one.role,
                        "joined_at": one.joined_at,
                        "totp": one.totp is not None,
                    }
                    for one in people
                ],
                "invitations": [
                    {
                        "id": one.invitation,
                        "name": self._vault.open(one.name, f"name {one.person}"),
                        "role": one.role,
                        "expires_at": one.expires_at,
                    }
                    for one in invitations
                    if moment(one.expires_at) > asked.now
                ],
            }
        )

    def invite(self, asked: Asked) -> Answer:
        """Invite somebody."""
        form = asked.read(forms.InvitationForm)
        wrapped = forms.wrapped_bytes(form.wrapped, form.role)
        invitation, token = self.make(form.name, form.role, asked.now, wrapped=wrapped, user=asked.who)
        return said({"id": invitation.invitation, "token": token, "expires_at": invitation.expires_at}, status=201)

    def make(
        self, name: str, role: Role, now: datetime, *, wrapped: bytes | None = None, user: User | None = None
    ) -> tuple[Invitation, str]:
        """An invitation and its token; by the command line where there is no `user`. Raises Refused."""
        name = names.shown(name)
        token = to_base64url(secrets.token_bytes(_TOKEN_BYTES))
        person = secrets.token_hex(16)
        invitation = Invitation(
            invitation=secrets.token_hex(16),
            token=token_hash(token),
            person=person,
            name_key=self._vault.name_key(names.compared(name)),
            name=self._vault.seal(name, f"name {person}"),
            role=role,
            wrapped=wrapped,
            expires_at=written(now + GOOD_FOR),
        )
        with self._index.speaking(Books) as books:
            if books.person_named(invitation.name_key) is not None:
                raise Refused(409, "conflict", "somebody has that name")
            books.add_invitation(invitation)
            by = None if user else CONSOLE
            self._journal.write(
                books, written(now), "invited", user=user, person=by, subject=f"{role} {invitation.person}"
            )
        return invitation, token

    def withdraw(self, asked: Asked) -> Answer:
        """Take an invitation back."""
        with self._index.speaking(Books) as books:
            invitation = books.invitation(asked.parameters["invitation"])
            if invitation is None or not books.remove_invitation(invitation.invitation):
                raise not_found()
            subject = f"{invitation.role} {invitation.person}"
            self._journal.write(books, asked.at, "invitation-withdrawn", user=asked.who, subject=subject)
        return done()

    def open(self, asked: Asked) -> Answer:
        """What an invitation holds, for whoever has its token."""
        with self._index.speaking(Books, reading=True) as books:
            invitation = self._good(books, asked, asked.read(forms.InvitationToken).token)
        return said(
            {
                "name": self._vault.open(invitation.name, f"name {invitation.person}"),
                "role": invitation.role,
                "person": invitation.person,
                "wrapped": None if invitation.wrapped is None else to_base64url(invitation.wrapped),
            }
        )

    def accept(self, asked: Asked) -> Answer:
        """Make the account; the invitation is used."""
        form = asked.read(forms.Acceptance)
        salt, login = forms.salt_bytes(form.salt), forms.login_bytes(form.login)
        login_salt = secrets.token_bytes(SALT_BYTES)
        with self._index.speaking(Books, reading=True) as books:
            role = self._good(books, asked, form.token).role
        wrapped = forms.wrapped_bytes(form.wrapped, role)
        hashed = self._vault.hash_login(login, login_salt)
        with self._index.speaking(Books) as books:
            invitation = self._good(books, asked, form.token)
            if not books.remove_invitation(invitation.invitation):
                raise not_found()
            if books.person_named(invitation.name_key) is not None:
                raise Refused(409, "conflict", "somebody has that name")
            books.add_person(invitation, wrapped=wrapped, salt=salt, login_salt=login_salt, login=hashed, at=asked.at)
            self._journal.write(books, asked.at, "joined", person=invitation.person, subject=invitation.role)
        return said({"person": invitation.person}, status=201)

    def remove(self, asked: Asked) -> Answer:
        """Let somebody go: all their sessions end at once. Says what the owner's browser must renew."""
        person = asked.parameters["person"]
        with self._index.speaking(Books) as books:
            owners = books.owners()
            found = books.person(person)
            if found is None:
                raise not_found()
            if list(owners) == [person]:
                raise Refused(409, "conflict", "the last owner cannot be removed")
            books.end_sessions(person)
            books.remove_person(person, asked.at)
            self._journal.write(books, asked.at, "removed", user=asked.who, subject=f"{found.role} {person}")
        rotate = ["workshop"] if found.role in HOLD_KEYS else []
        return said({"rotate": [*rotate, *(["signing"] if found.role is Role.OWNER else [])]})

    def _good(self, books: Books, asked: Asked, token: str) -> Invitation:
        """The invitation that is asked for. Raises Refused, in the same words whatever is wrong with it."""
        invitation = books.invitation(asked.parameters["invitation"])
        kept = invitation.token if invitation else "0" * 64
        if not hmac.compare_digest(kept, token_hash(token)) or invitation is None:
            raise not_found()
        if moment(invitation.expires_at) <= asked.now:
            raise not_found()
        return invitation
