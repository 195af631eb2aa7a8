"""Quick card and label: legible, within the paper, true to the box, and the same bytes each time."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from handschlag.core.effects import StatusLamp
from handschlag.core.lamp_patterns import pattern
from handschlag_hardware import card as cards
from handschlag_hardware import pinout
from handschlag_hardware.card_words import ENGLISH, GERMAN, LANGUAGES, Words
from handschlag_hardware.sheet import MIN_PT, BadSheet, Sheet, Text, pdf, wrapped

ALL = pytest.mark.parametrize("words", LANGUAGES, ids=lambda words: words.language)


def sheets(words: Words) -> list[Sheet]:
    """Every sheet of a language."""
    return [*cards.card(words), cards.label(words, pinout.load())]


def apart(one: Text, other: Text) -> bool:
    """Whether two texts do not touch."""
    left, top, right, bottom = one.box
    left2, top2, right2, bottom2 = other.box
    return right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top


@ALL
def test_nothing_is_too_small_and_nothing_overlaps(words: Words) -> None:
    """At A6 every text has 7 pt or more, and no two texts touch."""
    for sheet in sheets(words):
        assert min(text.size_pt for text in sheet.texts) >= MIN_PT
        for one, other in combinations(sheet.texts, 2):
            assert apart(one, other), f"{one.text!r} touches {other.text!r}"


@ALL
def test_every_lamp_is_explained_once(words: Words) -> None:
    """All patterns of the box are on the front, each with its meaning, and no two read alike."""
    front = [text.text for text in cards.card(words)[0].texts]
    assert set(cards.ORDER) == set(words.meanings) == set(StatusLamp)
    for lamp in StatusLamp:
        assert front.count(words.meanings[lamp]) == 1
    assert len({cards.spoken(lamp, words) for lamp in StatusLamp}) == len(StatusLamp)


def test_rhythms_are_worded_from_the_beats() -> None:
    """The words are those of the design's table."""
    said = {lamp: cards.spoken(lamp, GERMAN) for lamp in StatusLamp}
    assert said[StatusLamp.CANNOT_RECORD] == "gelb, blinkt 2-mal je s"
    assert said[StatusLamp.YOUR_TURN] == "blau, blinkt 0,8-mal je s"
    assert said[StatusLamp.ASKING] == "blau, 2 Blitze alle 1,5 s"
    assert said[StatusLamp.PRIVATE] == "weiß, 1 Blitz alle 3 s"
    assert said[StatusLamp.WARNING] == "gelb, 3 Blitze alle 3 s"
    assert said[StatusLamp.READY_ALONE] == "grün, an, Lücke alle 5 s"
    assert said[StatusLamp.READY] == "grün, Dauerlicht"
    assert said[StatusLamp.OFF] == "aus"


def test_strips_show_what_the_lamp_does() -> None:
    """The drawn spans add up to the share of light in the pattern."""
    for lamp in StatusLamp:
        _, beats = pattern(lamp)
        share = sum(on for on, _ in beats) / sum(on + dark for on, dark in beats)
        drawn = sum(end - begin for begin, end in cards.lit_spans(beats)) / cards.STRIP_S
        assert drawn == pytest.approx(share, abs=0.04), lamp


@ALL
def test_the_back_says_what_must_be_said(words: Words) -> None:
    """The caller's keys, emergency numbers, forwarding, the law and the box's own figures stand on it."""
    text = " ".join(text.text for text in cards.card(words)[1].texts)
    for needed in ("1 =", "2 =", "9 =", "110", "112", "§ 201 StGB", "4", "30 s", "8 s"):
        assert needed in text
    assert not re.search(r"[{}]", text)


def test_label_names_the_terminals() -> None:
    """Each terminal has the TAE contact that the pin-out gives it."""
    text = {text.text for text in cards.label(ENGLISH, pinout.load()).texts}
    assert {"La_in · TAE 1", "Lb_in · TAE 2", "La_out · TAE 1", "Lb_out · TAE 2"} <= text


def test_the_same_sheet_gives_the_same_bytes() -> None:
    """SVG and PDF hold no date and no random name."""
    assert pdf(cards.card(GERMAN)) == pdf(cards.card(GERMAN))
    assert cards.card(GERMAN)[0].svg() == cards.card(GERMAN)[0].svg()


def test_what_cannot_be_printed_is_refused() -> None:
    """Small print, a text over the edge and a word wider than its room are errors that name the text."""
    sheet = Sheet(50, 30, "small")
    with pytest.raises(BadSheet, match="'tiny' at 6 pt"):
        sheet.text(5, 10, "tiny", 6)
    with pytest.raises(BadSheet, match="far too long"):
        sheet.text(30, 10, "a text far too long for the sheet")
    with pytest.raises(BadSheet, match="Donaudampfschifffahrt"):
        wrapped("die Donaudampfschifffahrt", 10, 8)
