"""A guess at the hook by ear: speech, keys and network tones are of a line in use, long silence is of an idle one.

No wire says so, and sound proves nothing: a second telephone, a radio beside a handset or a caller who is silent look
the same. So what comes out is a hint for people to read (`sources.HookHint`), and no decision rests on it.

It is fed with every block that was heard, so the blocks bring its time. Where none came for `HOLE_S` nobody listened,
and what was known of before counts for nothing. It keeps times, and no audio (P1).
"""

from __future__ import annotations

from collections.abc import Sequence

from handschlag.core.events import Event, KeyHeard, SpeechBegan, SpeechEnded, ToneHeard
from handschlag.core.sources import HookHint

QUIET_S = 60.0
"""Without a word on either leg for so long a call counts as over (call.md, "How a call ends")."""

AFTER_BUSY_S = 5.0
"""A busy tone that ends and is followed by nothing was ended by hanging up."""

HOLE_S = 0.5

_HUNG_UP_AFTER = frozenset({"busy", "congestion"})


class Vox:
    """Blocks and what was noticed in them in, hints out, one for each change."""

    def __init__(self, quiet_s: float = QUIET_S) -> None:
        self._quiet_s = quiet_s
        self._off_hook: bool | None = None
        self._heard_at: float | None = None
        self._idle_at = 0.0

    def heard(self, at: float, events: Sequence[Event]) -> list[HookHint]:
        """A block that ended at `at` monotonic seconds was heard, with these events in it."""
        hints: list[HookHint] = []
        if self._heard_at is None or at - self._heard_at > HOLE_S:
            self._idle_at = at + self._quiet_s
            hints += self._guess(at, off_hook=None)
        self._heard_at = at
        for event in events:
            if isinstance(event, SpeechBegan | SpeechEnded | KeyHeard | ToneHeard):
                over = isinstance(event, ToneHeard) and event.final and event.name in _HUNG_UP_AFTER
                self._idle_at = at + (min(AFTER_BUSY_S, self._quiet_s) if over else self._quiet_s)
                hints += self._guess(at, off_hook=True)
        if at >= self._idle_at:
            hints += self._guess(at, off_hook=False)
        return hints

    def _guess(self, at: float, *, off_hook: bool | None) -> list[HookHint]:
        if off_hook is self._off_hook:
            return []
        self._off_hook = off_hook
        return [HookHint(at, off_hook)]
