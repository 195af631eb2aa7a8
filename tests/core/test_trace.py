"""Random worlds drive the core; an independent judge looks at the trace alone.

`CORE_EXAMPLES` sets the number of worlds (300 by default).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from handschlag.core import events as ev
from handschlag.core.events import Leg, TapAudio
from handschlag.core.policy import AskWhen, Way
from tests.core.archive import Archive
from tests.core.judge import Judge
from tests.core.world import SOUND_S, STAFF, World

EXAMPLES = int(os.environ.get("CORE_EXAMPLES", "300"))
Act = Callable[[World], object]

LEGS = st.sampled_from([Leg.FAR, Leg.FAR, Leg.NEAR, Leg.UNCERTAIN])
SHORT = st.floats(0.0, 1.2)
LONG = st.floats(0.5, 35.0)
KEYS = st.sampled_from("1112299903#")
HELD = st.sampled_from([0.05, 0.06, 0.09, 0.1, 0.15, 0.4, 1.5])
PRESSES = st.sampled_from([0.005, 0.03, 0.1, 0.2, 1.0, 1.4, 1.6, 2.2, 5.0, 11.0])
TONES = st.sampled_from(["dial", "busy", "ringback", "fax", "congestion", "waiting"])
TAGS = st.sampled_from(
    ["button", "held", "stuck", "line", "voice", "question", "grant", "pending", "silence", "second"]
)
SOUNDS = st.sampled_from(sorted(SOUND_S))


# --- what may happen


def a_press(held_s: float) -> Act:
    """The button."""
    return lambda w: w.press(held_s)


def a_key(key: str, leg: Leg, held_s: float) -> Act:
    """A key on the line."""
    return lambda w: w.key(key, leg, held_s)


def a_tone(name: str, cycles: int, leg: Leg) -> Act:
    """A network tone, most often a far one."""
    return lambda w: w.tone(name, cycles, leg)


def a_fault(name: str, value: object) -> Act:
    """An adapter behaves differently from now on."""
    return lambda w: setattr(w.adapters, name, value)


def a_ring(on: bool) -> Act:  # noqa: FBT001 -- built by a strategy
    """Ring voltage."""
    return lambda w: w.ring(on=on)


def a_stray_deadline(tag: str) -> Act:
    """A deadline that nobody asked for, or that comes early."""
    return lambda w: w.feed(ev.Woke(w.now, tag))


def a_stray_sound(sound: str, kind: int) -> Act:
    """Words of the audio device at a moment at which it has nothing to say."""
    return lambda w: w.feed(
        (ev.MarkPassed(w.now), ev.Played(w.now, sound), ev.PlayFailed(w.now, sound, "x"), ev.AudioCame(w.now))[kind]
    )


def a_hostile_line(off_hook: bool, ring: bool, seizure: int) -> Act:  # noqa: FBT001 -- built by a strategy
    """A report that nothing led up to."""
    return lambda w: w.feed(ev.LineTold(w.now, off_hook, ring, seizure))


def a_hostile_archive(kind: int) -> Act:
    """Receipts about a recording that is not that far, and answers to things never sent."""

    def act(w: World) -> None:
        name = w.recording or next(iter(w.files), "018bcfe7-0000-7000-8000-00000000dead")
        digest = ("", f"hash of {name}")[kind % 2]
        words: list[ev.Event] = [
            ev.Missing(w.now, name, digest, ("keys.json", "manifest.jws", "../x")),
            ev.Stored(w.now, name, digest, 1, "e", b""),
            ev.Refused(w.now, name, "x"),
            ev.ArchiveDestroyed(w.now, name),
            ev.Progressed(w.now, name, frozenset({"keys.json"})),
            ev.FileSent(w.now, name, "keys.json"),
            ev.SendFailed(w.now, name, "head.json", "x", permanent=bool(kind % 2)),
            ev.LedgerSynced(w.now, kind, "h"),
            ev.EntryDurable(w.now, 0, w.seq, "h"),
            ev.Connected(w.now),
            ev.Disconnected(w.now, "x"),
            ev.PlayConnected(w.now, ok=bool(kind % 2)),
        ]
        w.feed(words[kind % len(words)])

    return act


def a_register(*, agreed: bool, damaged: str = "") -> Act:
    """The staff register, changed."""
    consents = tuple(replace(c, withdrawn_at=None if agreed else 1.65e9) for c in STAFF)
    return lambda w: w.feed(ev.RegisterTold(w.now, consents, damaged))


def a_yes_by_key(w: World) -> None:
    """What the box is for."""
    if not w.line.off_hook:
        w.lift()
    w.wait(1.5)
    w.ask_to_window()
    w.key("1")
    w.wait(0.6)


def a_yes_taken_back(w: World) -> None:
    """What a caller may do at any time."""
    a_yes_by_key(w)
    w.key("9", Leg.FAR, 0.2)
    w.wait(0.6)


def an_answer(key: str, leg: Leg, after_s: float, held_s: float) -> Act:
    """Asked, and answered some time after the announcement began: before the mark, in the window, after it."""

    def act(w: World) -> None:
        if not w.line.off_hook:
            w.lift()
        w.wait(1.5)
        w.ask()
        w.wait(after_s)
        w.key(key, leg, held_s)
        w.wait(0.6)

    return act


def a_hasty_confirmation(w: World) -> None:
    """Both have spoken, but it is not 4 s yet."""
    if not w.line.off_hook:
        w.lift()
    w.wait(1.5)
    w.press()
    w.wait(1.1)
    w.speak(Leg.NEAR, 0.4)
    w.speak(Leg.FAR, 0.4)
    w.press(0.1)
    w.wait(0.5)


def a_silent_tap(w: World) -> None:
    """The reports stay away for longer than 3 s."""
    w.adapters.tap_talks = False
    w.wait(4.5)
    w.adapters.tap_talks = True
    w.wait(1.0)


def a_hold_over_the_hang_up(w: World) -> None:
    """The handset goes down while the button is held."""
    w.edge(down=True)
    w.wait(0.4)
    w.hang_up()
    w.wait(0.6)
    w.edge(down=False)
    w.wait(0.1)


def a_slow_ledger(w: World) -> None:
    """A yes whose entry takes its time, while an older entry is told durable."""
    w.adapters.ledger_s = 2.5
    a_yes_by_key(w)
    w.feed(ev.EntryDurable(w.now, 2, 1, "h"))
    w.wait(0.3)
    w.adapters.ledger_s = 0.005


def a_spoken_yes(w: World) -> None:
    """Pressed, repeated, and almost confirmed."""
    if not w.line.off_hook:
        w.lift()
    w.wait(1.5)
    w.press()
    w.wait(1.0)
    w.repeat_question()


def a_confirmed_yes(w: World) -> None:
    """The whole oral way."""
    a_spoken_yes(w)
    w.press()
    w.wait(0.6)


def a_dialled_number(number: str) -> Act:
    """The own telephone dials."""

    def act(w: World) -> None:
        if not w.line.off_hook:
            w.lift()
            w.wait(0.2)
        w.dial(number)

    return act


ACTS: st.SearchStrategy[Act] = st.one_of(
    st.just(a_yes_by_key),
    st.just(a_spoken_yes),
    st.just(a_confirmed_yes),
    st.builds(a_press, PRESSES),
    st.builds(a_press, st.just(0.15)),
    st.builds(a_key, KEYS, LEGS, HELD),
    st.builds(a_key, st.just("1"), st.just(Leg.FAR), HELD),
    st.builds(a_key, st.just("9"), LEGS, HELD),
    SHORT.map(lambda s: lambda w: w.wait(s)),
    LONG.map(lambda s: lambda w: w.wait(s)),
    st.just(World.lift),
    st.just(World.hang_up),
    st.just(World.ask),
    LEGS.map(lambda leg: lambda w: w.speak(leg, 0.7)),
    st.builds(a_dialled_number, st.sampled_from(["112", "0110", "030123", "1", "2", "0"])),
    st.one_of(
        st.builds(a_ring, st.booleans()),
        st.builds(a_tone, TONES, st.integers(1, 5), LEGS),
        LEGS.map(lambda leg: lambda w: w.exchange(leg)),
        st.integers(1, 500).map(lambda ms: lambda w: w.feed(ev.Flashed(w.now, ms))),
        st.sampled_from("0112").map(lambda d: lambda w: w.feed(ev.Pulsed(w.now, d))),
        st.sampled_from(["t1", "t2"]).map(lambda boot: lambda w: w.hello(boot)),
        st.just(lambda w: w.hello("t1", audio=TapAudio.MIX)),
        st.just(lambda w: w.feed(ev.TapGone(w.now, "unplugged"))),
        st.just(lambda w: w.feed(ev.AudioGone(w.now, "unplugged"))),
        st.just(lambda w: w.feed(ev.AudioCame(w.now))),
        st.sampled_from([a_register(agreed=False), a_register(agreed=True), a_register(agreed=True, damaged="x")]),
        st.sampled_from(["", "other"]).map(lambda r: lambda w: w.feed(ev.DiskFailed(w.now, "write", r))),
        st.builds(a_fault, st.just("tap_talks"), st.booleans()),
        st.builds(a_fault, st.just("connect_ok"), st.booleans()),
        st.builds(a_fault, st.just("marks"), st.booleans()),
        st.builds(a_fault, st.just("plays"), st.booleans()),
        st.builds(a_fault, st.just("ledger_s"), st.sampled_from([None, 0.005, 0.3, 2.0])),
        st.builds(a_fault, st.just("disk_s"), st.sampled_from([0.005, 0.5, 4.0])),
        st.builds(a_fault, st.just("destroys"), st.booleans()),
        st.builds(a_fault, st.just("free_bytes"), st.sampled_from([-1, 1 << 40])),
    ),
    st.one_of(
        st.builds(a_stray_deadline, TAGS),
        st.builds(a_stray_sound, SOUNDS, st.integers(0, 3)),
        st.builds(a_hostile_line, st.booleans(), st.booleans(), st.integers(0, 3)),
        st.builds(a_hostile_archive, st.integers(0, 23)),
    ),
)

OPENINGS: st.SearchStrategy[Act] = st.one_of(
    st.just(a_yes_by_key),
    st.just(a_spoken_yes),
    st.just(a_confirmed_yes),
    st.just(World.lift),
    st.just(World.incoming),
    st.builds(a_dialled_number, st.sampled_from(["112", "030123"])),
    st.just(lambda w: w.wait(0.1)),
)


ANSWERS = st.builds(
    an_answer,
    st.sampled_from("1112"),
    st.sampled_from(Leg),
    st.sampled_from([1.0, 8.8, 9.2, 13.0, 19.9, 20.05]),
    st.sampled_from([0.15, 0.15, 0.055, 0.06]),
)

TURNS: st.SearchStrategy[Act] = ANSWERS | st.sampled_from(
    [
        a_key("9", Leg.FAR, 0.15),
        a_yes_taken_back,
        a_yes_taken_back,
        a_key("9", Leg.UNCERTAIN, 0.4),
        a_key("9", Leg.NEAR, 0.2),
        a_hasty_confirmation,
        a_silent_tap,
        a_hold_over_the_hang_up,
        a_slow_ledger,
        a_press(2.2),
        a_press(0.15),
        a_confirmed_yes,
        a_yes_by_key,
        World.hang_up,
        World.lift,
        a_dialled_number("112"),
        lambda w: w.feed(ev.Flashed(w.now, 200)),
        lambda w: w.hello("t9"),
        lambda w: w.wait(65.0),
    ]
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A started box of some policy, with an archive that is mostly there."""
    world = World(
        way=draw(st.sampled_from([Way.KEY, Way.KEY, Way.ORAL])),
        ask_when=draw(st.sampled_from(AskWhen)),
        archive=Archive(mute=draw(st.sampled_from([0.0, 0.5]))),
    )
    audio = draw(st.sampled_from([TapAudio.VI] * 5 + [TapAudio.MIX]))
    excluded = draw(st.sampled_from([(), ("030123",)]))
    world.start(audio=audio, serial=draw(st.sampled_from(["T1"] * 5 + ["T2"])), excluded=excluded)
    if draw(st.booleans()):
        world.feed(ev.Connected(world.now))
    return world


def test_random_worlds_before_the_judge() -> None:
    """No trace breaks a rule, no step raises; and the worlds are full of what is to be judged."""
    tally: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @given(worlds(), OPENINGS, st.lists(ACTS, max_size=3), TURNS, st.lists(ACTS, max_size=10))
    def run(world: World, opening: Act, before: list[Act], turn: Act, after: list[Act]) -> None:
        for act in (opening, *before, turn, *after):
            act(world)
        world.wait(1.0)
        world.adapters.tap_talks = True
        world.line.ring = False
        world.hang_up()
        world.wait(3.0)
        judged = Judge().hear(world.trace).tally
        for what in judged:
            event(what)
        tally.update(judged.keys())

    run()
    wanted = ["granted key", "granted oral", "captured", "confirmed", "withdrawn", "destroyed", "closed"]
    rare = {what: tally[what] for what in [*wanted, "emergency", "asked", "keys sent"] if tally[what] < EXAMPLES // 50}
    assert not rare, f"hardly ever happened: {rare} in {dict(tally)}"
