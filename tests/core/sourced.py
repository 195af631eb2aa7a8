"""A world whose line is read by a hook input and a modem instead of a tap: the real combiner stands between."""

from __future__ import annotations

import itertools

from handschlag.core.events import TapAudio
from handschlag.core.sources import Combiner, Deciders, Fact, HookRead, RingRead, SourceCame, SourceLost
from tests.core.world import SERIAL, World


class SourcedWorld(World):
    """As `World`; what the tap would say comes out of facts."""

    def hello(self, boot: str = "t1", *, audio: TapAudio = TapAudio.VI, serial: str = SERIAL) -> None:
        """The sources can be heard; a further time, one of them was lost meanwhile."""
        del boot, audio, serial
        if not hasattr(self, "combiner"):
            boots = itertools.count(1)
            deciders = Deciders(("hook",), ("modem",), ("modem",))
            self.combiner = Combiner(deciders, lambda: f"s{next(boots)}")
        else:
            self.combiner_take("modem", SourceLost(self.now, "unplugged"))
        if self.combiner.line is None:
            for source in ("hook", "modem"):
                self.combiner_take(source, SourceCame(self.now))
            self._facts()

    def combiner_take(self, source: str, fact: Fact) -> None:
        """A source tells something."""
        for event in self.combiner.take(source, fact):
            self.feed(event)

    def _facts(self) -> None:
        self.combiner_take("hook", HookRead(self.now, self.line.off_hook))
        self.combiner_take("modem", RingRead(self.now, self.line.ring))

    def tell_line(self) -> None:
        """What changed, and the line as it is."""
        self._facts()
        for event in self.combiner.tick(self.now):
            self.feed(event)
