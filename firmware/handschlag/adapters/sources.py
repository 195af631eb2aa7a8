"""A line read by several sources, as `ports.Line`: the threads around `core.sources.Combiner`.

Sources tell facts from threads of their own; one lock puts them in order, and what follows from them is posted under
it, so that the core hears of a line in the order in which it happened. With a tap beside, the tap's word on the line
goes through untouched, and the sources add numbers only.

Without a tap there is no transformer to switch: the play path is wired for good, through its series capacitor. So
`connect_play` is a word only: yes while the line is off-hook and does not ring, else no (P3).
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping

from handschlag.core.events import PlayConnected
from handschlag.core.sources import Combiner, Deciders, Fact
from handschlag.ports import Line, LineSource, Post


class SourcesLine:
    """The line as `sources` read it, by name; `deciders` says which of them decides what.

    Args:
        sources: by the names that `deciders` uses.
        deciders: without `hook`, `tap` must be given.
        tap: the tap whose word counts for everything but the number.
        now: monotonic seconds, for events.
        new_boot: a random id for each time that the line became known.
    """

    def __init__(
        self,
        sources: Mapping[str, LineSource],
        deciders: Deciders,
        *,
        tap: Line | None = None,
        now: Callable[[], float] = time.monotonic,
        new_boot: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._sources = sources
        self._tap = tap
        self._now = now
        self._combiner = Combiner(deciders, new_boot)
        self._post: Post = lambda _event: None
        self._lock = threading.Lock()

    def start(self, post: Post) -> None:
        """Begin to report."""
        self._post = post
        if self._tap is not None:
            self._tap.start(post)
        with self._lock:
            for event in self._combiner.begin(self._now()):
                post(event)
        for name, source in self._sources.items():
            source.start(self._teller(name))

    def ping(self) -> None:
        """The core is alive: tell it the line as it stands."""
        if self._tap is not None:
            self._tap.ping()
        with self._lock:
            for event in self._combiner.tick(self._now()):
                self._post(event)

    def path(self, *, bypass: bool) -> None:
        """Only a tap has a sense element to bypass."""
        if self._tap is not None:
            self._tap.path(bypass=bypass)

    def connect_play(self, *, on: bool, ms: int) -> None:
        """With a tap, its transformer; without, whether the line may be played into now."""
        if self._tap is not None:
            self._tap.connect_play(on=on, ms=ms)
        elif on:
            with self._lock:
                line = self._combiner.line
            ok = line == (True, False)
            why = "" if ok else "gone" if line is None else "ringing" if line[1] else "onhook"
            self._post(PlayConnected(self._now(), ok=ok, why=why))

    def close(self) -> None:
        """End."""
        if self._tap is not None:
            self._tap.close()
        for source in self._sources.values():
            source.close()

    def _teller(self, name: str) -> Callable[[Fact], None]:
        def tell(fact: Fact) -> None:
            with self._lock:
                for event in self._combiner.take(name, fact):
                    self._post(event)

        return tell
