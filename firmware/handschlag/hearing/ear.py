"""The ear: converter frames in, events and legs out.

Frames of any length are put on a fixed grid (20 ms, counted from the first frame), and everything behind runs
per grid step: the same audio gives the same events and the same legs, however it was cut.

Promise P1: without consent no audio older than 200 ms exists here. Counted back from the newest frame, the oldest
sample that the ear holds is 187 ms old: 20 ms of input that waits for its grid step, 3 ms and 4 ms of filter delay,
the newest 20 ms, and 140 ms of past for the detectors. (While the box plays, `hearing.echo` holds 160 ms from before
the second filter: 183 ms.) It lies in arrays that are made once and overwritten, and in working copies of parts of
them. The int16 legs that `feed` returns belong to the caller. `forget` overwrites all of it with zeros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from handschlag.hearing.activity import ActivityDetector, level_dbm0
from handschlag.hearing.caller_id import CallerIdDetector
from handschlag.hearing.direction import FAR_FROM
from handschlag.hearing.echo import EchoCanceller
from handschlag.hearing.errors import HearingError
from handschlag.hearing.events import RATE, Event, ExchangeHeard, Leg, Levels
from handschlag.hearing.fir import HIGH_PASS_DELAY, BlockFir, high_pass
from handschlag.hearing.history import History
from handschlag.hearing.keys import KeyDetector
from handschlag.hearing.legs import Calibration, LegSplitter, to_int16
from handschlag.hearing.polarity import PolarityWatch
from handschlag.hearing.resample import GRID_HOPS, HOP, Resampler
from handschlag.hearing.tones import ToneDetector

if TYPE_CHECKING:
    from numpy.typing import NDArray

Mode = Literal["vi", "legs", "mix"]

_CHANNELS: Final = {"vi": 2, "legs": 2, "mix": 1}
_LONGEST_HOPS: Final = 1000
_SILENT_STEPS: Final = 4
_SCOURED: Final = (
    *((16, size) for size in range(64, 1025, 16)),
    *((24, size) for size in range(1152, 8193, 128)),
    (8, 16384),
    (8, 32768),
)  # numpy keeps 7 freed arrays of each size below 1 KiB, malloc as many of each class, and larger ones in bins


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What one `feed` brought.

    Attributes:
        events: in the order in which they were decided.
        legs: (m, 2) int16, far and near, or the mix on both where they are not separated; (m, 1) for a mix. m follows
            the grid, not the length of what was fed.
        position: stream position (8 kHz) of `legs[0]`.
        levels: of the legs, parted as well as is known; the last ones again while m is 0.
        undecided_since: as `Ear.undecided_since`.
    """

    events: tuple[Event, ...]
    legs: NDArray[np.int16]
    position: int
    levels: Levels
    undecided_since: int | None


