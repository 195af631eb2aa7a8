"""The combiner: who decides, what wins when sources disagree, and that a loss is another boot."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from handschlag.core.events import (
    CallerIdHeard,
    Dialled,
    Event,
    Flashed,
    LineTold,
    Pulsed,
    TapAudio,
    TapGone,
    TapHello,
)
from handschlag.core.sources import (
    Combiner,
    Deciders,
    DigitPulsed,
    Fact,
    FlashRead,
    HookRead,
    NumberDialled,
    NumberRead,
    RingRead,
    SourceCame,
    SourceLost,
)

BOTH = Deciders(hook=("gpio", "fritz"), ring=("gpio", "modem"), number=("modem", "fritz"))
SOURCES = ("gpio", "fritz", "modem")


def combiner(deciders: Deciders = BOTH) -> Combiner:
    """A combiner whose boots are b1, b2, ..."""
    numbers = count(1)
    return Combiner(deciders, lambda: f"b{next(numbers)}")


def idle(deciders: Deciders = BOTH) -> tuple[Combiner, list[Event]]:
    """One whose sources are all there and on-hook, and what it told meanwhile."""
    each = combiner(deciders)
    told = [event for source in SOURCES for event in each.take(source, SourceCame(0.0))]
    for source in deciders.hook:
        told += each.take(source, HookRead(0.0, off_hook=False))
    return each, told


def test_unknown_until_every_decider_has_spoken() -> None:
    """TapGone once while somebody is missing, then HELLO as a mix and the line, in this order."""
    _, told = idle()
    assert [type(event) for event in told] == [TapGone, TapHello, LineTold]
    assert told[1:] == [TapHello(0.0, "b1", "sources", TapAudio.MIX), LineTold(0.0, False, False, 0)]


def test_off_hook_only_when_all_say_so() -> None:
    """One source that says on-hook wins; each rise of all together is a seizure."""
    each, _ = idle()
    assert each.take("gpio", HookRead(1.0, off_hook=True)) == []
    assert each.take("fritz", HookRead(1.1, off_hook=True)) == [LineTold(1.1, off_hook=True, ring=False, seizure=1)]
    assert each.take("gpio", HookRead(2.0, off_hook=False)) == [LineTold(2.0, off_hook=False, ring=False, seizure=1)]
    assert each.take("gpio", HookRead(3.0, off_hook=True)) == [LineTold(3.0, off_hook=True, ring=False, seizure=2)]


def test_a_lost_decider_is_unknown_and_another_boot() -> None:
    """Losing hook or ring makes the line unknown; what comes back is a new boot whose seizures count anew."""
    for source in SOURCES:
        each, _ = idle()
        each.take("gpio", HookRead(1.0, off_hook=True))
        each.take("fritz", HookRead(1.0, off_hook=True))
        assert each.take(source, SourceLost(2.0, "unplugged")) == [TapGone(2.0, f"{source}: unplugged")]
        assert each.tick(3.0) == []
        assert each.line is None
        back = each.take(source, SourceCame(4.0)) + each.take(source, HookRead(4.0, off_hook=True))
        hello, told = back[-2:]
        assert isinstance(hello, TapHello)
        assert hello.boot == "b2"
        assert told == LineTold(4.0, off_hook=True, ring=False, seizure=1)


def test_a_lost_number_source_costs_the_number_only() -> None:
    """A source that decides the number alone may come and go."""
    each, _ = idle(Deciders(hook=("gpio",), ring=("gpio",), number=("modem",)))
    assert each.take("modem", SourceLost(1.0, "unplugged")) == []
    assert each.line == (False, False)


def test_the_answered_ring_ends_with_the_answer() -> None:
    """A ring that goes on when the line is seized, and late word of it, end no call; a ring later on does."""
    each, _ = idle(Deciders(hook=("gpio",), ring=("modem",)))
    each.take("modem", RingRead(1.0, ring=True))
    assert each.take("gpio", HookRead(1.4, off_hook=True)) == [LineTold(1.4, off_hook=True, ring=False, seizure=1)]
    assert each.take("modem", RingRead(1.6, ring=True)) == []
    assert each.take("modem", RingRead(1.8, ring=False)) == []
    assert each.take("modem", RingRead(9.0, ring=True)) == [LineTold(9.0, off_hook=True, ring=True, seizure=2)]


def test_call_waiting_ends_nothing() -> None:
    """A ring that only the network tells of, during a call, leaves the call alone."""
    each, _ = idle(Deciders(hook=("gpio",), ring=("fritz",), number=("fritz",)))
    each.take("gpio", HookRead(1.0, off_hook=True))
    assert each.take("fritz", RingRead(9.0, ring=True, electric=False)) == []
    (waiting,) = each.take("fritz", NumberRead(9.0, "030110"))
    assert isinstance(waiting, CallerIdHeard)


def test_the_first_in_order_tells_the_number() -> None:
    """A later source never replaces what an earlier one told for this ring; for the next ring it may tell again."""
    each, _ = idle()
    (first,) = each.take("fritz", NumberRead(1.0, "0301"))
    (better,) = each.take("modem", NumberRead(1.2, "0302", "Weber", "11-24 09:15"))
    assert each.take("fritz", NumberRead(1.4, "0301")) == []
    assert each.take("gpio", NumberRead(1.4, "0301")) == []
    assert isinstance(first, CallerIdHeard)
    assert better == CallerIdHeard(1.2, "0302", "Weber", "11-24 09:15", "voice", "")
    (again,) = each.take("fritz", NumberRead(60.0, "0301"))
    assert isinstance(again, CallerIdHeard)


def test_beside_a_tap_only_numbers_pass() -> None:
    """With a tap for the line, nothing that a source says of hook or ring is told."""
    each = combiner(Deciders(number=("fritz",)))
    facts = [SourceCame(0.0), HookRead(1.0, off_hook=True), RingRead(1.0, ring=True), SourceLost(2.0, "x")]
    assert [event for fact in facts for event in each.take("fritz", fact)] == []
    assert each.tick(3.0) == []
    assert each.take("fritz", NumberDialled(4.0, "110")) == [Dialled(4.0, "110")]


def test_flash_and_digits_count_off_hook_only() -> None:
    """What the hook contact tells as flash and digits passes during a seizure, and at no other time."""
    each, _ = idle(Deciders(hook=("gpio",), ring=("gpio",)))
    assert each.take("gpio", FlashRead(1.0, 100)) == []
    each.take("gpio", HookRead(2.0, off_hook=True))
    assert each.take("gpio", FlashRead(3.0, 100)) == [Flashed(3.0, 100)]
    assert each.take("gpio", DigitPulsed(4.0, "1")) == [Pulsed(4.0, "1")]


def test_no_number_in_words() -> None:
    """Neither number nor name nor dialled digits are in any representation (P9)."""
    facts = [NumberRead(1.0, "0302312", "Weber"), NumberDialled(1.0, "0302312"), DigitPulsed(1.0, "7")]
    assert not any(secret in repr(fact) for fact in facts for secret in ("0302312", "Weber", "'7'"))
    assert "0302312" not in repr(Dialled(1.0, "0302312"))


FACTS = st.one_of(
    st.just(SourceCame(0.0)),
    st.just(SourceLost(0.0, "gone")),
    st.builds(HookRead, st.just(0.0), st.sampled_from([None, True, False])),
    st.builds(RingRead, st.just(0.0), st.booleans(), st.booleans()),
    st.builds(NumberRead, st.just(0.0), st.just("0301")),
)


def _at(fact: Fact, at: float) -> Fact:
    values = {name: getattr(fact, name) for name in type(fact).__dataclass_fields__}
    return type(fact)(**{**values, "at": at})


@given(st.lists(st.tuples(st.sampled_from(SOURCES), FACTS, st.floats(0, 3)), max_size=60))
def test_what_is_off_hook_was_told_by_all(steps: list[tuple[str, Fact, float]]) -> None:
    """However sources come, go and contradict: off-hook stands on all of them, each boot is new, seizures only rise."""
    each = combiner()
    at = 0.0
    there: set[str] = set()
    hooks: dict[str, bool | None] = {}
    boots: list[str] = []
    newest = -1
    for source, raw, wait in steps:
        at += wait
        fact = _at(raw, at)
        match fact:
            case SourceCame() | SourceLost():
                hooks[source] = None
                there = there | {source} if isinstance(fact, SourceCame) else there - {source}
            case HookRead():
                hooks[source] = fact.off_hook
            case _:
                pass
        for event in each.take(source, fact):
            if isinstance(event, TapHello):
                assert event.boot not in boots
                boots.append(event.boot)
                newest = -1
            if isinstance(event, LineTold):
                assert there == set(SOURCES)
                assert event.off_hook == (hooks["gpio"] is True and hooks["fritz"] is True)
                assert event.seizure >= newest
                newest = event.seizure
        assert (each.line is not None) == (
            there == set(SOURCES) and None not in (hooks.get("gpio"), hooks.get("fritz"))
        )
