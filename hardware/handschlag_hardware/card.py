"""The quick card (A6, two sides) and the label of the housing.

What the lamps do is drawn and worded from `handschlag.core.lamp_patterns`, what the button does in seconds from
`handschlag.core.button`: the card cannot drift from the box.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from handschlag.core import button
from handschlag.core.effects import StatusLamp
from handschlag.core.lamp_patterns import Beats, Colour, lit, pattern
from handschlag.core.policy import Policy
from handschlag_hardware.card_words import Words
from handschlag_hardware.pinout import Pinout
from handschlag_hardware.sheet import Sheet, width_mm

A6: Final = (105.0, 148.0)
LABEL: Final = (100.0, 46.0)

INKS: Final[Mapping[Colour, str]] = {
    Colour.DARK: "#ffffff",
    Colour.YELLOW: "#f2b600",
    Colour.BLUE: "#1f5fd0",
    Colour.WHITE: "#ffffff",
    Colour.GREEN: "#1a9c46",
}
RED: Final = "#d01f1f"
GREY: Final = "#c4c4c4"
STRIP_S: Final = 6.0
"""Seconds of a pattern that are drawn."""

ORDER: Final = (
    StatusLamp.READY,
    StatusLamp.READY_ALONE,
    StatusLamp.YOUR_TURN,
    StatusLamp.ASKING,
    StatusLamp.PRIVATE,
    StatusLamp.WARNING,
    StatusLamp.CANNOT_RECORD,
    StatusLamp.IDENTIFY,
    StatusLamp.OFF,
)
"""As a reader looks for them: the good ones first."""

_STEP_S: Final = 0.0125
_LEFT: Final = 6.0


def figures(words: Words) -> dict[str, str]:
    """The figures that the words may name, from the box's own code."""
    policy = Policy(
        accepted=False, line_users=(), proven_tap="", text_version="", text_hash="", sound_s={}
    )  # for its defaults
    told = {
        "short": button.SHORT_S,
        "held": button.HELD_S,
        "stuck": button.STUCK_S,
        "twice": button.SECOND_PRESS_S,
        "confirm_from": policy.confirm_after_s,
        "confirm_until": policy.confirm_within_s,
        "window": policy.window_s,
    }
    return {name: number(value, words) for name, value in told.items()}


def number(value: float, words: Words) -> str:
    """A number as the language writes it."""
    return f"{value:g}".replace(".", words.decimal)


def spoken(lamp: StatusLamp, words: Words) -> str:
    """Colour and rhythm in words."""
    colour, beats = pattern(lamp)
    return rhythm(beats, words) if colour is Colour.DARK else f"{words.colours[colour]}, {rhythm(beats, words)}"


def rhythm(beats: Beats, words: Words) -> str:
    """A pattern in words, from its beats."""
    cycle_s = sum(on + dark for on, dark in beats)
    cycle = number(round(cycle_s, 3), words)
    on, dark = beats[0]
    if dark == 0:
        return words.steady
    if on == 0:
        return words.dark
    if len(beats) > 1:
        return words.flash_many.format(count=len(beats), cycle=cycle)
    if on == dark:
        return words.blinks.format(rate=number(round(1 / cycle_s, 3), words))
    return words.flash_one.format(cycle=cycle) if on < dark else words.gap.format(cycle=cycle)


def lit_spans(beats: Beats) -> list[tuple[float, float]]:
    """When the lamp is lit within the drawn seconds, as (from, to)."""
    spans: list[tuple[float, float]] = []
    for step in range(round(STRIP_S / _STEP_S)):
        at = (step + 0.5) * _STEP_S
        if lit(beats, at)[0]:
            begin, end = step * _STEP_S, (step + 1) * _STEP_S
            if spans and abs(spans[-1][1] - begin) < _STEP_S / 2:
                begin = spans.pop()[0]
            spans.append((begin, end))
    return spans


def card(words: Words) -> tuple[Sheet, Sheet]:
    """Front and back."""
    return _front(words), _back(words)


