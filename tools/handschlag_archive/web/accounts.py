"""The own account: logging in and out, the password, the second factor.

A login takes the same steps whether the name exists or not: one look-up, one count, one scrypt, one comparison. The try
is counted before the password is looked at, so that many at once are no way round the count.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from handschlag.sealing.encoding import from_base64url, to_base64url
from handschlag_archive.index import Index
from handschlag_archive.web import forms, limits, names
from handschlag_archive.web.asked import Answer, Asked, Refused, done, said
from handschlag_archive.web.books import Books
from handschlag_archive.web.books.people import Person
from handschlag_archive.web.journal import Journal
from handschlag_archive.web.logins import Logins
from handschlag_archive.web.vault import LOGIN_BYTES, SALT_BYTES, Vault, base32, token_hash

MEMORY_KIB: Final = 65_536
PASSES: Final = 3
"""How a browser stretches a password: Argon2id, one lane."""
_STRETCHING: Final = {"memory_kib": MEMORY_KIB, "passes": PASSES}

_TOTP_BYTES: Final = 20
_TOTP_STEP_S: Final = 30
_TOTP: Final = "totp"
_NOBODYS_SALT: Final = bytes(SALT_BYTES)


@dataclass(frozen=True)
class _Tried:
    person: Person | None
    failed_before: int
    locked: bool


class Accounts:
    """What somebody does about the own account."""

    def __init__(self, index: Index, vault: Vault, journal: Journal, logins: Logins) -> None:
        self._index = index
        self._vault = vault
        self._journal = journal
        self._logins = logins

    def begin(self, asked: Asked) -> Answer:
        """The salt of a name: of one that nobody has, one that looks like any other."""
        name = names.compared(asked.read(forms.LoginBegin).name)
        with self._index.speaking(Books, reading=True) as books:
            person = books.person_named(self._vault.name_key(name))
        salt = self._vault.salt_of_nobody(name)
        return said({"salt": to_base64url(person.salt if person else salt), **_STRETCHING})

    def login(self, asked: Asked) -> Answer:
        """Log in; whatever session the browser had is over."""
        form = asked.read(forms.LoginForm)
        key = self._vault.name_key(names.compared(form.name))
        tried = self._try(key, asked)
        person = tried.person
        if not self._is_right(person, form.login) or person is None:
            self._tell_lock(tried, asked)
            raise Refused(401, "bad-login", "name or password is wrong")
        if person.totp is not None:
            if form.code is None:
                self._was_none(key)
                return said({"second_factor_needed": True})
            self._use_code(person, person.totp, form.code, asked, tried)
        with self._index.speaking(Books) as books:
            now = books.person(person.person)
            if now is None or now.login != person.login:
                raise Refused(401, "bad-login", "name or password is wrong")
            books.set_failures(key, None)
            if asked.token is not None:
                former = books.session_by(token_hash(asked.token))
                if former is not None:
                    books.end_session(former.session)
            token, session = self._logins.begin(books, person.person, asked.now)
            subject = f"after {tried.failed_before} failed" if tried.failed_before else None
            self._journal.write(books, asked.at, "login", person=person.person, subject=subject)
        return said(self._about(person, self._vault.csrf(session.session)), cookie=token)

    def me(self, asked: Asked) -> Answer:
        """Who is logged in, with what the browser needs to open the bundle of keys again."""
        return said(self._about(asked.who.person, asked.who.csrf))

    def logout(self, asked: Asked) -> Answer:
        """End the session."""
        with self._index.speaking(Books) as books:
            books.end_session(asked.who.session.session)
            self._journal.write(books, asked.at, "logout", user=asked.who)
        return done(cookie="")

    def password(self, asked: Asked) -> Answer:
        """Change the password; all other sessions end, and this one gets a new token."""
        form = asked.read(forms.PasswordForm)
        user = asked.who
        salt, login = forms.salt_bytes(form.salt), forms.login_bytes(form.login)
        wrapped = forms.wrapped_bytes(form.wrapped, user.role, first_owner=user.person.wrapped is None)
        self._confirm(asked, form.old)
        login_salt = secrets.token_bytes(SALT_BYTES)
        hashed = self._vault.hash_login(login, login_salt)
        with self._index.speaking(Books) as books:
            books.change_person(user.person.person, salt=salt, login_salt=login_salt, login=hashed, wrapped=wrapped)
            books.end_sessions(user.person.person, but=user.session.session)
            session = books.session_by(user.session.token)
            token = self._logins.renew(books, session, asked.now, keep_old=False) if session else None
            self._journal.write(books, asked.at, "password", user=user)
        return done(cookie=token)

    def totp_begin(self, asked: Asked) -> Answer:
        """A secret for an authenticator program; it counts once a first code has been given."""
        self._confirm(asked, asked.read(forms.Confirmed).login)
        person = asked.who.person
        if person.totp is not None:
            raise Refused(409, "conflict", "there is a second factor already; remove it first")
        secret = secrets.token_bytes(_TOTP_BYTES)
        text = to_base64url(secret)
        with self._index.speaking(Books) as books:
            books.change_person(person.person, totp_new=self._vault.seal(text, f"{_TOTP} {person.person}"))
        label = quote(f"Handschlag:{self._name(person)}")
        uri = f"otpauth://totp/{label}?secret={base32(secret)}&issuer=Handschlag&algorithm=SHA1&digits=6&period=30"
        return said({"secret": base32(secret), "uri": uri})

    def totp_confirm(self, asked: Asked) -> Answer:
        """From now on a code is asked for."""
        person = asked.who.person
        code = asked.read(forms.CodeForm).code
        if person.totp_new is None:
            raise Refused(409, "conflict", "begin with a new secret")
        step = self._step(person, person.totp_new, code, asked.now)
        with self._index.speaking(Books) as books:
            if step is None or not books.use_totp_step(person.person, step):
                raise Refused(401, "bad-code", "that code is not valid now")
            books.change_person(person.person, totp=person.totp_new, totp_new=None)
            self._journal.write(books, asked.at, "second-factor-on", user=asked.who)
        return done()

    def totp_remove(self, asked: Asked) -> Answer:
        """No code is asked for any more."""
        form = asked.read(forms.TotpRemoval)
        person = asked.who.person
        if person.totp is None:
            raise Refused(409, "conflict", "there is no second factor")
        tried = self._confirm(asked, form.login, finish=False)
        self._use_code(person, person.totp, form.code, asked, tried)
        with self._index.speaking(Books) as books:
            books.change_person(person.person, totp=None, totp_new=None)
            books.set_failures(self._key(person), None)
            self._journal.write(books, asked.at, "second-factor-off", user=asked.who)
        return done()

    # Tries.

    def _try(self, key: str, asked: Asked) -> _Tried:
        """Count a try before it is looked at. Raises Refused while the name is locked."""
        with self._index.speaking(Books) as books:
            before = books.failures(key)
            wait_s = limits.locked_for_s(before, asked.now)
            if not wait_s:
                after = limits.one_more(before, asked.now)
                books.set_failures(key, after)
            person = books.person_named(key)
        if wait_s:
            raise Refused(429, "too-many", "too many wrong passwords; wait", retry_after_s=wait_s)
        return _Tried(person, after.count - 1, after.locked_until is not None)

    def _was_none(self, key: str) -> None:
        """The password was right, only the code is still to come: that was no failed try."""
        with self._index.speaking(Books) as books:
            before = books.failures(key)
            if before is not None:
                books.set_failures(key, limits.one_less(before))

    def _is_right(self, person: Person | None, login: str) -> bool:
        """As long for nobody as for somebody."""
        hashed = self._vault.hash_login(forms.login_bytes(login), person.login_salt if person else _NOBODYS_SALT)
        return hmac.compare_digest(hashed, person.login if person else bytes(LOGIN_BYTES))

    def _confirm(self, asked: Asked, login: str, *, finish: bool = True) -> _Tried:
        """Ask for the password of somebody who is logged in; counted as a login is. Raises Refused."""
        key = self._key(asked.who.person)
        tried = self._try(key, asked)
        if not self._is_right(asked.who.person, login):
            self._tell_lock(tried, asked)
            raise Refused(401, "bad-login", "the password is wrong")
        if finish:
            self._was_none(key)
        return tried

    def _use_code(self, person: Person, sealed: bytes, code: str, asked: Asked, tried: _Tried) -> None:
        """Each code is good once. Raises Refused."""
        step = self._step(person, sealed, code, asked.now)
        if step is not None:
            with self._index.speaking(Books) as books:
                if books.use_totp_step(person.person, step):
                    return
        self._tell_lock(tried, asked)
        raise Refused(401, "bad-code", "that code is not valid now")

    def _step(self, person: Person, sealed: bytes, code: str, now: datetime) -> int | None:
        """Which step of RFC 6238 a code is of: this one, or one beside it; None: of none."""
        secret = from_base64url(self._vault.open(sealed, f"{_TOTP} {person.person}"), _TOTP)
        totp = TOTP(secret, 6, SHA1(), _TOTP_STEP_S)  # noqa: S303 - what authenticator programs know
        this = int(now.timestamp()) // _TOTP_STEP_S
        found = None
        for step in (this - 1, this, this + 1):
            if hmac.compare_digest(totp.generate(step * _TOTP_STEP_S), code.encode()):
                found = step
        return found

    def _tell_lock(self, tried: _Tried, asked: Asked) -> None:
        if tried.person is not None and tried.locked:
            with self._index.speaking(Books) as books:
                self._journal.write(
                    books, asked.at, "lock-out", person=tried.person.person, subject=f"{tried.failed_before + 1} failed"
                )

    # About a person.

    def _key(self, person: Person) -> str:
        return self._vault.name_key(names.compared(self._name(person)))

    def _name(self, person: Person) -> str:
        return self._vault.open(person.name, f"name {person.person}")

    def _about(self, person: Person, csrf: str) -> dict[str, Any]:
        return {
            "person": person.person,
            "name": self._name(person),
            "role": person.role,
            "csrf": csrf,
            "wrapped": None if person.wrapped is None else to_base64url(person.wrapped),
            "totp": person.totp is not None,
            "salt": to_base64url(person.salt),
            **_STRETCHING,
        }
