"""The tap on a serial port, over a pseudo terminal with the simulated tap at the other end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from handschlag.adapters import tap as tap_module
from handschlag.adapters.tap import SerialTap
from handschlag.core.events import Flashed, LineTold, PlayConnected, TapGone, TapHello
from handschlag.core.tap_protocol import encode
from handschlag.sim.tap import PtyTap, SimTap
from tests.support.inbox import Inbox


class Bench:
    """A tap on a pseudo terminal, the adapter, what it posted, and a clock that both share."""

    def __init__(self, folder: Path) -> None:
        self.time = 0.0
        self.tap = SimTap(boot="a1")
        self.pty = PtyTap(self.tap, folder / "tty-tap")
        self.inbox = Inbox()
        self.line = SerialTap(self.pty.port, now=lambda: self.time)
        self.line.start(self.inbox.post)

    def until(self, condition: Callable[[], bool], each: Callable[[], None] = lambda: None) -> None:
        """Pump both ends until `condition` holds; time stands still unless `each` moves it."""

        def step() -> None:
            each()
            self.pty.pump(self.time)

        self.inbox.until(condition, step)

    def meet(self) -> None:
        """PING until the tap has introduced itself, and take it into the line."""
        hellos = len(self.inbox.of(TapHello))

        def ping() -> None:
            self.time += 1
            self.line.ping()

        self.until(lambda: len(self.inbox.of(TapHello)) > hellos, ping)
        self.line.path(bypass=False)
        self.until(lambda: not self.tap.bypass)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A started adapter with a tap that is plugged in."""
    bench = Bench(tmp_path)
    yield bench
    bench.line.close()
    bench.pty.close()


def test_hook_is_told(bench: Bench) -> None:
    """A seizure reaches the inbox with its number, and the hang-up after it."""
    bench.meet()
    bench.tap.seize()
    bench.until(lambda: LineTold(bench.time, off_hook=True, ring=False, seizure=1) in bench.inbox.events)
    bench.tap.hang_up()
    bench.until(lambda: LineTold(bench.time, off_hook=False, ring=False, seizure=1) in bench.inbox.events)


def test_play_is_answered_with_yes_or_why_not(bench: Bench) -> None:
    """PLAY comes back as PlayConnected: yes in the line, the tap's reason in bypass."""
    bench.meet()
    bench.line.connect_play(on=True, ms=500)
    bench.until(lambda: PlayConnected(bench.time, ok=True) in bench.inbox.events)
    assert bench.tap.playing
    bench.line.path(bypass=True)
    bench.line.connect_play(on=True, ms=500)
    bench.until(lambda: PlayConnected(bench.time, ok=False, why="bypass") in bench.inbox.events)
    assert not bench.tap.playing


def test_foreign_answers_are_no_connection(bench: Bench) -> None:
    """An OK that answers something else never counts as a connected play transformer."""
    bench.meet()
    bench.pty.inject(encode(1, "OK", {"re": 4711}))
    bench.tap.seize()
    bench.until(lambda: any(told.off_hook for told in bench.inbox.of(LineTold)))
    assert not bench.inbox.of(PlayConnected)


def test_lines_torn_to_single_bytes(bench: Bench) -> None:
    """A line that arrives byte by byte is one line."""
    bench.meet()
    rest = bytearray(encode(9, "LINE", {"hook": "offhook", "ring": 0, "seiz": 77}))

    def drip() -> None:
        if rest:
            bench.pty.inject(bytes(rest[:1]))
            del rest[:1]

    bench.until(lambda: any(told.seizure == 77 for told in bench.inbox.of(LineTold)), drip)


