"""What was measured of a recording, and the points that it costs; the rule is the table in quality.py."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SILENT_BELOW_S: Final = 0.3
QUIET_BELOW_DBOV: Final = -31.0
NOISY_BELOW_DB: Final = 25.0
HUM_ABOVE_DBM0: Final = -50.0
CROSSTALK_ABOVE_DB: Final = -6.0
PAUSE_ABOVE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Cause:
    """Why points were taken off.

    Attributes:
        cause: its name in the table.
        leg: whose; `input` for the converter, `all` for the whole recording.
        value: the figure behind it, in `unit`.
        points: how many.
    """

    cause: str
    leg: str
    value: float
    unit: str
    points: int


@dataclass(frozen=True, slots=True)
class LegQuality:
    """One leg's figures.

    Attributes:
        leg: `far`, `near`, or `uncertain` for a mix.
        level_dbov: active speech level (P.56); None for a silent party.
        level_dbm0: the same over 0 dBm0.
        activity: activity factor (P.56), 0 to 1.
        speech_s: how long this party was heard speaking.
        noise_dbm0: of the pauses, hum taken off; None where nobody ever paused.
        hum_dbm0: power of the mains' lines; None in less than a second.
        clipped: runs at full scale.
        leak_db: the other's speech in this leg, over the other leg; None where it cannot be told.
    """

    leg: str
    level_dbov: float | None
    level_dbm0: float | None
    activity: float
    speech_s: float
    noise_dbm0: float | None
    hum_dbm0: float | None
    clipped: int
    leak_db: float | None

    def details(self) -> dict[str, Any]:
        """As it is sealed, without the leg's name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "leg"}


@dataclass(frozen=True, slots=True)
class Quality:
    """A recording's figures; `score` and `causes` follow from them."""

    legs: tuple[LegQuality, ...]
    seconds: float
    masked_s: float
    lost_s: float
    gaps: int
    longest_silence_s: float
    clipped_input: int

    @property
    def causes(self) -> tuple[Cause, ...]:
        """All that cost points, the dearest first."""
        return tuple(sorted(causes_of(self), key=lambda cause: -cause.points))

    @property
    def score(self) -> int:
        """100 less all points, 0 at the least."""
        return max(100 - sum(cause.points for cause in causes_of(self)), 0)

    def details(self) -> dict[str, Any]:
        """`quality` and `levels` as they are sealed."""
        return {
            "quality": {
                "score": self.score,
                "causes": [
                    {name: getattr(cause, name) for name in Cause.__dataclass_fields__} for cause in self.causes
                ],
                "seconds": self.seconds,
                "masked_s": self.masked_s,
                "lost_s": self.lost_s,
                "gaps": self.gaps,
                "longest_silence_s": self.longest_silence_s,
                "clipped_input": self.clipped_input,
            },
            "levels": {leg.leg: leg.details() for leg in self.legs},
        }


def causes_of(quality: Quality) -> Iterator[Cause]:
    """What the table in quality.py says of these figures."""
    if quality.seconds <= 0.0:
        return
    minutes = quality.seconds / 60.0
    for leg in quality.legs:
        yield from _of_leg(leg, minutes)
    yield from _cause(
        "clipped", "input", quality.clipped_input, "runs", quality.clipped_input / minutes, most=30, least=1
    )
    lost = 100.0 * quality.lost_s / (quality.seconds + quality.masked_s + quality.lost_s)
    yield from _cause("lost", "all", round(lost, 2), "%", 10.0 * lost, most=50, least=1)
    pause = quality.longest_silence_s
    yield from _cause("pause", "all", pause, "s", (pause - PAUSE_ABOVE_S) / 10.0, most=10)


def _of_leg(leg: LegQuality, minutes: float) -> Iterator[Cause]:
    name = leg.leg
    if leg.level_dbov is None or leg.level_dbm0 is None:
        yield Cause("silent", name, leg.speech_s, "s", 50)
    else:
        yield from _cause("quiet", name, leg.level_dbov, "dBov", 2.0 * (QUIET_BELOW_DBOV - leg.level_dbov), most=40)
        over_noise = math.inf if leg.noise_dbm0 is None else round(leg.level_dbm0 - leg.noise_dbm0, 1)
        yield from _cause("noisy", name, over_noise, "dB", 2.0 * (NOISY_BELOW_DB - over_noise), most=40)
    if leg.hum_dbm0 is not None:
        yield from _cause("hum", name, leg.hum_dbm0, "dBm0", leg.hum_dbm0 - HUM_ABOVE_DBM0, most=20)
    yield from _cause("clipped", name, leg.clipped, "runs", leg.clipped / minutes, most=30, least=1)
    if leg.leak_db is not None:
        yield from _cause("crosstalk", name, leg.leak_db, "dB", 2.0 * (leg.leak_db - CROSSTALK_ABOVE_DB), most=10)


def _cause(
    name: str, leg: str, value: float, unit: str, points: float, *, most: int, least: int = 0
) -> Iterator[Cause]:
    if points <= 0.0:
        return
    rounded = min(max(int(points + 0.5), least), most)
    if rounded > 0:
        yield Cause(name, leg, value, unit, rounded)
