"""The office: a world around boxes that come and go, with a line, a handset, people, staff, and a clock.

While anybody uses the line, 20 ms pass at a step, and all audio is real: voices, keys, tones and the box's own sounds
go through the line model into the real ear (about 40 times as fast as life). Between calls a second passes at a step,
for nobody hears anything then: the box's own timers, gauges, registers and deliveries go on as ever.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import msgspec
import numpy as np
from numpy.typing import NDArray

from handschlag.core.policy import Policy, Shift
from handschlag.core.tap_protocol import BOX_WORDS, LineParser
from handschlag.hearing import Ear
from handschlag.ports import SOUND_RATE_HZ, Sound
from handschlag.prompts.catalog import load as load_prompts
from handschlag.sealing.keys import OwnerSecret, SigningKey, VerifyKey
from handschlag.sealing.trust import Trust, TrustedKey, TrustedRecipient, write_trust
from handschlag.sim.line import LineModel
from handschlag.sim.tap import SimTap
from handschlag.sim.uplink import SimArchive
from handschlag.sim.world import BLOCK, Party, Script, World
from handschlag.status import status
from tests.system.office.box import BOX, PLENTY, Box, Disk, OfficeClock, PowerCut
from tests.system.office.papers import MIDNIGHT, Book, Rule, write_list, write_staff
from tests.system.office.truth import Fault, Key, Leg, Period, Truth
from tests.system.office.wires import Handset, Wires

MONTH = "2026-11"
SERIAL = "sim-1"
EMERGENCY = {"110", "112", "0110", "0112"}
AUDIBLE = 1e-4
TAIL_S = 1.0
"""What the line carries after hanging up is noted for so long: a contact tells a hang-up from a flash after 0.5 s."""


class HeardTap(SimTap):
    """A tap that is listened to: `played` is told of each PLAY that would connect the box's sound, granted or not."""

    def __init__(self, played: Callable[[float], None]) -> None:
        super().__init__(serial=SERIAL)
        self._played = played
        self._words = LineParser(BOX_WORDS)

    def receive(self, data: bytes) -> None:
        """Bytes from the box."""
        for line in self._words.feed(data):
            if line.word == "PLAY" and line.fields["on"] != "0":
                self._played(self._now)
        super().receive(data)


