"""What the ear reports.

All positions are samples at 8 kHz, counted from the first sample that was fed since the ear was made or last forgot.
A span is half open: `end` is the first sample that no longer belongs to it. What lasts is reported more than once with
the same `start`; the last report has `final=True`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

RATE: Final = 8_000
"""Sample rate of all positions, in Hz."""

FULL_SCALE_DBM0: Final = 3.14
"""Level of a sine of amplitude 1.0 (A-law's overload point)."""


class Leg(StrEnum):
    """Whose audio it is: the other party's, the workshop's own, or not provable."""

    FAR = "far"
    NEAR = "near"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class KeyHeard:
    """A DTMF key: reported when decided, at 60 ms, at 100 ms and every further 100 ms while held, and when released.

    Attributes:
        key: one of `0123456789*#ABCD`.
        leg: who pressed it, by the direction of power of both tones.
        start: first sample of the tones; identifies the key.
        end: known extent so far; the release when `final`.
        level_dbm0: mean of the two tones' levels; each is half the twist away from it.
        twist_db: column tone over row tone.
        cos: cos φ of the tone whose direction is less clear; 0.0 when the two disagree.
        final: no further report of this key follows.
    """

    key: str
    leg: Leg
    start: int
    end: int
    level_dbm0: float
    twist_db: float
    cos: float
    final: bool

    @property
    def duration_ms(self) -> float:
        """Length so far, in milliseconds."""
        return (self.end - self.start) * 1000.0 / RATE


@dataclass(frozen=True, slots=True)
class ToneHeard:
    """A call progress or fax tone.

    Attributes:
        name: `dial`, `ringback`, `busy`, `congestion`, `waiting`, `sit` or `fax`.
        start: where its first pulse began.
        end: known extent so far.
        cycles: complete pulses (dial, fax, ringback), pairs (waiting), threes (sit), on-off cycles (busy, congestion).
        cos: cos φ at the tone's frequency; 0.0 where direction is not measured (no `vi` pair).
        final: no further report of this tone follows.
    """

    name: str
    start: int
    end: int
    cycles: int
    cos: float
    final: bool


@dataclass(frozen=True, slots=True)
class ExchangeHeard:
    """A clear dial tone, 1.3 s of it, from which the tap's polarity can be told: it must be far.

    Attributes:
        start: where the tone began.
        end: where it was judged; it lasts on.
        cos: cos φ of voltage and current.
        final: it is told once.
    """

    start: int
    end: int
    cos: float

    @property
    def final(self) -> bool:
        """It is told once."""
        return True


@dataclass(frozen=True, slots=True)
class SpeechHeard:
    """One party began to speak (`end` is None) or has ended, the hangover not counted."""

    leg: Leg
    start: int
    end: int | None

    @property
    def final(self) -> bool:
        """The stretch of speech is over."""
        return self.end is not None


@dataclass(frozen=True, slots=True)
class CallerIdHeard:
    """The exchange said who is calling. What is personal is left out of the representation (P9).

    Attributes:
        number: digits, perhaps with a leading `+`; "" when it was withheld.
        name: "" when none was sent.
        time: of the exchange, `MM-DD HH:MM`; "" when none was sent.
        type: `voice`, `ring-back`, `message-waiting`, ...
        absence: `private` or `unavailable` when there is no number, else "".
        start: first sample of the message.
        end: first sample after it.
    """

    number: str = field(repr=False)
    name: str = field(repr=False)
    time: str
    type: str
    absence: str
    start: int
    end: int

    @property
    def final(self) -> bool:
        """A message is reported once."""
        return True


Event = KeyHeard | ToneHeard | ExchangeHeard | SpeechHeard | CallerIdHeard


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels in dBm0 over the samples of one feed, -100 at the least; `near_dbm0` equals `far_dbm0` for a mix."""

    far_dbm0: float
    near_dbm0: float
