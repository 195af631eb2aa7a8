"""The box's program, watched: writes down what it steps through. `python -m handschlag_bench.watched_box run ...`.

One JSON line per event that is stepped, into the file that `HANDSCHLAG_TRACE` names: when it was stepped (`t`) and done
(`done`), its own time, where the ear stood in the stream, and which effects followed. Also when a sound's first frame
that can be heard was pulled by the sound device. Nothing of the box is changed but that it is told.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from handschlag.app import App
from handschlag.blocks import Passage, Player
from handschlag.cli import main
from handschlag.core import events as ev
from handschlag.ports import SOUND_RATE_HZ

AUDIBLE = 0.003
_WANTED = ("key", "start", "final", "off_hook", "down", "kind", "ticket", "tag")


def watch(path: str) -> None:
    """From now on."""
    trace = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    step, pull = App._step, Player.pull  # noqa: SLF001 - a bench looks inside

    def tell(**said: Any) -> None:
        os.write(trace, msgspec.json.encode(said) + b"\n")

    def watched_step(self: App, event: ev.Event) -> None:
        began = time.monotonic()
        effects: list[str] = []
        ways = self._carry_out

        def noted(kind: type[Any]) -> Callable[[Any, float], None]:
            def carry_out(effect: Any, at: float) -> None:
                effects.append(f"{kind.__name__}:{getattr(effect, 'kind', '')}")
                ways[kind](effect, at)

            return carry_out

        self._carry_out = {kind: noted(kind) for kind in ways}
        try:
            step(self, event)
        finally:
            self._carry_out = ways
        fields = {name: getattr(event, name) for name in _WANTED if hasattr(event, name)}
        stream = self._time_of(self.ear.position)
        tell(
            t=began,
            done=time.monotonic(),
            event=type(event).__name__,
            at=event.at,
            position=self.ear.position,
            stream=stream,
            effects=effects,
            fields=fields,
        )

    def watched_pull(self: Player, out: np.ndarray[Any, np.dtype[np.float32]]) -> tuple[Passage, ...]:
        cursor = self._cursor
        first = cursor.position if cursor is not None else -1
        passages = pull(self, out)
        if first == 0 and cursor is not None:
            silence_s = float(np.argmax(np.abs(cursor.sound.samples) > AUDIBLE)) / SOUND_RATE_HZ
            tell(t=time.monotonic(), event="Pulled", sound=cursor.sound.name, silence_s=silence_s)
        return passages

    App._step = watched_step  # type: ignore[method-assign]  # noqa: SLF001
    Player.pull = watched_pull  # type: ignore[method-assign]


if __name__ == "__main__":
    watch(os.environ["HANDSCHLAG_TRACE"])
    main()
