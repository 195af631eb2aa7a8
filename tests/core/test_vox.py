"""The guess by ear: what is of a line in use, when silence is of an idle one, and that a hole begins anew."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from handschlag.core.events import (
    CallerIdHeard,
    Event,
    ExchangeHeard,
    KeyHeard,
    Leg,
    SpeechBegan,
    SpeechEnded,
    ToneHeard,
)
from handschlag.core.sources import HookHint
from handschlag.core.vox import AFTER_BUSY_S, QUIET_S, Vox

BLOCK_S = 0.02


class Heard:
    """A guess that hears a block every 20 ms, and what it has hinted so far as (time, off-hook)."""

    def __init__(self) -> None:
        self.vox = Vox()
        self.blocks = 0
        self.hints: list[tuple[float, bool | None]] = []

    def hear(self, *events: Event) -> None:
        """A block."""
        self.blocks += 1
        self._take(self.vox.heard(self.blocks * BLOCK_S, events))

    def quiet(self, seconds: float) -> None:
        """Blocks with nothing in them."""
        for _ in range(round(seconds / BLOCK_S)):
            self.hear()

    def deaf(self, seconds: float) -> None:
        """No blocks."""
        self.blocks += round(seconds / BLOCK_S)

    def _take(self, hints: Sequence[HookHint]) -> None:
        self.hints += [(round(hint.at, 2), hint.off_hook) for hint in hints]


def tone(name: str, *, final: bool = False) -> ToneHeard:
    """A network tone."""
    return ToneHeard(0.0, name, Leg.FAR, 2, final)


@pytest.mark.parametrize(
    "event",
    [
        SpeechBegan(0.0, Leg.UNCERTAIN),
        tone("dial"),
        tone("ringback"),
        tone("busy"),
        KeyHeard(0.0, "1", Leg.NEAR, 0.0, 0.06, -10.0, 0.0, 0.0, final=False),
    ],
)
def test_what_is_of_a_line_in_use(event: Event) -> None:
    """Speech, tones and keys are only on a line that somebody has seized."""
    heard = Heard()
    heard.hear(event)
    assert heard.hints == [(BLOCK_S, True)]


@pytest.mark.parametrize("event", [CallerIdHeard(0.0, "030", "", "", "voice"), ExchangeHeard(0.0, Leg.FAR)])
def test_what_proves_no_use(event: Event) -> None:
    """Caller id comes on an idle line; the judgement of a dial tone says nothing that the tone has not said."""
    heard = Heard()
    heard.hear(event)
    assert heard.hints == []


def test_silence_for_a_minute_is_probably_idle() -> None:
    """Not before a minute, counted from the last word; nothing is known until then."""
    heard = Heard()
    heard.quiet(QUIET_S - 1)
    assert heard.hints == []
    heard.quiet(2)
    heard.hear(SpeechBegan(0.0, Leg.FAR))
    heard.quiet(30)
    heard.hear(SpeechEnded(0.0, Leg.FAR))
    heard.quiet(QUIET_S - 1)
    assert [off_hook for _, off_hook in heard.hints] == [False, True]
    heard.quiet(2)
    assert [off_hook for _, off_hook in heard.hints] == [False, True, False]


def test_after_a_busy_tone_somebody_hung_up() -> None:
    """A busy tone that ends, with nothing after it, is idle soon; one that goes on, or before speech, is not."""
    heard = Heard()
    heard.hear(tone("busy"))
    heard.quiet(20)
    heard.hear(tone("busy", final=True))
    heard.quiet(AFTER_BUSY_S - 1)
    assert [off_hook for _, off_hook in heard.hints] == [True]
    heard.quiet(2)
    assert [off_hook for _, off_hook in heard.hints] == [True, False]
    heard.hear(tone("busy", final=True), SpeechBegan(0.0, Leg.NEAR))
    heard.quiet(AFTER_BUSY_S + 1)
    assert [off_hook for _, off_hook in heard.hints] == [True, False, True]


def test_who_was_deaf_begins_anew() -> None:
    """What was known before a hole in hearing counts for nothing, and the minute of silence begins anew."""
    heard = Heard()
    heard.hear(SpeechBegan(0.0, Leg.FAR))
    heard.quiet(QUIET_S - 1)
    heard.deaf(5)
    heard.quiet(QUIET_S - 1)
    assert [off_hook for _, off_hook in heard.hints] == [True, None]
    heard.quiet(2)
    assert [off_hook for _, off_hook in heard.hints] == [True, None, False]
