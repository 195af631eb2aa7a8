"""The operator's commands, as the judge sees them: what each may do, and when."""

from __future__ import annotations

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.effects import StatusLamp

KNOWN = {"identify", "log-level", "report", "restart"}


class OperatorJudge:
    """Told every event and every effect."""

    def __init__(self) -> None:
        self.clock: ev.ClockTold | None = None
        self.said: ev.OperatorSaid | None = None
        self.counter = 0
        self.waiting: dict[int, ev.OperatorSaid] = {}
        self.may: list[str] = []  # what is durable and not done yet
        self.identified_at = -1e9
        self.now = 0.0
        self.tally: dict[str, int] = {}

    def event(self, event: ev.Event) -> None:
        """Take note."""
        self.now, self.said = event.at, None
        match event:
            case ev.Booted():
                self.clock = None
                self.counter = event.operator.counter
                self.waiting.clear()
                self.may.clear()
                self.identified_at = -1e9
            case ev.ClockTold():
                self.clock = event
            case ev.OperatorSaid():
                self.said = event
            case ev.EntryDurable() if event.ticket in self.waiting:
                self.may.append(self.waiting.pop(event.ticket).name)
            case _:
                pass

    def effect(self, effect: do.Effect, *, idle: bool, open_recordings: int) -> None:
        """Judge what is done on the operator's word."""
        match effect:
            case do.Record(kind="command") if effect.fields["by"] == "operator":
                self._written(effect, idle=idle)
            case do.Restart():
                self._acts("restart", idle=idle)
                assert not open_recordings, "restarted with a recording open"
            case do.SetLogLevel(level) if level:
                self._acts("log-level", idle=idle)
            case do.Reply(report=True):
                self._acts("report", idle=idle)
            case do.Lamps(status=StatusLamp.IDENTIFY):
                if "identify" in self.may:
                    self.may.remove("identify")
                    self.identified_at = self.now
                assert idle, "the lamps are needed for the call"
                assert self.now - self.identified_at <= 60.01, "shows itself though nobody asked"
                self._count("ordered identify")
            case _:
                pass

    def _written(self, effect: do.Record, *, idle: bool) -> None:
        said, fields = self.said, effect.fields
        assert said is not None, "a command that nobody gave"
        assert (fields["id"], fields["counter"]) == (said.id, said.counter), "another command"
        assert said.counter > self.counter, "a command that was replayed"
        self.counter = said.counter
        if fields["outcome"] != "done":
            self._count("command refused")
            return
        assert self.clock is not None, "a command without a clock"
        assert self.clock.synced, "a command on an unsynced clock"
        assert said.expires > self.clock.wall + self.now - self.clock.at - 0.01, "an expired command"
        assert idle, "a command in ring or call"
        assert said.name in KNOWN, "a command that is not known"
        self.waiting[effect.ticket] = said
        self._count("command")

    def _acts(self, name: str, *, idle: bool) -> None:
        assert name in self.may, f"{name} before its entry was durable, or unasked"
        assert idle, f"{name} in ring or call"
        self.may.remove(name)
        self._count(f"ordered {name}")

    def _count(self, what: str) -> None:
        self.tally[what] = self.tally.get(what, 0) + 1
