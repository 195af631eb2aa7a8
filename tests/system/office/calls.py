"""What happens on the telephone of a workshop: each call a script of the people, the exchange and the button.

People react to what they hear of the box, and to nothing inside it. Where a call may come out in several ways, the
office's random numbers choose.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from handschlag.sim import caller_id
from handschlag.sim.line import dbm0
from handschlag.sim.voices import Line, load_story
from handschlag.sim.world import Script
from tests.system.office.office import Office
from tests.system.office.truth import Leg

RATE = 48_000
BOX_ANSWERS_S = 6.0
CALLERS = ("03023125042", "03023125043", "017012345678", "08005551234")
NAMES = ("Weber", "Lehmann")
NEVER = "03023125999"
NEVER_INTERNATIONAL = "493023125999"

Call = Callable[[Office], Script]


@cache
def lines(leg: Leg) -> tuple[Line, ...]:
    """Everything that a party ever says."""
    return tuple(each for story in ("boiler", "tap", "withdrawal") for each in load_story(story) if each.speaker == leg)


def tone(hz: tuple[float, ...], seconds: float, level_dbm0: float = -14.0) -> NDArray[np.float32]:
    """A tone of the exchange, or of a fax."""
    time = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(sum(dbm0(level_dbm0) * np.sin(2 * np.pi * each * time) for each in hz), np.float32)


def silence(seconds: float) -> NDArray[np.float32]:
    """Nothing."""
    return np.zeros(round(seconds * RATE), np.float32)


# --- pieces of calls


def rings(o: Office, kind: str, number: str | None = "") -> Script:
    """It rings, with a number (""; withheld; None: not sent at all), and is answered."""
    o.wires.call_comes(number or "")
    for ring in range(o.random.choice((1, 2))):
        o.wires.ringing(on=True)
        yield o.after(1.0)
        o.wires.ringing(on=False)
        if ring == 0 and number is not None:
            yield o.after(0.6)
            o.wires.announce(number)
            withheld = caller_id.call_setup((caller_id.NO_NUMBER, b"P"))
            message = caller_id.call(number, NAMES[0]) if number else withheld
            o.network.say(caller_id.Sender().send(message))
            yield o.network_quiet
        yield o.after(1.2)
    o.lift(kind, incoming=True)
    yield o.after(0.6)


def greets(o: Office) -> Script:
    """The employee says who this is, and the caller what it is about."""
    yield from says(o, "near", 0)
    yield from says(o, "far")


def says(o: Office, leg: Leg, number: int | None = None) -> Script:
    """One of them says something."""
    said = lines(leg)
    line = said[o.random.randrange(len(said)) if number is None else number]
    o.says(leg, line.samples)
    yield o.both_quiet
    yield o.after(0.35)


@cache
def third_voice(number: int) -> NDArray[np.float32]:
    """What somebody says who is neither of the two: lower, and slower."""
    said = lines("near")[number].samples
    return np.asarray(np.interp(np.arange(0, len(said), 0.85), np.arange(len(said)), said), np.float32)


def third_says(o: Office) -> Script:
    """The third party, who was never asked, says something."""
    o.truth.count("a third party speaks")
    o.says("far", third_voice(o.random.randrange(len(lines("near")))))
    yield o.both_quiet
    yield o.after(0.35)


def talk(o: Office, turns: int = 2) -> Script:
    """They talk."""
    for turn in range(turns):
        yield from says(o, "near" if turn % 2 else "far")


def within(o: Office, condition: Callable[[], bool], seconds: float) -> Callable[[], bool]:
    """It has come true, or nobody waits any longer."""
    until = o.after(seconds)
    return lambda: condition() or until()


def asks(o: Office) -> Script:
    """The button, unless the box asks by itself; and its question to the end, if there is one."""
    yield o.after(0.3)
    if o.box_silent():
        yield from o.short_press()
    yield within(o, o.box_speaks, 1.5)
    yield o.box_silent


def dials(o: Office, number: str, *, tone_first: bool = True) -> Script:
    """A dial tone, and a number on the own keys."""
    if tone_first:
        o.network.say(tone((425.0,), 1.5, -10.0))
        yield o.after(1.0)
        o.network.hush()
        yield o.after(0.1)
    for digit in number:
        o.press_key("near", digit, 0.1)
        yield o.after(0.22)
    o.wires.dialled(number)
    yield o.after(0.1)


def pulses(o: Office, number: str) -> Script:
    """A number by loop interruptions, 60 and 40 ms."""
    for digit in number:
        for _ in range(int(digit) or 10):
            if not o.wires.has_tap:
                o.handset.broken = True
            yield o.after(0.06)
            o.handset.broken = False
            yield o.after(0.04)
        o.pulse(digit)
        yield o.after(0.8)
    o.wires.dialled(number)


def is_answered(o: Office) -> Script:
    """Ringback, and somebody there answers."""
    o.network.say(np.concatenate([tone((425.0,), 1.0), silence(4.0), tone((425.0,), 1.0), silence(1.0)]))
    yield o.network_quiet
    yield from says(o, "far")


def ends(o: Office) -> Script:
    """The handset is put down: at once, or after the other party has been gone for a while."""
    if o.random.random() < 0.2:
        busy = np.concatenate([tone((425.0,), 0.48), silence(0.48)])
        o.network.say(np.concatenate([busy] * 6))
        yield o.network_quiet
        o.truth.count("late hang-up")
    o.hang_up()
    yield o.after(0.9)


def _caller(o: Office) -> str | None:
    number = o.random.choice((*CALLERS, "", None))
    if number:
        o.truth.personal |= {number, NAMES[0]}
    else:
        o.truth.count("withheld or unsent number")
    return number


def _asked(o: Office, kind: str) -> Script:
    """An incoming call up to the end of the announcement."""
    yield from rings(o, kind, _caller(o))
    yield from greets(o)
    yield from asks(o)


# --- calls


def yes(o: Office) -> Script:
    """Key 1, and a talk that is recorded."""
    yield from _asked(o, "key 1")
    yield o.after(0.6)
    o.press_key("far", "1", 0.18)
    yield o.after(1.5)
    yield from talk(o, o.random.choice((2, 3)))
    match o.random.randrange(6):
        case 0:
            o.press_key("near", o.random.choice("0456"), 0.2)
            yield o.after(0.5)
            yield from says(o, "near")
        case 1:
            yield from o.short_press()  # a mark
            yield from says(o, "far")
        case 2:
            yield from o.short_press()
            yield o.after(0.15)
            yield from o.short_press()  # stop and keep
            yield from says(o, "far")
        case 3:
            o.network.say(np.concatenate([tone((425.0,), 0.2), silence(0.2), tone((425.0,), 0.2)]))  # call waiting
            o.truth.count("call waiting")
            yield from says(o, "far")
        case _:
            pass
    yield from ends(o)


def withdrawn(o: Office) -> Script:
    """A yes, taken back with 9 during the call."""
    yield from _asked(o, "key 1, then 9")
    yield o.after(0.6)
    o.press_key("far", "1", 0.18)
    yield o.after(1.5)
    yield from talk(o)
    if o.random.random() < 0.3:
        o.press_key("near", "9", 0.25)  # means nothing on a proven line
        yield o.after(0.5)
    o.press_key("far", "9", 0.25)
    yield o.after(BOX_ANSWERS_S)
    yield from talk(o)
    yield from ends(o)


def held(o: Office) -> Script:
    """A yes, taken away by the button that is held."""
    yield from _asked(o, "key 1, then held")
    yield o.after(0.6)
    o.press_key("far", "1", 0.18)
    yield o.after(1.5)
    yield from talk(o, 1)
    yield from o.hold_button(2.6)
    yield o.after(BOX_ANSWERS_S)
    yield from talk(o, 1)
    yield from ends(o)


def unanswered(o: Office) -> Script:
    """Nobody presses; the employee's own 1 does not count; and at times an oral yes follows."""
    yield from _asked(o, "no answer")
    if o.random.random() < 0.5:
        o.press_key("near", "1", 0.3)
        o.truth.count("near key 1")
    yield from talk(o, 1)
    yield o.after(9.0)
    yield o.box_silent
    if o.random.random() < 0.4:
        yield from _oral(o, confirmed=o.random.random() < 0.6)
    yield from talk(o, 1)
    yield from ends(o)


