"""Loads one language's prompts, and refuses a folder that does not fit together.

A folder holds `prompts.toml` (language, version, company, period, and per prompt its file, exact text, length,
mark and SHA-256) and the WAV files: mono, 16 bit, at 8, 16 or 48 kHz. The *mark* is the place, in seconds from
the start, after which key 1 counts: the end of the sentence that names the key.

Nothing is played that does not match its entry bit by bit: what a customer agreed to is proven by the text and
hash of the announcement.
"""

import hashlib
import tomllib
import wave
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import soxr
from numpy.typing import NDArray

from handschlag.errors import HandschlagError
from handschlag.prompts import sounds
from handschlag.prompts.check import BadPeriod, Language, Period, check_sound, check_text

RATE_HZ = sounds.RATE_HZ
STORED_RATES_HZ = (8000, 16000, 48000)
MAX_MARK_S = 16.0
MAX_ANNOUNCEMENT_S = 18.0
MAX_PROMPT_S = 60.0
LENGTH_TOLERANCE_S = 0.005

Sentence = Literal["announcement", "details", "press_now", "refused", "withdrawn", "cancelled"]
Signal = Literal["start", "stop", "denied"]


class BadPrompts(HandschlagError, ValueError):
    """A folder of prompts that must not be used."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """One thing the box can say: sound (float32, mono, 48 kHz, full scale 1.0) and the exact text of it.

    `mark_s` is set where a key is asked for. `sha256` (hex) is that of the WAV file; for computed signals, that
    of the samples as little-endian float32.
    """

    name: str
    text: str
    samples: NDArray[np.float32]
    length_s: float
    mark_s: float | None
    version: str
    sha256: str

    @property
    def text_sha256(self) -> str:
        """SHA-256 (hex) of the text in UTF-8, for the consent record."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Prompts:
    """All that the box says in one language; `company` and `period` are what the announcement names."""

    language: Language
    version: str
    company: str
    period: Period
    announcement: Prompt
    details: Prompt
    press_now: Prompt
    refused: Prompt
    withdrawn: Prompt
    cancelled: Prompt
    start: Prompt
    stop: Prompt
    denied: Prompt

    def every(self) -> tuple[Prompt, ...]:
        """All prompts and signals, for a table by name."""
        return (
            self.announcement,
            self.details,
            self.press_now,
            self.refused,
            self.withdrawn,
            self.cancelled,
            self.start,
            self.stop,
            self.denied,
        )


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    file: str
    text: str
    length_s: float
    sha256: str
    mark_s: float | None = None


class _Folder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    language: Language
    version: str
    company: str
    period: str
    announcement: _Entry
    details: _Entry
    press_now: _Entry
    refused: _Entry
    withdrawn: _Entry
    cancelled: _Entry
    voice: str = ""


def shipped_folder(language: Language) -> Path:
    """The folder of the prompts that come with the product."""
    return Path(__file__).parent / language


def load(language: Language, folder: Path | None = None, *, kept: Period | None = None) -> Prompts:
    """Load the prompts of a language, from the workshop's own folder or as shipped.

    With `kept`, the period for which the box keeps recordings, the announcement must say that one.
    Raises `BadPrompts`, which names the file, the key and what is allowed.
    """
    folder = shipped_folder(language) if folder is None else folder
    path = folder / "prompts.toml"
    entries = _read(path)
    if entries.language != language:
        raise BadPrompts(f"{path}: language = {entries.language!r}: the settings ask for {language!r}")
    if not 1 <= len(entries.version) <= 32 or not entries.version.isprintable():
        raise BadPrompts(f"{path}: version = {entries.version!r}: 1 to 32 printable characters are allowed")
    try:
        period = Period.parse(entries.period)
    except BadPeriod as error:
        raise BadPrompts(f"{path}: {error}") from error
    if kept is not None and period != kept:
        raise BadPrompts(
            f"{path}: period = {entries.period!r}, but the box keeps recordings for '{kept}' (consent.retention):"
            " choose the retention that is announced, or record an announcement that says this period"
        )
    problems = check_text(entries.announcement.text, language, period, entries.company)
    if problems:
        raise BadPrompts(f"{path}: announcement.text: {'; '.join(problems)}")

    def sentence(name: Sentence, *, asks: bool = False, longest_s: float = MAX_PROMPT_S) -> Prompt:
        entry: _Entry = getattr(entries, name)
        return _prompt(path, name, entry, entries.version, asks=asks, longest_s=longest_s)

    return Prompts(
        language=language,
        version=entries.version,
        company=entries.company,
        period=period,
        announcement=sentence("announcement", asks=True, longest_s=MAX_ANNOUNCEMENT_S),
        details=sentence("details", asks=True),
        press_now=sentence("press_now"),
        refused=sentence("refused"),
        withdrawn=sentence("withdrawn"),
        cancelled=sentence("cancelled"),
        start=_signal("start", sounds.start()),
        stop=_signal("stop", sounds.stop()),
        denied=_signal("denied", sounds.denied()),
    )


