"""The lines of three simulated two-party calls: German, several voices, a workshop (`near`) and its customers.

| story | what happens |
|---|---|
| `boiler` | a customer agrees on a new boiler's price and date, and says yes to the recording |
| `tap` | a customer with a leaking tap answers the question with no key |
| `withdrawal` | a customer says yes, and takes it back with key 9 |

Each line says in which part of the call it belongs: `before` the question is answered, `after` it, or
`withdrawn`, after key 9. `tools/make-sounds` spoke them with SVOX Pico and eSpeak NG.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import msgspec
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from handschlag.errors import HandschlagError

RATE_HZ = 48000
FOLDER = Path(__file__).parent / "voices"

Story = Literal["boiler", "tap", "withdrawal"]
Speaker = Literal["far", "near"]
Part = Literal["before", "after", "withdrawn"]
STORIES: tuple[Story, ...] = get_args(Story)


class BadStory(HandschlagError, ValueError):
    """A story that does not exist or cannot be read."""


@dataclass(frozen=True, eq=False)
class Line:
    """What one party says in one breath: float32, mono, 48 kHz, about -16 dBm0 while speaking."""

    speaker: Speaker
    text: str
    samples: NDArray[np.float32]
    part: Part

    @property
    def length_s(self) -> float:
        """How long it takes to say."""
        return len(self.samples) / RATE_HZ


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    speaker: Speaker
    part: Part
    text: str
    file: str


def load_story(name: Story, folder: Path = FOLDER) -> list[Line]:
    """All lines of a story in the order in which they are said."""
    path = folder / "script.toml"
    try:
        script = tomllib.loads(path.read_text(encoding="utf-8"))
        stories = msgspec.convert(script, dict[str, list[_Entry]])
    except (OSError, ValueError) as error:
        raise BadStory(f"{path}: cannot be read: {error}") from error
    if name not in stories:
        raise BadStory(f"{path}: story {name!r}: allowed are {', '.join(stories)}")
    return [Line(entry.speaker, entry.text, _samples(folder / entry.file), entry.part) for entry in stories[name]]


def _samples(path: Path) -> NDArray[np.float32]:
    try:
        stored, rate_hz = soundfile.read(path, dtype="float32")
    except (OSError, soundfile.LibsndfileError) as error:
        raise BadStory(f"{path}: cannot be read: {error}") from error
    if stored.ndim != 1:
        raise BadStory(f"{path}: {stored.shape[1]} channels: mono is allowed")
    return np.asarray(stored if rate_hz == RATE_HZ else soxr.resample(stored, rate_hz, RATE_HZ), np.float32)
