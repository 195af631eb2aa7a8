"""The upkeep's thread: every task is asked, whatever another one does, until it is stopped."""

import threading
from datetime import UTC, datetime

import pytest

from handschlag_archive.upkeep import Upkeep

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_a_task_that_fails_keeps_no_other_from_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    """A fault is logged; the tasks behind it are asked all the same, and it is asked again at the next turn."""
    asked: list[datetime] = []

    def fails(now: datetime) -> None:
        asked.append(now)
        raise RuntimeError("a fault")

    upkeep = Upkeep([fails, asked.append])
    upkeep.turn(NOW)
    upkeep.turn(NOW)
    assert asked == [NOW] * 4
    assert "a fault" in caplog.text


def test_it_begins_at_once_and_ends_when_told() -> None:
    """The first turn is taken at the start; after the stop nobody is asked any more."""
    began = threading.Event()
    upkeep = Upkeep([lambda _now: began.set()])
    upkeep.start()
    assert began.wait(30)
    upkeep.stop()
    began.clear()
    upkeep.turn(NOW)
    assert not began.is_set()
    assert not any(thread.name == "upkeep" for thread in threading.enumerate())
