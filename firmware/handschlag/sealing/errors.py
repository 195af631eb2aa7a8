"""What can be wrong with sealed bytes, keys and signatures.

Each message names the file and what is wrong with it; none ever contains key material or anything that was sealed.
"""

from __future__ import annotations

from handschlag.errors import HandschlagError


class SealingError(HandschlagError, ValueError):
    """Something about a sealed recording, a key or a signature is wrong."""


class BadKey(SealingError):
    """A key, or a file that should hold one, is not what was asked for."""


class BadFile(SealingError):
    """Bytes that do not have the form they should have, or a set of files that is none."""


class Tampered(SealingError):
    """Well-formed bytes that are not the ones that were signed, sealed or chained."""


class Untrusted(SealingError):
    """A signature by a key that the trust file does not know for this role, box or time."""


class Destroyed(SealingError):
    """A recording whose keys were destroyed on purpose: there is nothing left to check or to hear."""


class AlreadySealed(SealingError):
    """A number that was sealed before, or that comes out of order; sealing it again would reuse a nonce."""


class Wiped(SealingError):
    """A key that has been overwritten is asked to do something."""
