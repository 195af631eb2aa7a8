"""The machine's table is total, and every event and effect has its place."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from handschlag.core import effects, events
from handschlag.core.delivery import RULES
from handschlag.core.effects import Effect
from handschlag.core.events import Event
from handschlag.core.state import IN_CALL, Phase
from handschlag.core.table import TABLE, Ignore

EVENTS = [c for _, c in inspect.getmembers(events, inspect.isclass) if issubclass(c, Event) and c is not Event]
EFFECTS = [c for _, c in inspect.getmembers(effects, inspect.isclass) if issubclass(c, Effect) and c is not Effect]
CORE = Path(inspect.getfile(effects)).parent


@pytest.mark.parametrize("phase", Phase)
def test_every_cell_is_filled(phase: Phase) -> None:
    """Each phase answers each event, and no cell stands for an event that does not exist."""
    assert set(TABLE[phase]) == set(EVENTS)


def test_every_ignore_says_why() -> None:
    """An ignored event has a reason that one can read."""
    for phase, row in TABLE.items():
        for event, cell in row.items():
            if isinstance(cell, Ignore):
                assert len(cell.reason) > 10, (phase, event)


def test_what_the_call_machine_leaves_to_delivery_is_taken_there() -> None:
    """No event falls between the two machines."""
    for row in TABLE.values():
        for event, cell in row.items():
            if isinstance(cell, Ignore) and "delivery" in cell.reason:
                assert event in RULES, event


def test_every_event_means_something_somewhere() -> None:
    """Each event has a rule in some phase or in delivery; only line breaks are ignored everywhere, on purpose."""
    for event in EVENTS:
        handled = event in RULES or any(not isinstance(row[event], Ignore) for row in TABLE.values())
        assert handled or event is events.LineBroke, event


def test_what_restricts_is_never_ignored_in_a_call() -> None:
    """Everything that may end a capture has a rule in every phase within a call."""
    restricting = (
        events.LineTold,
        events.TapGone,
        events.TapHello,
        events.Flashed,
        events.KeyHeard,
        events.ToneHeard,
        events.Pulsed,
        events.ButtonMoved,
        events.AudioGone,
        events.AudioLost,
        events.DiskFailed,
        events.SpaceTold,
        events.Woke,
    )
    for phase in IN_CALL:
        for event in restricting:
            assert not isinstance(TABLE[phase][event], Ignore), (phase, event)


def test_every_effect_is_wanted_somewhere() -> None:
    """No effect is left over that nothing emits."""
    source = "\n".join(path.read_text() for path in CORE.rglob("*.py") if path.name != "effects.py")
    for effect in EFFECTS:
        assert re.search(rf"\b{effect.__name__}\(", source), effect
