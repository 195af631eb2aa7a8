"""What a handler is asked, what it answers, and how it refuses; nothing of HTTP but that.

Handlers are plain functions that may wait for a disk: the gate runs each in a thread, after it has found out who asks,
whether they may, and that the body is no larger than the route allows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from handschlag.errors import HandschlagError
from handschlag_archive.periods import written
from handschlag_archive.web.books.people import Person
from handschlag_archive.web.books.sessions import Session
from handschlag_archive.web.roles import Role

T = TypeVar("T")

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"


class Refused(HandschlagError, ValueError):
    """No. `word` is for programs, the text for people; neither tells what the asker may not know."""

    def __init__(self, status: int, word: str, text: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status: Final = status
        self.word: Final = word
        self.retry_after_s: Final = retry_after_s


def not_found() -> Refused:
    """One answer for what is not there, what is not stored, and what somebody may not know to be there."""
    return Refused(404, "not-found", "there is nothing here")


def bad_request(text: str) -> Refused:
    """The request cannot be understood."""
    return Refused(400, "bad-request", text)


@dataclass(frozen=True)
class User:
    """Who asks, and by which session."""

    person: Person
    session: Session
    csrf: str

    @property
    def role(self) -> Role:
        """What they are."""
        return self.person.role


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request. `user` is None only on routes that are open to everybody."""

    now: datetime
    address: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    user: User | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def at(self) -> str:
        """The moment, as it is written."""
        return written(self.now)

    @property
    def who(self) -> User:
        """Who asks, on a route that is not open to everybody."""
        if self.user is None:
            raise Refused(401, "no-session", "log in first")
        return self.user

    def read(self, form: type[T]) -> T:
        """The body's JSON. Raises Refused, which names the field and never shows its value."""
        try:
            return msgspec.json.decode(self.body, type=form)
        except msgspec.ValidationError as error:
            raise bad_request(str(error)) from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise bad_request("the body is no JSON") from None

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """A number in the query. Raises Refused."""
        text = self.query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 16 and least <= int(text) <= most):
            raise bad_request(f"{name}: allowed is a number from {least} to {most}")
        return int(text)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What goes back. `cookie` sets the session's token, "" takes it away, None leaves it."""

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cookie: str | None = field(default=None, repr=False)


def said(value: Any, *, status: int = 200, cookie: str | None = None) -> Answer:
    """An answer in JSON."""
    return Answer(status=status, body=msgspec.json.encode(value), type=JSON, cookie=cookie)


def done(*, cookie: str | None = None) -> Answer:
    """An answer that has nothing to say."""
    return Answer(status=204, cookie=cookie)
