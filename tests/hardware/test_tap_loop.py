"""The firmware's main loop on a fake board, and the firmware as the peer of the real serial adapter."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from handschlag.adapters.tap import SerialTap
from handschlag.core.events import Flashed, LineBroke, LineTold, PlayConnected, Pulsed, TapHello
from handschlag.core.tap_protocol import TAP_WORDS, LineParser, encode
from handschlag.sim.tap import PtyTap, SimTap
from handschlag_tap.loop import Loop
from handschlag_tap.tap import Tap
from tests.hardware.wires import FirmwareTap
from tests.support.inbox import Inbox

FIRMWARE = Path(__file__).resolve().parents[2] / "hardware" / "tap"


class FakeBoard:
    """Pins, link, clock and watchdog of a board, all in memory."""

    def __init__(self) -> None:
        self.link = self
        self.now = 0
        self.mv = 48000
        self.inbox = b""
        self.sent = b""
        self.takes_more = True
        self.drawn: list[tuple[bool, bool]] = []
        self.fed = 0

    def ticks(self) -> int:
        """The time."""
        return self.now

    def elapsed(self, since: int, now: int) -> int:
        """Wraps, as on the board."""
        return ((now - since + (1 << 29)) & ((1 << 30) - 1)) - (1 << 29)

    def millivolts(self) -> int:
        """The voltage."""
        return self.mv

    def microamperes(self) -> int:
        """The current."""
        return 25000 if self.mv < 21000 else 0

    def ring_pulses(self) -> int:
        """The ring detector."""
        return 0

    def relays(self, to_line: bool, playing: bool) -> None:  # noqa: FBT001 - as on the board
        """The two outputs."""
        self.drawn.append((to_line, playing))

    def read(self) -> bytes | None:
        """What the box said."""
        data, self.inbox = self.inbox, b""
        return data or None

    def write(self, data: bytes) -> None:
        """What the tap said."""
        assert len(data) <= 64
        self.sent += data

    def writable(self) -> bool:
        """Whether the box reads."""
        return self.takes_more

    def feed(self) -> None:
        """The watchdog."""
        self.fed += 1


def turns(loop: Loop, board: FakeBoard, milliseconds: int) -> None:
    """Let the loop run, with two turns a millisecond."""
    for _ in range(milliseconds):
        loop.turn()
        board.now = (board.now + 1) & ((1 << 30) - 1)
        loop.turn()


def test_the_loop_drives_both_relays_and_feeds_the_watchdog() -> None:
    """PATH and PLAY reach the outputs, silence drops them, each turn feeds once; the clock may wrap meanwhile."""
    board = FakeBoard()
    board.now = (1 << 30) - 1500
    loop = Loop(Tap("ab", "T-1"), board, board, board)
    turns(loop, board, 100)
    assert set(board.drawn) == {(False, False)}
    board.inbox = encode(1, "PING", {}) + encode(2, "PATH", {"to": "line"}) + encode(3, "PLAY", {"on": 1, "ms": 60000})
    turns(loop, board, 100)
    assert board.drawn[-1] == (True, True)
    turns(loop, board, 5000)
    assert board.drawn[-1] == (False, False)
    assert board.fed == 2 * 5200
    assert [line.word for line in LineParser(TAP_WORDS).feed(board.sent)].count("LINE") >= 5


def test_a_box_that_does_not_read_does_not_stop_the_sampling() -> None:
    """With a full link the loop goes on, and the play relay still falls in time."""
    board = FakeBoard()
    board.takes_more = False
    tap = Tap("ab", "T-1")
    loop = Loop(tap, board, board, board)
    board.inbox = encode(1, "PING", {}) + encode(2, "PATH", {"to": "line"}) + encode(3, "PLAY", {"on": 1, "ms": 500})
    turns(loop, board, 400)
    assert board.drawn[-1] == (True, True)
    board.mv = 10000
    turns(loop, board, 200)
    assert board.drawn[-1] == (True, False)
    assert (tap.line.off_hook, board.sent) == (True, b"")


def test_a_pause_of_the_loop_is_no_hang_up_but_ends_a_play() -> None:
    """700 ms without a turn: the seizure goes on, the transformer's time has passed."""
    board = FakeBoard()
    tap = Tap("ab", "T-1")
    loop = Loop(tap, board, board, board)
    board.mv = 10000
    board.inbox = encode(1, "PATH", {"to": "line"}) + encode(2, "PLAY", {"on": 1, "ms": 600})
    turns(loop, board, 200)
    board.mv = 48000
    board.now += 700
    loop.turn()
    assert tap.line.off_hook
    assert board.drawn[-1] == (True, False)


