"""`handschlag hear`: what the detectors hear in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import soundfile
import typer

from handschlag.cli.quality_words import sentences
from handschlag.errors import HandschlagError
from handschlag.hearing import Ear, Event, Heard, KeyHeard, Quality, QualityMeter, SpeechHeard
from handschlag.hearing.ear import Mode
from handschlag.hearing.events import RATE
from handschlag.hearing.quality import clipped_runs
from handschlag.hearing.report import lines

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
    events, verdict = heard_with_quality(file, audio)
    for said in lines(events):
        if as_json:
            print(json.dumps(said))
        else:
            rest = " ".join(f"{name}={value}" for name, value in said.items() if name not in {"kind", "start", "end"})
            print(f"{said['start']:9.3f} {said['end']:9.3f}  {said['kind']:7} {rest}")
    if quality and as_json:
        details = verdict.details()
        print(json.dumps({"kind": "quality", **details["quality"], "levels": details["levels"]}))
    elif quality:
        print(" | ".join(sentences([verdict.details()]) or ()))


def heard(file: Path, audio: str) -> list[Event]:
    """All events of a file; raises BadAudio as `heard_with_quality`."""
    return heard_with_quality(file, audio)[0]


def heard_with_quality(file: Path, audio: str) -> tuple[list[Event], Quality]:
    """All events of a file, and its quality. Keys are not counted, as they are masked in a recording.

    Raises:
        BadAudio: no audio file, or channels that do not fit `audio`.
    """
    try:
        with soundfile.SoundFile(file) as sound:
            mode = _mode(file, audio, sound.channels)
            ear = Ear(sound.samplerate, mode, hops=HOPS)
            meter = QualityMeter(ear.leg_count)
            events: list[Event] = []
            left = -(-sound.frames * RATE // sound.samplerate)
            while True:
                frames = sound.read(sound.samplerate * BLOCK_S, dtype="float32", always_2d=True)
                said = ear.feed(frames) if len(frames) else ear.flush()
                events += said.events
                _tell(meter, said, clipped_runs(frames))
                meter.feed(said.legs[: max(left - said.position, 0)], said.position)
                if not len(frames):
                    break
    except (OSError, soundfile.LibsndfileError) as error:
        raise BadAudio(f"{file}: is no audio file that can be read; allowed is WAV or FLAC") from error
    return events, meter.finish()


def _tell(meter: QualityMeter, said: Heard, clipped: int) -> None:
    for event in said.events:
        if isinstance(event, SpeechHeard):
            meter.hear(event)
        elif isinstance(event, KeyHeard):
            meter.mask(event.start, event.end)
    meter.clip_input(clipped)


def _mode(file: Path, audio: str, channels: int) -> Mode:
    wanted = audio or ("mix" if channels == 1 else "vi")
    modes: dict[str, tuple[Mode, int]] = {"vi": ("vi", 2), "legs": ("legs", 2), "mix": ("mix", 1)}
    if wanted not in modes:
        raise BadAudio(f"--audio {audio}: allowed are vi, legs and mix")
    mode, needed = modes[wanted]
    if channels != needed:
        raise BadAudio(f"{file}: has {channels} channels; --audio {mode} needs {needed}")
    return mode
