"""A box that was offline: its data folder with recordings that are closed, consented, and not yet at the archive.

`fill` has them written by the product's own parts (`cli.storage`: spool, ledger, catalog), so that head, keys, clips,
details, lists and manifest are what the box would have made: every clip is encrypted under its own recording's key and
number, every manifest names the ledger as it then was, and `handschlag run` with the same settings drains it. What is
spared is waiting: there is one sync of the disk, at the end, and of the clips' sound there are only few, encoded
once. They are speech as the box records it: the simulated voices at 8 kHz, one leg each, with crosstalk and noise.

Not for a box that runs.
"""

from __future__ import annotations

import itertools
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import soxr
from numpy.typing import NDArray

from handschlag.adapters.files import RealFiles
from handschlag.adapters.flac import CLIP_SAMPLES, FlacCodec
from handschlag.adapters.spool.closing import utc
from handschlag.cli.box import identity_of, policy_of, prompts_of
from handschlag.cli.storage import Storage, open_storage
from handschlag.core.effects import Value
from handschlag.core.events import DiskFailed, Event, FileDurable, RecordingClosed
from handschlag.core.policy import Policy
from handschlag.ports import Closing, ConsentRecord, Opening, Samples
from handschlag.prompts.catalog import Prompts
from handschlag.sealing.trust import read_trust
from handschlag.settings import ConsentSection, Loaded, load
from handschlag.sim.voices import RATE_HZ as VOICES_HZ
from handschlag.sim.voices import load_story
from handschlag.sim.worker import InlineWorker

RATE_HZ = 8000
CROSSTALK = 0.05
NOISE_DBFS = -70.0
BETWEEN_CALLS_S = 60.0
_TAP_BOOT = "5eed"

E = TypeVar("E", bound=Event)


class NotFilled(RuntimeError):
    """The backlog could not be written."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What was written: the recordings, oldest first; how many files and bytes go up to the archive for them."""

    recordings: tuple[str, ...]
    files: int
    size: int


def fill(
    settings: Path, *, recordings: int, seconds: float = 180.0, newest: float | None = None, sync: bool = True
) -> Backlog:
    """Let the box of this settings file have recorded so many calls of that length, one after the other.

    Args:
        settings: its `box.toml`; data folder, name, keys, recipients and retention are taken from there.
        recordings: how many; what is in the folder already stays.
        seconds: of audio in each.
        newest: when the last call ended, seconds since 1970; a minute ago when absent.
        sync: wait for the disk at the end; who fills many boxes waits once, after the last.

    Raises:
        NotFilled: the disk refused something.
    """
    loaded = load(settings)
    trust_name = loaded.settings.box.trust
    trust = read_trust(loaded.path(trust_name).read_bytes(), trust_name)
    ended_at = time.time() - BETWEEN_CALLS_S if newest is None else newest
    told: list[Event] = []
    clock = _CallClock(ended_at - recordings * (seconds + BETWEEN_CALLS_S))
    kept = open_storage(
        loaded.path(loaded.settings.box.data),
        identity=identity_of(loaded, trust),
        boot=secrets.token_hex(8),
        files=_UnsyncedFiles(),
        worker=lambda _name: InlineWorker(on_error=_raise),
        codec=_Spoken(),
        clock=clock,
        post=told.append,
        reserve_bytes=0,
    )
    policy = policy_of(loaded, _said(loaded))
    made: list[str] = []
    files = size = 0
    try:
        kept.ledger.append("boot", {"version": policy.version, "settings": policy.settings_hash}, 0)
        for number in range(1, recordings + 1):
            made.append(_call(kept, policy, clock, told, seconds=seconds, number=number))
            durable = _of(told, FileDurable)
            files += len(durable)
            size += sum(event.size for event in durable)
            told.clear()
    finally:
        for part in (kept.spool, kept.ledger, kept.catalog):
            part.close()
    if sync:
        os.sync()
    return Backlog(tuple(made), files, size)


def speech(seconds: float) -> Iterator[int]:
    """The samples of each clip of a call: whole clips, and what is left."""
    left = round(seconds * RATE_HZ)
    while left > 0:
        yield min(left, CLIP_SAMPLES)
        left -= CLIP_SAMPLES


