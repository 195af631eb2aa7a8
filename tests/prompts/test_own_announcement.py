"""A workshop's own announcements: a folder with its WAV files, their exact texts, and the marks."""

from __future__ import annotations

import hashlib
import re
import shutil
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handschlag.core.retention import Retention, keep_until, period
from handschlag.prompts.catalog import BadPrompts, load, shipped_folder
from handschlag.prompts.check import Language, Period

TEXT = (
    "Hier ist die Dachdeckerei Sturm. Dürfen wir dieses Gespräch aufzeichnen, um Ihren Auftrag zu dokumentieren? "
    "Wir bewahren es zwei Jahre auf. Das ist freiwillig. Widerrufen können Sie jederzeit mit der 9. "
    "Für Ja drücken Sie jetzt die 1."
)


def wav(path: Path, seconds: float, *, rate_hz: int = 16000, channels: int = 1) -> str:
    """A spoken file, as far as the check can tell; gives its hash."""
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    samples = (8000 * np.sin(2 * np.pi * 200 * t) * (1 + np.sin(2 * np.pi * 3 * t)) / 2).astype("<i2")
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate_hz)
        sound.writeframes(np.repeat(samples, channels).tobytes())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def own(folder: Path, *, seconds: float = 11.0, mark_s: str = "mark_s = 10.8", **sound: int) -> Path:
    """The shipped folder with the workshop's own announcement in it."""
    shutil.copytree(shipped_folder("de"), folder)
    digest = wav(folder / "announcement.wav", seconds, **sound)
    lines = (folder / "prompts.toml").read_text(encoding="utf-8")
    lines = lines.replace("Firma Muster", "Dachdeckerei Sturm").replace("3 years after year-end", "2 years")
    entry = f'file = "announcement.wav"\ntext = "{TEXT}"\nlength_s = {seconds}\n{mark_s}\nsha256 = "{digest}"\n\n'
    lines = re.sub(r"(\[announcement\]\n).*?(?=\[details\])", lambda m: m[1] + entry, lines, flags=re.DOTALL)
    (folder / "prompts.toml").write_text(lines, encoding="utf-8")
    return folder


def test_an_own_announcement_is_played_as_it_is(tmp_path: Path) -> None:
    """Its text, its mark, its length and the hash of its file are what the consent record names."""
    folder = own(tmp_path / "own")
    said = load("de", folder, kept=Period(2, "years"))
    one = said.announcement
    assert (one.text, one.mark_s, one.length_s) == (TEXT, 10.8, 11.0)
    assert one.sha256 == hashlib.sha256((folder / "announcement.wav").read_bytes()).hexdigest()
    assert one.text_sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert len(one.samples) == 11 * 48000
    assert said.company == "Dachdeckerei Sturm"


def _edit(old: str, new: str) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        path = folder / "prompts.toml"
        lines = path.read_text(encoding="utf-8")
        assert old in lines
        path.write_text(lines.replace(old, new, 1), encoding="utf-8")

    return edit


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "other sound": (lambda folder: wav(folder / "announcement.wav", 11.5), "sha256"),
    "no sound": (lambda folder: (folder / "announcement.wav").unlink(), "cannot be read"),
    "no folder": (shutil.rmtree, "cannot be read"),
    "other text": (_edit("Das ist freiwillig. ", ""), "voluntary"),
    "other period": (_edit('period = "2 years"', 'period = "90 days"'), "make them equal"),
    "endless": (_edit('period = "2 years"', 'period = "forever"'), "forever"),
    "other company": (_edit("die Dachdeckerei Sturm. Dürfen", "die Firma Blitz. Dürfen"), "name the company"),
    "no mark": (_edit("mark_s = 10.8\n", ""), "mark_s is missing"),
    "mark after the end": (_edit("mark_s = 10.8", "mark_s = 11.2"), "mark_s = 11.2"),
    "mark at the beginning": (_edit("mark_s = 10.8", "mark_s = 0.0"), "mark_s = 0.0"),
    "other length": (_edit("length_s = 11.0", "length_s = 9.0"), "lasts 11.000 s"),
    "a path": (_edit('file = "announcement.wav"', 'file = "../announcement.wav"'), "plain name"),
    "unknown key": (_edit("mark_s = 10.8", "mark_s = 10.8\nvolume = 3"), "volume"),
    "no toml": (_edit("language", "= ="), "is not TOML"),
}


@pytest.mark.parametrize("fault", BAD)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, fault: str) -> None:
    """Sound, text, mark and period belong together; the error names what is wrong."""
    folder = own(tmp_path / "own")
    spoil, says = BAD[fault]
    spoil(folder)
    with pytest.raises(BadPrompts, match=re.escape(says)):
        load("de", folder)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"seconds": 18.5}, "at most 18 s"),
        ({"seconds": 17.5, "mark_s": "mark_s = 16.5"}, "at most 16.00 s"),
        ({"rate_hz": 44100}, "44100 Hz"),
        ({"channels": 2}, "2 channels"),
    ],
)
def test_limits_of_an_announcement(tmp_path: Path, made: dict[str, object], says: str) -> None:
    """At most 18 s, the mark within 16 s, mono, at a rate that is converted exactly."""
    with pytest.raises(BadPrompts, match=re.escape(says)):
        load("de", own(tmp_path / "own", **made))  # type: ignore[arg-type] # a table of keywords


def test_another_language_is_refused(tmp_path: Path) -> None:
    """An English box does not ask in German."""
    with pytest.raises(BadPrompts, match="ask for 'en'"):
        load("en", own(tmp_path / "own"))


def test_the_announced_period_is_the_one_that_the_box_keeps(tmp_path: Path) -> None:
    """Two years are announced: a box that keeps recordings for three years or five refuses it, and says both."""
    folder = own(tmp_path / "own")
    for kept_for in Retention:
        if kept_for is Retention.REPAIR:
            continue
        says = f"'2 years', but the box keeps recordings for '{period(kept_for)}'"
        with pytest.raises(BadPrompts, match=re.escape(says)):
            load("de", folder, kept=Period.parse(period(kept_for)))


@pytest.mark.parametrize("kept_for", Retention)
def test_the_words_of_each_retention_are_what_it_keeps(kept_for: Retention) -> None:
    """What the announcement must say is what the date is computed from."""
    said = Period.parse(period(kept_for))
    years = (keep_until(kept_for, 1_780_000_000.0).timestamp() - 1_780_000_000.0) / (365.25 * 86400)
    length = said.count / 365.25 if said.unit == "days" else said.count
    assert length - 0.01 <= years <= length + (1.0 if said.after == "year-end" else 0.01)


@pytest.mark.parametrize("language", ["de", "en"])
def test_what_is_shipped_keeps_the_limits(language: Language) -> None:
    """Mark within 16 s, at most 18 s, and the period of the default settings."""
    said = load(language, kept=Period.parse(period(Retention.ORDER)))
    assert said.announcement.mark_s is not None
    assert said.announcement.mark_s <= said.announcement.length_s <= 18.0
