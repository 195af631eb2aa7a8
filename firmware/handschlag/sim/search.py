"""Finds audio in raw bytes: the proof that nothing of an unconsented call is left in a file or in a process.

The bytes are read as int16, float32 and float64, as one channel and as two interleaved ones (which also covers
16-bit samples kept in 32-bit words), at 48 kHz and at the rates the box resamples to. FLAC streams found in them
are decoded and searched too.

A piece of audio may lie anywhere, at any gain, so comparing everything with everything is hopeless. Instead:

1. Blocks that cannot be audio are skipped: zeros, absurd exponents, neighbours that do not resemble each other.
2. Audio is anchored at its own peaks: a sample that is the greatest within 2 ms is so in every copy, whatever
   its gain. The 6 ms around each anchor, projected on the reference's own 32 main directions, are compared with
   those around all anchors of the reference in one matrix product.
3. Where they agree, both sides are followed in both directions. A match must agree the better the shorter it
   is (`REQUIRED`): a short piece of one vowel resembles another, a long piece of speech resembles nothing.

All comparing is done on the second difference (speech falls by 6 to 12 dB per octave: without it, the lowest
harmonics would decide alone). Parts of the reference without a face of their own start no match: silence, hum,
tones, and what `known` names, because the box legitimately holds what it plays itself.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from handschlag.errors import HandschlagError

Floats = NDArray[np.float32]
Places = NDArray[np.int64]
Mask = NDArray[np.bool_]
Dtype = Literal["int16", "float32", "float64"]

REFERENCE_RATE_HZ = 48000
GRID_HZ = 8000  # what is compared; every rate is a whole multiple of it
EMPHASIS = 0.9
PEAK_REACH = 16  # 2 ms on the grid: an anchor is the greatest within it
SEED = 48  # 6 ms on the grid, around an anchor
DIRECTIONS = 48
SEED_LIKENESS = 0.95
COLOUR_TOLERANCE = 0.15  # copies have the same share of high frequencies, as a logarithm
STEP_TAPS = 20  # 2.5 ms on the grid: a match is followed in such steps
FIRST_STEPS = 3
FOLLOW_STEPS = 40  # 100 ms to both sides
STEP_LIKENESS = 0.8
# steps, and the least correlation from there on: above all that the same voice reached by saying other things
REQUIRED = ((3, 0.9997), (6, 0.9985), (12, 0.997), (24, 0.99), (72, 0.9))

BLOCK = 32  # elements that are judged together when skipping what is no audio
IN_A_ROW = 3  # audible blocks: 20 ms at 8 kHz hold four whole ones
CHUNK_BYTES = 1 << 22
OVERLAP_BYTES = 1 << 18  # more than 200 ms of two float64 channels at 48 kHz
PAGE_BYTES = 4096
TILE = (128, 4096)
FLAC_START = b"fLaC\x00\x00\x00\x22"  # the marker and the header of its first block (RFC 9639, 8.1)
FLAC_BYTES = 1 << 22
FOLLOWED_AT_ONCE = 2048
ABSURD = 1e5  # no sample in any scale is greater


class UnreadableProcess(HandschlagError, PermissionError):
    """A process whose memory may not be read."""


@dataclass(frozen=True)
class Match:
    """Audio of the reference found in bytes.

    `offset`: of its first byte (of the FLAC stream, if `inside` one). `channels`: 1, or 2 where every second
    element belongs to it. `correlation`: normalised, 0.9 to 1. `channel` and `reference_s`: which signal of the
    reference, and from where on. `length`: bytes from the first to the last (inside FLAC: decoded samples).
    """

    offset: int
    dtype: Dtype
    channels: int
    rate: int
    correlation: float
    channel: int
    reference_s: float
    length: int
    length_s: float
    inside: Literal["raw", "flac"] = "raw"


@dataclass(frozen=True, eq=False)
class _Face:
    """The reference as it would look at one rate: its anchors, what surrounds them, the signals to follow."""

    rate: int
    step: int  # samples per grid sample
    flat: Floats  # all emphasised signals (channels and resampling phases) behind one another, zeros between
    anchors: Places  # in `flat`
    channels: NDArray[np.int32]  # per anchor
    origins: NDArray[np.float64]  # per anchor: seconds of the reference at which `flat[0]` would lie
    directions: Floats  # (SEED, DIRECTIONS)
    seeds: Floats  # (anchors, DIRECTIONS)
    colours: Floats  # per anchor, rising


class Searcher:
    """Searches bytes for a reference.

    `reference`: signals of one call at 48 kHz (one array, or one per channel or leg). `rates`: at which copies
    could exist. `known`: signals at 48 kHz that may be found (the box's own announcements); where the reference
    contains a second of them or more, it is not searched for.

    `usable_s` says how much of the reference is searched for, over all channels.
    """

    def __init__(
        self,
        reference: NDArray[Any] | Sequence[NDArray[Any]],
        rates: Sequence[int] = (48000, 8000),
        known: Sequence[NDArray[Any]] = (),
    ) -> None:
        for rate in rates:
            if rate < GRID_HZ or rate % GRID_HZ or REFERENCE_RATE_HZ % rate:
                raise ValueError(f"rates: {rate}: multiples of {GRID_HZ} that divide {REFERENCE_RATE_HZ} are allowed")
        signals = [reference] if isinstance(reference, np.ndarray) and reference.ndim == 1 else list(reference)
        if any(signal.ndim != 1 for signal in signals):
            raise ValueError("reference: one array of samples per channel is allowed")
        channels = [np.ascontiguousarray(signal, np.float32) for signal in signals]
        usable = [_with_a_face(channel) & ~_known_in(channel, known) for channel in channels]
        self.usable_s = sum(float(np.count_nonzero(part)) for part in usable) / GRID_HZ
        self._faces = [_face(channels, usable, rate) for rate in rates]

    def search(self, data: bytes | bytearray | memoryview) -> list[Match]:
        """Give all places where audio of the reference lies in the bytes, by offset."""
        view = memoryview(data).cast("B")
        found: list[Match] = []
        for start in range(0, max(len(view), 1), CHUNK_BYTES):
            chunk = view[start : start + CHUNK_BYTES + OVERLAP_BYTES]
            found += [replace(match, offset=match.offset + start) for match in self._search_raw(chunk)]
        for offset, decoded in _flac_streams(data):
            for match in self._search_raw(memoryview(decoded.tobytes())):
                found.append(replace(match, offset=offset, inside="flac"))
        return _merged(found)

    def search_file(self, path: Path) -> list[Match]:
        """Search a file of any size."""
        with path.open("rb") as file:
            return self._search_pieces(_pieces(file.read, 0))

    def search_process(self, pid: int) -> list[Match]:
        """Search the memory of a process; offsets are its addresses."""
        return self._search_pieces(read_process(pid))

    def _search_pieces(self, pieces: Iterator[tuple[int, bytes]]) -> list[Match]:
        found: list[Match] = []
        for start, data in pieces:
            found += [replace(match, offset=match.offset + start) for match in self.search(data)]
        return _merged(found)

    def _search_raw(self, chunk: memoryview) -> list[Match]:
        if not self._faces or all(len(face.anchors) == 0 for face in self._faces):
            return []
        found: list[Match] = []
        for dtype, elements in _typed(chunk):
            for channels in (1, 2):
                blocks = _audible_blocks(elements, channels)
                if not blocks.any():
                    continue
                places = _places(blocks, len(elements))
                for side in range(channels):
                    mine = places[places % channels == side]
                    signal = _sane(elements[mine])
                    for face in self._faces:
                        found += _matches(face, signal, mine, channels, dtype)
        return found


def read_process(pid: int) -> Iterator[tuple[int, bytes]]:
    """Read all private memory of a process: pieces of at most 4 MiB and an overlap, each with its address.

    Mappings of devices, of the kernel and of files that cannot be written to are left out; what vanishes while it is
    read is skipped. Raises
    `UnreadableProcess` where the system does not allow it (another user's process, or one that forbids dumps).
    """
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
        memory = Path(f"/proc/{pid}/mem").open("rb", buffering=0)  # noqa: SIM115 - closed by the with below
    except OSError as error:
        raise UnreadableProcess(
            f"process {pid}: memory cannot be read ({error.strerror}): it must run, belong to this user, and"
            " not forbid dumps; root may always"
        ) from error
    with memory:
        for line in maps.splitlines():
            span, rights, _, _, inode, *name = line.split(maxsplit=5)
            if rights[0] != "r" or rights[3] != "p" or (name and name[0].startswith(("/dev/", "[v"))):
                continue
            if rights[1] != "w" and inode != "0":
                continue  # a file's bytes that the process cannot write over
            low, high = (int(part, 16) for part in span.split("-"))

            def read(count: int, _end: int = high) -> bytes:
                try:
                    return memory.read(min(count, _end - memory.tell()))
                except OSError:
                    return b""

            memory.seek(low)
            yield from _pieces(read, low)


def _pieces(read: Callable[[int], bytes], start: int) -> Iterator[tuple[int, bytes]]:
    """Read to the end in overlapping pieces."""
    rest = b""
    while fresh := read(CHUNK_BYTES):
        piece = rest + fresh
        yield start, piece
        rest = piece[-OVERLAP_BYTES:]
        start += len(piece) - len(rest)


# the reference


def _face(channels: list[Floats], usable: list[Mask], rate: int) -> _Face:
    step = rate // GRID_HZ
    phases = REFERENCE_RATE_HZ // rate
    margin = np.zeros((FOLLOW_STEPS + 1) * STEP_TAPS * step, np.float32)
    parts, anchors, channel_of, origins, colours = [margin], [], [], [], []
    at = len(margin)
    for number, (channel, mask) in enumerate(zip(channels, usable, strict=True)):
        for phase in range(phases):
            copy = channel if phases == 1 else soxr.resample(channel[phase:], REFERENCE_RATE_HZ, rate)
            once = _smooth_difference(np.asarray(copy, np.float32), step)
            signal = _difference(once, step)
            peaks = _peaks(signal, step)
            second = peaks / rate + phase / REFERENCE_RATE_HZ
            judged = np.minimum((second * GRID_HZ).astype(np.int64), len(mask) - 1)
            peaks = peaks[mask[judged]] if len(mask) else peaks[:0]
            anchors.append(peaks + at)
            colours.append(_colours(once, signal, peaks, step))
            channel_of.append(np.full(len(peaks), number, np.int32))
            origins.append(np.full(len(peaks), phase / REFERENCE_RATE_HZ - at / rate))
            parts += [signal, margin]
            at += len(signal) + len(margin)
    flat = np.concatenate(parts)
    places, colour = np.concatenate(anchors), np.concatenate(colours)
    order = np.argsort(colour)
    places = places[order]
    windows = _windows(flat, places, step)
    sample = windows[:: max(1, len(windows) // 6000)]
    directions = np.ascontiguousarray(np.linalg.svd(sample, full_matrices=False)[2][:DIRECTIONS].T)
    return _Face(
        rate=rate,
        step=step,
        flat=flat,
        anchors=places,
        channels=np.concatenate(channel_of)[order],
        origins=np.concatenate(origins)[order],
        directions=directions,
        seeds=windows @ directions,
        colours=colour[order],
    )


def _with_a_face(channel: Floats) -> Mask:
    """Which samples, on the 8 kHz grid, lie in speech-like sound: loud enough, no tones, nothing that repeats."""
    grid = _difference(np.asarray(soxr.resample(channel, REFERENCE_RATE_HZ, GRID_HZ), np.float32), 1)
    hop, length = 80, 320  # judged every 10 ms over 40 ms
    count = (len(grid) - length) // hop + 1
    usable = np.zeros(len(grid), np.bool_)
    if count < 1:
        return usable
    frames = np.lib.stride_tricks.sliding_window_view(grid, length)[::hop]
    level = np.sqrt(np.mean(np.square(frames), axis=1))
    loud = level > max(3e-4, 0.02 * float(np.quantile(level, 0.95)))

    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(length), 1024, axis=1)))
    total = power.sum(axis=1) + 1e-20
    lines = np.zeros(len(frames))
    rest = power.copy()
    for _ in range(2):  # the two strongest lines, each with its main lobe of +-50 Hz
        top = rest.argmax(axis=1)
        lobe = np.abs(np.arange(rest.shape[1])[None, :] - top[:, None]) <= 7
        lines += np.where(lobe, rest, 0).sum(axis=1)
        rest[lobe] = 0
    tonal = lines / total > 0.9

    for frame in np.flatnonzero(loud & ~tonal):
        middle = int(frame) * hop + length // 2
        usable[middle - hop // 2 : middle + hop // 2] = not _repeats(grid, middle)
    return usable


def _repeats(grid: Floats, middle: int) -> bool:
    """Whether 100 ms around a place are one period of 2.5 to 20 ms over and over: buzz, hum, a test signal."""
    around = grid[max(0, middle - 400) : middle + 400].astype(np.float64)
    spectrum = np.fft.rfft(around, 2048)
    likeness = np.fft.irfft(np.square(np.abs(spectrum)))[:161]
    energy = np.concatenate(([0.0], np.cumsum(np.square(around))))
    lags = np.arange(20, min(161, len(around) // 2))
    both = (energy[len(around) - lags]) * (energy[-1] - energy[lags])
    return bool(np.any(likeness[lags] > 0.985 * np.sqrt(both + 1e-20)))


def _known_in(channel: Floats, known: Sequence[NDArray[Any]]) -> Mask:
    """Which samples, on the 8 kHz grid, are the box's own: a second of a known signal explains them."""
    rate = 4000
    low = soxr.resample(channel, REFERENCE_RATE_HZ, rate).astype(np.float64)
    low[1:] -= EMPHASIS * low[:-1]  # numpy reads the right side before it writes
    own = np.zeros(len(soxr.resample(channel, REFERENCE_RATE_HZ, GRID_HZ)), np.bool_)
    if len(low) == 0 or not known:
        return own
    size = 1 << int(np.ceil(np.log2(len(low) + rate)))
    spectrum = np.fft.rfft(low, size)
    energy = np.concatenate(([0.0], np.cumsum(np.square(low)), np.zeros(rate)))
    energy[len(low) + 1 :] = energy[len(low)]
    for signal in known:
        played = soxr.resample(np.asarray(signal, np.float32), REFERENCE_RATE_HZ, rate).astype(np.float64)
        played[1:] -= EMPHASIS * played[:-1]
        length = min(rate, len(played))
        for start in [*range(0, len(played) - length, rate // 2), len(played) - length]:
            block = played[start : start + length]
            strength = float(np.sum(np.square(block)))
            if strength < 1e-9:
                continue
            product = np.fft.irfft(spectrum * np.conj(np.fft.rfft(block, size)), size)[: len(low)]
            local = energy[length : length + len(low)] - energy[: len(low)]
            likeness = np.abs(product) / np.sqrt(strength * local + 1e-12)
            for at in np.flatnonzero(likeness > 0.5):
                # a margin of 50 ms: echoes and the line's own filters
                own[max(0, 2 * int(at) - 400) : 2 * (int(at) + length) + 400] = True
    return own


# the bytes


def _typed(chunk: memoryview) -> Iterator[tuple[Dtype, NDArray[Any]]]:
    """The bytes as each kind of sample."""
    for dtype in get_args(Dtype):
        count = len(chunk) // np.dtype(dtype).itemsize
        if count >= BLOCK * IN_A_ROW:
            yield dtype, np.frombuffer(chunk, dtype, count)


def _sane(elements: NDArray[Any]) -> Floats:
    """As float32; what is no sample beside an audible block counts as silence."""
    with np.errstate(invalid="ignore", over="ignore"):
        signal = elements.astype(np.float32)
        signal[~(np.abs(signal) < ABSURD)] = 0
    return signal


def _audible_blocks(elements: NDArray[Any], channels: int) -> Mask:
    """Which blocks of elements could be audio: neighbours (of the same channel) resemble each other."""
    count = len(elements) // BLOCK
    table = elements[: count * BLOCK].reshape(count, BLOCK)
    audible = _plausible(table)
    live = np.flatnonzero(audible)
    if len(live) == 0:
        return audible
    rows = table[live].astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    energy = np.einsum("ij,ij->i", rows, rows)
    neighbours = np.einsum("ij,ij->i", rows[:, :-channels], rows[:, channels:])
    floor = 2.0**2 if elements.dtype == np.int16 else 1e-5**2
    audible[live] = (energy > floor * BLOCK) & (neighbours > 0.3 * energy)
    row = audible[: count - IN_A_ROW + 1].copy()
    for by in range(1, IN_A_ROW):
        row &= audible[by : count - IN_A_ROW + 1 + by]
    audible[:] = False
    for by in range(IN_A_ROW):
        audible[by : count - IN_A_ROW + 1 + by] |= row
    return audible


def _plausible(table: NDArray[Any]) -> Mask:
    """Which rows are not all zero and hold no absurd numbers (pointers and text read as floats)."""
    match table.dtype:
        case np.int16:
            return np.asarray(table.view(np.int64).any(axis=1))
        case np.float32:
            bits = table.view(np.uint32) & np.uint32(0x7FFFFFFF)
            low, high = (struct.unpack("<I", struct.pack("<f", edge))[0] for edge in (1e-12, ABSURD))
        case _:
            bits = table.view(np.uint64) & np.uint64(0x7FFFFFFFFFFFFFFF)
            low, high = (struct.unpack("<Q", struct.pack("<d", edge))[0] for edge in (1e-15, ABSURD))
    sane = (bits < high) & ((bits > low) | (bits == 0))
    return np.asarray(sane.all(axis=1) & (bits != 0).any(axis=1))


def _places(blocks: Mask, count: int) -> Places:
    """Indices of the elements in audible blocks and in the four blocks on both sides."""
    wide = blocks.copy()
    for by in (1, 2, 3, 4):
        wide[by:] |= blocks[:-by]
        wide[:-by] |= blocks[by:]
    rows = np.flatnonzero(wide)
    places = (rows[:, None] * BLOCK + np.arange(BLOCK)[None, :]).reshape(-1)
    tail = np.arange(len(blocks) * BLOCK, count) if len(wide) and wide[-1] else np.zeros(0, np.int64)
    return np.concatenate((places, tail))


def _flac_streams(data: bytes | bytearray | memoryview) -> Iterator[tuple[int, Floats]]:
    """FLAC streams in the bytes, decoded as far as they go, with their offsets."""
    raw = data if isinstance(data, bytes | bytearray) else bytes(data)
    at = raw.find(FLAC_START)
    while at >= 0:
        try:
            with soundfile.SoundFile(BytesIO(raw[at : at + FLAC_BYTES])) as stream:
                pieces = []
                # a torn stream ends in an error: what was decoded until then counts
                with suppress(soundfile.LibsndfileError):
                    while len(piece := stream.read(4096, dtype="float32", always_2d=True)):
                        pieces.append(piece)
        except (soundfile.LibsndfileError, ValueError):
            pieces = []
        if pieces:
            for channel in np.concatenate(pieces).T:
                yield at, np.ascontiguousarray(channel)
        at = raw.find(FLAC_START, at + 1)


def _matches(face: _Face, signal: Floats, places: Places, channels: int, dtype: Dtype) -> Iterator[Match]:
    """Follow every anchor of the signal that resembles one of the reference."""
    margin = np.zeros((FOLLOW_STEPS + 1) * STEP_TAPS * face.step, np.float32)
    once = _smooth_difference(np.concatenate((margin, signal, margin)), face.step)
    padded = _difference(once, face.step)
    peaks = _peaks(padded, face.step)
    seeds = _windows(padded, peaks, face.step) @ face.directions
    colours = _colours(once, padded, peaks, face.step)
    strong = np.square(seeds).sum(axis=1) > SEED_LIKENESS**2
    order = np.flatnonzero(strong)[np.argsort(colours[strong])]
    peaks, seeds, colours = peaks[order], seeds[order], colours[order]
    width = np.dtype(dtype).itemsize
    for pair in _alike(seeds, colours, face):
        mine, theirs = pair
        # most pairs end at once: they are followed all the way only where they agree for a little
        theirs_at = face.anchors[theirs]
        first, steps, likeness = _followed(padded, peaks[mine], face.flat, theirs_at, step=face.step, reach=FIRST_STEPS)
        going = (steps >= REQUIRED[0][0]) & (likeness >= REQUIRED[-1][1])
        mine, theirs = mine[going], theirs[going]
        first, steps, likeness = _followed(
            padded, peaks[mine], face.flat, theirs_at[going], step=face.step, reach=FOLLOW_STEPS
        )
        good = np.zeros(len(mine), np.bool_)
        for least, required in REQUIRED:
            good |= (steps >= least) & (likeness >= required)
        for hit in np.flatnonzero(good):
            back = int(first[hit]) * STEP_TAPS * face.step  # from the anchor to the first sample, negative
            length = int(steps[hit]) * STEP_TAPS * face.step
            begin = int(peaks[mine[hit]]) + back - len(margin)
            begin, end = max(begin, 0), min(begin + length, len(places))
            anchor = theirs[hit]
            yield Match(
                offset=int(places[begin]) * width,
                dtype=dtype,
                channels=channels,
                rate=face.rate,
                correlation=float(likeness[hit]),
                channel=int(face.channels[anchor]),
                reference_s=float((face.anchors[anchor] + back) / face.rate + face.origins[anchor]),
                length=int(places[end - 1] - places[begin] + 1) * width,
                length_s=length / face.rate,
            )


def _alike(seeds: Floats, colours: Floats, face: _Face) -> Iterator[tuple[Places, Places]]:
    """Pairs of seeds that resemble each other, in any polarity; colours rise on both sides."""
    rows, columns = TILE
    for top in range(0, len(seeds), rows):
        some = seeds[top : top + rows]
        edges = (colours[top] - COLOUR_TOLERANCE, colours[top + len(some) - 1] + COLOUR_TOLERANCE)
        low, high = (int(edge) for edge in np.searchsorted(face.colours, edges))
        for left in range(low, high, columns):
            likeness = some @ face.seeds[left : min(left + columns, high)].T
            np.abs(likeness, out=likeness)
            pairs = np.flatnonzero(likeness > SEED_LIKENESS)
            for start in range(0, len(pairs), FOLLOWED_AT_ONCE):
                above, beside = np.divmod(pairs[start : start + FOLLOWED_AT_ONCE], likeness.shape[1])
                yield above + top, beside + left


def _followed(
    mine: Floats, peaks: Places, theirs: Floats, anchors: Places, *, step: int, reach: int
) -> tuple[Places, Places, NDArray[np.float64]]:
    """How far both sides agree around each pair: first step (from the anchor), steps, correlation.

    They are followed for `reach` steps to both sides; `step` is samples per grid sample.
    """
    taps = np.arange(-reach * STEP_TAPS, reach * STEP_TAPS) * step
    shape = (len(peaks), 2 * reach, STEP_TAPS)
    here = mine[peaks[:, None] + taps].reshape(shape)
    there = theirs[anchors[:, None] + taps].reshape(shape)
    product = np.einsum("ijk,ijk->ij", here, there, dtype=np.float64)
    energy_here = np.einsum("ijk,ijk->ij", here, here, dtype=np.float64)
    energy_there = np.einsum("ijk,ijk->ij", there, there, dtype=np.float64)
    # the polarity is that of the two steps around the anchor
    sign = np.sign(product[:, reach - 1 : reach + 1].sum(axis=1))
    agree = product * sign[:, None] > STEP_LIKENESS * np.sqrt(energy_here * energy_there) + 1e-30
    after = np.logical_and.accumulate(agree[:, reach:], axis=1).sum(axis=1)
    before = np.logical_and.accumulate(agree[:, reach - 1 :: -1], axis=1).sum(axis=1)
    within = np.arange(2 * reach)[None, :]
    part = (within >= reach - before[:, None]) & (within < reach + after[:, None])
    both = np.sqrt((energy_here * part).sum(axis=1) * (energy_there * part).sum(axis=1))
    likeness = np.abs((product * part).sum(axis=1)) / np.maximum(both, 1e-30)
    return -before, before + after, likeness


def _merged(found: list[Match]) -> list[Match]:
    """One match for what overlaps: the longest piece says where in the reference it is."""
    merged: list[Match] = []
    for match in sorted(found, key=lambda match: (match.inside, match.dtype, match.channels, match.offset)):
        last = merged[-1] if merged else None
        if (
            last is None
            or (last.inside, last.dtype, last.channels) != (match.inside, match.dtype, match.channels)
            or match.offset > last.offset + last.length
        ):
            merged.append(match)
            continue
        better = max(last, match, key=lambda match: (match.length_s, match.correlation))
        end = max(last.offset + last.length, match.offset + match.length)
        length = end - last.offset
        seconds = length / (np.dtype(last.dtype).itemsize * last.channels * better.rate)
        merged[-1] = replace(better, offset=last.offset, length=length, length_s=seconds)
    return sorted(merged, key=lambda match: match.offset)


# signals


def _smooth_difference(signal: Floats, step: int) -> Floats:
    """Average over one grid sample, then the first difference on the grid; same length."""
    smooth = signal.copy()
    for by in range(1, step):
        smooth[by:] += signal[:-by]
    return _difference(smooth, step)


def _difference(signal: Floats, step: int) -> Floats:
    difference = signal.copy()
    difference[step:] -= np.float32(EMPHASIS) * signal[:-step]
    return difference


def _colours(once: Floats, twice: Floats, places: Places, step: int) -> Floats:
    """How strong the high frequencies are around each place: the logarithm of second over first difference."""
    taps = np.arange(-SEED // 2, SEED // 2) * step
    energies = [np.square(signal[places[:, None] + taps]).sum(axis=1) for signal in (once, twice)]
    return np.asarray(np.log((energies[1] + 1e-30) / (energies[0] + 1e-30)), np.float32)


def _peaks(signal: Floats, step: int) -> Places:
    """Where the magnitude is the greatest within 2 ms on both sides, away from the ends."""
    reach = PEAK_REACH * step
    margin = (FOLLOW_STEPS + 1) * STEP_TAPS * step
    if len(signal) <= 2 * margin:
        return np.zeros(0, np.int64)
    size = np.abs(signal)
    highest, covered = size, 1  # highest[i] covers size[i : i + covered]
    while covered < 2 * reach + 1:
        by = min(covered, 2 * reach + 1 - covered)
        highest, covered = np.maximum(highest[:-by], highest[by:]), covered + by
    middle = size[reach : len(size) - reach]
    peaks = np.flatnonzero((middle >= highest) & (middle > 0)) + reach
    return peaks[(peaks >= margin) & (peaks < len(signal) - margin)]


def _windows(signal: Floats, places: Places, step: int) -> Floats:
    """The 6 ms around each place, of length 1."""
    windows = signal[places[:, None] + np.arange(-SEED // 2, SEED // 2) * step]
    return np.asarray(windows / (np.linalg.norm(windows, axis=1, keepdims=True) + 1e-30), np.float32)