def _front(words: Words) -> Sheet:
    sheet = Sheet(*A6, title=f"{words.title}: {words.subtitle}")
    sheet.text(_LEFT, 10.5, words.title, 17, bold=True)
    sheet.text(_LEFT, 14.8, words.subtitle, 8)
    y = _heading(sheet, 21.0, words.lamps)
    sheet.disc(_LEFT + 1.6, y - 1.1, 1.6, fill=RED)
    sheet.text(_LEFT + 5, y, words.rec, 8.5, bold=True)
    sheet.text(_LEFT + 13.5, y, words.rec_on, 8.5)
    y += 6.2
    sheet.text(_LEFT, y, words.status, 8.5, bold=True)
    sheet.text(_LEFT + 29, y, f"{number(STRIP_S, words)} s", 7)
    y += 1.6
    for lamp in ORDER:
        y = _lamp(sheet, y, lamp, words)
    y = _heading(sheet, y + 5.2, words.button)
    told = figures(words)
    columns = (_LEFT, _LEFT + 20.5, _LEFT + 45.0)
    rooms = (19.5, 23.5, 48.0)
    for x, column in zip(columns, words.columns, strict=True):
        sheet.text(x, y, column.format(**told), 7.5, bold=True)
    y += 1.4
    for row in words.presses:
        sheet.bar(_LEFT, y, A6[0] - 2 * _LEFT, 0.15, fill="#999999")
        y += 3.6
        below = [
            sheet.paragraph(x, y, room, cell.format(**told), 8)
            for x, room, cell in zip(columns, rooms, row, strict=True)
        ]
        y = max(below) - 2.2
    sheet.paragraph(_LEFT, y + 4.6, A6[0] - 2 * _LEFT, words.button_note.format(**told), 8, bold=True)
    return sheet


def _lamp(sheet: Sheet, y: float, lamp: StatusLamp, words: Words) -> float:
    colour, beats = pattern(lamp)
    scale = 32.0 / STRIP_S
    sheet.bar(_LEFT, y, 32.0, 4.0, fill=GREY)
    for begin, end in lit_spans(beats):
        sheet.bar(_LEFT + begin * scale, y, (end - begin) * scale, 4.0, fill=INKS[colour])
    sheet.bar(_LEFT, y, 32.0, 4.0, line="#555555")
    sheet.text(_LEFT + 34, y + 1.7, words.meanings[lamp], 8.2, bold=True)
    sheet.text(_LEFT + 34, y + 4.7, spoken(lamp, words), 7)
    return y + 6.4


def _heading(sheet: Sheet, y: float, text: str) -> float:
    sheet.text(_LEFT, y, text, 10.5, bold=True)
    sheet.bar(_LEFT, y + 1.2, A6[0] - 2 * _LEFT, 0.4, fill="#000000")
    return y + 6.0


def _back(words: Words) -> Sheet:
    sheet = Sheet(*A6, title=f"{words.title}: {words.subtitle}")
    told = figures(words)
    y = 9.5
    room = A6[0] - 2 * _LEFT
    for heading, paragraphs in words.back:
        sheet.text(_LEFT, y, heading, 9.5, bold=True)
        sheet.bar(_LEFT, y + 1.1, room, 0.25, fill="#000000")
        y += 5.0
        for paragraph in paragraphs:
            y = sheet.paragraph(_LEFT, y, room, paragraph.format(**told), 8.2) + 0.7
        y += 2.8
    sheet.text(_LEFT, 141.5, words.carer, 8.5, bold=True)
    begin = _LEFT + width_mm(words.carer, 8.5, bold=True) + 2
    sheet.bar(begin, 142.0, A6[0] - _LEFT - begin, 0.2, fill="#000000")
    return sheet


def label(words: Words, pinout: Pinout) -> Sheet:
    """The label beside the terminals."""
    sheet = Sheet(*LABEL, title=f"{words.title}: label", margin=2.0)
    sheet.bar(2.0, 2.0, LABEL[0] - 4, LABEL[1] - 4, line="#000000", round_mm=2)
    sheet.text(5, 9, words.title, 13, bold=True)
    sheet.text(LABEL[0] - 5, 8.6, words.label_power, 8, anchor="end")
    sides = ((words.label_exchange, ("La_in", "Lb_in")), (words.label_phone, ("La_out", "Lb_out")))
    named = {terminal.name: terminal for terminal in pinout.terminals}
    for side, (caption, names) in enumerate(sides):
        x = 5 + side * 47
        sheet.text(x, 15.5, caption, 7.5, bold=True)
        for place, name in enumerate(names):
            sheet.bar(x + place * 22, 17.5, 20, 8, line="#000000", round_mm=1)
            sheet.text(x + 10 + place * 22, 22.7, f"{name} · TAE {named[name].tae}", 8, anchor="middle")
    sheet.disc(7, 30.6, 1.6, fill=RED)
    sheet.text(10, 31.7, words.rec, 8, bold=True)
    sheet.disc(25, 30.6, 1.6, fill=INKS[pattern(StatusLamp.READY)[0]])
    sheet.text(28, 31.7, words.status, 8, bold=True)
    sheet.text(LABEL[0] - 5, 31.7, words.label_without, 7.5, anchor="end")
    sheet.paragraph(5, 37.5, LABEL[0] - 10, words.label_note, 7.5, bold=True)
    return sheet
