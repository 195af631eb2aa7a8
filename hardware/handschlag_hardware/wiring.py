"""How the box is connected, in five rows: what counts for the keypress, and what for the oral way only."""

from __future__ import annotations

import schemdraw

from handschlag_hardware.drawing import LINE_INK, TOUCH_INK, Pen, render
from handschlag_hardware.pinout import Pinout

ROW = 4.6


def wiring(pinout: Pinout) -> bytes:
    """The five ways."""
    ends = {terminal.name: terminal for terminal in pinout.terminals}

    def paint(d: schemdraw.Drawing) -> None:
        line, touch, plain = Pen(d, LINE_INK), Pen(d, TOUCH_INK), Pen(d, "black")
        rows = (
            ("1. Telephone on the line (F)", "keypress and oral"),
            ("2. In an N socket, telephone in F behind it", "keypress and oral"),
            ("3. DECT base: at its line cord", "keypress and oral"),
            ("4. Headset or handset cord", "oral only: no direction, no keypress"),
            ("5. Without any board of ours", "oral only: no direction, no keypress, no line state"),
        )
        for number, (title, way) in enumerate(rows):
            y = -number * ROW
            plain.text((0, y + 2.9), title, 11.5, "left")
            plain.text((22.6, y + 2.9), way, 10, "right")
        for row, (source, target) in enumerate(
            (("TAE F socket", "telephone"), ("TAE N socket", ""), ("TAE F socket", ""))
        ):
            y = -row * ROW
            line.box((0, y), (4.2, 2.2), source, f"1 La   2 Lb{'   5 b2   6 a2' if row == 1 else ''}")
            line.box((8.6, y), (5.4, 2.2), "Handschlag", "La_in  Lb_in    La_out  Lb_out")
            line.wire((4.2, y + 1.5), (8.6, y + 1.5))
            line.wire((4.2, y + 0.7), (8.6, y + 0.7))
            line.text((6.4, y + 1.8), f"{ends['La_in'].tae} to La_in", 9)
            line.text((6.4, y + 0.35), f"{ends['Lb_in'].tae} to Lb_in", 9)
            if row != 1:
                line.wire((14.0, y + 1.5), (18.4, y + 1.5))
                line.wire((14.0, y + 0.7), (18.4, y + 0.7))
            if target:
                line.box((18.4, y), (4.2, 2.2), target)
        _through_n(line, -ROW)
        _dect(line, touch, -2 * ROW)
        _headset(touch, -3 * ROW)
        _without(touch, -4 * ROW)

    return render(paint)


def _through_n(line: Pen, y: float) -> None:
    """La_out and Lb_out go back on contacts 6 and 5, from where the socket hands the line on to F."""
    line.wire((14.0, y + 1.5), (15.0, y + 1.5), (15.0, y - 0.55), (2.8, y - 0.55), (2.8, y))
    line.wire((14.0, y + 0.7), (14.5, y + 0.7), (14.5, y - 0.3), (2.1, y - 0.3), (2.1, y))
    line.text((8.6, y - 0.85), "La_out back on 6 (a2), Lb_out back on 5 (b2)", 9)
    line.text((15.4, y + 1.5), "The socket hands 5/6 on to its F outlet, where the", 9, "left")
    line.text((15.4, y + 1.05), "telephone plugs in. Plug pulled: the socket joins", 9, "left")
    line.text((15.4, y + 0.6), "1-6 and 2-5 itself, and the telephone works.", 9, "left")


def _dect(line: Pen, touch: Pen, y: float) -> None:
    line.box((18.4, y), (4.2, 2.2), "DECT base", "line cord, RJ11 3/4")
    touch.text((20.5, y - 0.4), ") ) )  handsets: encrypted, not tapped", 9)


def _headset(touch: Pen, y: float) -> None:
    touch.box((0, y), (4.2, 2.2), "telephone", "RJ9: 1 2 3 4")
    touch.box((8.6, y), (5.4, 2.2), "RJ9 recording adapter", "passes all four through")
    touch.box((18.4, y), (4.2, 2.2), "handset or headset")
    for begin, end in ((4.2, 8.6), (14.0, 18.4)):
        touch.wire((begin, y + 1.5), (end, y + 1.5))
        touch.wire((begin, y + 0.7), (end, y + 0.7))
    touch.arrow((11.3, y), (11.3, y - 0.7))
    touch.text((11.6, y - 0.5), "3.5 mm to the USB sound card (mix)", 9, "left")


def _without(touch: Pen, y: float) -> None:
    touch.box((0, y), (4.2, 2.2), "pick-up coil", "or RJ9 adapter")
    touch.box((8.6, y), (5.4, 2.2), "USB sound card", "microphone input")
    touch.box((18.4, y), (4.2, 2.2), "Raspberry Pi", "lamps, button on GPIO")
    touch.arrow((4.2, y + 1.1), (8.6, y + 1.1))
    touch.arrow((14.0, y + 1.1), (18.4, y + 1.1))
    touch.text((16.2, y + 1.45), "USB", 9)
