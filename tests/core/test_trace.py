"""Random worlds drive the core; an independent judge looks at the trace alone.

Hypothesis draws a few (`CORE_EXAMPLES`, 200 by default), so that what it finds is shrunk; a plain generator draws some
hundred, and as many as one likes with `tools/bench worlds` (see README.md).
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from handschlag.core import events as ev
from tests.core import acts
from tests.core.random_worlds import judge, live

EXAMPLES = int(os.environ.get("CORE_EXAMPLES", "200"))
PLAIN = 800
OFTEN: tuple[str, ...] = (
    "granted key",
    "granted oral",
    "captured",
    "confirmed",
    "withdrawn",
    "destroyed",
    "closed",
    "emergency",
)
OFTEN += ("asked", "keys sent", "restart", "held")
SOMETIMES: tuple[str, ...] = ("restart while capturing", "interrupted", "excluded", "private", "asked by itself")
SOMETIMES += ("prompted", "purged", "expired", "erased", "held back", "epoch", "archive's epoch", "offered again")
SOMETIMES += (
    "ordered restart",
    "ordered log-level",
    "command",
    "command refused",
    "ordered identify",
    "ordered report",
    "revoked in quiet hours",
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(st.randoms(use_true_random=False))
def test_no_world_breaks_a_rule(drawn: Random) -> None:
    """No trace breaks a rule, no step raises; what does is shrunk to its shortest."""
    lived = live(drawn)
    note(f"acts: {lived.acts}")
    judge(lived)


@pytest.fixture(scope="module")
def plain() -> tuple[Counter[str], Counter[str]]:
    """Some hundred plain worlds, judged: in how many something happened, and which events came."""
    happened: Counter[str] = Counter()
    events: Counter[str] = Counter()
    for index in range(PLAIN):
        lived = live(Random(f"1:{index}"))
        events.update(lived.seen())
        happened.update(judge(lived).tally.keys())
    return happened, events


def test_the_worlds_are_full_of_what_is_judged(plain: tuple[Counter[str], Counter[str]]) -> None:
    """What the rules are about happens often enough that a broken rule would show."""
    happened = plain[0]
    rare = {what: happened[what] for what in OFTEN if happened[what] < PLAIN // 50}
    rare |= {what: happened[what] for what in SOMETIMES if happened[what] == 0}
    assert not rare, f"hardly ever happened: {rare}"


def test_every_event_is_drawn(plain: tuple[Counter[str], Counter[str]]) -> None:
    """An event class that no random world ever meets is one that nobody judges."""
    every = {kind.__name__ for kind in ev.Event.__subclasses__() if kind.__module__ == ev.__name__}
    assert every == set(plain[1])


def test_every_act_is_drawn() -> None:
    """An act that is written but stands in no list would never happen."""
    listed = {*acts.OPENINGS, *acts.TURNS, *acts.OFTEN, *acts.SELDOM, *acts.HOSTILE}
    chosen_by_others = {acts.act, acts.policy}
    written = {
        thing
        for name, thing in vars(acts).items()
        if callable(thing) and getattr(thing, "__module__", "") == acts.__name__ and not name.startswith("_")
    }
    assert written - chosen_by_others == listed