def _read(path: Path) -> _Folder:
    try:
        raw = path.read_text(encoding="utf-8")
        return msgspec.convert(tomllib.loads(raw), _Folder)
    except OSError as error:
        raise BadPrompts(
            f"{path}: cannot be read ({error.strerror}): a folder of prompts holds prompts.toml and its WAV files"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadPrompts(f"{path}: is not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise BadPrompts(f"{path}: {error}") from error


def _prompt(path: Path, name: Sentence, entry: _Entry, version: str, *, asks: bool, longest_s: float) -> Prompt:
    sound_path = path.parent / entry.file
    if Path(entry.file).name != entry.file:
        raise BadPrompts(f"{path}: {name}.file = {entry.file!r}: a plain name in the same folder is allowed")
    try:
        raw = sound_path.read_bytes()
    except OSError as error:
        raise BadPrompts(f"{path}: {name}.file = {entry.file!r}: cannot be read ({error.strerror})") from error
    sha256 = hashlib.sha256(raw).hexdigest()
    if sha256 != entry.sha256:
        raise BadPrompts(
            f"{path}: {name}.sha256 = {entry.sha256!r}: {entry.file} has {sha256};"
            " text and sound must be changed together"
        )
    stored, rate_hz = _wav(raw, sound_path)
    length_s = len(stored) / rate_hz
    problems = check_sound(stored, rate_hz)
    if problems:
        raise BadPrompts(f"{sound_path}: {name}: {'; '.join(problems)}")
    if abs(entry.length_s - length_s) > LENGTH_TOLERANCE_S:
        raise BadPrompts(f"{path}: {name}.length_s = {entry.length_s}: {entry.file} lasts {length_s:.3f} s")
    if length_s > longest_s:
        raise BadPrompts(f"{sound_path}: {name} lasts {length_s:.1f} s: at most {longest_s:.0f} s are allowed")
    _check_mark(path, name, entry, length_s, asks=asks)
    samples = stored if rate_hz == RATE_HZ else soxr.resample(stored, rate_hz, RATE_HZ)
    return Prompt(
        name=name,
        text=entry.text,
        samples=np.ascontiguousarray(samples, np.float32),
        length_s=length_s,
        mark_s=entry.mark_s,
        version=version,
        sha256=sha256,
    )


def _check_mark(path: Path, name: Sentence, entry: _Entry, length_s: float, *, asks: bool) -> None:
    latest_s = min(MAX_MARK_S, length_s) if name == "announcement" else length_s
    if not asks:
        if entry.mark_s is not None:
            raise BadPrompts(f"{path}: {name}.mark_s: only announcement and details ask for a key")
    elif entry.mark_s is None:
        raise BadPrompts(f"{path}: {name}.mark_s is missing: say after how many seconds key 1 has been named")
    elif not 0 < entry.mark_s <= latest_s:
        raise BadPrompts(f"{path}: {name}.mark_s = {entry.mark_s}: above 0 and at most {latest_s:.2f} s are allowed")


def _wav(raw: bytes, path: Path) -> tuple[NDArray[np.float32], int]:
    """Samples (float32, full scale 1.0) and rate of a WAV file."""
    allowed = "mono, 16 bit, 8000, 16000 or 48000 Hz are allowed"
    try:
        with wave.open(BytesIO(raw)) as sound:
            channels, width, rate_hz = sound.getnchannels(), sound.getsampwidth(), sound.getframerate()
            if channels != 1 or width != 2 or rate_hz not in STORED_RATES_HZ:
                raise BadPrompts(f"{path}: {channels} channels, {8 * width} bit, {rate_hz} Hz: {allowed}")
            frames = sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as error:
        raise BadPrompts(f"{path}: is no WAV file ({error}): {allowed}") from error
    if len(frames) % 2:
        raise BadPrompts(f"{path}: ends within a sample: {allowed}")
    return np.frombuffer(frames, "<i2").astype(np.float32) / np.float32(32768.0), rate_hz


def _signal(name: Signal, samples: NDArray[np.float32]) -> Prompt:
    return Prompt(
        name=name,
        text="",
        samples=samples,
        length_s=len(samples) / RATE_HZ,
        mark_s=None,
        version="1",
        sha256=hashlib.sha256(samples.astype("<f4").tobytes()).hexdigest(),
    )
