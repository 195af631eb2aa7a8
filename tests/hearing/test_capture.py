"""The cutter: every sample once, masks everywhere, gaps told, keys never cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handschlag.hearing import Capture, HearingError
from handschlag.hearing.capture import EDGE
from handschlag.hearing.masking import merge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from handschlag.hearing import Clip

CLIP = 16_000


def _samples(count: int, channels: int = 2, first: int = 0) -> NDArray[np.int16]:
    """Numbered samples, never zero."""
    ramp = (np.arange(first, first + count) % 30_000 + 1).astype(np.int16)
    return np.repeat(ramp[:, None], channels, axis=1)


def _joined(clips: list[Clip]) -> NDArray[np.int16]:
    return np.concatenate([clip.samples for clip in clips])


@given(
    st.lists(st.integers(0, 9000), max_size=12),
    st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 3000)), max_size=5),
    st.integers(0, 5000),
    st.sampled_from([1, 2]),
)
@settings(max_examples=60, deadline=None)
def test_clips_add_up_to_what_was_fed(
    sizes: list[int], spans: list[tuple[int, int]], first: int, channels: int
) -> None:
    """Whatever the blocks and masks: clips in order, without hole or overlap, sum to the input; masked is zero."""
    capture = Capture(first, channels)
    fed = _samples(sum(sizes), channels)
    clips: list[Clip] = []
    for start, length in spans:
        capture.mask(start, start + length)
    at = 0
    for size in sizes:
        capture.feed(fed[at : at + size], at)
        at += size
        clips += capture.ready()
    clips += capture.finish()
    wanted = fed[first:].copy()
    for start, length in spans:
        wanted[max(start - first, 0) : max(start + length - first, 0)] = 0
    position = first
    for index, clip in enumerate(clips):
        assert (clip.index, clip.first_sample) == (index, position)
        assert 0 < clip.samples.shape[0] <= CLIP
        position += clip.samples.shape[0]
    assert position == max(first, at)
    if clips:
        assert np.array_equal(_joined(clips), wanted)


def test_clips_lag_by_120_ms() -> None:
    """A clip is only cut when 120 ms more than its end have come in."""
    capture = Capture(0, 1)
    capture.feed(_samples(CLIP + 959, 1), 0)
    assert capture.ready() == []
    capture.feed(_samples(1, 1), CLIP + 959)
    (clip,) = capture.ready()
    assert clip.samples.shape == (CLIP, 1)


def test_no_clip_closes_over_an_undecided_key() -> None:
    """While a key may be in progress before the clip's end, the clip stays open and can still be masked."""
    capture = Capture(0, 2)
    capture.feed(_samples(2 * CLIP), 0)
    assert capture.ready(CLIP - 100) == []
    capture.mask(CLIP - 100, CLIP + 300)
    (clip,) = capture.ready(None)
    assert not clip.samples[-100:].any()
    assert clip.samples[:-100].all()
    (rest,) = capture.finish()
    assert not rest.samples[:300].any()
    assert rest.samples[300:].all()
    assert capture.masked == [(CLIP - 100, CLIP + 300)]


def test_a_clip_that_ends_where_the_doubt_begins_may_close() -> None:
    """Doubt that begins behind a clip and the edge of its key does not hold it; a sample earlier, it does."""
    capture = Capture(0, 1)
    capture.feed(_samples(2 * CLIP, 1), 0)
    assert len(capture.ready(CLIP + EDGE - 1)) == 0
    assert len(capture.ready(CLIP + EDGE)) == 1


def test_gaps_are_told_and_never_filled() -> None:
    """Lost samples end a clip; the next one begins behind them; jumps in the position count the same."""
    capture = Capture(100, 2)
    capture.feed(_samples(1000), 100)
    capture.gap(50)
    capture.feed(_samples(1000), 1150)
    capture.feed(_samples(1000), 2200)
    assert capture.gaps == [(1100, 50), (2150, 50)]
    clips = capture.ready() + capture.finish()
    assert [(clip.first_sample, clip.samples.shape[0]) for clip in clips] == [(100, 1000), (1150, 1000), (2200, 1000)]
    assert [clip.index for clip in clips] == [0, 1, 2]


def test_masks_hold_across_gaps() -> None:
    """A mask that spans a gap silences both sides, and only the span."""
    capture = Capture(0, 1)
    capture.feed(_samples(1000, 1), 0)
    capture.gap(500)
    capture.feed(_samples(1000, 1), 1500)
    capture.mask(900, 1600)
    before, after = capture.finish()
    assert not before.samples[900:].any()
    assert before.samples[:900].all()
    assert not after.samples[:100].any()
    assert after.samples[100:].all()


def test_what_was_fed_twice_is_taken_once() -> None:
    """Samples before the capture or fed before are left out."""
    capture = Capture(500, 1)
    fed = _samples(2000, 1)
    capture.feed(fed[:400], 0)
    capture.feed(fed[300:1200], 300)
    capture.feed(fed[1000:], 1000)
    (clip,) = capture.finish()
    assert clip.first_sample == 500
    assert np.array_equal(clip.samples, fed[500:])


def test_wiping_overwrites() -> None:
    """After `wipe`, and where clips were cut, the buffer holds zeros only; nothing is left to finish."""
    capture = Capture(0, 2)
    capture.feed(_samples(CLIP + 2000), 0)
    capture.ready()
    assert not capture._held[2000:].any()
    capture.wipe()
    assert not capture._held.any()
    assert capture.finish() == []


def test_a_long_doubt_loses_nothing() -> None:
    """However long nothing may be cut, everything is kept."""
    capture = Capture(0, 2)
    for first in range(0, 6 * CLIP, 8000):
        capture.feed(_samples(8000, first=first), first)
        assert capture.ready(0) == []
    assert np.array_equal(_joined(capture.finish()), _samples(6 * CLIP))


def test_wrong_input() -> None:
    """Wrong channels, types and lengths are refused with what is allowed."""
    with pytest.raises(HearingError, match="1 or 2"):
        Capture(0, 3)
    with pytest.raises(HearingError, match="120 ms"):
        Capture(0, 1, clip_s=0.05)
    with pytest.raises(HearingError, match="int16"):
        Capture(0, 2).feed(_samples(10, 1), 0)
    with pytest.raises(HearingError, match="int16"):
        Capture(0, 1).feed(np.zeros((10, 1)), 0)  # type: ignore[arg-type]


def test_merging_spans() -> None:
    """Overlapping and touching spans become one, others stay, in order."""
    assert merge([(5, 7), (0, 2), (2, 3), (6, 9)]) == [(0, 3), (5, 9)]
