"""The firmware's board module on stand-ins for MicroPython's: pins, directions, scales, the link, the program."""

from __future__ import annotations

import importlib
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from handschlag.core.tap_protocol import TAP_WORDS, LineParser, encode
from handschlag_hardware import pinout
from handschlag_hardware.calc import loop
from handschlag_hardware.calc.circuit import CIRCUIT
from handschlag_tap import pins

MAIN = pinout.ROOM / "tap" / "main.py"


class Stop(Exception):
    """The watchdog was fed often enough."""


class Pin:
    """A pin that remembers how it was made and set."""

    OUT, IN, PULL_UP, IRQ_FALLING = "out", "in", "up", "falling"
    made: ClassVar[dict[int, Pin]] = {}

    def __init__(self, gpio: int, mode: str = "", pull: str = "", value: int | None = None) -> None:
        self.gpio, self.mode, self.pull = gpio, mode, pull
        self.level = 1 if value is None else value
        self.fall: Callable[[Pin], None] | None = None
        self.history: list[int] = [] if value is None else [value]
        if mode:
            Pin.made[gpio] = self

    def irq(self, handler: Callable[[Pin], None], trigger: str) -> None:
        """Call `handler` on each falling edge."""
        assert trigger == Pin.IRQ_FALLING
        self.fall = handler

    def value(self, level: object = None) -> int:
        """Read, or set."""
        if level is not None:
            self.level = int(bool(level))
            self.history.append(self.level)
        return self.level


class ADC:
    """A converter that shows what a test lays on it, in volts."""

    volts: ClassVar[dict[int, float]] = {}

    def __init__(self, gpio: int) -> None:
        self.gpio = gpio

    def read_u16(self) -> int:
        """As MicroPython: 16 bits, of which the upper 12 count."""
        step = max(0, min(4095, round(ADC.volts[self.gpio] / 3.3 * 4096)))
        return step << 4 | step >> 8


class Uart:
    """A serial port."""

    inbox: ClassVar[bytearray] = bytearray()
    sent: ClassVar[bytearray] = bytearray()

    def __init__(self, number: int, baud: int, *, tx: Pin, rx: Pin, rxbuf: int, txbuf: int) -> None:
        assert (number, baud, tx.gpio, rx.gpio) == (0, 115200, pins.UART_TX, pins.UART_RX)
        assert min(rxbuf, txbuf) >= 240

    def any(self) -> int:
        """How much there is to read."""
        return len(self.inbox)

    def read(self, most: int) -> bytes:
        """Read it."""
        data = bytes(self.inbox[:most])
        del self.inbox[:most]
        return data

    def write(self, data: bytes) -> None:
        """Send."""
        self.sent.extend(data)


class Wdt:
    """A watchdog that ends the program after enough turns, and moves the clock by a millisecond a turn."""

    turns: ClassVar[int] = 0
    timeout: ClassVar[int] = 0

    def __init__(self, timeout: int) -> None:
        Wdt.timeout = timeout

    def feed(self) -> None:
        """Once a turn."""
        Wdt.turns -= 1
        if Wdt.turns < 0:
            raise Stop


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The board module, with MicroPython's modules in place of what CPython has not."""
    machine, micropython = ModuleType("machine"), ModuleType("micropython")
    for name, part in {"Pin": Pin, "ADC": ADC, "UART": Uart, "WDT": Wdt, "unique_id": lambda: b"\xe6\x61\x18"}.items():
        setattr(machine, name, part)
    vars(micropython)["kbd_intr"] = lambda _: None
    monkeypatch.setitem(sys.modules, "machine", machine)
    monkeypatch.setitem(sys.modules, "micropython", micropython)
    monkeypatch.delitem(sys.modules, "handschlag_tap.board", raising=False)
    Pin.made.clear()
    Uart.inbox.clear()
    Uart.sent.clear()
    ADC.volts = {pins.VOLTAGE: 1.65, pins.CURRENT: 1.65, pins.MIDDLE: 1.65}
    strap = Pin.value
    monkeypatch.setattr(Pin, "value", lambda pin, *level: 0 if pin.gpio == pins.LINK else strap(pin, *level))
    board = importlib.import_module("handschlag_tap.board")
    monkeypatch.setattr(board, "ticks", lambda: -Wdt.turns)
    monkeypatch.setattr(board, "elapsed", lambda since, now: now - since)
    yield board
    sys.modules.pop("handschlag_tap.board", None)


