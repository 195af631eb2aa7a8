"""What may happen to the box in a random world: each act takes the world and a random generator.

The generator may be Python's own (cheap, for long counts) or one of Hypothesis' (which shrinks what it finds).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from handschlag.core import effects as do
from handschlag.core import events as ev
from handschlag.core.events import Leg, TapAudio
from handschlag.core.hours import Hours
from handschlag.core.policy import AskWhen, Policy, Shift, Way
from handschlag.core.staff import StaffConsent
from tests.core.archive import CLOCK
from tests.core.restart import restart
from tests.core.world import SOUND_S, World

Act = Callable[[World, Random], object]

LEGS = (Leg.FAR, Leg.FAR, Leg.NEAR, Leg.UNCERTAIN)
HELD = (0.05, 0.06, 0.09, 0.1, 0.15, 0.4, 1.5)
PRESSES = (0.005, 0.03, 0.1, 0.2, 1.0, 1.4, 1.6, 2.2, 5.0, 11.0)
TONES = ("dial", "busy", "ringback", "fax", "congestion", "waiting", "no such tone")
TAGS: tuple[str, ...] = (
    "button",
    "held",
    "stuck",
    "line",
    "voice",
    "question",
    "grant",
    "pending",
    "silence",
    "second",
    "number",
)
TAGS += ("caller", "destroy", "delivery", "identify", "log-level")
SOUNDS = tuple(sorted(SOUND_S))
NUMBERS = ("112", "0110", "030123", "1", "2", "0", "112345", "0301124")
CALLERS = ("030123", "0171555", "")
UNKNOWN = "018bcfe7-0000-7000-8000-00000000dead"

CREW = (
    StaffConsent(1, "d" * 64, "1", valid_from=1.6e9),
    StaffConsent(2, "e" * 64, "1", valid_from=1.6e9, valid_until=1.8e9),
)
ALWAYS = frozenset(range(7))
ROTAS: tuple[tuple[Shift, ...], ...] = (
    (),
    (Shift(ALWAYS, 0, 1440, (1,)),),
    (Shift(ALWAYS, 22 * 60, 6 * 60, (2,), AskWhen.ALWAYS), Shift(frozenset({0, 1, 2, 3, 4}), 420, 1020, (1, 3))),
)


NIGHTS: tuple[dict[str, object], ...] = (  # on the Tuesday, with 3, who has not agreed; of the Wednesday, with 1
    {"shifts": (Shift(frozenset({1}), 22 * 60, 6 * 60, (3,)),), "line_users": (1,)},
    {"shifts": (Shift(frozenset({2}), 22 * 60, 6 * 60, (1,), AskWhen.ALWAYS),), "line_users": (1, 3)},
    {"shifts": (Shift(frozenset({1}), 22 * 60, 6 * 60, (1,), AskWhen.ALWAYS),), "line_users": (1, 3)},
)
QUIET: tuple[tuple[Hours, ...], ...] = (
    *((), (), ()),
    (Hours(ALWAYS, 0, 1440),),
    (Hours(frozenset({1, 2}), 22 * 60, 8 * 60),),
)
TUESDAY_NOON = 1_699_963_200.0  # 2023-11-14, UTC


# --- single events


def press(w: World, r: Random) -> None:
    """The button."""
    w.press(r.choice(PRESSES))


def press_shortly(w: World, _r: Random) -> None:
    """The button as it is meant."""
    w.press(0.15)


def hold(w: World, _r: Random) -> None:
    """Refuse, take back, or go private."""
    w.press(2.2)


def edge(w: World, r: Random) -> None:
    """One raw edge; the other one may stay away for long."""
    w.edge(down=r.random() < 0.5)


def key(w: World, r: Random) -> None:
    """Some key on the line."""
    w.key(r.choice("1112299903#"), r.choice(LEGS), r.choice(HELD))


def key_1(w: World, r: Random) -> None:
    """A yes, if it is the time for it."""
    w.key("1", Leg.FAR, r.choice(HELD))


def key_9(w: World, r: Random) -> None:
    """A withdrawal, if it is long enough and not near."""
    w.key("9", r.choice(LEGS), r.choice(HELD))


def pause(w: World, r: Random) -> None:
    """A little time."""
    w.wait(r.random() * 1.2)


def long_pause(w: World, r: Random) -> None:
    """More time, now and then more than the minute of silence."""
    w.wait(r.choice((2.0, 5.0, 9.0, 15.0, 31.0, 65.0)))


def speak(w: World, r: Random) -> None:
    """Somebody says something."""
    w.speak(r.choice(LEGS), 0.7)


def tone(w: World, r: Random) -> None:
    """A network tone, most often a far one."""
    w.tone(r.choice(TONES), r.randint(1, 5), r.choice(LEGS), final=r.random() < 0.3)


def ring(w: World, r: Random) -> None:
    """Ring voltage on, or off."""
    w.ring(on=r.random() < 0.5)


def exchange(w: World, r: Random) -> None:
    """A clear dial tone."""
    w.exchange(r.choice((Leg.FAR, Leg.FAR, *LEGS)))


def flash(w: World, r: Random) -> None:
    """Hold, transfer, conference."""
    w.feed(ev.Flashed(w.now, r.randint(50, 400)))


def flash_and_dial(w: World, r: Random) -> None:
    """A dial tone after the flash, and a further number: a conference, perhaps with 112."""
    flash(w, r)
    if r.random() < 0.5:
        w.tone("dial", 1, Leg.FAR)
        w.tone("dial", 1, Leg.FAR, final=True)
    w.dial(r.choice(NUMBERS))


def line_break(w: World, r: Random) -> None:
    """A short interruption."""
    w.feed(ev.LineBroke(w.now, r.randint(1, 49)))


def pulse(w: World, r: Random) -> None:
    """A digit by loop interruptions."""
    w.feed(ev.Pulsed(w.now, r.choice("0112")))


def dialled(w: World, r: Random) -> None:
    """The network tells the whole number."""
    w.feed(ev.Dialled(w.now, r.choice(NUMBERS)))


def caller_id(w: World, r: Random) -> None:
    """Who is calling, or who is waiting."""
    w.feed(ev.CallerIdHeard(w.now, r.choice(CALLERS), "", "11-24 09:15", "voice", ""))


def reversal(w: World, _r: Random) -> None:
    """The idle line is reversed."""
    w.feed(ev.LineTold(w.now, w.line.off_hook, w.line.ring, w.line.seizure, reversed=True))


def hello(w: World, r: Random) -> None:
    """The tap again: the same boot, or a reboot in which the seizure's number is the same."""
    w.hello(r.choice(("t1", "t2")), audio=r.choice((TapAudio.VI, TapAudio.VI, TapAudio.MIX)))