def refused(o: Office) -> Script:
    """Another key is a no, and a 1 after it is too late."""
    yield from _asked(o, "another key")
    yield o.after(0.5)
    o.press_key("far", o.random.choice("34567890"), 0.2)
    yield o.after(5.0)
    o.press_key("far", "1", 0.3)
    yield from talk(o)
    yield from ends(o)


def details(o: Office) -> Script:
    """Key 2: the details, and then, perhaps, a yes."""
    yield from _asked(o, "key 2")
    yield o.after(0.3)
    o.press_key("far", "2", 0.2)
    yield within(o, o.box_speaks, 2.0)
    yield o.box_silent
    if o.random.random() < 0.6:
        o.press_key("far", "1", 0.2)
        yield o.after(1.5)
        yield from talk(o)
    yield o.after(9.0)
    yield from ends(o)


def too_early(o: Office) -> Script:
    """A 1 before it was named; then nothing, or a 1 in time."""
    yield from rings(o, "early 1", _caller(o))
    yield from greets(o)
    yield from o.short_press()
    yield o.after(o.random.uniform(1.0, 4.0))
    o.press_key("far", "1", 0.2)
    yield o.after(2.0)
    yield o.box_silent
    yield o.after(1.0)
    if o.random.random() < 0.5:
        o.press_key("far", "1", 0.2)
        yield o.after(1.5)
        yield from talk(o)
    yield o.after(9.0)
    yield from ends(o)