def _call(kept: Storage, policy: Policy, clock: _CallClock, told: list[Event], *, seconds: float, number: int) -> str:
    """A call that is answered, agreed to, recorded and closed."""
    recording = _new_id(clock.wall()[0])
    seizure: dict[str, Value] = {"tap_boot": _TAP_BOOT, "seizure": number}
    ledger = kept.ledger
    ledger.append("call", {"at_end": False, **seizure, "incoming": True}, 0)
    text: dict[str, Value] = {"text_version": policy.text_version, "text_hash": policy.text_hash}
    ledger.append("granted", {"recording": recording, "way": "key", **seizure, **text, "leg": "far"}, 0)
    agreed_at, consent_seq = utc(clock.wall()[0]), ledger.durable()[0]
    evidence = {"way": "key", "at": agreed_at, **text, "leg": "far", "held_ms": 180}
    caller = {"direction": "incoming", "numbers": {"caller": {"number": f"030{number:07}"}}, "evidence": evidence}
    kept.spool.open(Opening(recording, _TAP_BOOT, number, agreed_at, "synced", RATE_HZ, 2, caller))
    kept.spool.write_keys(recording)
    ledger.append("opened", {"recording": recording}, 0)
    for index, samples in enumerate(speech(seconds)):
        if not kept.spool.add_clip(recording, index, index * CLIP_SAMPLES, np.zeros((samples, 2), np.int16)):
            raise NotFilled(f"{recording}: clip {index} was not taken")
    clock.passed(seconds)
    ended: dict[str, Value] = {"outcome": "recorded", "bar": "", "ended": "idle", "seconds": seconds}
    ledger.append("call", {"at_end": True, **seizure, **ended}, 0)
    consent = ConsentRecord("key", agreed_at, policy.text_version, policy.text_hash, 9.5, "far", consent_seq, "synced")
    closing = Closing(
        recording, "idle", utc(clock.wall()[0]), "synced", consent, *ledger.durable(), (), {"evidence": evidence}
    )
    kept.spool.close_recording(closing)
    failed = [event.what for event in _of(told, DiskFailed)]
    closed = _of(told, RecordingClosed)
    if failed or len(closed) != 1:
        raise NotFilled(f"{recording}: {failed[0] if failed else 'was not closed'}")
    ledger.append("closed", {"recording": recording, "manifest": closed[0].manifest_hash}, 0)
    kept.catalog.save(recording, {"state": "queued", "attempts": 0, "reason": ""})
    clock.passed(BETWEEN_CALLS_S)
    return recording


def _said(loaded: Loaded) -> Prompts:
    """The announcements; checking their sound takes longer than a call does here, so that it is done once."""
    consent = loaded.settings.consent
    key = (consent, loaded.path(consent.prompts))
    if key not in _known:
        _known[key] = prompts_of(loaded)
    return _known[key]


_known: dict[tuple[ConsentSection, Path], Prompts] = {}


def _of(told: list[Event], kind: type[E]) -> list[E]:
    return [event for event in told if isinstance(event, kind)]


def _new_id(wall: float) -> str:
    """A UUIDv7 (RFC 9562, 5.7)."""
    raw = bytearray(int(wall * 1000).to_bytes(6, "big") + secrets.token_bytes(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _raise(error: Exception) -> None:
    raise error


class _CallClock:
    """A clock that stands still within a call's events and goes on when it is told."""

    def __init__(self, wall: float) -> None:
        self._wall = wall
        self._passed = 0.0

    def passed(self, seconds: float) -> None:
        """So much later."""
        self._passed += seconds

    def mono(self) -> float:
        return 100.0 + self._passed

    def wall(self) -> tuple[float, bool]:
        return self._wall + self._passed, True

    def utc_offset_s(self) -> float:
        return 0.0

    def wait_s(self, until: float) -> float | None:  # noqa: ARG002 - the port's signature
        return None


class _UnsyncedFiles(RealFiles):
    """The real operations, without waiting for the disk."""

    def fsync(self, path: str) -> None:
        """Later, all at once."""

    def fsync_dir(self, path: str) -> None:
        """Later, all at once."""


class _Spoken(FlacCodec):
    """Gives the next of a few clips of real speech, whatever it is given."""

    def __init__(self) -> None:
        super().__init__()
        self._next = itertools.count()

    def encode(self, samples: Samples, sample_rate: int) -> bytes:
        """Speech of that length."""
        whole = _clips()
        chosen = next(self._next) % len(whole)
        if len(samples) == CLIP_SAMPLES:
            return whole[chosen]
        return super().encode(_conversation()[: len(samples)], sample_rate)


@cache
def _clips() -> tuple[bytes, ...]:
    """Whole clips of the conversation, as FLAC."""
    spoken = _conversation()
    codec = FlacCodec()
    starts = range(0, len(spoken) - CLIP_SAMPLES + 1, CLIP_SAMPLES)
    return tuple(codec.encode(spoken[start : start + CLIP_SAMPLES], RATE_HZ) for start in starts)


@cache
def _conversation() -> Samples:
    """What far and near say in one call, (samples, 2), far first."""
    legs: list[list[NDArray[np.float32]]] = [[], []]
    for line in load_story("boiler"):
        said = np.asarray(soxr.resample(line.samples, VOICES_HZ, RATE_HZ), np.float32)
        speaks = line.speaker == "near"
        legs[speaks].append(said)
        legs[not speaks].append(said * np.float32(CROSSTALK))
    rng = np.random.default_rng(1)
    both = np.stack([np.concatenate(leg) for leg in legs], axis=1)
    noisy = both + rng.normal(0.0, 10 ** (NOISE_DBFS / 20), both.shape)
    return np.asarray(np.clip(np.rint(noisy * 32767), -32768, 32767), np.int16)
