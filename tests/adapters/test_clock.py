"""The machine's clocks."""

from __future__ import annotations

import ctypes
import time

import pytest

from handschlag.adapters import clock


class Kernel:
    """A C library whose adjtimex answers `state`."""

    def __init__(self, state: int) -> None:
        self.state = state

    def adjtimex(self, _timex: object) -> int:
        """The kernel's answer."""
        return self.state


@pytest.mark.parametrize(("state", "synced"), [(0, True), (1, True), (4, True), (5, False), (-1, False)])
def test_only_the_kernels_yes_counts(monkeypatch: pytest.MonkeyPatch, state: int, *, synced: bool) -> None:
    """TIME_ERROR and a refused question are both unsynced (P11)."""
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Kernel(state))
    assert clock.kernel_synced() is synced


def test_a_library_without_adjtimex_is_unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody can be asked, the time is not trusted."""
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    assert not clock.kernel_synced()


@pytest.mark.parametrize(
    ("wall", "offset_h"),
    [(1_792_889_999, 2), (1_792_890_000, 1), (1_806_195_599, 1), (1_806_195_600, 2)],
    ids=["2026-10-25 before", "2026-10-25 after", "2027-03-28 before", "2027-03-28 after"],
)
def test_local_time_follows_the_change_of_the_clocks(monkeypatch: pytest.MonkeyPatch, wall: int, offset_h: int) -> None:
    """German time is two hours ahead until the second in which summer time ends, and from the one it begins in."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    told = time.localtime(wall)
    monkeypatch.setattr(time, "localtime", lambda: told)
    assert clock.SystemClock().utc_offset_s() == offset_h * 3600.0
    monkeypatch.undo()
    time.tzset()