class Ear:
    """Hears one line.

    Args:
        sample_rate_in: rate of the frames in Hz; multiples of 8000 are exact and fast, others (files) go through soxr.
        mode: `vi` (voltage and current of an in-line tap), `legs` (far and near on channels of their own; files only),
            `mix` (one channel: no key is ever more than uncertain).
        calibration: of the tap; nominal without.
        hops: the grid step in units of 10 ms; 2 for a live line, 100 for files, which go several times faster so (and
            hold a second of audio).

    Raises:
        HearingError: for a mode, rate or number of hops that does not exist.
    """

    def __init__(
        self,
        sample_rate_in: int = 48_000,
        mode: Mode = "vi",
        calibration: Calibration | None = None,
        hops: int = GRID_HOPS,
    ) -> None:
        if mode not in _CHANNELS:
            raise HearingError(f"mode {mode!r}: allowed are 'vi', 'legs' and 'mix'")
        if not 1 <= hops <= _LONGEST_HOPS:
            raise HearingError(f"{hops} hops at once: allowed are 1 to {_LONGEST_HOPS}")
        self.mode: Mode = mode
        self.channels = _CHANNELS[mode]
        self.leg_count = 1 if mode == "mix" else 2
        self.bad_samples = 0
        """Samples that were NaN or infinite, and were taken for silence."""
        self.direction_trusted = True
        """False from the moment that a clear dial tone did not come from the exchange: every key is uncertain then."""
        self.separated = mode == "legs" or (mode == "vi" and calibration is not None and calibration.separated)
        """Whether the legs are one party's each; otherwise both are the mix."""
        block = HOP * hops
        self._resampler = Resampler(sample_rate_in, self.channels, hops)
        self._play_resampler = Resampler(sample_rate_in, 1, hops) if sample_rate_in % RATE == 0 else None
        calibration = calibration or Calibration()
        self._signs = np.array([[1.0], [calibration.polarity]], np.float32)
        self._splitter = LegSplitter(calibration, block) if mode == "vi" else None
        self._echo_splitter = LegSplitter(calibration, block) if mode == "vi" else None
        self._echo = EchoCanceller(self.channels, block)
        self._echo_lasts = False
        signals = self.leg_count + (2 if mode == "vi" else 0)
        self._signals = np.zeros((signals, block), np.float32)
        self._frames_a_step = max(sample_rate_in * block // RATE, 1)
        self._high_pass = BlockFir(high_pass(), signals, block)
        self._history = History(signals, block)
        self._keys = KeyDetector(self._history, self.leg_count, has_pair=mode == "vi")
        self._tones = ToneDetector(self._history, 2 if mode == "vi" else None)
        self._polarity = PolarityWatch(self._history, 2) if mode == "vi" else None
        self._caller_id = CallerIdDetector(self._history)
        self._activity = ActivityDetector(self._history, self.leg_count, crosstalk=mode == "vi")
        self._block = np.zeros((self.channels, block), np.float32)
        self._played = np.zeros(block, np.float32)
        self._fill = 0
        self._position = self._resampler.origin
        self._levels = Levels(-100.0, -100.0)

    @property
    def position(self) -> int:
        """Stream position of the next leg sample."""
        return max(self._position, 0)

    @property
    def undecided_since(self) -> int | None:
        """Position from which a key may be in progress that is not decided yet, or whose end is not reported yet."""
        since = self._keys.undecided_since
        return None if since is None else max(since, 0)

    @property
    def speaking(self) -> dict[Leg, int]:
        """Who speaks now, and since which position."""
        return self._activity.speaking

    def feed(self, frames: NDArray[np.floating], played: NDArray[np.floating] | None = None) -> Heard:
        """Hear (n, channels) float frames, full scale ±1.0; n may be anything, also 0.

        `played` (n,) is what the box itself played meanwhile, None for nothing. Its frames may lead those that it comes
        back in by any constant delay up to 240 ms (`hearing.echo`). The detectors hear the line without it; the legs
        and their levels are the line as it is.

        NaN and infinities are taken for silence and counted; what exceeds full scale is limited.

        Raises:
            HearingError: when the frames' shape or type is not that.
        """
        if not isinstance(frames, np.ndarray) or frames.ndim != 2 or frames.shape[1] != self.channels:
            raise HearingError(f"frames of shape {np.shape(frames)}: mode {self.mode!r} takes (n, {self.channels})")
        if not np.issubdtype(frames.dtype, np.floating):
            raise HearingError(f"frames of type {frames.dtype}: allowed are floats, full scale ±1.0")
        own = self._resample_played(played, frames.shape[0])
        return self._hear(self._resampler.feed(self._clean(frames)), own)

    def _resample_played(self, played: NDArray[np.floating] | None, count: int) -> NDArray[np.float32] | None:
        if played is None:
            return None if self._play_resampler is None else self._play_resampler.skip(count)[0]
        if self._play_resampler is None:
            raise HearingError("played at this sample rate: allowed at multiples of 8000 Hz only")
        if not isinstance(played, np.ndarray) or played.shape != (count,):
            raise HearingError(f"played of shape {np.shape(played)}: allowed with these frames is ({count},)")
        if not np.issubdtype(played.dtype, np.floating):
            raise HearingError(f"played of type {played.dtype}: allowed are floats, full scale ±1.0")
        own: NDArray[np.float32] = self._play_resampler.feed(self._clean(played[:, None]))[0]
        return own

    def flush(self) -> Heard:
        """After a file's last frames: hear half a second of silence, which brings everything open to its end."""
        rest = self._resampler.flush()
        silence = np.zeros((self.channels, max(HOP * 50, self._block.shape[1])), np.float32)
        rest = np.concatenate([rest, silence], axis=1)
        played = None
        if self._play_resampler is not None:
            played = np.zeros(rest.shape[1], np.float32)
            last = self._play_resampler.flush()[0]
            played[: last.size] = last
        heard = self._hear(rest, played)
        return replace(heard, events=(*heard.events, *self._tones.finish()))

    def forget(self) -> None:
        """Overwrite all audio with zeros and begin a new stream at position 0; the doubt in the direction stays.

        What is freed already (the working copies of the last steps) is in nobody's hands but the allocator's, which
        gives the same places to the same steps: so some steps on silence go first, and then arrays of every size that
        steps use are taken, zeroed and given back.
        """
        silence = np.zeros((self._frames_a_step, self.channels), np.float32)
        for _ in range(_SILENT_STEPS):
            self.feed(silence)
        _scour()
        self._resampler.wipe()
        if self._play_resampler is not None:
            self._play_resampler.wipe()
        self._echo.wipe()
        for splitter in (self._splitter, self._echo_splitter):
            if splitter is not None:
                splitter.wipe()
        self._echo_lasts = False
        self._high_pass.wipe()
        self._history.wipe()
        self._keys.forget()
        self._tones.forget()
        if self._polarity is not None:
            self._polarity.forget()
        self._caller_id.forget()
        self._activity.forget()
        for held in (self._block, self._signals, self._played):
            held.fill(0.0)
        self._fill = 0
        self._position = self._resampler.origin
        self._levels = Levels(-100.0, -100.0)

    def _clean(self, frames: NDArray[np.floating]) -> NDArray[np.float32]:
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # a double beyond float32 becomes infinite, and is counted as such
            samples = np.array(frames, np.float32, order="C")
            flat = samples.reshape(-1)
            energy = float(flat @ flat)
        if not math.isfinite(energy):
            finite = np.isfinite(samples)
            self.bad_samples += int(samples.size - np.count_nonzero(finite))
            samples[~finite] = 0.0
        return samples if energy <= 1.0 else np.clip(samples, -1.0, 1.0, out=samples)

    def _hear(self, resampled: NDArray[np.float32], played: NDArray[np.float32] | None) -> Heard:
        position = self.position
        events: list[Event] = []
        legs: list[NDArray[np.float32]] = []
        mixes: list[NDArray[np.float32]] = []
        at, count, size = 0, resampled.shape[1], self._block.shape[1]
        while at < count:
            take = min(count - at, size - self._fill)
            self._block[:, self._fill : self._fill + take] = resampled[:, at : at + take]
            if played is not None:
                self._played[self._fill : self._fill + take] = played[at : at + take]
            self._fill += take
            at += take
            if self._fill == size:
                legs.append(self._step(events))
                if not self.separated:
                    mixes.append(self._block[:1, self._block.shape[1] - legs[-1].shape[1] :].copy())
                self._fill = 0
        if not legs:
            none = np.zeros((0, self.leg_count), np.int16)
            return Heard((), none, position, self._levels, self.undecided_since)
        whole = legs[0] if len(legs) == 1 else np.concatenate(legs, axis=1)
        squares = np.einsum("ij,ij->i", whole, whole) / max(whole.shape[1], 1)
        self._levels = Levels(level_dbm0(float(squares[0])), level_dbm0(float(squares[-1])))
        if mixes:
            whole[:] = np.concatenate(mixes, axis=1)
        samples = np.ascontiguousarray(to_int16(whole).T)
        return Heard(tuple(events), samples, position, self._levels, self.undecided_since)

    def _step(self, events: list[Event]) -> NDArray[np.float32]:
        """One grid step: legs, own sound taken out, high-pass, detectors."""
        block = self._block
        legs = block.copy() if self._splitter is None else self._splitter.feed(block)
        signals = self._signals
        signals[: self.leg_count] = legs
        if self._splitter is not None:
            np.multiply(block, self._signs, out=signals[self.leg_count :])
        echo = self._own_sound()
        if echo is not None:
            signals -= echo
        self._history.push(self._high_pass.feed(signals), self._position - HIGH_PASS_DELAY)
        tones = self._tones.feed()
        exchange = self._watch_polarity()
        keys = self._keys.feed()
        callers = self._caller_id.feed(keys)
        keyed = self._keys.sounding[0::2] | self._keys.sounding[1::2] | self._caller_id.sounding
        events += keys
        events += tones
        events += exchange
        events += callers
        events += self._activity.feed(keyed, self._tones.sounding)
        first, self._position = self._position, self._position + block.shape[1]
        return legs[:, -first:] if first < 0 else legs

    def _own_sound(self) -> NDArray[np.float32] | None:
        """The box's own sound in all signals; None for silence. Splitting is linear: its legs can be told, too."""
        echo = self._echo.feed(self._block, self._played)
        lasts, self._echo_lasts = self._echo_lasts, echo is not None
        if self._echo_splitter is None:
            return echo
        if echo is None:
            if not lasts:
                return None
            echo = np.zeros_like(self._block)  # what the splitter's filters still hold of it
        return np.concatenate([self._echo_splitter.feed(echo), echo * self._signs])

    def _watch_polarity(self) -> list[ExchangeHeard]:
        heard = self._polarity.feed() if self._polarity is not None else []
        if any(each.cos < FAR_FROM for each in heard):
            self.direction_trusted = self._keys.trusted = self._tones.trusted = False
        return heard


def _scour() -> None:
    """Overwrite what the allocator holds for arrays of the sizes that steps take."""
    for count, size in _SCOURED:
        taken = [np.empty(size, np.uint8) for _ in range(count)]
        for each in taken:
            each.fill(0)