def test_pins_are_used_as_the_pinout_says(board: Any) -> None:
    """Each pin has the direction of pinout.toml, and every output starts low."""
    board.Board()
    for pin in pinout.load().tap:
        made = Pin.made.get(pin.gpio)
        if pin.kind == "adc" or pin.name.startswith("UART"):
            assert made is None
        else:
            assert made is not None
            assert (made.mode, made.pull) == (("out", "") if pin.kind == "out" else ("in", "up")), pin.name
            assert pin.kind != "out" or made.history == [0]


@pytest.mark.parametrize("volts", [-150.0, -48.0, -10.5, 0.0, 10.5, 21.0, 48.0, 150.0])
def test_voltage_is_read_right(board: Any, volts: float) -> None:
    """What the resistors make of a line voltage is read as that voltage, within 1 % and two steps."""
    ADC.volts[pins.VOLTAGE] = 1.65 + volts * CIRCUIT.r12 / CIRCUIT.r10
    assert board.Board().millivolts() == pytest.approx(volts * 1000, rel=0.01, abs=2 * loop.voltage_step_mv())


@pytest.mark.parametrize("amperes", [-0.06, -0.025, 0.0, 0.005, 0.025, 0.06])
def test_current_is_read_right(board: Any, amperes: float) -> None:
    """What sense element and amplifiers make of a loop current is read as that current, within 1 % and two steps."""
    drop = amperes * CIRCUIT.r1 * CIRCUIT.amc_gain * CIRCUIT.difference_gain
    ADC.volts[pins.CURRENT] = 1.65 + drop
    assert board.Board().microamperes() == pytest.approx(amperes * 1e6, rel=0.01, abs=2 * loop.current_step_ua())


def test_the_middle_is_followed(board: Any) -> None:
    """A middle that has drifted is no voltage."""
    made = board.Board()
    ADC.volts = {pins.VOLTAGE: 1.60, pins.CURRENT: 1.60, pins.MIDDLE: 1.60}
    for _ in range(100):
        made.millivolts()
    assert abs(made.millivolts()) < 16 * loop.voltage_step_mv()


def test_ring_pulses_are_counted_between_looks(board: Any) -> None:
    """Falling edges are counted by interrupt and told once, also where the counter wraps."""
    made = board.Board()
    ring = Pin.made[pins.RING]
    assert ring.fall is not None
    told = []
    for count in (0, 1, 3, 65530, 10):
        for _ in range(count):
            ring.fall(ring)
        told.append(made.ring_pulses())
    assert told == [0, 1, 3, 65530, 10]


def test_k2_is_never_drawn_alone(board: Any) -> None:
    """Whatever is asked, the play relay is drawn only with the bypass relay."""
    made = board.Board()
    for to_line, playing in ((False, True), (True, True), (True, False), (False, False)):
        made.relays(to_line, playing)
        assert Pin.made[pins.RELAY_LINE].level == to_line
        assert Pin.made[pins.RELAY_PLAY].level == (to_line and playing)


def run_main(turns: int) -> list[str]:
    """Run the program for so many turns; gives the words it said."""
    Wdt.turns = turns
    with pytest.raises(Stop):
        runpy.run_path(str(MAIN))
    parser = LineParser(TAP_WORDS)
    words = [line.word for line in parser.feed(bytes(Uart.sent))]
    assert (parser.counts.bad_crc, parser.counts.malformed) == (0, 0)
    return words


def test_the_program_runs(board: Any) -> None:
    """`main.py`, as on the board: it greets, answers, draws K1, and lets it fall after 5 s of silence."""
    Uart.inbox += encode(1, "PING", {}) + encode(2, "PATH", {"to": "line"})
    assert run_main(300)[:3] == ["HELLO", "OK", "LINE"]
    assert Wdt.timeout == board.WATCHDOG_MS
    assert Pin.made[pins.RELAY_LINE].level == 1
    Uart.inbox += encode(1, "PING", {}) + encode(2, "PATH", {"to": "line"})
    run_main(5300)
    assert Pin.made[pins.RELAY_LINE].history[0] == 0
    assert 1 in Pin.made[pins.RELAY_LINE].history
    assert Pin.made[pins.RELAY_LINE].level == 0
    assert Path(MAIN).is_file()