def reboot(w: World, r: Random) -> None:
    """The tap restarts within the call, and counts as before."""
    w.hello(f"t{r.randint(3, 99)}")
    w.tell_line()


def line_sounds(w: World, r: Random) -> None:
    """A line that no wire knows sounds used, or idle."""
    w.feed(ev.LineSounds(w.now, r.choice((True, False, None))))


def tap_gone(w: World, _r: Random) -> None:
    """Unplugged, and back at the next report."""
    w.feed(ev.TapGone(w.now, "unplugged"))


def audio(w: World, r: Random) -> None:
    """The sound device goes, or comes."""
    w.feed(ev.AudioGone(w.now, "unplugged") if r.random() < 0.4 else ev.AudioCame(w.now))


def audio_lost(w: World, _r: Random) -> None:
    """Some frames are missing."""
    w.feed(ev.AudioLost(w.now))


def dial_with_a_loss(w: World, r: Random) -> None:
    """A number, and audio is lost before, in, or after it: a key is missing, or heard as two; then the button."""
    if not w.line.off_hook:
        w.lift()
        w.wait(0.2)
    number = r.choice(NUMBERS)
    at = r.randint(0, len(number))
    w.dial(number[:at])
    audio_lost(w, r)
    w.dial(number[at + r.choice((0, 1)) :] if r.random() < 0.6 else number[max(0, at - 1) :])
    w.wait(r.choice((0.1, 2.5)))
    if r.random() < 0.5:
        w.tone("ringback", 1, Leg.FAR)
        w.speak(Leg.FAR, 0.8)
    w.press(0.15)


def disk_failed(w: World, r: Random) -> None:
    """Something cannot be written."""
    name = r.choice(("", w.recording or "", "other"))
    w.feed(ev.DiskFailed(w.now, r.choice(("write", "ledger: no space")), name))