def test_garbage_and_flood_are_counted_and_survived(bench: Bench) -> None:
    """Noise, an endless line and a flood of unknown words cost nothing but themselves."""
    bench.meet()
    flood = b"\x00\xff\xfe garbage\n" + b"9" * 3000 + b"\n" + encode(1, "BOO", {}) * 50
    bench.pty.inject(flood)
    counts = bench.line.talk.parser.counts
    bench.until(lambda: counts.unknown_word == 50)
    assert (counts.too_long, counts.malformed) == (1, 1)
    bench.tap.seize()
    bench.until(lambda: any(told.off_hook for told in bench.inbox.of(LineTold)))


def test_unplug_is_told_once_and_replug_introduces_the_tap_again(bench: Bench) -> None:
    """A pulled plug gives one TapGone; after the replug the tap says HELLO before anything else counts."""
    bench.meet()
    bench.pty.unplug()
    bench.until(lambda: len(bench.inbox.of(TapGone)) == 1)
    bench.inbox.forget()
    bench.line.connect_play(on=True, ms=100)
    assert bench.inbox.events == [PlayConnected(bench.time, ok=False, why="gone")]
    bench.inbox.forget()
    bench.pty.plug()
    bench.meet()
    assert isinstance(bench.inbox.events[0], TapHello)
    assert not bench.inbox.of(TapGone)


def test_a_box_restarted_within_the_silence_still_learns_the_boot(bench: Bench) -> None:
    """A tap that was pinged a moment ago stays silent on PING; the adapter waits until it will introduce itself."""
    bench.meet()
    bench.line.close()
    second = Inbox()
    bench.line = SerialTap(bench.pty.port, now=lambda: bench.time)
    bench.line.start(second.post)

    def ping() -> None:
        bench.time += 0.5
        bench.line.ping()
        bench.pty.pump(bench.time)

    second.until(lambda: bool(second.of(TapHello)), ping)
    assert isinstance(second.events[0], TapHello)


def test_close_bypasses(bench: Bench) -> None:
    """Closing puts the sense element out of the line before the port goes."""
    bench.meet()
    bench.line.close()
    bench.until(lambda: bench.tap.bypass)


def test_a_port_that_never_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing port is told once, by name, however often it is tried, and breaks nothing."""
    tries: list[str] = []
    really = serial.Serial

    def counted(port: str, *args: Any, **options: Any) -> serial.Serial:
        tries.append(port)
        return really(port, *args, **options)

    monkeypatch.setattr(serial, "Serial", counted)
    monkeypatch.setattr(tap_module, "REOPEN_S", 0.01)
    inbox = Inbox()
    line = SerialTap(str(tmp_path / "nothing"))
    line.start(inbox.post)
    inbox.until(lambda: len(tries) > 5)
    line.ping()
    line.close()
    assert [gone.why for gone in inbox.of(TapGone)] == [f"{tmp_path}/nothing: No such file or directory"]


def test_a_bypass_overtakes_what_waits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the port full and the queue full, the bypass of a closing box still comes, right after the line begun."""
    bench.meet()
    for _ in range(5000):
        bench.line.connect_play(on=False, ms=0)
    assert bench.line.lines_dropped > 0
    monkeypatch.setattr(tap_module, "GOODBYE_S", 20.0)
    closing = threading.Thread(target=bench.line.close)
    closing.start()
    bench.line._thread.join(0.2)  # the port takes nothing yet: the thread must not have given up
    bench.until(lambda: bench.tap.bypass)
    closing.join()
    assert bench.tap.parser.counts.bad_crc == bench.tap.parser.counts.malformed == 0


def test_a_tap_that_reads_nothing_never_blocks_the_caller(bench: Bench) -> None:
    """When the tap takes no bytes, commands are dropped and counted instead of blocking the core."""
    bench.meet()
    for _ in range(5000):
        bench.line.path(bypass=False)
    assert bench.line.lines_dropped > 0
    bench.until(lambda: bench.tap.parser.counts.good > 100)
    bench.tap.seize()
    bench.until(lambda: any(told.off_hook for told in bench.inbox.of(LineTold)))