def _oral(o: Office, *, confirmed: bool) -> Script:
    yield from o.short_press()
    yield o.after(2.5)
    yield from says(o, "near")
    yield from says(o, "far")
    yield o.after(3.0)
    if confirmed:
        yield from o.short_press()
        o.truth.count("oral, confirmed")
        yield o.after(1.5)
        yield from talk(o)
    else:
        o.truth.count("oral, unconfirmed")
        if o.random.random() < 0.3:
            o.press_key("far", "9", 0.3)
            yield o.after(4.0)
        elif o.random.random() < 0.5:
            yield o.after(31.0)


def oral(o: Office) -> Script:
    """The button right away: an oral yes where the line or the settings want that, else the question, unanswered."""
    yield from rings(o, "oral", _caller(o))
    yield from greets(o)
    yield from _oral(o, confirmed=o.random.random() < 0.65)
    yield from ends(o)


def hurried(o: Office) -> Script:
    """Hung up early: before a word, during the announcement, just before or after the 1."""
    yield from rings(o, "early hang-up", _caller(o))
    after_s = o.random.choice((0.0, 2.0, o.mark_s - 0.1, o.mark_s + 0.3, -1.0))
    if after_s:
        yield from greets(o)
        yield from o.short_press()
        yield within(o, o.box_speaks, 1.5)
        if after_s < 0:
            yield o.box_silent
            o.press_key("far", "1", 0.2)
            yield o.after(o.random.uniform(0.04, 0.3))
        else:
            yield o.after(after_s)
    o.hang_up()
    yield o.after(0.9)


def twice(o: Office) -> Script:
    """A yes; hung up; lifted again within a second. The yes was for the first call, and a 1 now is for nothing."""
    yield from _asked(o, "two within a second")
    o.press_key("far", "1", 0.2)
    yield o.after(1.5)
    yield from talk(o, 1)
    o.hang_up()
    yield o.after(0.8)
    o.lift("two within a second", incoming=False)
    yield o.after(0.3)
    o.press_key("far", "1", 0.2)
    yield from talk(o, 2)
    yield from ends(o)


def flashed(o: Office) -> Script:
    """A yes, then a flash to somebody else, who has not been asked; at times the number dialled is an emergency."""
    yield from _asked(o, "flash")
    o.press_key("far", "1", 0.2)
    yield o.after(1.5)
    yield from talk(o, 1)
    yield from o.flash()
    yield o.after(0.4)
    match o.random.randrange(3):
        case 0:
            yield from dials(o, "0815")
            yield from talk(o)
        case 1:  # asked again; the new one says yes
            yield from talk(o, 1)
            yield o.after(1.0)
            yield from asks(o)
            o.press_key("far", "1", 0.2)
            yield o.after(1.5)
            yield from talk(o)
        case _:  # the announcement plays, and 112 is dialled into it
            yield from o.short_press()
            yield o.after(1.0)
            yield from dials(o, "112", tone_first=False)
            o.truth.count("emergency into the announcement")
            yield from talk(o)
            yield from o.short_press()
            yield from talk(o, 1)
    yield from ends(o)


def waiting(o: Office) -> Script:
    """A yes; somebody else calls meanwhile, is fetched by a flash, and presses 1 as well; then back to the first."""
    yield from _asked(o, "call waiting")
    o.press_key("far", "1", 0.2)
    yield o.after(1.5)
    yield from talk(o, 1)
    o.network.say(np.concatenate([tone((425.0,), 0.2), silence(0.2), tone((425.0,), 0.2)]))
    yield o.network_quiet
    yield from says(o, "near")
    yield from o.flash()
    yield o.after(0.6)
    yield from third_says(o)
    if o.random.random() < 0.5:
        o.press_key("far", "1", 0.2)
        yield o.after(1.0)
        yield from third_says(o)
    yield from o.flash()
    yield o.after(0.6)
    yield from talk(o)
    yield from ends(o)