def register(w: World, r: Random) -> None:
    """The registers, changed: taken back, agreed again, damaged, run out, the do-not-record list longer."""
    kind = r.randrange(6)
    consents = (
        tuple(replace(c, withdrawn_at=1.65e9) if c.number == 1 else c for c in CREW),
        CREW[:1],
        CREW,
        CREW,
        tuple(replace(c, valid_until=1.7e9 + w.now + 5) for c in CREW),
        tuple(replace(c, version="2") for c in CREW),
    )[kind]
    w.feed(ev.RegisterTold(w.now, consents, "x" if kind == 3 else "", r.randrange(2)))


def match(w: World, r: Random) -> None:
    """The list's answer to a question about another number."""
    w.feed(ev.NumberMatched(w.now, r.randrange(4), excluded=r.random() < 0.5))


def clock(w: World, r: Random) -> None:
    """The clock jumps, or cannot be trusted any more, or can again."""
    w.adapters.wall_offset = 1.7e9 + r.choice(
        (0.0, 0.0, 3600.0, 8 * 3600.0, 16 * 3600.0, 5 * 86400.0, 15 * 86400.0, -1e9)
    )
    w.adapters.synced = r.random() < 0.7
    w.adapters.utc_offset_s = r.choice((0.0, 3600.0, 7200.0))


FAULTS: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("tap_talks", (True, False)),
    ("connect_ok", (True, False)),
    ("marks", (True, False)),
    ("plays", (True, False)),
    ("ledger_s", (None, 0.005, 0.3, 2.0)),
    ("ledger_ok", (True, True, False)),
    ("disk_s", (0.005, 0.5, 4.0)),
    ("destroys", (True, False)),
    ("free_bytes", (-1, 1 << 30, 1 << 40, 1 << 40)),
    ("keep_s", (None, 2.0, 20.0)),
    ("match_s", (None, 0.2, 3.0)),
)


def fault(w: World, r: Random) -> None:
    """An adapter behaves differently from now on."""
    name, values = r.choice(FAULTS)
    setattr(w.adapters, name, r.choice(values))


# --- what nothing led up to


def stray_deadline(w: World, r: Random) -> None:
    """A deadline that nobody asked for, or that comes early."""
    w.feed(ev.Woke(w.now, r.choice(TAGS)))


def stray_sound(w: World, r: Random) -> None:
    """Words of the audio device at a moment at which it has nothing to say."""
    sound = r.choice(SOUNDS)
    events = (ev.MarkPassed(w.now), ev.Played(w.now, sound), ev.PlayFailed(w.now, sound, "x"))
    w.feed(r.choice((*events, ev.PlayConnected(w.now, ok=r.random() < 0.5))))


def hostile_line(w: World, r: Random) -> None:
    """A report that nothing led up to."""
    w.feed(ev.LineTold(w.now, r.random() < 0.5, r.random() < 0.5, r.randrange(4)))


def hostile_archive(w: World, r: Random) -> None:
    """Receipts about a recording that is not that far, and answers to things never sent."""
    name = w.recording or next(iter(w.files), UNKNOWN)
    digest = r.choice(("", f"hash of {name}"))
    said = r.choice(("e0", "e1", "e1")), CLOCK + w.now - r.choice((0.0, 0.0, 5.0, 1e6, -1e6))
    words: Sequence[ev.Event] = (
        ev.Missing(w.now, name, digest, ("keys.json", "manifest.jws", "../x"), *said),
        ev.Stored(w.now, name, digest, 1, b"", *said),
        ev.Refused(w.now, name, "x", r.choice(("", digest)), *said),
        ev.ArchiveDestroyed(w.now, name, *said),
        ev.Progressed(w.now, name, frozenset({"keys.json"}), *said),
        ev.StatusRefused(w.now, "x"),
        ev.FileSent(w.now, name, "keys.json"),
        ev.SendFailed(w.now, name, "head.json", "x", permanent=r.random() < 0.5),
        ev.LedgerSynced(w.now, r.randrange(30), "h", *said),
        ev.EntryDurable(w.now, 0, w.seq, "h"),
        ev.FilesListed(w.now, name, ("head.json",)),
        ev.RecordingGone(w.now, UNKNOWN),
    )
    w.feed(r.choice(words))


def archive_restored(w: World, r: Random) -> None:
    """The archive comes back from a backup; its next receipts say so."""
    if w.archive is not None:
        w.archive.restore(f"e{r.randrange(2, 99)}", keeps=r.randrange(2), ledger=r.randrange(20))
    w.wait(r.choice((0.0, 6.0)))