class Bench:
    """The firmware on a pseudo terminal, the real adapter at the other end, one clock."""

    def __init__(self, folder: Path) -> None:
        self.time = 1.0
        self.tap = FirmwareTap()
        self.pty = PtyTap(cast("SimTap", self.tap), folder / "tty-tap")
        self.inbox = Inbox()
        self.line = SerialTap(self.pty.port, now=lambda: self.time)
        self.line.start(self.inbox.post)

    def until(self, condition: Callable[[], bool]) -> None:
        """Pump until `condition` holds; each look is 50 ms later, and each second there is a PING."""

        def step() -> None:
            before = int(self.time)
            self.time = round(self.time + 0.05, 3)
            if int(self.time) != before:
                self.line.ping()
            self.pty.pump(self.time)

        self.inbox.until(condition, step)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Started, and closed in the end."""
    bench = Bench(tmp_path)
    yield bench
    bench.line.close()
    bench.pty.close()


def test_a_whole_seizure_over_a_terminal(bench: Bench) -> None:
    """Ring, answer, announcement, flash, digit, break and hang-up, as the box's adapter hears them."""
    bench.until(lambda: bool(bench.inbox.of(TapHello)))
    bench.line.path(bypass=False)
    bench.until(lambda: not bench.tap.bypass)
    bench.tap.ringing(on=True)
    bench.until(lambda: any(told.ring for told in bench.inbox.of(LineTold)))
    bench.tap.seize()
    bench.tap.wires.ring_hz = 0.0
    bench.until(lambda: bench.inbox.of(LineTold)[-1].off_hook)
    bench.line.connect_play(on=True, ms=1500)
    bench.until(lambda: bool(bench.inbox.of(PlayConnected)))
    assert bench.inbox.of(PlayConnected)[0].ok
    assert bench.tap.playing
    bench.until(lambda: not bench.tap.playing)
    bench.tap.flash(120)
    bench.tap.pulse("5")
    bench.tap.interrupt(80)
    bench.until(lambda: bool(bench.inbox.of(LineBroke)))
    bench.tap.hang_up()
    bench.until(lambda: not bench.inbox.of(LineTold)[-1].off_hook)
    assert 115 <= bench.inbox.of(Flashed)[0].ms <= 140
    assert [pulse.digit for pulse in bench.inbox.of(Pulsed)] == ["5"]
    assert {told.seizure for told in bench.inbox.of(LineTold)} == {0, 1}
    counts = bench.line.talk.parser.counts
    assert (counts.bad_crc, counts.malformed, counts.unknown_word, counts.too_long) == (0, 0, 0, 0)


def test_on_micropython() -> None:
    """The same files run on MicroPython, say the same, and the hot path takes not one byte of memory."""
    micropython = shutil.which("micropython")
    if micropython is None:
        pytest.skip("needs MicroPython: apt-get install micropython (Debian 13)")
    script = Path(__file__).parent / "on_micropython.py"
    done = subprocess.run(
        [micropython, str(script), str(FIRMWARE)], capture_output=True, text=True, check=True, timeout=60
    )
    *lines, relays, memory = done.stdout.splitlines()
    parser = LineParser(TAP_WORDS)
    words = [line.word for line in parser.feed("".join(f"{line}\n" for line in lines).encode())]
    assert parser.counts.good == len(lines)
    assert words == [
        *("HELLO", "LINE", "OK", "LINE", "LINE", "OK", "ERR", "PULSE", "BREAK", "LINE", "FLASH", "LINE", "LINE"),
    ]
    assert relays == "relays True True 4 1 1"
    assert memory == "bytes in 800 steps 0"
