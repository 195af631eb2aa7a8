"""`handschlag hear`: what the detectors hear in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import soundfile
import typer

from handschlag.errors import HandschlagError
from handschlag.hearing import Ear, Event
from handschlag.hearing.ear import Mode
from handschlag.hearing.report import lines

BLOCK_S = 1
HOPS = 100


class BadAudio(HandschlagError, ValueError):
    """A file in which nothing can be heard."""


def hear(
    file: Annotated[Path, typer.Argument(help="A WAV file. | Eine WAV-Datei.")],
    audio: Annotated[str, typer.Option("--audio", help="vi: voltage, current; legs: far, near; mix: one channel")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line. | JSON je Zeile.")] = False,
) -> None:
    """Tell what the detectors hear, with times. | Sagen, was die Erkenner hören."""
    for said in lines(heard(file, audio)):
        if as_json:
            print(json.dumps(said))
        else:
            rest = " ".join(f"{name}={value}" for name, value in said.items() if name not in {"kind", "start", "end"})
            print(f"{said['start']:9.3f} {said['end']:9.3f}  {said['kind']:7} {rest}")


def heard(file: Path, audio: str) -> list[Event]:
    """All events of a file.

    Raises:
        BadAudio: no audio file, or channels that do not fit `audio`.
    """
    try:
        with soundfile.SoundFile(file) as sound:
            mode = _mode(file, audio, sound.channels)
            ear = Ear(sound.samplerate, mode, hops=HOPS)
            events: list[Event] = []
            while True:
                frames = sound.read(sound.samplerate * BLOCK_S, dtype="float32", always_2d=True)
                if not len(frames):
                    break
                events += ear.feed(frames).events
            events += ear.flush().events
    except (OSError, soundfile.LibsndfileError) as error:
        raise BadAudio(f"{file}: is no audio file that can be read; allowed is WAV or FLAC") from error
    return events


def _mode(file: Path, audio: str, channels: int) -> Mode:
    wanted = audio or ("mix" if channels == 1 else "vi")
    modes: dict[str, tuple[Mode, int]] = {"vi": ("vi", 2), "legs": ("legs", 2), "mix": ("mix", 1)}
    if wanted not in modes:
        raise BadAudio(f"--audio {audio}: allowed are vi, legs and mix")
    mode, needed = modes[wanted]
    if channels != needed:
        raise BadAudio(f"{file}: has {channels} channels; --audio {mode} needs {needed}")
    return mode