def yes_then_a_restored_archive(w: World, r: Random) -> None:
    """Recorded and receipted, and the archive loses it; perhaps a restart, perhaps 15 days, before it is said again."""
    yes_by_key(w, r)
    w.hang_up()
    w.feed(ev.Connected(w.now))
    w.wait(2.0)
    archive_restored(w, r)
    if r.random() < 0.3:
        power_cut(w, r)
    if r.random() < 0.5:
        w.adapters.wall_offset += 15 * 86400.0
    (yes_by_key if r.random() < 0.5 else pause)(w, r)
    w.hang_up()
    w.wait(r.choice((0.5, 20.0)))


def operator_said(w: World, r: Random) -> None:
    """A command, whatever the box is doing; its expiry may be over, its counter may be old."""
    name = r.choice(("identify", "identify", "log-level", "report", "restart", "update", "selftest", "record"))
    counter = w.state.call.operator.counter + r.choice((0, 1, 1, 1, 1, 3))
    expires = w.adapters.wall_offset + w.now + r.choice((-5.0, 60.0, 60.0, 60.0))
    seen = len(w.did(do.Restart))
    w.feed(ev.OperatorSaid(w.now, f"{counter:032x}", name, counter, expires, level="debug", minutes=1))
    w.wait(r.choice((0.0, 0.5, 2.0)))
    if len(w.did(do.Restart)) > seen:
        power_cut(w, r)


def broker(w: World, r: Random) -> None:
    """The broker comes and goes."""
    w.feed(ev.Connected(w.now) if r.random() < 0.6 else ev.Disconnected(w.now, "x"))


# --- settings and restarts


def policy(old: Policy, r: Random) -> Policy:
    """Some settings, changed."""
    return replace(
        old,
        way=r.choice((Way.KEY, Way.KEY, Way.ORAL)),
        ask_when=r.choice(tuple(AskWhen)),
        line_users=r.choice(((1,), (1,), (1, 2), (1, 3))),
        shifts=r.choice(ROTAS),
        accepted=r.random() < 0.95,
        proven_tap="T1" if r.random() < 0.9 else "",
        bench=r.choice(("", "2026-01")),
        by_wire=r.random() < 0.95,
        by_sound=r.random() < 0.3,
        quiet=r.choice(QUIET),
    )


def power_cut(w: World, r: Random) -> None:
    """The process starts again, within the call or not; what was being written arrived, or not."""
    restart(w, crew=CREW, down_s=r.choice((0.0, 0.5, 2.0)), lucky=r.random() < 0.5)
    w.wait(r.choice((0.0, 1.5)))


def new_settings(w: World, r: Random) -> None:
    """Changed settings start the box anew."""
    restart(w, policy=policy(w.policy, r), crew=CREW, down_s=0.5)
    w.wait(1.5)


# --- whole ways


def lift(w: World, _r: Random) -> None:
    """The handset goes up."""
    w.lift()


def hang_up(w: World, _r: Random) -> None:
    """The handset goes down."""
    w.hang_up()


def next_call_at_once(w: World, r: Random) -> None:
    """Hung up and seized again: with a report in between, or without one, or with a ring at once."""
    kind = r.randrange(3)
    if kind:
        w.hang_up()
    if kind == 2:
        w.ring()
        w.wait(0.2)
    w.lift()


def incoming(w: World, r: Random) -> None:
    """A ring, perhaps a number, and the call is taken; perhaps somebody greets."""
    w.ring()
    w.wait(1.0)
    w.ring(on=False)
    w.wait(0.5)
    if r.random() < 0.5:
        caller_id(w, r)
    w.wait(0.5)
    w.lift()
    w.wait(1.0)
    if r.random() < 0.5:
        w.speak(Leg.NEAR, 0.8)


def outgoing(w: World, r: Random) -> None:
    """Dialled, ringing, answered."""
    _lift_first(w)
    w.dial(r.choice(NUMBERS))
    w.wait(2.2)
    w.tone("ringback", 1, Leg.FAR)
    if r.random() < 0.7:
        w.speak(Leg.FAR, 0.8)


def dial(w: World, r: Random) -> None:
    """The own telephone dials."""
    if not w.line.off_hook:
        w.lift()
        w.wait(0.2)
    w.dial(r.choice(NUMBERS))


def _lift_first(w: World) -> None:
    if not w.line.off_hook:
        w.lift()
    w.wait(1.5)


