"""What an announcement's text must say: who, what for, how long, voluntary, withdrawal, key, in this order."""

from __future__ import annotations

import numpy as np
import pytest

from handschlag.prompts.check import BadPeriod, Language, Period, check_sound, check_text
from handschlag.prompts.sounds import note

COMPANY = "Dachdeckerei Sturm"
YEARS = Period(3, "years", "year-end")
PARTS: dict[Language, dict[str, str]] = {
    "de": {
        "who": "Hier ist die Dachdeckerei Sturm.",
        "purpose": "Dürfen wir dieses Gespräch aufzeichnen, um Ihren Auftrag zu dokumentieren?",
        "period": "Wir bewahren es drei Jahre nach Jahresende auf.",
        "voluntary": "Das ist freiwillig.",
        "withdrawal": "Widerrufen können Sie jederzeit mit der 9.",
        "key": "Für Ja drücken Sie jetzt die 1.",
    },
    "en": {
        "who": "This is Dachdeckerei Sturm.",
        "purpose": "May we record this call to document your order?",
        "period": "We keep it for three years after the end of the year.",
        "voluntary": "This is voluntary.",
        "withdrawal": "You can withdraw at any time with 9.",
        "key": "For yes, please press 1 now.",
    },
}
SAID = {
    "who": "name the company",
    "purpose": "what the recording is for",
    "period": "how long",
    "voluntary": "voluntary",
    "withdrawal": "key 9",
    "key": "key 1",
}


def text(language: Language, *, without: str = "", **instead: str) -> str:
    """A good announcement, with parts left out or replaced."""
    return " ".join(instead.get(part, said) for part, said in PARTS[language].items() if part != without)


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("company", [COMPANY, None])
def test_a_whole_text_passes(language: Language, company: str | None) -> None:
    """Nothing is wrong with a text that says everything in order."""
    assert check_text(text(language), language, YEARS, company) == []


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("part", SAID)
def test_each_part_that_lacks_is_named(language: Language, part: str) -> None:
    """Without who, purpose, period, voluntariness, withdrawal or key the text is refused, and what lacks is said."""
    problems = check_text(text(language, without=part), language, YEARS)
    assert any(SAID[part] in problem for problem in problems), problems


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_period_must_be_the_configured_one(language: Language) -> None:
    """Another count, another unit, another beginning: each is another question."""
    for other in (Period(2, "years", "year-end"), Period(3, "months", "year-end"), Period(3, "years")):
        (problem,) = check_text(text(language), language, other)
        assert str(YEARS) in problem
        assert str(other) in problem


def test_a_second_period_is_found() -> None:
    """A text that names two periods promises the shorter one to somebody."""
    said = text("de", voluntary="Das ist freiwillig, und nach 90 Tagen hören wir es nicht mehr.")
    assert any("90 days" in problem for problem in check_text(said, "de", YEARS))


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_order_counts(language: Language) -> None:
    """Who could press 1 before the rest was said was not informed: key before withdrawal, or not at the end."""
    parts = PARTS[language]
    turned = " ".join(parts[name] for name in ("who", "purpose", "voluntary", "period", "withdrawal", "key"))
    assert any("in this order" in problem for problem in check_text(turned, language, YEARS))
    longer = text(language) + {"de": " Vielen Dank für Ihre Zeit.", "en": " Thank you for your time."}[language]
    assert any("must end with key 1" in problem for problem in check_text(longer, language, YEARS))


def test_another_companys_name_is_no_name() -> None:
    """The text must name the workshop that asks."""
    assert any("Elektro Blitz" in problem for problem in check_text(text("de"), "de", YEARS, "Elektro Blitz"))


@pytest.mark.parametrize("written", ["90 days", "1 day", "3 years after year-end", "5 years after acceptance"])
def test_a_period_is_read_as_it_is_written(written: str) -> None:
    """What is printed is what is read."""
    assert str(Period.parse(written)) == written


@pytest.mark.parametrize("written", ["", "90", "0 days", "forever", "3 years after birth", "12345 days", "-1 days"])
def test_a_bad_period_is_refused(written: str) -> None:
    """None is endless, and the error says how to write it."""
    with pytest.raises(BadPeriod, match="90 days"):
        Period.parse(written)


def test_a_sound_with_a_key_in_it_is_refused() -> None:
    """Silence, clipping, values that are no numbers, and key tones are found; a chord of other tones is none."""
    rate = 48000
    t = np.arange(rate) / rate
    voiced = (0.2 * np.sin(2 * np.pi * 300 * t)).astype(np.float32)
    assert check_sound(voiced, rate) == []
    key = voiced.copy()
    held = slice(rate // 2, rate // 2 + rate // 10)
    key[held] = 0.2 * (np.sin(2 * np.pi * 697 * t[held]) + np.sin(2 * np.pi * 1209 * t[held]))
    (problem,) = check_sound(key, rate)
    assert "key tone at 0.5" in problem
    assert any("silent" in problem for problem in check_sound(voiced * 0.0, rate))
    assert any("clipped" in problem for problem in check_sound(np.sign(voiced), rate))
    assert any("no numbers" in problem for problem in check_sound(voiced * np.float32(np.nan), rate))
    assert check_sound(note(1400.0, 0.4, -12.0), rate) == []