def _flood(bench: Bench, lines: list[bytes], of_bytes: int) -> None:
    """So many bytes of these lines, as fast as the terminal takes them; time stands still."""
    left, data = of_bytes, b"".join(lines)

    def pour() -> None:
        nonlocal left
        if left > 0 and bench.pty.waiting < 8192:
            bench.pty.inject(data)
            left -= len(data)

    def over() -> bool:
        taken = left <= 0 and not bench.pty.waiting and not bench.pty.untaken
        return taken or bool(bench.inbox.of(TapGone))

    bench.until(over, pour)


def _line(seizure: int, hook: str = "offhook") -> bytes:
    return encode(seizure % 65536, "LINE", {"hook": hook, "ring": 0, "seiz": seizure})


def test_a_flood_of_one_and_the_same_line_is_told_once(bench: Bench) -> None:
    """Thousands of reports that say the same are one event, each half second another; a change after them is told."""
    bench.meet()
    bench.inbox.forget()
    _flood(bench, [_line(7)] * 40, 60_000)
    assert bench.inbox.events == [LineTold(bench.time, off_hook=True, ring=False, seizure=7)]
    bench.time += tap_module.REPEAT_S
    _flood(bench, [_line(7)] * 40, 4_000)
    bench.until(lambda: len(bench.inbox.events) >= 2)
    bench.pty.inject(_line(7, "onhook") + _line(7))
    bench.until(lambda: len(bench.inbox.events) == 4)
    assert [told.off_hook for told in bench.inbox.of(LineTold)] == [True, True, False, True]


def test_every_change_among_repeats_is_told(bench: Bench) -> None:
    """Only repeats are left out: forty changes within one instant, each said five times, are forty events in order."""
    bench.meet()
    bench.inbox.forget()
    changes = [_line(number, hook) for number in range(20) for hook in ("offhook", "onhook")]
    _flood(bench, [line for line in changes for _ in range(5)], 1)
    bench.until(lambda: len(bench.inbox.events) >= 40)
    told = [(one.seizure, one.off_hook) for one in bench.inbox.of(LineTold)]
    assert told == [(number, off_hook) for number in range(20) for off_hook in (True, False)]


def test_the_same_line_after_something_else_is_told_again(bench: Bench) -> None:
    """After a flash or a HELLO, which make the core forget, the same line means something new."""
    bench.meet()
    bench.inbox.forget()
    bench.pty.inject(_line(3) + encode(1, "FLASH", {"ms": 100}) + _line(3))
    bench.until(lambda: len(bench.inbox.events) == 3)
    assert [type(event) for event in bench.inbox.events] == [LineTold, Flashed, LineTold]


def test_a_tap_that_tells_more_than_a_line_can_do_is_gone(bench: Bench) -> None:
    """A flood of contradictions is a bounded number of events and TapGone, then nothing for 5.5 s, then HELLO."""
    bench.meet()
    bench.inbox.forget()
    _flood(bench, [_line(number) for number in range(400)], 60_000)
    assert len(bench.inbox.of(LineTold)) <= tap_module.MOST_NEWS
    (gone,) = bench.inbox.of(TapGone)
    assert "more than a line can do" in gone.why
    bench.inbox.forget()
    bench.pty.inject(_line(9))
    bench.line.connect_play(on=True, ms=100)
    assert bench.inbox.events == [PlayConnected(bench.time, ok=False, why="gone")]
    bench.inbox.forget()
    bench.time += tap_module.FLOOD_REST_S
    bench.tap.tick(bench.time)
    assert bench.tap.bypass
    bench.meet()
    assert isinstance(bench.inbox.events[0], TapHello)


def test_what_is_read_is_limited() -> None:
    """A megabyte at once is read over nine seconds, and a little after a pause without a wait."""
    pace = tap_module.Pace()
    assert pace.took(4096) == 0.0
    assert pace.took(1_000_000) == pytest.approx((1_000_000 - 32_768) / 115_200, rel=0.05)
