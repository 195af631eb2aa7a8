"""Whether an announcement may be used: what its text must say, and what its sound must not contain.

Consent counts only when it was informed (Art. 4 (11), 7 and 13 GDPR), so a text must name, in this order: who
asks, what for, how long it is kept, that it is voluntary, how to withdraw, and the key for yes. The check reads
for the words that a sentence about each of these cannot do without; it finds what was forgotten, it does not
judge the law. The period said must be the period that the box is set to, or the answer would be to another
question.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from handschlag.errors import HandschlagError

Language = Literal["de", "en"]
Unit = Literal["days", "weeks", "months", "years"]
From = Literal["call", "year-end", "acceptance"]

_UNITS: tuple[Unit, ...] = ("days", "weeks", "months", "years")
_STARTS: tuple[From, ...] = ("call", "year-end", "acceptance")


class BadPeriod(HandschlagError, ValueError):
    """A retention period that cannot be read."""


@dataclass(frozen=True)
class Period:
    """How long recordings are kept: a count of units, after the call, its year's end, or the work's acceptance."""

    count: int
    unit: Unit
    after: From = "call"

    @classmethod
    def parse(cls, text: str) -> "Period":
        """Read a period as settings write it: "90 days", "3 years after year-end", "5 years after acceptance"."""
        found = re.fullmatch(r"(\d{1,4}) (day|week|month|year)s?(?: after (call|year-end|acceptance))?", text)
        if found is None or int(found[1]) == 0:
            raise BadPeriod(
                f"period = {text!r}: write a count, days, weeks, months or years, and what it follows,"
                ' as in "90 days", "3 years after year-end" or "5 years after acceptance"'
            )
        unit = next(unit for unit in _UNITS if unit.startswith(found[2]))
        after = next(start for start in _STARTS if start == (found[3] or "call"))
        return cls(int(found[1]), unit, after)

    def __str__(self) -> str:
        """Give the form that `parse` reads."""
        unit = self.unit[:-1] if self.count == 1 else self.unit
        return f"{self.count} {unit}" + ("" if self.after == "call" else f" after {self.after}")


@dataclass(frozen=True)
class _Words:
    """Patterns of one language; all are searched in lower case."""

    asking: str  # what makes a sentence the question
    generic: str  # words that say nothing about who is speaking
    purpose: str
    voluntary: str
    withdrawal: str
    key: str
    numbers: tuple[str, ...]  # words for 1, 2, 3, ...
    units: tuple[str, str, str, str]  # days, weeks, months, years
    year_end: str
    acceptance: str


_ONE_DE, _NINE_DE = r"(?:1|eins)", r"(?:9|neun)"
_ONE_EN, _NINE_EN = r"(?:1|one)", r"(?:9|nine)"

_WORDS: dict[Language, _Words] = {
    "de": _Words(
        asking=r"auf(?:zu)?zeichn|aufnehm|aufnahme|mitschn",
        generic=r"guten|tag|morgen|abend|hallo|willkommen|hier|ist|sind|spricht|die|der|das|firma|betrieb|bitte"
        r"|dürfen|darf|wir|ich|sie|dieses|gespräch|diesen|anruf|telefonat|möchten|möchte|würden|gerne?|grüß|gott",
        purpose=r"\bzu[rm]? [\w-]{6,}|\bum [^.?!]*\bzu \w+|\bfür (?:die|den|unsere|das|ihren?) \w{5,}|\bzweck",
        voluntary=r"freiwillig",
        withdrawal=rf"(?:widerr\w+|beend\w+|stopp\w+)[^.?!]*\b{_NINE_DE}\b|\b{_NINE_DE}\b[^.?!]*widerr",
        key=rf"\bja\b[^.?!]*\b{_ONE_DE}\b|\b{_ONE_DE}\b[^.?!]*\bja\b|(?:einverstanden|zustimm)[^.?!]*\b{_ONE_DE}\b",
        numbers=("eine?n?", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"),
        units=(r"tage?n?", r"wochen?", r"monate?n?", r"jahre?n?"),
        year_end=r"jahresende|ende des jahres|kalenderjahr\w* ende|jahresschluss",
        acceptance=r"abnahme",
    ),
    "en": _Words(
        asking=r"\brecord",
        generic=r"good|morning|day|afternoon|evening|hello|welcome|this|is|the|a|company|please|may|we|i|you|call"
        r"|conversation|would|like|to|here|speaking|from|your",
        purpose=r"\bto (?:document|prove|confirm|keep track|plan|improve|handle|process|settle)\w*"
        r"|\bfor (?:the )?(?:purpose|documentation|record)|\bfor (?:our|your|the) \w{5,}",
        voluntary=r"voluntary|free to (?:say no|refuse|decline)|of your own (?:free )?will",
        withdrawal=rf"(?:withdraw|revoke|stop)[^.?!]*\b{_NINE_EN}\b|\b{_NINE_EN}\b[^.?!]*(?:withdraw|revoke)",
        key=rf"\byes\b[^.?!]*\b{_ONE_EN}\b|\b{_ONE_EN}\b[^.?!]*\b(?:yes|agree|consent)\b"
        rf"|\b(?:agree|consent)\b[^.?!]*\b{_ONE_EN}\b",
        numbers=("one|an?", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        units=(r"days?", r"weeks?", r"months?", r"years?"),
        year_end=r"end of (?:the|that|this) (?:calendar )?year|year'?s?[ -]end",
        acceptance=r"acceptance",
    ),
}

_MISSING = {
    "who": "does not say who asks: name the company before the question",
    "purpose": "does not say what the recording is for",
    "period": "does not say how long the recording is kept",
    "voluntary": "does not say that the yes is voluntary",
    "withdrawal": "does not say that key 9 withdraws",
    "key": "does not name key 1 for yes",
}


def check_text(text: str, language: Language, period: Period, company: str | None = None) -> list[str]:
    """What an announcement's text lacks or says wrongly; an empty list is a pass.

    `period` is what the box is set to. With `company`, that name must stand in the text; without, any name
    before the question does.
    """
    words = _WORDS[language]
    said = text.casefold()
    found = {
        "who": _who(said, words, company),
        "purpose": _first(words.purpose, said),
        "period": min((at for at, _ in _periods(said, words)), default=None),
        "voluntary": _first(words.voluntary, said),
        "withdrawal": _first(words.withdrawal, said),
        "key": _last(words.key, said),
    }
    problems = [f"the text {_MISSING[part]}" for part, at in found.items() if at is None]
    for _, said_period in _periods(said, words):
        if said_period != period:
            problems.append(f"the text says {said_period}, the box is set to {period}: make them equal")
    if company is not None and company.casefold() not in said:
        problems.append(f"the text does not name {company}")
    if not problems:
        order = [at for at in found.values() if at is not None]
        if order != sorted(order):
            problems.append(
                "the text must say, in this order: who, what for, how long, voluntary, withdrawal (9), key (1)"
            )
        last_sentence = re.split(r"[.?!]\s+", said.strip())[-1]
        if _last(words.key, last_sentence) is None:
            problems.append("the text must end with key 1: whoever answers must have heard everything before")
    return problems


def _first(pattern: str, said: str) -> int | None:
    found = re.search(pattern, said)
    return None if found is None else found.start()


def _last(pattern: str, said: str) -> int | None:
    at = None
    for found in re.finditer(pattern, said):
        at = found.start()
    return at


def _who(said: str, words: _Words, company: str | None) -> int | None:
    """Where the company is named; without a known name, any word before the question that could be one."""
    if company is not None:
        at = said.find(company.casefold())
        return None if at < 0 else at
    asking = re.search(words.asking, said)
    before = said[: asking.start()] if asking else said
    question = max(before.rfind(". "), before.rfind(": "), before.rfind(" möchte"), before.rfind(" would "))
    for word in re.finditer(r"[\w&-]+", before[: max(question, 0)]):
        if not re.fullmatch(words.generic, word[0]):
            return word.start()
    return None


def _periods(said: str, words: _Words) -> Iterator[tuple[int, Period]]:
    """Every period in the text with its place."""
    counts = "|".join(f"(?:{number})" for number in words.numbers)
    for unit, pattern in zip(_UNITS, words.units, strict=True):
        for found in re.finditer(rf"\b(\d{{1,4}}|{counts})\s+(?:{pattern})\b([^.?!]*)", said):
            count = next((at for at, number in enumerate(words.numbers, 1) if re.fullmatch(number, found[1])), None)
            after: From = "call"
            if re.search(words.year_end, found[2]):
                after = "year-end"
            elif re.search(words.acceptance, found[2]):
                after = "acceptance"
            yield found.start(), Period(int(found[1]) if count is None else count, unit, after)


_KEY_ROWS_HZ = (697.0, 770.0, 852.0, 941.0)
_KEY_COLUMNS_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
_SILENT_RMS = 10 ** ((-45.0 - 3.14) / 20) / np.sqrt(2)
_FRAME = 160  # 20 ms at 8 kHz
_KEY_FRAMES = 2  # 40 ms: the shortest key that a receiver must accept (ITU-T Q.24)


def check_sound(samples: NDArray[np.float32], rate_hz: int) -> list[str]:
    """What is wrong with a prompt's sound (mono, full scale 1.0); an empty list is a pass.

    A prompt must be audible, not clipped, and must contain no key tone: the box would hear its own announcement
    as an answer.
    """
    problems = []
    if not np.isfinite(samples).all():
        return ["the sound contains values that are no numbers"]
    if samples.size == 0 or float(np.sqrt(np.mean(np.square(samples)))) < _SILENT_RMS:
        problems.append("the sound is silent: the average level must be at least -45 dBm0")
    if samples.size and float(np.mean(np.abs(samples) > 0.985)) > 1e-3:
        problems.append("the sound is clipped: record it at a lower level")
    at_s = _key_tone_at(samples, rate_hz)
    if at_s is not None:
        problems.append(f"the sound contains a key tone at {at_s:.2f} s: a prompt must not")
    return problems


def _key_tone_at(samples: NDArray[np.float32], rate_hz: int) -> float | None:
    """Where two key frequencies hold nearly all energy for 40 ms, in seconds."""
    narrow = samples if rate_hz == 8000 else soxr.resample(samples, rate_hz, 8000)
    count = len(narrow) // _FRAME
    if count == 0:
        return None
    frames = np.asarray(narrow[: count * _FRAME], np.float64).reshape(count, _FRAME) * np.hanning(_FRAME)
    power = np.square(np.abs(np.fft.rfft(frames, 800, axis=1)))  # bins of 10 Hz
    total = power.sum(axis=1) + 1e-9

    def share(frequencies_hz: tuple[float, ...]) -> NDArray[np.float64]:
        # a Hann window of 20 ms spreads a tone over +-100 Hz; the neighbouring key frequency is then
        # counted as well, but only the strongest band is taken
        bands = [power[:, round(f / 10) - 8 : round(f / 10) + 9].sum(axis=1) for f in frequencies_hz]
        return np.asarray(np.max(bands, axis=0) / total)

    rows, columns = share(_KEY_ROWS_HZ), share(_KEY_COLUMNS_HZ)
    # key tones differ by at most 8 dB, that is a share of at least 0.13 for the weaker one
    key = (rows + columns > 0.9) & (np.minimum(rows, columns) > 0.1) & (total > 1e-3)
    run = 0
    for at, hit in enumerate(key):
        run = run + 1 if hit else 0
        if run == _KEY_FRAMES:
            return float((at + 1 - run) * _FRAME / 8000)
    return None