def transferred(o: Office) -> Script:
    """A yes; then the caller is put through to a third party: a flash, a number, and the handset goes down."""
    yield from _asked(o, "transfer")
    o.press_key("far", "1", 0.2)
    yield o.after(1.5)
    yield from talk(o, 1)
    yield from says(o, "near")
    yield from o.flash()
    yield o.after(0.4)
    yield from dials(o, CALLERS[1])
    o.truth.personal.add(CALLERS[1])
    o.network.say(np.concatenate([tone((425.0,), 1.0), silence(2.0)]))
    yield o.network_quiet
    yield from third_says(o)
    yield from says(o, "near")
    if o.random.random() < 0.5:  # all three together
        yield from o.flash()
        yield o.after(0.4)
        o.press_key("near", "3", 0.1)
        yield o.after(0.5)
        yield from third_says(o)
        yield from talk(o, 1)
    yield from ends(o)


def emergency(o: Office) -> Script:
    """110 or 112, with or without a 0, by keys or pulses; the button is pressed, and the box stays silent."""
    o.lift("emergency", incoming=False)
    yield o.after(0.3)
    number = o.random.choice(("110", "112", "0112", "0110"))
    if o.random.random() < 0.4:
        o.truth.count("emergency by pulses")
        yield from pulses(o, number)
    else:
        yield from dials(o, number)
    if o.random.random() < 0.5:
        yield from o.short_press()
    yield from is_answered(o)
    yield from o.short_press()
    yield o.after(1.0)
    o.press_key("far", "1", 0.2)
    yield from talk(o)
    yield from ends(o)


def outgoing(o: Office) -> Script:
    """A number is dialled, somebody answers, and is asked by the button, or by the box itself."""
    o.lift("outgoing", incoming=False)
    number = o.random.choice(CALLERS[:2])
    o.truth.personal.add(number)
    yield o.after(0.3)
    yield from dials(o, number)
    yield from is_answered(o)
    yield from talk(o, 1)
    if o.box_silent():
        yield from asks(o)
    yield o.box_silent
    o.press_key("far", "1", 0.2)
    yield o.after(1.5)
    yield from talk(o)
    yield from ends(o)


def never(o: Office) -> Script:
    """A number of the do-not-record list, dialled or calling."""
    o.truth.personal.add(NEVER)
    if o.random.random() < 0.5:
        o.lift("do not record", incoming=False)
        yield o.after(0.3)
        yield from dials(o, NEVER)
        yield from is_answered(o)
    else:
        yield from rings(o, "do not record", NEVER)
        yield from greets(o)
    if o.period is not None:
        o.period.excluded = True
    yield from asks(o)
    o.press_key("far", "1", 0.2)
    yield o.after(1.0)
    yield from talk(o)
    yield from ends(o)


def fax(o: Office) -> Script:
    """A fax calls."""
    yield from rings(o, "fax", _caller(o))
    o.far.say(np.concatenate([tone((1100.0,), 0.5, -12.0), silence(3.0)] * 3))
    yield o.after(8.0)
    yield from o.short_press()
    yield o.after(2.0)
    o.press_key("far", "1", 0.2)
    yield o.after(2.0)
    yield from ends(o)


def plain(o: Office) -> Script:
    """Nobody asks."""
    yield from rings(o, "not asked", _caller(o))
    yield from greets(o)
    o.press_key("far", "1", 0.3)  # for a menu of their own
    yield from talk(o)
    yield from ends(o)


def staff_refuses(o: Office) -> Script:
    """The employee holds the button: this call is not to be recorded."""
    yield from rings(o, "refused by staff", _caller(o))
    yield from greets(o)
    yield from o.hold_button(2.4)
    yield o.after(1.0)
    yield from asks(o)
    o.press_key("far", "1", 0.2)
    yield from talk(o, 1)
    yield from ends(o)


def missed(o: Office) -> Script:
    """It rings, and nobody comes."""
    o.wires.call_comes(CALLERS[0])
    for _ in range(2):
        o.wires.ringing(on=True)
        yield o.after(1.0)
        o.wires.ringing(on=False)
        yield o.after(2.0)
    o.wires.call_goes_away()
    yield o.after(9.0)


MIX: tuple[tuple[Call, int], ...] = (
    (yes, 9),
    (withdrawn, 3),
    (held, 2),
    (unanswered, 5),
    (refused, 2),
    (details, 2),
    (too_early, 3),
    (oral, 6),
    (hurried, 5),
    (twice, 3),
    (flashed, 5),
    (waiting, 3),
    (transferred, 3),
    (emergency, 5),
    (outgoing, 5),
    (never, 2),
    (fax, 2),
    (plain, 4),
    (staff_refuses, 2),
    (missed, 1),
)