class Office(World):
    """Everything around the box; `truth` is what happened."""

    def __init__(self, folder: Path, seed: int, *, start_hour: float = 0.0) -> None:
        self.folder = folder
        self.random = Random(seed)
        self.clock = OfficeClock(MIDNIGHT + start_hour * 3600)
        self.truth = Truth()
        self.book = Book()
        self.disk = Disk()
        self.handset = Handset()
        self.owner = OwnerSecret.from_bytes(bytes(range(32)))
        self.box_key = SigningKey.from_seed(bytes(32))
        self.archive = SimArchive(BOX, wall=lambda: self.clock.wall()[0])
        self.online = True
        self.deaf = False
        self.private = False
        self.box: Box | None = None
        self.period: Period | None = None
        self.runs: list[tuple[str, float, float]] = []
        self.now_dialling = ""
        self._prompts = load_prompts("de")
        every = {prompt.name: prompt for prompt in self._prompts.every()}
        self._sounds = {name: Sound(name, prompt.samples, prompt.mark_s) for name, prompt in every.items()}
        self._lengths = {name: prompt.length_s for name, prompt in every.items()}
        self.mark_s = float(self._prompts.announcement.mark_s or 0.0)
        self._known: set[str] = set()
        self._broken: dict[str, Fault] = {}
        self._just_ended: Period | None = None
        self._wants_back: float | None = None
        self._pressed_at = 0.0
        super().__init__(
            HeardTap(self._told_to_play),
            self._exchange_nothing,
            pump=lambda _now: None,
            button=self._move_button,
            line=LineModel(cable_km=1.0, seed=seed),
        )
        self.wires = Wires("tap", self.tap, self.handset, self.clock.mono)
        folder.mkdir(parents=True, exist_ok=True)
        self.write_staff()
        (folder / "trust.json").write_bytes(write_trust(self.trust))

    @property
    def trust(self) -> Trust:
        """Whose word counts."""
        return Trust(
            boxes=(TrustedKey.of(VerifyKey(self.box_key.public), box=BOX),),
            archive=self.archive.trust().archive,
            workshop=(TrustedRecipient.of(self.owner.workshop().public),),
        )

    # --- the box

    def switch_on(self, line: str | None = None) -> None:
        """Start a box on what is on the disk, with the line read as `line` from now on."""
        if line is not None and line != self.wires.kind:
            self.wires = Wires(line, self.tap, self.handset, self.clock.mono)
        rule = self.book.rule
        policy = Policy(
            accepted=True,
            line_users=self.book.users,
            proven_tap=SERIAL,
            text_version="de-1",
            text_hash=self._prompts.announcement.text_sha256,
            sound_s=self._lengths,
            by_sound=self.wires.hints,
            way=rule.way,
            ask_when=rule.ask,
            shifts=tuple(
                Shift(frozenset(range(7)), round(begin * 60), round(end * 60), staff, ask)
                for begin, end, staff, ask in rule.shifts
            ),
        )
        self.mends("box")
        line_port = self.wires.attach()
        boot = secrets.token_hex(8)
        self.runs.append((boot, self.clock.mono(), 0.0))
        with self._power():
            self.box = Box(
                self.folder,
                policy,
                boot=boot,
                clock=self.clock,
                disk=self.disk,
                line=line_port,
                sounds=self._sounds,
                owner=self.owner,
                key=self.box_key,
                archive=self.archive,
                online=self.online,
                mono=not self.wires.has_tap,
                vox=self.wires.vox,
                on_error=_must_not_happen,
            )

    def switch_off(self) -> None:
        """Stop it in order."""
        with self._power():
            if self.box is not None:
                self.box.stop()
        self._off()

    def kill(self, *, power: bool = False) -> None:
        """It is gone without a word; with `power`, the tap lost its power as well."""
        if power:
            self.disk.cut_in = None
            self.reboot_tap(secrets.token_hex(4))
        self._off()

    def _off(self) -> None:
        self._say_status()
        self.box = None
        self.wires.detach()
        boot, began, _ = self.runs[-1]
        self.runs[-1] = (boot, began, self.clock.mono())
        self._play = np.zeros(BLOCK, np.float32)
        self.breaks("box")

    @contextlib.contextmanager
    def _power(self) -> Iterator[None]:
        try:
            yield
        except PowerCut:
            self.truth.count("power cut in a file operation")
            self.kill(power=True)
            self._wants_back = self.clock.mono() + self.random.uniform(2.0, 20.0)

    # --- what breaks

    def breaks(self, what: str) -> None:
        """Note what broke just now."""
        self.truth.count(f"fault: {what}")
        if what in self._broken:
            return
        fault = self._broken[what] = Fault(what, self.clock.mono())
        self.truth.faults.append(fault)
        last = self._just_ended
        if self.period is not None:
            self.period.faults.append(fault)
        elif last is not None and fault.begun < last.on_at + TAIL_S:
            last.faults.append(fault)  # its end was still being written down

    def mends(self, what: str) -> None:
        """Note that it was mended just now."""
        if what in self._broken:
            self._broken.pop(what).ended = self.clock.mono()

    def reboot_tap(self, boot: str) -> None:
        """The tap starts anew."""
        self.breaks("reboot")
        self.tap.reboot(boot)
        self.mends("reboot")

    def lose_line(self) -> None:
        """The tap, or what decides the hook, is gone."""
        self.breaks("line")
        self.wires.lose()

    def find_line(self) -> None:
        """It is back."""
        self.mends("line")
        self.wires.find()

    def lose_audio(self) -> None:
        """The sound device is gone."""
        self.breaks("audio")
        self.deaf = True
        if self.box is not None:
            self.box.audio.fail("unplugged")

    def find_audio(self) -> None:
        """It is back."""
        self.mends("audio")
        self.deaf = False

    def refuse_writes(self, *, on: bool) -> None:
        """The disk refuses to write, or does so no more."""
        (self.breaks if on else self.mends)("disk refuses")
        self.disk.refuses = on

    def fill_disk(self, *, on: bool) -> None:
        """The disk is full, or has space again."""
        (self.breaks if on else self.mends)("disk full")
        self.disk.free = -1 if on else PLENTY

    def go_online(self, *, online: bool) -> None:
        """The broker comes or goes."""
        self.truth.count("broker")
        self.online = online
        if self.box is not None:
            self.box.uplink.go(online=online)

    # --- papers

    def write_staff(self) -> None:
        """Put the staff register on the disk as the book has it."""
        write_staff(self.folder, self.book)

    def never_record(self, number: str, international: str) -> None:
        """Put a number on the do-not-record list."""
        self.book.never.add(number)
        write_list(self.folder, international)

    def change_staff(self, change: Callable[[Book], None]) -> None:
        """Something changes in the papers, and on the disk."""
        change(self.book)
        self.truth.count("staff changed")
        self.write_staff()
        self._look_at_cover()

    def change_rule(self, rule: Rule) -> None:
        """The settings change: the box restarts."""
        self.truth.count("rule changed")
        self.book.rule = rule
        self.switch_off()
        self.switch_on()

    # --- what people do

    def lift(self, kind: str, *, incoming: bool) -> None:
        """The handset is lifted: a period begins."""
        self.wires.lift()
        self.truth.count(kind)
        self.period = Period(
            len(self.truth.periods),
            kind,
            self.wires.kind,
            self.wires.has_tap,
            incoming,
            self.clock.mono(),
            self.private,
            self.book.rule.way.value,
        )
        self.truth.periods.append(self.period)
        self.now_dialling = ""
        self.period.faults += self._broken.values()
        self._look_at_cover()

    def hang_up(self) -> None:
        """The handset is put down: the period is over."""
        self.near.hush()
        self.far.hush()
        self.network.hush()
        self.handset.broken = False
        self.wires.hang_up()
        if self.period is not None:
            self.period.on_at = self.clock.mono()
        self._just_ended, self.period = self.period, None

    def press_key(self, leg: Leg, key: str, length_s: float = 0.15) -> None:
        """A key on somebody's telephone, now."""
        party: Party = self.far if leg == "far" else self.near
        party.hush()
        party.press(key, length_s)
        if self.period is not None:
            self.period.keys.append(Key(leg, key, self.clock.mono(), length_s))
            if leg == "near":
                self._dials(key, self.clock.mono() + length_s)

    def pulse(self, digit: str) -> None:
        """A digit by pulses, told by the tap or seen at the contact: the last of it is now."""
        if self.wires.has_tap:
            self.tap.pulse(digit)
        self._dials(digit, self.clock.mono())

    def _dials(self, digit: str, at: float) -> None:
        if self.period is None:
            return
        self.now_dialling += digit
        self.period.dialled.append((at, digit))
        if self.now_dialling in EMERGENCY and self.period.emergency_at is None:
            self.period.emergency_at = at
            self.truth.count("emergency")

    def says(self, leg: Leg, samples: NDArray[np.float32]) -> None:
        """Somebody speaks."""
        (self.far if leg == "far" else self.near).say(samples)
        if self.period is not None:
            self.period.spoke.append((self.clock.mono(), leg))

    def flash(self) -> Script:
        """The hook is tapped: who is there now has not been asked."""
        if self.period is not None:
            self.period.flashes.append(self.clock.mono())
        self.now_dialling = ""
        if self.wires.has_tap:
            self.tap.flash(200)
            yield lambda: True
        else:
            self.handset.broken = True
            yield self.after(0.2)
            self.handset.broken = False

    def _move_button(self, down: bool) -> None:  # noqa: FBT001 - the world's signature
        now = self.clock.mono()
        if down:
            self._pressed_at = now
        elif self.period is not None:
            self.period.presses.append((self._pressed_at, now))
        if self.box is not None:
            (self.box.panel.press if down else self.box.panel.release)()

    # --- time

    def step(self) -> None:
        """20 ms pass."""
        self.now = self.clock.mono()
        self._run_scripts()
        if self._wants_back is not None and self.now >= self._wants_back:
            self._wants_back = None
            self.switch_on()
        self.wires.tick()
        with self._power():
            if self.box is not None:
                self.box.app.pump()
        self._carry()

    def _carry(self) -> None:
        """The line carries one block, and the box takes it and gives the next."""
        near, far, network = self.near.pull(), self.far.pull(), self.network.pull()
        off_hook = self.handset.off_hook
        audible = int(np.count_nonzero(np.abs(self._play) > AUDIBLE))
        connected = self.box is not None and self.wires.connected(play_wanted=audible > 0)
        if connected and audible:
            self._box_heard_at = self.now
        frames = self.line.step(
            far + network if off_hook else network,
            near if off_hook else np.zeros(BLOCK, np.float32),
            self._play if connected and off_hook else None,
        )
        if self.period is not None:
            self._note(self.period, frames, audible if connected else 0)
        elif self._just_ended is not None and self.now < self._just_ended.on_at + TAIL_S:
            self._just_ended.frames.append(frames)
        box = self.box
        if box is None or self.deaf:
            if box is None:
                self.clock.advance(BLOCK)
            else:
                box.audio.drop(BLOCK)
        with self._power():
            if box is not None:
                if not self.deaf:
                    box.audio.push(frames[:, : box.channels])
                box.pump()
                self._play = box.audio.pull(BLOCK)

    def _note(self, period: Period, frames: NDArray[np.float32], sound: int) -> None:
        period.frames.append(frames)
        period.box_on.append(self.box is not None)
        period.box_sound.append(sound)
        playing = self.box.audio._playing.player.playing if self.box is not None and sound else None
        period.sounds.append(playing or ("?" if sound else ""))
        if len(period.frames) % 25 == 0:
            self._look_at_cover()
            self._say_status()

    def _say_status(self) -> None:
        if self.box is not None:
            self.truth.said.add(msgspec.json.encode(status(self.box.app)).decode())

    def _told_to_play(self, at: float) -> None:
        if self.period is not None:
            self.period.plays.append(at)

    def _look_at_cover(self) -> None:
        if self.period is not None:
            wall, synced = self.clock.wall()
            self.period.covered.append((self.clock.mono(), self.book.covered(wall, synced=synced)))

    def play_out(self, script: Script) -> None:
        """Let a script happen, and what follows from it: what was recorded is closed and sent."""
        self.begin(script)
        while self.busy:
            self.step()
        self.run(2.0)
        self._keep_what_is_needed()

    def run(self, seconds: float) -> None:
        """So much time passes, heard."""
        for _ in range(round(seconds * SOUND_RATE_HZ / BLOCK)):
            self.step()

    def idle(self, seconds: float) -> None:
        """So much time passes in which nobody uses the line."""
        for _ in range(round(seconds)):
            self.now = self.clock.mono()
            if self._wants_back is not None and self.now >= self._wants_back:
                self._wants_back = None
                self.switch_on()
            self.clock.advance(SOUND_RATE_HZ)
            self.wires.tick()
            with self._power():
                if self.box is not None:
                    self.box.pump()

    def _keep_what_is_needed(self) -> None:
        """Keep the true legs of a period if anything was recorded meanwhile."""
        there = self.recordings()
        new, self._known = there - self._known, there | self._known
        for period in self.truth.periods:
            if period.frames and period is not self.period:
                if new:
                    period.legs = true_legs(period.frames, mono=not period.proves_keys)
                period.frames = []

    def recordings(self) -> set[str]:
        """Whatever recording exists anywhere, in whatever state."""
        spool = {path.name.partition(".")[0] for path in (self.folder / "spool").iterdir()}
        return spool | set(self.archive.files)

    def _exchange_nothing(self, _frames: NDArray[np.float32], /) -> NDArray[np.float32]:
        raise AssertionError("the office hands frames to its box itself")


def true_legs(frames: list[NDArray[np.float32]], *, mono: bool) -> NDArray[np.int32]:
    """What the line carried, at 8 kHz, both legs of a sample in one number; or the mix of both."""
    ear = Ear(SOUND_RATE_HZ, "mix" if mono else "vi")
    return one_number(ear.feed(np.concatenate(frames)[:, : 1 if mono else 2]).legs)


def one_number(samples: NDArray[np.int16]) -> NDArray[np.int32]:
    """Each sample of one or two legs as one number."""
    if samples.ndim == 1 or samples.shape[1] == 1:
        return samples.reshape(-1).astype(np.int32)
    return np.ascontiguousarray(samples).view(np.int32).reshape(-1)


def _must_not_happen(error: Exception) -> None:
    if not isinstance(error, OSError):
        raise error
