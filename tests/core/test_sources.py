"""The combiner: who decides, what wins when sources disagree, and that a loss is another boot."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from handschlag.core import effects as do
from handschlag.core.box import BoxState, step
from handschlag.core.events import (
    AudioCame,
    AudioGone,
    Booted,
    ButtonMoved,
    CallerIdHeard,
    ClockTold,
    Dialled,
    Event,
    Flashed,
    KeyHeard,
    Leg,
    LineSounds,
    LineTold,
    Pulsed,
    SpaceTold,
    SpeechBegan,
    SpeechEnded,
    TapAudio,
    TapGone,
    TapHello,
    Woke,
)
from handschlag.core.readiness import cannot
from handschlag.core.sources import (
    Combiner,
    Deciders,
    DigitPulsed,
    Fact,
    FlashRead,
    HookHint,
    HookRead,
    NumberDialled,
    NumberRead,
    RingRead,
    SourceCame,
    SourceLost,
)
from tests.core.world import POLICY, STAFF

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


HEARD_ONLY = Deciders(hint=("vox",))
ANYTHING = st.one_of(
    FACTS,
    st.builds(HookHint, st.just(0.0), st.sampled_from([None, True, False])),
    st.just(FlashRead(0.0, 100)),
    st.just(DigitPulsed(0.0, "1")),
    st.just(NumberDialled(0.0, "0301")),
)


def test_a_line_that_is_only_heard_is_unknown_from_the_beginning() -> None:
    """It says so at once, and its hints, each once, are all that follows."""
    each = combiner(HEARD_ONLY)
    assert each.begin(1.0) == [TapGone(1.0, "hook: not known by wire")]
    assert each.take("vox", HookHint(2.0, off_hook=True)) == [LineSounds(2.0, off_hook=True)]
    assert each.take("vox", HookHint(3.0, off_hook=True)) == []
    assert each.take("vox", HookHint(4.0, off_hook=None)) == [LineSounds(4.0, off_hook=None)]
    assert each.line is None


def test_a_hint_is_told_while_no_wire_knows() -> None:
    """Beside a known line a hint is silent; when the wire is lost it is told, and taken back when the wire is there."""
    each, _ = idle(Deciders(hook=("gpio",), ring=("gpio",), hint=("vox",)))
    assert each.take("vox", HookHint(1.0, off_hook=True)) == []
    lost = each.take("gpio", SourceLost(2.0, "unplugged"))
    assert lost == [TapGone(2.0, "gpio: unplugged"), LineSounds(2.0, off_hook=True)]
    assert each.take("gpio", SourceCame(3.0)) == []
    back = each.take("gpio", HookRead(3.0, off_hook=True))
    assert [type(event) for event in back] == [TapHello, LineTold, LineSounds]
    assert back[-1] == LineSounds(3.0, off_hook=None)


def _stepped(state: BoxState, event: Event) -> BoxState:
    """The core's next state; nothing that a call would need may have been wanted."""
    state, effects = step(state, event)
    for effect in effects:
        assert not isinstance(effect, do.Play | do.OpenRecording | do.StartCapture | do.WriteKeys)
        assert not (isinstance(effect, do.ConnectPlay) and effect.on)
    assert state.lamps.status is do.StatusLamp.CANNOT_RECORD
    assert cannot(state.call) != ""
    assert state.call.call is None
    return state


@given(
    st.lists(st.tuples(ANYTHING | st.sampled_from(["press", "speech", "key"]), st.floats(0, 40)), max_size=40),
    st.booleans(),
)
def test_whatever_vox_says_alone_nothing_is_recorded(
    steps: list[tuple[Fact | str, float]],
    by_wire: bool,  # noqa: FBT001 - drawn
) -> None:
    """In any order, with presses, speech, keys: the line stays unknown; no sound, no capture, and the lamp says so."""
    each = combiner(HEARD_ONLY)
    state = BoxState.new(replace(POLICY, by_wire=by_wire, by_sound=True))
    begin = [Booted(0.0, "b", bytes(16), staff=STAFF), AudioCame(0.0), ClockTold(0.0, 1.7e9, synced=True)]
    for first in (*begin, SpaceTold(0.0, 1 << 40)):
        state, _ = step(state, first)
    at = 0.0
    for event in each.begin(at):
        state = _stepped(state, event)
    for what, wait in steps:
        at += wait
        match what:
            case "press":
                events: list[Event] = [ButtonMoved(at, down=True), ButtonMoved(at + 0.3, down=False)]
                at += 0.6
                events.append(Woke(at, "button"))
            case "speech":
                events = [SpeechBegan(at, Leg.FAR), SpeechEnded(at, Leg.FAR)]
            case "key":
                events = [KeyHeard(at, "1", Leg.FAR, at, 0.1, -10.0, 0.0, 0.9, final=True)]
            case Fact():
                events = each.take("vox", _at(what, at)) + each.tick(at)
                assert all(isinstance(event, LineSounds) for event in events)
            case _:
                raise AssertionError(what)
        for event in events:
            state = _stepped(state, event)
    assert not isinstance(step(state, AudioGone(at, "x"))[0].call.sounds_off_hook, bool)


@given(st.lists(st.tuples(st.sampled_from([*SOURCES, "vox"]), ANYTHING, st.floats(0, 3)), max_size=60))
def test_vox_changes_nothing_that_others_say(steps: list[tuple[str, Fact, float]]) -> None:
    """The same story with and without vox: it lifts no doubt, adds none, and is never heard beside a known line."""
    with_vox = combiner(replace(BOTH, hint=("vox",)))
    without = combiner()
    assert with_vox.begin(0.0) == without.begin(0.0)
    at = 0.0
    sounds: bool | None = None
    for source, raw, wait in steps:
        at += wait
        fact = _at(raw, at)
        told = with_vox.take(source, fact)
        for event in told:
            if isinstance(event, LineSounds):
                sounds = event.off_hook
        wired = [event for event in told if not isinstance(event, LineSounds)]
        assert wired == ([] if source == "vox" else without.take(source, fact))
        assert with_vox.line == without.line
        assert with_vox.line is None or sounds is None