def ask(w: World, _r: Random) -> None:
    """The button, in a call."""
    w.ask()


def yes_by_key(w: World, _r: Random) -> None:
    """What the box is for."""
    _lift_first(w)
    w.ask_to_window()
    w.key("1")
    w.wait(0.6)


def yes_taken_back(w: World, r: Random) -> None:
    """What a caller may do at any time."""
    yes_by_key(w, r)
    w.key("9", Leg.FAR, 0.2)
    w.wait(0.6)


def taken_back_while_offline(w: World, r: Random) -> None:
    """The revocation waits for the archive, and outlives a restart."""
    w.feed(ev.Disconnected(w.now, "x"))
    yes_taken_back(w, r)
    power_cut(w, r)
    w.feed(ev.Connected(w.now))


def ordered_on_the_idle_line(w: World, r: Random) -> None:
    """Commands while nobody telephones."""
    w.hang_up()
    w.wait(1.0)
    for _ in range(3):
        operator_said(w, r)


def yes_then_held(w: World, r: Random) -> None:
    """What staff may do at any time."""
    yes_by_key(w, r)
    w.wait(1.0)
    w.press(r.choice((2.2, 5.0, 9.9, 11.0)))
    w.wait(0.6)


def yes_then_restart(w: World, r: Random) -> None:
    """A restart in the middle of a recorded call, and perhaps a withdrawal after it."""
    (yes_by_key if r.random() < 0.7 else confirmed_yes)(w, r)
    power_cut(w, r)
    w.wait(0.5)
    r.choice((key_9, hold, pause, flash_and_dial))(w, r)
    w.wait(0.5)


def ledger_doubted(w: World, r: Random) -> None:
    """Somebody names a line that the ledger has not; in most worlds the owner opens a new epoch."""
    seq = r.choice((w.seq + 5, 1))
    w.feed(ev.LedgerDoubted(w.now, "the archive names another line", seq, "ab" * 32))
    w.wait(0.2)
    if r.random() < 0.7:
        number = w.state.call.epoch + 1
        w.feed(ev.OwnerSaid(w.now, f"e{w.now}", "epoch", w.state.call.owner.counter + 1, epoch=number))
        w.wait(0.5)


def owner_said(w: World, r: Random) -> None:
    """A message of the owner: new or old, of a recording that is here, runs, or never was."""
    known = sorted({*w.files, w.recording or "", "018bcfe7-0000-7000-8000-00000000dead"})
    name = r.choice(("erase", "erase", "hold", "release", "class"))
    kept_for = r.choice(("inquiry", "order", "repair", "building")) if name == "class" else ""
    counter = w.state.call.owner.counter + r.choice((0, 1, 1, 1, 2))
    w.feed(ev.OwnerSaid(w.now, f"{name}{counter}", name, counter, r.choice(known), kept_for=kept_for))
    w.wait(r.choice((0.0, 0.5)))


def yes_then_its_end(w: World, r: Random) -> None:
    """Recorded and receipted; then the disk fills, or its time is over, or the archive has had it for long."""
    w.adapters.keep_s = r.choice((5.0, 40.0, 30 * 86400.0))
    yes_by_key(w, r)
    w.hang_up()
    w.feed(ev.Connected(w.now))
    w.wait(r.choice((0.1, 6.0)))
    if r.random() < 0.6:
        owner_said(w, r)
    if r.random() < 0.4:
        w.adapters.free_bytes = 1 << 30
    elif r.random() < 0.7:
        w.adapters.wall_offset += 15 * 86400.0
    w.wait(r.choice((2.0, 6.0)))
    w.adapters.free_bytes = 1 << 40


def answer(w: World, r: Random) -> None:
    """Asked, and answered some time after the announcement began: before the mark, in the window, after it."""
    _lift_first(w)
    w.ask()
    w.wait(r.choice((1.0, 8.8, 8.95, 9.2, 13.0, 19.9, 20.05)))
    w.key(r.choice("1112"), r.choice(tuple(Leg)), r.choice((0.15, 0.15, 0.055, 0.06)))
    w.wait(r.choice((0.6, 0.6, 12.0)))  # the prompt comes when the announcement is over


def early_hang_up(w: World, r: Random) -> None:
    """Hung up before the greeting, during the announcement, in the window, or while `granted` is being written."""
    _lift_first(w)
    w.ask()
    w.wait(r.choice((0.0, 5.0, 9.5, 14.0)))
    if r.random() < 0.5:
        w.adapters.ledger_s = 0.5
        w.key("1")
    w.hang_up()
    w.wait(r.choice((0.1, 0.7)))
    w.adapters.ledger_s = 0.005


