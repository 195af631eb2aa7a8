"""The search for a known signal finds every frame that is lost, doubled, late or out of order, to the frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from handschlag.hearing.resample import whole
from handschlag_bench.known import RATE, Found, Reference, compare, known_signal

I16 = npt.NDArray[np.int16]

SIGNAL = known_signal()
FIRST = 60 * RATE - 12_345
"""Not far from the period's end, and at no multiple of the ratio of rates."""


@pytest.fixture(scope="module")
def reference() -> Reference:
    """What a box must keep of it."""
    return Reference(SIGNAL)


def sent(seconds: float) -> I16:
    """What is sent from `FIRST` on."""
    return SIGNAL[(FIRST + np.arange(round(seconds * RATE))) % len(SIGNAL)]


def found_in(frames: I16, reference: Reference, masked: slice = slice(0)) -> Found:
    """What the search says of these frames, resampled and rounded as the box does it."""
    kept = whole(frames.astype(np.float32)[:, None] / np.float32(32768), RATE)[:, 0]
    samples = np.rint(kept * 32768).astype(np.int16)
    mask = np.zeros(len(samples), np.bool_)
    mask[masked] = True
    samples[mask] = 0
    return compare(samples, reference, mask)


def test_a_whole_signal_is_whole(reference: Reference) -> None:
    """Over the period's end, with silence before and behind it, and a masked span in it: nothing is wrong with it."""
    silence = np.zeros(RATE // 2, np.int16)
    found = found_in(np.concatenate([silence, sent(4.0), silence]), reference, masked=slice(20_000, 20_500))
    assert found.seams == ()
    assert 4 * 8000 - 600 <= found.compared <= 4 * 8000 - 400


@pytest.mark.parametrize("count", [1, 3, 960, 48_000])
def test_lost_frames_are_counted(reference: Reference, count: int) -> None:
    """One frame of 48 kHz that is missing is found, and so is a second of them."""
    frames = sent(5.0)
    found = found_in(np.concatenate([frames[:100_001], frames[100_001 + count :]]), reference)
    assert (found.frames("lost"), found.frames("doubled"), found.frames("silent")) == (count, 0, 0)


@pytest.mark.parametrize("count", [1, 960])
def test_doubled_frames_are_counted(reference: Reference, count: int) -> None:
    """Frames that come twice are found."""
    frames = sent(5.0)
    found = found_in(np.concatenate([frames[:100_001], frames[100_001 - count :]]), reference)
    assert (found.frames("lost"), found.frames("doubled"), found.frames("silent")) == (0, count, 0)


def test_a_late_sender_is_no_loss(reference: Reference) -> None:
    """Silence between two frames that belong together is told apart from frames that come twice."""
    frames = sent(5.0)
    found = found_in(np.concatenate([frames[:100_001], np.zeros(9600, np.int16), frames[100_001:]]), reference)
    assert (found.frames("lost"), found.frames("doubled"), found.frames("silent")) == (0, 0, 9600)


def test_blocks_out_of_order_are_found(reference: Reference) -> None:
    """Two blocks that change places leave a seam, though no frame is missing in the end."""
    frames = sent(5.0)
    swapped = np.concatenate([frames[:96_000], frames[105_600:115_200], frames[96_000:105_600], frames[115_200:]])
    found = found_in(swapped, reference)
    assert found.frames("lost") > 0
    assert found.frames("doubled") > 0


def test_other_sound_in_its_place_is_found(reference: Reference) -> None:
    """A block that was overwritten is a seam, though what follows is where it belongs."""
    frames = sent(5.0).copy()
    frames[96_000:96_960] = 0
    found = found_in(frames, reference)
    assert [seam.moved for seam in found.seams] == [0]
