"""The real box, put together from its settings with a line of several parts: whole calls, and each part lost in one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory

from handschlag.adapters.registers import STAFF_FILE, Person, StaffRegister
from handschlag.app import App
from handschlag.cli.box import assemble
from handschlag.cli.register import place, put
from handschlag.core.effects import StatusLamp
from handschlag.core.events import ButtonMoved
from handschlag.core.state import CallState, Phase
from handschlag.sealing.keys import OwnerSecret, SigningKey, VerifyKey
from handschlag.sealing.trust import Trust, TrustedKey, TrustedRecipient, write_trust
from handschlag.settings import load
from handschlag.sim.audio import BLOCK, PipeWorld
from handschlag.sim.pipe_panel import PipePanel
from handschlag.status import status
from handschlag_bench.hearing.signals import voice
from tests.contract.test_line_without_tap_contract import ReadablePin
from tests.support.fritz_peer import FritzPeer
from tests.support.inbox import PATIENCE_S
from tests.support.modem_peer import ModemPeer

HOOK, RING = 5, 6
NUMBER = "03023125042"
SETTINGS = """[box]
name = "box-1"
data = "data"
key = "box.key"
trust = "trust.json"
accepted = true
reserve_mib = 16

[consent]
line_users = [1]

[line]
kind = "sources"
{line}

[audio]
kind = "pipe"
socket = "audio"

[panel]
kind = "pipe"
socket = "panel"

