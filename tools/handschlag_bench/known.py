"""A signal that is known sample by sample, and the search for it in what was captured.

Pseudo-random noise in bursts, coloured as a voice is, repeated each minute; between bursts it goes on quietly, so that
no sample of it is silence. Behind the box's resampler it must be found again sample by sample: one frame of 48 kHz that
is lost or comes twice moves everything behind it by a sixth of a sample, and is found. Around such a place the
resampler mixes both sides for 5 ms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handschlag.hearing.resample import whole

RATE = 48_000
KEPT_RATE = 8_000
RATIO = RATE // KEPT_RATE
PERIOD_S = 61
BURST_S, PAUSE_S = 1.4, 0.6
LOUD, QUIET = 2600.0, 60.0
"""Root mean squares, of 32768: -19 and -51 dBm0."""
ROUNDING = 2
"""Two roundings, of the sum and of the sample."""
WINDOW = 600
SETTLES = 48
"""Samples that the resampler mixes at a seam."""

I16 = npt.NDArray[np.int16]


def known_signal(seed: int = 1) -> I16:
    """One period at 48 kHz."""
    random = np.random.default_rng(seed)
    count = PERIOD_S * RATE
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    shape = (frequency > 200) / (1 + (frequency / 700) ** 2)
    noise = np.fft.irfft(np.fft.rfft(random.standard_normal(count)) * shape, count)
    noise /= np.sqrt(np.mean(noise**2))
    loud = (np.arange(count) / RATE) % (BURST_S + PAUSE_S) < BURST_S
    signal: I16 = np.clip(np.rint(noise * np.where(loud, LOUD, QUIET)), -32768, 32767).astype(np.int16)
    return signal


@dataclass(frozen=True, slots=True)
class Seam:
    """What was captured does not go on as it was sent. Places are samples of the capture at 8 kHz.

    `moved` counts frames of 48 kHz: so many are missing, or (negative) came on top. `silent` says that those on top
    were silence: the sender was late, nothing was doubled.
    """

    at: int
    resumed: int
    moved: int
    silent: bool


@dataclass(frozen=True, slots=True)
class Found:
    """How much of a capture was compared, and where it did not fit."""

    compared: int
    seams: tuple[Seam, ...]

    def frames(self, kind: str) -> int:
        """Frames of 48 kHz that were `lost`, `doubled`, or `silent` (put in by a sender that was late)."""
        match kind:
            case "lost":
                return sum(seam.moved for seam in self.seams if seam.moved > 0)
            case "doubled":
                return -sum(seam.moved for seam in self.seams if seam.moved < 0 and not seam.silent)
            case _:
                return -sum(seam.moved for seam in self.seams if seam.moved < 0 and seam.silent)


class Reference:
    """What the box must have kept of the signal, at each of the six phases between its two rates."""

    def __init__(self, signal: I16) -> None:
        frames = signal.astype(np.float32)[:, None] / np.float32(32768)
        lead = RATE  # a second from the period's end comes before it, and one from its beginning behind
        round_about = np.concatenate([frames[-lead:], frames, frames[: 2 * RATIO * WINDOW]])
        count = len(signal) // RATIO
        first = lead // RATIO
        self.phases = np.stack(
            [whole(round_about[phase:], RATE)[first : first + count, 0] * 32768 for phase in range(RATIO)]
        )
        self.count = count
        self._spectra = np.conj(np.fft.rfft(self.phases, axis=1))
        self._energy = [
            np.concatenate([[0.0], np.cumsum(np.concatenate([row, row[:WINDOW]]) ** 2)]) for row in self.phases
        ]

    def expect(self, frame: int, count: int) -> npt.NDArray[np.float32]:
        """`count` samples from the one that belongs to frame `frame` (of 48 kHz, counted round)."""
        row, at = frame % RATIO, (frame // RATIO) % self.count
        places = (at + np.arange(count)) % self.count
        expected: npt.NDArray[np.float32] = self.phases[row][places]
        return expected

    def locate(self, window: npt.NDArray[np.float32]) -> int | None:
        """The frame to which the window's first sample belongs; None when it is not of the signal."""
        padded = np.zeros(self.count)
        padded[: len(window)] = window
        products = np.fft.irfft(np.conj(self._spectra * np.fft.rfft(padded)), self.count, axis=1)
        distances = [
            self._energy[row][len(window) : len(window) + self.count]
            - self._energy[row][: self.count]
            - 2 * products[row]
            for row in range(RATIO)
        ]
        row = int(np.argmin([each.min() for each in distances]))
        frame = int(np.argmin(distances[row])) * RATIO + row
        return frame if np.all(np.abs(window - self.expect(frame, len(window))) <= ROUNDING) else None


def compare(kept: I16, reference: Reference, masked: npt.NDArray[np.bool_]) -> Found:
    """Follow the signal through `kept` (n,); samples that are `masked` are left out."""
    samples = kept.astype(np.float32)
    at, compared = 0, 0
    seams: list[Seam] = []
    frame: int | None = None  # to which the sample at `at` belongs
    while at < len(samples):
        if frame is None:
            found = _resume(samples, masked, at, reference)
            if found is None:
                break
            at, frame = found
        count = min(KEPT_RATE, len(samples) - at)
        wrong = np.abs(samples[at : at + count] - reference.expect(frame, count)) > ROUNDING
        wrong &= ~masked[at : at + count]
        good = int(np.argmax(wrong)) if wrong.any() else count
        compared += good - int(np.count_nonzero(masked[at : at + good]))
        at, frame = at + good, frame + good * RATIO
        if good == count:
            continue
        found = _resume(samples, masked, at, reference)
        if found is None:
            if samples[at + SETTLES :].any():  # otherwise the signal has ended
                seams.append(Seam(at, len(samples), RATIO * (len(samples) - at), silent=False))
            break
        resumed, new_frame = found
        expected = frame + (resumed - at) * RATIO
        half = reference.count * RATIO // 2
        moved = (new_frame - expected + half) % (2 * half) - half
        zeros = int(np.count_nonzero(samples[at:resumed] == 0))
        silent = moved < 0 and zeros >= max(SETTLES // 2, -moved // RATIO - SETTLES)
        seams.append(Seam(at, resumed, moved, silent=silent))
        at, frame = resumed, new_frame
    return Found(compared, tuple(seams))


def _resume(
    samples: npt.NDArray[np.float32], masked: npt.NDArray[np.bool_], at: int, reference: Reference
) -> tuple[int, int] | None:
    """The next place from `at` on where the signal is found again, and the frame there."""
    step = SETTLES
    while at + WINDOW <= len(samples):
        if not masked[at : at + WINDOW].any() and np.count_nonzero(samples[at : at + WINDOW]) > WINDOW // 2:
            frame = reference.locate(samples[at : at + WINDOW])
            if frame is not None:
                return at, frame
        at += step
    return None
