"""What every `ports.Clock` keeps, the machine's and the stream's."""

from __future__ import annotations

import pytest

from handschlag.adapters.clock import SystemClock
from handschlag.ports import Clock
from handschlag.sim.audio import StreamClock


@pytest.fixture(params=[SystemClock, StreamClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    """Each kind of clock."""
    made: Clock = request.param()
    return made


def test_time_never_goes_back(clock: Clock) -> None:
    """Two looks at the monotonic clock are in order."""
    first = clock.mono()
    assert clock.mono() >= first


def test_wall_time_says_how_far_it_is_trusted(clock: Clock) -> None:
    """The wall time is of our century and comes with a plain yes or no."""
    wall, synced = clock.wall()
    assert 1_600_000_000 < wall < 5_000_000_000
    assert isinstance(synced, bool)


def test_a_deadline_that_has_passed_is_not_waited_for(clock: Clock) -> None:
    """No clock asks for a negative wait."""
    assert clock.wait_s(clock.mono() - 5) in {0.0, None}


def test_real_waits_are_bounded_by_the_deadline() -> None:
    """The machine's clock waits at most until the deadline."""
    clock = SystemClock()
    wait = clock.wait_s(clock.mono() + 5)
    assert wait is not None
    assert 0 < wait <= 5


def test_stream_time_is_the_streams_position() -> None:
    """Half a second of frames brings both of the stream's times half a second forward, and nothing else does."""
    clock = StreamClock(1_700_000_000.0, synced=False)
    clock.advance(24000)
    assert clock.mono() == 0.5
    assert clock.wall() == (1_700_000_000.5, False)
    assert clock.wait_s(99.0) is None
