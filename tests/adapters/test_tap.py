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
from handschlag.core.events import LineTold, PlayConnected, TapGone, TapHello
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
