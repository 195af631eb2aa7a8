"""What can go wrong in the uplink, and how it is told."""

from __future__ import annotations

import ssl

from handschlag.errors import HandschlagError


class BadUplink(HandschlagError, ValueError):
    """The uplink's settings cannot work."""


class Ended(Exception):
    """Not an error: the way out of a session, with its reason, and the broker's reason code where it gave one."""

    def __init__(self, why: str, code: int = 0) -> None:
        super().__init__(why)
        self.code = code


def reason(error: Exception) -> str:
    """An error in a few words, for events and logs."""
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"
