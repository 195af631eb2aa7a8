"""The machine's clocks."""

from __future__ import annotations

import ctypes

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