def hasty_confirmation(w: World, _r: Random) -> None:
    """Both have spoken, but it is not 4 s yet."""
    _lift_first(w)
    w.press()
    w.wait(1.1)
    w.speak(Leg.NEAR, 0.4)
    w.speak(Leg.FAR, 0.4)
    w.press(0.1)
    w.wait(0.5)


def spoken_yes(w: World, _r: Random) -> None:
    """Pressed, repeated, and almost confirmed."""
    _lift_first(w)
    w.press()
    w.wait(1.0)
    w.repeat_question()


def one_sided_question(w: World, r: Random) -> None:
    """Long enough, but only one of the two has spoken, or in the wrong order; then the press."""
    _lift_first(w)
    w.press()
    w.wait(1.0)
    for leg in r.choice(((Leg.NEAR,), (Leg.FAR,), (Leg.FAR, Leg.NEAR), ())):
        w.speak(leg, 1.5)
    w.wait(4.0)
    w.press()
    w.wait(0.6)


def confirmed_yes(w: World, r: Random) -> None:
    """The whole oral way."""
    spoken_yes(w, r)
    w.press()
    w.wait(0.6)


def silent_tap(w: World, _r: Random) -> None:
    """The reports stay away for longer than 3 s."""
    w.adapters.tap_talks = False
    w.wait(4.5)
    w.adapters.tap_talks = True
    w.wait(1.0)


def hold_over_the_hang_up(w: World, r: Random) -> None:
    """The handset goes down while the button is held."""
    w.edge(down=True)
    w.wait(r.choice((0.4, 2.1)))
    w.hang_up()
    w.wait(0.6)
    w.edge(down=False)
    w.wait(0.1)


def slow_ledger(w: World, r: Random) -> None:
    """A yes whose entry takes its time, while an older entry is told durable."""
    w.adapters.ledger_s = 2.5
    yes_by_key(w, r)
    w.feed(ev.EntryDurable(w.now, 2, 1, "h"))
    w.wait(0.3)
    r.choice((pause, flash, key_9, hang_up, tap_gone, power_cut))(w, r)
    w.adapters.ledger_s = 0.005


def flash_in_the_recording(w: World, r: Random) -> None:
    """A recorded call, a flash, perhaps another number, perhaps a new yes."""
    yes_by_key(w, r)
    r.choice((flash, flash_and_dial))(w, r)
    if r.random() < 0.5:
        w.wait(1.5)
        w.ask_to_window()
        w.key("1")
    w.wait(1.0)


def early_answer(w: World, r: Random) -> None:
    """A 1 before the mark, perhaps another one, and then nobody says anything more."""
    _lift_first(w)
    w.ask()
    w.wait(r.choice((1.0, 5.0, 8.0)))
    w.key("1")
    w.wait(r.choice((12.5, 16.0)))
    if r.random() < 0.3:
        w.key("1")


def answer_at_the_end(w: World, r: Random) -> None:
    """The key goes down around the very end of the window."""
    _lift_first(w)
    w.ask_to_window()
    played = [entry.event.at for entry in w.trace[-40:] if isinstance(entry.event, ev.Played)]
    if played:
        w.wait(max(0.0, played[-1] + 8.0 + r.choice((-0.03, -0.001, 0.01, 0.03, 0.05)) - w.now))
    w.key("1")
    w.wait(1.0)


def outgoing_unheard(w: World, r: Random) -> None:
    """The box asks by itself, but what was dialled was not decoded, is still being dialled, or was not heard whole."""
    _on_the_idle_line(w, replace(w.policy, ask_when=r.choice((AskWhen.OUTGOING, AskWhen.ALWAYS))))
    _lift_first(w)
    kind = r.randrange(3)
    if kind == 1:
        w.dial("030")
    elif kind == 2:
        w.dial("030")
        audio_lost(w, r)
        w.dial("123")
        w.wait(2.2)
    w.tone("ringback", 1, Leg.FAR)
    w.speak(Leg.FAR, 0.8)
    w.wait(0.5)