[uplink]
kind = "absent"
"""

HOOK_AND_MODEM = "hook = ['gpio']\nring = ['modem']\nnumber = ['modem']\nhook_pin = 5\nmodem = 'modem'\nhint = ['vox']"
PINS = "hook = ['gpio']\nring = ['gpio']\nnumber = ['modem']\nhook_pin = 5\nring_pin = 6\nmodem = 'modem'"
ROUTER = "hook = ['fritz']\nring = ['fritz']\nnumber = ['fritz']\nfritz = '127.0.0.1'\nhint = ['vox']"
ALL = (
    "hook = ['gpio', 'fritz']\nring = ['gpio', 'modem']\nnumber = ['modem', 'fritz']\nhook_pin = 5\nring_pin = 6\n"
    "modem = 'modem'\nfritz = '127.0.0.1'\nhint = ['vox']"
)


class Workshop:
    """A box that runs in a thread of its own, the parts that its line is read by, and what its line carries."""

    def __init__(self, folder: Path, line: str, dialect: str = "usr") -> None:
        self.pins = MockFactory(pin_class=ReadablePin)
        Device.pin_factory = self.pins
        self.modem = ModemPeer(folder / "modem", dialect) if "modem" in line else None
        self.fritz = FritzPeer() if "fritz" in line else None
        self.has_hook = "hook_pin" in line
        self.has_ring = "ring_pin" in line
        port = f"\nfritz_port = {self.fritz.port}" if self.fritz is not None else ""
        self._prepare(folder, line + port)
        self.app: App = assemble(load(folder / "box.toml"), on_change=lambda _app: None)
        self.app.start()
        self._thread = threading.Thread(target=self.app.run)
        self._thread.start()
        self._world = PipeWorld(folder / "audio")
        panel = self.app.ports.panel
        assert isinstance(panel, PipePanel)
        self._button = panel
        self._saying: list[npt.NDArray[np.float32]] = []
        self._rings = False

    @staticmethod
    def _prepare(folder: Path, line: str) -> None:
        owner, box = OwnerSecret.new(), SigningKey.new()
        (folder / "box.key").write_bytes(box.to_file())
        trust = Trust(
            boxes=(TrustedKey.of(VerifyKey(box.public), box="box-1"),),
            archive=(),
            workshop=(TrustedRecipient.of(owner.workshop().public),),
        )
        (folder / "trust.json").write_bytes(write_trust(trust))
        (folder / "box.toml").write_text(SETTINGS.format(line=line))
        (folder / "data").mkdir()
        agreed = Person(number=1, document="d" * 64, version="1", valid_from="2020-01-01T00:00:00Z")
        put(place(load(folder / "box.toml"), STAFF_FILE), StaffRegister(people=(agreed,)))

    @property
    def call(self) -> CallState:
        """What the box makes of the line."""
        return self.app.state.call

    # --- time

    def step(self) -> None:
        """20 ms of the line."""
        if self.modem is not None:
            self.modem.pump()
        if self._rings and self.has_ring:
            pin = self.pins.pin(RING)
            pin.drive_low() if pin.state else pin.drive_high()
        frames = self._saying.pop(0) if self._saying else np.zeros((BLOCK, 1), np.float32)
        self._world.exchange(frames)

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the world go on, a good deal faster than it does, until `condition` holds."""
        end = time.monotonic() + PATIENCE_S
        look = threading.Event()
        while not condition():
            assert time.monotonic() < end, status(self.app)
            self.step()
            look.wait(0.002)  # the parts have threads of their own

    def during(self, seconds: float) -> None:
        """So much of the line's time passes."""
        until = self.app.ports.clock.mono() + seconds
        self.until(lambda: self.app.ports.clock.mono() >= until)

    # --- what people do

    def ring(self) -> None:
        """Somebody calls."""
        self._rings = True
        if self.modem is not None:
            self.modem.call(NUMBER)
        if self.fritz is not None:
            self.fritz.say(f"RING;0;{NUMBER};4930123;SIP0;")

    def lift(self) -> None:
        """The call is answered."""
        self._stop_ringing()
        if self.fritz is not None:
            self.fritz.say(f"CONNECT;0;4;{NUMBER};")
        if self.has_hook:
            self.pins.pin(HOOK).drive_low()

    def _stop_ringing(self) -> None:
        self._rings = False
        if self.has_ring:
            self.pins.pin(RING).drive_high()

    def dial(self) -> None:
        """Lifted, and called from here."""
        if self.has_hook:
            self.pins.pin(HOOK).drive_low()
        if self.fritz is not None:
            self.fritz.say(f"CALL;0;4;4930123;{NUMBER};SIP0;")

    def hang_up(self) -> None:
        """The call is over."""
        self._stop_ringing()
        if self.has_hook:
            self.pins.pin(HOOK).drive_high()
        if self.fritz is not None:
            self.fritz.say("DISCONNECT;0;12;")

    def press(self) -> None:
        """The button, briefly."""
        for down in (True, False):
            self._button._post(_moved(self.app, down=down))
            self.during(0.3)

    def speak(self, seconds: float) -> None:
        """Somebody says something, and pauses."""
        said = voice(seconds, -18.0, seed=7, rate=48000).astype(np.float32)
        count = len(said) // BLOCK
        self._saying += list(said[: count * BLOCK].reshape(count, BLOCK, 1))
        self.until(lambda: not self._saying)
        self.during(0.8)

    def record(self) -> None:
        """The oral way, from the press to the confirmation."""
        self.during(1.2)  # a press right after a transition does not count
        self.press()
        self.until(lambda: self.call.phase is Phase.PENDING)
        self.until(lambda: self.call.take is not None and self.call.take.tone_at is not None)
        self.speak(1.5)
        self.speak(1.5)
        self.during(1.5)
        self.press()
        self.until(lambda: self.call.phase is Phase.RECORDING)
        self.speak(1.0)

    # --- what parts do

    def lose(self, part: str) -> None:
        """A part is pulled out."""
        if part == "modem" and self.modem is not None:
            self.modem.unplug()
        elif part == "fritz" and self.fritz is not None:
            self.fritz.hang_up()
        else:
            self.pins.pin(HOOK).broken = True

    def bring_back(self, part: str) -> None:
        """It is put in again, under the same name."""
        if part == "modem" and self.modem is not None:
            self.modem.plug()
        elif part == "fritz" and self.fritz is not None:
            self.fritz.answer()
        else:
            self.pins.pin(HOOK).broken = False

    # --- what remains

    def calls(self) -> list[tuple[bool, str, str]]:
        """Of each call that is over: incoming, outcome and what ended it."""
        entries = [entry for entry in self.app.ports.ledger.entries() if entry["kind"] == "call"]
        began = {(entry["tap_boot"], entry["seizure"]): entry["incoming"] for entry in entries if not entry["at_end"]}
        return [
            (began[entry["tap_boot"], entry["seizure"]], entry["outcome"], entry["ended"])
            for entry in entries
            if entry["at_end"]
        ]

    def closed(self) -> int:
        """How many recordings have a manifest."""
        return sum(entry["kind"] == "closed" for entry in self.app.ports.ledger.entries())

    def close(self) -> None:
        """Switch the box off, and take its parts away."""
        self._world.close()
        self.app.stop()
        self._thread.join(timeout=PATIENCE_S)
        self.app.close()
        if self.fritz is not None:
            self.fritz.hang_up()
        if self.modem is not None and self.modem.port.is_symlink():
            self.modem.unplug()
        self.pins.close()
        Device.pin_factory = None


def _moved(app: App, *, down: bool) -> ButtonMoved:
    return ButtonMoved(app.ports.clock.mono(), down=down)


@pytest.fixture
def workshop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workshop]:
    """A box whose line is read as the parameter says: settings and the modem's dialect."""
    workshop = Workshop(tmp_path, *request.param)
    yield workshop
    workshop.close()


def _idle(workshop: Workshop) -> None:
    if workshop.fritz is not None:
        threading.Thread(target=workshop.hang_up, daemon=True).start()
    workshop.until(lambda: workshop.modem is None or workshop.modem.reports_caller_id)
    workshop.until(lambda: workshop.call.phase is Phase.IDLE)
    workshop.until(lambda: workshop.app.state.lamps.status is not StatusLamp.CANNOT_RECORD)


