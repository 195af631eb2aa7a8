"""`handschlag hear`: what the detectors hear in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import soundfile
import typer

from handschlag.cli.quality_words import sentences
from handschlag.errors import HandschlagError
from handschlag.hearing import Ear, Event, Heard, HearingError, KeyHeard, Quality, QualityMeter, SpeechHeard
from handschlag.hearing.capture import EDGE
from handschlag.hearing.ear import Mode
from handschlag.hearing.events import RATE
from handschlag.hearing.quality import clipped_runs
from handschlag.hearing.report import lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Frames = NDArray[np.float32]

BLOCK_S = 1
HOPS = 100


class BadAudio(HandschlagError, ValueError):
    """A file in which nothing can be heard."""


def hear(
    file: Annotated[Path, typer.Argument(help="A WAV file. | Eine WAV-Datei.")],
    audio: Annotated[str, typer.Option("--audio", help="vi: voltage, current; legs: far, near; mix: one channel")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line. | JSON je Zeile.")] = False,
    quality: Annotated[bool, typer.Option("--quality", help="And how good it is. | Und wie gut es ist.")] = False,
) -> None:
    """Tell what the detectors hear, with times. | Sagen, was die Erkenner hören."""
    verdict: Quality | None = None
    if quality:
        events, verdict = heard_with_quality(file, audio)
    else:
        events = heard(file, audio)
    for said in lines(events):
        if as_json:
            print(json.dumps(said))
        else:
            rest = " ".join(f"{name}={value}" for name, value in said.items() if name not in {"kind", "start", "end"})
            span = f"{said['start']:9.3f} {said['end']:9.3f}" if "start" in said else " " * 19
            print(f"{span}  {said['kind']:9} {rest}")
    if verdict is None:
        return
    if as_json:
        details = verdict.details()
        print(json.dumps({"kind": "quality", **details["quality"], "levels": details["levels"]}))
    else:
        print(" | ".join(sentences([verdict.details()]) or ()))


def heard(file: Path, audio: str) -> list[Event]:
    """All events of a file; raises BadAudio as `heard_with_quality`."""
    return [event for _, said, _ in _blocks(file, audio) for event in said.events]


def heard_with_quality(file: Path, audio: str) -> tuple[list[Event], Quality]:
    """All events of a file, and its quality. Keys are not counted, as they are masked in a recording.

    Raises:
        BadAudio: no audio file, or a rate or channels that do not fit.
    """
    events: list[Event] = []
    meter: QualityMeter | None = None
    for left, said, frames in _blocks(file, audio):
        events += said.events
        meter = meter or QualityMeter(said.legs.shape[1], separated=audio == "legs")  # no calibration for files
        _tell(meter, said, clipped_runs(frames))
        meter.feed(said.legs[:left], said.position)
    assert meter is not None  # noqa: S101 - there is always the flush
    return events, meter.finish()


def _blocks(file: Path, audio: str) -> Iterator[tuple[int, Heard, Frames]]:
    """Per block: how many of its legs' samples are the file's, what was heard, and the frames themselves."""
    try:
        with soundfile.SoundFile(file) as sound:
            ear = _ear(file, audio, sound.channels, sound.samplerate)
            wanted = -(-sound.frames * RATE // sound.samplerate)
            for frames in _frames(sound):
                said = ear.feed(frames) if len(frames) else ear.flush()
                yield max(wanted - said.position, 0), said, frames
    except (OSError, soundfile.LibsndfileError) as error:
        if not file.exists():
            raise BadAudio(f"{file}: there is no such file") from error
        raise BadAudio(f"{file}: is no audio file that can be read; allowed is WAV or FLAC") from error


def _frames(sound: soundfile.SoundFile) -> Iterator[Frames]:
    """Blocks of a second; the last one is empty."""
    while True:
        frames = sound.read(sound.samplerate * BLOCK_S, dtype="float32", always_2d=True)
        yield frames
        if not len(frames):
            return


def _tell(meter: QualityMeter, said: Heard, clipped: int) -> None:
    for event in said.events:
        if isinstance(event, SpeechHeard):
            meter.hear(event)
        elif isinstance(event, KeyHeard):
            meter.mask(event.start - EDGE, event.end + EDGE)
    meter.clip_input(clipped)


def _ear(file: Path, audio: str, channels: int, rate: int) -> Ear:
    wanted = audio or ("mix" if channels == 1 else "vi")
    modes: dict[str, tuple[Mode, int]] = {"vi": ("vi", 2), "legs": ("legs", 2), "mix": ("mix", 1)}
    if wanted not in modes:
        raise BadAudio(f"--audio {audio}: allowed are vi, legs and mix")
    mode, needed = modes[wanted]
    if channels != needed:
        raise BadAudio(f"{file}: has {channels} channels; --audio {mode} needs {needed}")
    try:
        return Ear(rate, mode, hops=HOPS)
    except HearingError as error:
        raise BadAudio(f"{file}: {error}") from error
