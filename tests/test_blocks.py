"""What was rendered, found again by those who capture what comes back of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.blocks import BlockPool, Rendered

F32 = npt.NDArray[np.float32]


def count_up(first: int, count: int) -> F32:
    """Frames that say which they are; the first is 1."""
    return np.arange(first + 1, first + count + 1, dtype=np.float32)


def read(rendered: Rendered, count: int) -> list[int]:
    """The numbers of the next frames, 0 where there is a hole."""
    out = np.full(count, -1.0, np.float32)
    assert rendered.read(out) is bool(out.any())
    return [int(each) for each in out]


def begun(rendered: Rendered, margin: int) -> Rendered:
    """Silence was read, then 16 frames were rendered, and 8 of them read, after the margin's silence."""
    assert read(rendered, 4) == [0, 0, 0, 0]
    rendered.write(count_up(0, 16))
    assert read(rendered, margin + 8) == [*[0] * margin, *range(1, 9)]
    return rendered


@given(st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), max_size=30))
def test_frames_keep_their_numbers_in_any_turns(turns: list[tuple[int, int]]) -> None:
    """While neither side is more than the margin off, each read goes on where the last one ended, with no hole."""
    rendered = begun(Rendered(32, 8), 8)
    written, wanted = 16, 8
    for writes, reads in turns:
        if written - wanted < 20:
            rendered.write(count_up(written, writes))
            written += writes
        if written - wanted >= reads:
            assert read(rendered, reads) == list(range(wanted + 1, wanted + reads + 1))
            wanted += reads


def test_a_late_rendering_leaves_a_hole_and_moves_nothing() -> None:
    """Frames that come after their turn are silence; those behind them stand where they stood."""
    rendered = Rendered(64, 4)
    assert read(begun(rendered, 4), 4) == [9, 10, 11, 12]
    assert read(rendered, 6) == [13, 14, 15, 16, 0, 0]
    rendered.write(count_up(16, 8))
    assert read(rendered, 6) == [19, 20, 21, 22, 23, 24]


def test_lost_frames_are_left_out() -> None:
    """What the device lost, or nobody wanted, takes its share along."""
    rendered = Rendered(64, 4)
    assert read(begun(rendered, 4), 4) == [9, 10, 11, 12]
    rendered.skip(3)
    assert read(rendered, 1) == [16]


@pytest.mark.parametrize("ahead", [65, 200])
def test_who_stood_still_begins_anew(ahead: int) -> None:
    """A reader that is lapped gets the newest frames but the margin's, never overwritten ones."""
    rendered = Rendered(64, 4)
    assert read(begun(rendered, 4), 4) == [9, 10, 11, 12]
    rendered.write(count_up(16, 30))
    rendered.write(count_up(46, ahead - 30 + 12))
    newest = 16 + ahead + 12
    assert read(rendered, 4) == list(range(newest - 8 + 1, newest - 4 + 1))


def test_a_reader_that_ran_away_comes_back() -> None:
    """When rendering has stood still for longer than the margin, reading begins anew, behind it."""
    rendered = Rendered(64, 4)
    assert read(begun(rendered, 4), 4) == [9, 10, 11, 12]
    assert read(rendered, 4) == [13, 14, 15, 16]
    assert read(rendered, 4) == [9, 10, 11, 12]
    rendered.write(count_up(16, 4))
    assert read(rendered, 4) == [13, 14, 15, 16]


def test_before_the_first_sound_nothing_is_fixed() -> None:
    """Silence that is rendered in bursts while a device starts does not count: the margin behind the sound does."""
    rendered = Rendered(64, 4)
    read(rendered, 4)
    for burst in (16, 2, 2, 8):
        rendered.write(np.zeros(burst, np.float32))
        assert read(rendered, 4) == [0, 0, 0, 0]
    rendered.write(count_up(0, 4))
    assert read(rendered, 4) == [0, 0, 0, 0]
    rendered.write(count_up(4, 4))
    assert read(rendered, 4) == [1, 2, 3, 4]


def test_wiping_leaves_silence() -> None:
    """After `wipe` nothing of a sound is left to be read."""
    rendered = begun(Rendered(64, 4), 4)
    rendered.wipe()
    assert read(rendered, 4) == [0, 0, 0, 0]


def test_pools_of_one_dimension() -> None:
    """A pool hands out buffers of the shape that was asked for, and takes back only its own, wiped."""
    pool = BlockPool(1, 5)
    buffer = pool.take()
    assert buffer is not None
    assert buffer.shape == (5,)
    assert pool.take() is None
    buffer.fill(1)
    assert not pool.give(np.ones(5, np.float32))
    assert pool.give(buffer)
    assert not buffer.any()