def _incoming(workshop: Workshop) -> None:
    workshop.ring()
    workshop.until(lambda: workshop.call.phase is Phase.RINGING)
    workshop.until(lambda: workshop.call.caller is not None)
    workshop.lift()
    workshop.until(lambda: workshop.call.phase is Phase.OPEN)


ASSEMBLED = [(HOOK_AND_MODEM, "usr"), (HOOK_AND_MODEM, "conexant"), (PINS, "conexant"), (ROUTER, ""), (ALL, "usr")]


@pytest.mark.parametrize("workshop", ASSEMBLED, indirect=True, ids=["modem", "conexant", "pins", "router", "all"])
def test_calls_in_and_out(workshop: Workshop) -> None:
    """A call from outside is recorded by the oral way, with its number; one to outside is told as such."""
    _idle(workshop)
    _incoming(workshop)
    call = workshop.call.call
    assert call is not None
    assert call.caller is not None
    assert call.caller.number == NUMBER
    workshop.record()
    workshop.hang_up()
    workshop.until(lambda: workshop.closed() == 1)
    workshop.during(9.0)
    workshop.dial()
    workshop.until(lambda: workshop.call.phase is Phase.OPEN)
    workshop.speak(1.0)
    workshop.hang_up()
    workshop.until(lambda: len(workshop.calls()) == 2)
    assert workshop.calls() == [(True, "recorded", "hangup"), (False, "not-asked", "hangup")]


LOST = [
    ((HOOK_AND_MODEM, "usr"), "modem"),
    ((HOOK_AND_MODEM, "usr"), "gpio"),
    ((ROUTER, ""), "fritz"),
    ((ALL, "conexant"), "fritz"),
]


@pytest.mark.parametrize(("workshop", "part"), LOST, indirect=["workshop"])
def test_a_part_that_decides_is_lost_in_a_call(workshop: Workshop, part: str) -> None:
    """The recording ends and is kept, the lamp says so, vox says how it sounds; once it is back calls count again."""
    _idle(workshop)
    _incoming(workshop)
    workshop.record()
    workshop.lose(part)
    workshop.until(lambda: workshop.call.phase is Phase.UNKNOWN)
    workshop.until(lambda: workshop.app.state.lamps.status is StatusLamp.CANNOT_RECORD)
    workshop.speak(1.0)
    workshop.until(lambda: workshop.call.sounds_off_hook is True)
    assert status(workshop.app).sounds == "off-hook"
    workshop.press()
    assert workshop.call.phase is Phase.UNKNOWN
    workshop.bring_back(part)
    workshop.during(1.0)
    _idle_again(workshop)
    workshop.until(lambda: workshop.closed() == 1)
    # a handset that was off-hook when the part came back is a call whose beginning nobody saw: never asked
    first, *unseen = workshop.calls()
    assert first == (True, "recorded", "tap-gone")
    assert all(call == (False, "not-asked", "hangup") for call in unseen)
    assert workshop.call.sounds_off_hook is None
    workshop.during(9.0)
    _incoming(workshop)
    workshop.hang_up()
    workshop.until(lambda: len(workshop.calls()) == 2 + len(unseen))
    assert workshop.calls()[-1] == (True, "not-asked", "hangup")


def _idle_again(workshop: Workshop) -> None:
    threading.Thread(target=workshop.hang_up, daemon=True).start()
    workshop.until(lambda: workshop.call.phase is Phase.IDLE)


@pytest.mark.parametrize("workshop", [(PINS, "usr")], indirect=True)
def test_a_lost_number_source_costs_no_recording(workshop: Workshop) -> None:
    """A modem that tells the number only may be pulled out in the midst of a recording."""
    _idle(workshop)
    _incoming(workshop)
    workshop.record()
    workshop.lose("modem")
    workshop.speak(1.0)
    assert workshop.call.phase is Phase.RECORDING
    workshop.bring_back("modem")
    workshop.hang_up()
    workshop.until(lambda: workshop.closed() == 1)
    assert workshop.calls() == [(True, "recorded", "hangup")]


@pytest.mark.parametrize("workshop", [("hint = ['vox']", "")], indirect=True)
def test_a_box_that_only_hears_says_so(workshop: Workshop) -> None:
    """Its lamp is yellow, its status says why and how the line sounds, and a press does nothing; no call is known."""
    workshop.until(lambda: workshop.app.state.lamps.status is StatusLamp.CANNOT_RECORD)
    workshop.during(1.0)
    workshop.speak(1.0)
    workshop.until(lambda: workshop.call.sounds_off_hook is True)
    workshop.press()
    told = status(workshop.app)
    assert (told.line, told.sounds, told.phase) == ("unknown", "off-hook", "unknown")
    assert told.cannot == "line-not-by-wire"
    assert workshop.calls() == []
    assert told.clips_sealed == 0
