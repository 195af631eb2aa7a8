"""The operator's commands to a box: identify, selftest, report, log-level, update, restart.

Signed with the operator's key, for one box, with a counter that must rise and an end after which nobody may carry it
out any more. Which names there are is the box's business: one that it does not know is answered, not dropped. No
command can start, open or forward a recording.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from handschlag.sealing import jws
from handschlag.sealing.encoding import BoxName, Positive, Time, decode, encode_checked
from handschlag.sealing.errors import BadFile
from handschlag.sealing.keys import Keyring, SigningKey

_TYP: Final = "handschlag-command"
_NAME: Final = "operator's command"
LONGEST: Final = timedelta(days=7)
"""So long may a command wait for its box."""

Name = Annotated[str, Meta(pattern=r"\A[a-z][a-z-]{0,31}\Z")]
CommandId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
Minutes = Annotated[int, Meta(ge=1, le=1440)]
Level = Literal["debug", "info", "warning", "error"]


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What the operator wants of a box. `level` and `minutes` for `log-level`, and for nothing else."""

    version: Literal[1] = 1
    box: BoxName
    name: Name
    id: CommandId
    counter: Positive
    at: Time
    expires: Time
    level: Level | None = None
    minutes: Minutes | None = None


def sign_command(command: Command, key: SigningKey) -> bytes:
    """The command as JWS by the operator; raises BadFile for one that no reader would take."""
    payload = encode_checked(command, _NAME)
    _check(command, _NAME)
    return jws.sign(payload, _TYP, key)


def read_command(token: bytes, keys: Keyring, name: str = _NAME) -> Command:
    """A command by a trusted operator's key, valid from its making to its end; raises BadFile, Tampered, Untrusted."""
    signed = jws.read(token, _TYP, keys, name)
    command = decode(signed.payload, Command, name)
    _check(command, name)
    with jws.naming(name):
        keys.admit(signed.kid, at=command.at)
        keys.admit(signed.kid, at=command.expires)  # a key that is over cannot order anything that still counts
    return command


def expires_at(command: Command) -> float:
    """Its end, in seconds since 1970."""
    return _time(command.expires, _NAME, "expires").timestamp()


def _check(command: Command, name: str) -> None:
    lasts = _time(command.expires, name, "expires") - _time(command.at, name, "at")
    if not timedelta(0) < lasts <= LONGEST:
        raise BadFile(f"{name}: 'expires' must come after 'at', by {LONGEST.days} days at most")
    for field in ("level", "minutes"):
        if (getattr(command, field) is not None) != (command.name == "log-level"):
            raise BadFile(f"{name}: {command.name!r} {'needs' if command.name == 'log-level' else 'has no'} {field!r}")


def _time(text: str, name: str, field: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadFile(f"{name}: {field!r} = {text!r} is no time of the calendar") from None