def night(w: World, r: Random) -> None:
    """A call around midnight, in the night of a shift or in another one."""
    changes = r.choice(NIGHTS)
    _on_the_idle_line(w, replace(w.policy, **changes))  # type: ignore[arg-type] # the policy's own fields
    hours = r.choice((11.0, 12.5, 12.5, 17.5, 18.5, 36.5))
    w.adapters.utc_offset_s = r.choice((0.0, 3600.0, 7200.0))
    w.adapters.wall_offset = TUESDAY_NOON + hours * 3600.0 - w.adapters.utc_offset_s - w.now
    w.adapters.synced = r.random() < 0.8
    w.wait(4.5)
    _lift_first(w)
    w.press(0.15)
    w.wait(0.5)


def consent_on_its_way(w: World, r: Random) -> None:
    """Taken out of the register and agreed anew; the ledger takes its time, and a call is asked meanwhile."""
    _on_the_idle_line(w, replace(w.policy, line_users=(1,), shifts=()))
    w.adapters.ledger_s = r.choice((1.0, 2.5))
    w.feed(ev.RegisterTold(w.now, ()))
    if r.random() < 0.5:
        w.wait(1.5)
    w.feed(ev.RegisterTold(w.now, CREW))
    _lift_first(w)
    w.press(0.15)
    w.wait(0.5)
    w.adapters.ledger_s = 0.005


def disproved(w: World, r: Random) -> None:
    """A dial tone that is not far, a restart once the ledger has it, and a question that must not be put by key."""
    _on_the_idle_line(w, w.policy)
    w.lift()
    w.exchange(r.choice((Leg.NEAR, Leg.UNCERTAIN)))
    w.wait(0.5)
    _on_the_idle_line(w, w.policy)
    _lift_first(w)
    w.press(0.15)
    w.wait(0.5)


def nine_while_granting(w: World, _r: Random) -> None:
    """Taken back before the ledger has the yes."""
    _lift_first(w)
    w.ask_to_window()
    w.adapters.ledger_s = 1.0
    w.key("1")
    w.key("9", Leg.FAR, 0.15)
    w.wait(1.5)
    w.adapters.ledger_s = 0.005


def _on_the_idle_line(w: World, settled: Policy) -> None:
    """Changed settings, and everything is ready for a call."""
    w.hang_up()
    w.wait(0.5)
    restart(w, policy=replace(settled, accepted=True, by_wire=True), crew=CREW, down_s=0.5)
    w.wait(1.5)


OPENINGS: tuple[Act, ...] = (yes_by_key, spoken_yes, confirmed_yes, lift, incoming, outgoing, dial, pause)
TURNS: tuple[Act, ...] = (
    *(yes_then_its_end, yes_then_its_end, yes_then_its_end, answer),
    *(yes_then_a_restored_archive, yes_then_a_restored_archive, taken_back_while_offline, ordered_on_the_idle_line),
    *(answer, answer, answer, yes_taken_back, yes_taken_back, yes_then_held, yes_then_restart, early_hang_up),
    *(hasty_confirmation, one_sided_question, silent_tap, hold_over_the_hang_up, slow_ledger, hold, press_shortly),
    *(flash_in_the_recording, confirmed_yes, yes_by_key, next_call_at_once, flash, reboot, hang_up, lift),
    *(long_pause, power_cut, key_9, outgoing, incoming, dial_with_a_loss),
    *(early_answer, answer_at_the_end, outgoing_unheard, night, consent_on_its_way),
    *(disproved, nine_while_granting),
)
OFTEN: tuple[Act, ...] = (
    *(yes_by_key, spoken_yes, confirmed_yes, press, press_shortly, key, key_1, key_9, pause, long_pause),
    *(lift, hang_up, ask, speak, dial, flash_and_dial),
)
SELDOM: tuple[Act, ...] = (
    *(ring, tone, exchange, flash, pulse, dialled, caller_id, hello, reboot, tap_gone, audio, register, disk_failed),
    *(line_sounds, audio_lost, dial_with_a_loss),
    *(fault, fault, fault, power_cut, new_settings, clock, line_break, reversal, match, broker, edge, incoming),
    *(outgoing, next_call_at_once, ledger_doubted, owner_said, operator_said, operator_said, archive_restored),
)
HOSTILE: tuple[Act, ...] = (stray_deadline, stray_sound, hostile_line, hostile_archive)


def act(r: Random) -> Act:
    """The next act: mostly what calls are made of."""
    kind = r.random()
    return r.choice(OFTEN if kind < 0.62 else SELDOM if kind < 0.9 else HOSTILE)
