"""Block diagram and schematics, drawn by code with schemdraw.

Every net on a drawing is asked of the pin-out (`net`), and every pin of a controller is drawn from it, so that drawing,
firmware and settings cannot name different things. Values come from `calc.circuit`.

What must be seen at one look: the play transformer T3 stands on the telephone's side of the sense element R1/R2. What
the box itself plays therefore flows through the sense element towards the exchange, as a near sound does, and can never
look far; and in bypass the sense element is shorted and T3 has no supply to be connected with.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import schemdraw
from schemdraw import elements as elm

from handschlag_hardware.calc.circuit import CIRCUIT, Circuit
from handschlag_hardware.pinout import Pin, Pinout

Point = tuple[float, float]

LINE_INK = "#9a1f1f"
TOUCH_INK = "#1c3f7a"
BARRIER_Y = -3.0


class UnknownNet(ValueError):
    """A drawing names a net that pinout.toml does not have."""


def net(pinout: Pinout, name: str) -> str:
    """The name, if the pin-out knows it; raises UnknownNet."""
    if name not in pinout.nets:
        raise UnknownNet(f"drawing: net {name!r} is not in pinout.toml; there are {', '.join(sorted(pinout.nets))}")
    return name


def value(amount: float, unit: str) -> str:
    """A value as on a schematic: 47 k, 220 n, 3.9 ohm."""
    for factor, prefix in ((1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
        if amount >= factor * 0.9999:
            return f"{amount / factor:.4g} {prefix}{unit}".strip()
    return f"{amount:g} {unit}"


def render(paint: Callable[[schemdraw.Drawing], None]) -> bytes:
    """The SVG of what `paint` draws."""
    schemdraw.use("svg")
    schemdraw.svgconfig.text = "text"
    drawing = schemdraw.Drawing(show=False)
    drawing.config(fontsize=11, font="sans-serif", lw=1.4, unit=2, bgcolor="white", margin=0.3)
    paint(drawing)
    data: bytes = drawing.get_imagedata("svg")
    return data.rstrip() + b"\n"


class Pen:
    """Straight strokes between points, in one colour."""

    def __init__(self, drawing: schemdraw.Drawing, colour: str = "black") -> None:
        self.drawing = drawing
        self.colour = colour

    def wire(self, *points: Point) -> None:
        """Lines from point to point."""
        for begin, end in pairwise(points):
            self.drawing += elm.Line().at(begin).to(end).color(self.colour)

    def dot(self, at: Point) -> None:
        """A junction."""
        self.drawing += elm.Dot().at(at).color(self.colour)

    def part(self, kind: type[elm.Element2Term], begin: Point, end: Point, text: str, loc: str = "top") -> None:
        """A part with two ends and a label beside it."""
        self.drawing += kind().at(begin).to(end).color(self.colour).label(text, loc=loc, fontsize=9)

    def text(
        self, at: Point, text: str, size: float = 10, align: Literal["center", "left", "right"] = "center"
    ) -> None:
        """A word."""
        self.drawing += (
            elm.Label()
            .at((at[0] - (0.12 if align == "center" else 0.0), at[1] - 0.12))
            .theta(0)
            .label(text, fontsize=size, halign=align, valign="center")
            .color(self.colour)
        )

    def box(self, corner: Point, size: Point, *lines: str, fill: str = "none") -> None:
        """A rectangle, its lower left corner at `corner`, with lines of text in it."""
        (x, y), (width, height) = corner, size
        self.drawing += elm.Rect(corner1=(0, 0), corner2=size, fill=fill).at(corner).theta(0).color(self.colour)
        for row, line in enumerate(lines):
            self.text((x + width / 2, y + height / 2 + (len(lines) - 1) * 0.24 - row * 0.48), line, 9.5)

    def arrow(self, begin: Point, end: Point) -> None:
        """A line with a head."""
        self.drawing += elm.Arrow().at(begin).to(end).color(self.colour)


def block_diagram(pinout: Pinout) -> bytes:
    """The whole box at a glance."""

    def paint(d: schemdraw.Drawing) -> None:
        line, touch = Pen(d, LINE_INK), Pen(d, TOUCH_INK)
        line.box((0, 6), (2.6, 1.6), "TAE socket", "exchange")
        line.box((4.2, 6), (4.2, 1.6), "sense element R1, R2", "K1: shorted in bypass")
        line.box((10.0, 6), (4.6, 1.6), "voltage sense, ring", "play transformer via K2")
        line.box((16.2, 6), (2.8, 1.6), "telephone or", "DECT base")
        for begin, end in ((2.6, 4.2), (8.4, 10.0), (14.6, 16.2)):
            for y in (6.5, 7.1):
                line.wire((begin, y), (end, y))
        line.text((9.5, 8.1), "the line: copper all the way through, with or without power", 10)
        barrier = Pen(d, "#555555")
        d.add(elm.Line().at((0, 5.1)).to((19.4, 5.1)).linestyle("--").color("#555555"))
        barrier.text((0, 5.4), "barrier: transformers, relays,", 9, "left")
        barrier.text((0, 4.8), "optocoupler, isolated amplifier", 9, "left")
        touch.box((4.2, 2.6), (4.6, 1.6), "amplifiers", "voltage, current, play")
        touch.box((10.0, 2.6), (4.6, 1.6), "Raspberry Pi Pico", "tap firmware")
        touch.arrow((5.6, 6), (5.6, 4.2))
        touch.text((5.9, 5.45), "current", 9, "left")
        touch.arrow((10.2, 6), (7.6, 4.2))
        touch.text((8.0, 5.45), "voltage", 9)
        touch.arrow((8.4, 4.2), (10.8, 5.95))
        touch.text((9.2, 4.55), "play", 9, "left")
        touch.arrow((11.8, 6), (11.8, 4.2))
        touch.text((11.95, 5.45), "mV, ring", 9, "left")
        touch.arrow((8.8, 3.4), (10.0, 3.4))
        touch.text((9.4, 3.05), "mA", 9)
        touch.arrow((13.4, 4.2), (13.4, 6))
        touch.text((13.55, 5.45), "K1, K2", 9, "left")
        touch.box((4.2, -0.6), (4.6, 1.6), "USB audio, stereo line in", "left V, right I; line out")
        touch.box((10.0, -0.6), (4.6, 1.6), "Raspberry Pi", "the box")
        touch.box((16.2, 0.3), (3.4, 1.2), "lamps REC, STATUS")
        touch.box((16.2, -1.3), (3.4, 1.2), "consent button")
        touch.arrow((5.6, 2.6), (5.6, 1.0))
        touch.text((5.0, 1.8), f"{net(pinout, 'AUDIO_V')}, {net(pinout, 'AUDIO_I')}", 8.5, "right")
        touch.arrow((7.6, 1.0), (7.6, 2.6))
        touch.text((7.8, 1.8), net(pinout, "AUDIO_PLAY"), 8.5, "left")
        touch.wire((8.8, 0.2), (10.0, 0.2))
        touch.text((9.4, 0.5), "USB", 9)
        touch.wire((12.3, 2.6), (12.3, 1.0))
        touch.text((12.5, 1.8), f"USB or {net(pinout, 'TAP_TX')}, {net(pinout, 'TAP_RX')}", 8.5, "left")
        touch.wire((14.6, 0.6), (16.2, 0.9))
        touch.wire((14.6, 0.0), (16.2, -0.7))

    return render(paint)


def line_schematic(pinout: Pinout, c: Circuit = CIRCUIT) -> bytes:
    """The line, what bridges it, and what crosses the barrier."""

    def paint(d: schemdraw.Drawing) -> None:
        line, touch = Pen(d, LINE_INK), Pen(d, TOUCH_INK)
        _wires(line, pinout, c)
        _current(line, touch, pinout, c)
        _ring_and_dc(line, touch, pinout, c)
        _voltage(line, touch, pinout, c)
        _play(line, touch, pinout, c)
        barrier = Pen(d, "#555555")
        d.add(elm.Line().at((-1, BARRIER_Y)).to((34.5, BARRIER_Y)).linestyle("--").color("#555555"))
        barrier.text((-0.9, BARRIER_Y + 0.35), "the line", 10, "left")
        barrier.text((-0.9, BARRIER_Y - 0.35), "what people touch, 6 mm apart", 10, "left")

    return render(paint)


A_Y, B_Y = 4.0, 2.0


def _wires(line: Pen, pinout: Pinout, c: Circuit) -> None:
    ends = {terminal.name: terminal for terminal in pinout.terminals}
    for name, at in (("La_in", (0, A_Y)), ("Lb_in", (0, B_Y)), ("La_out", (34, A_Y)), ("Lb_out", (34, B_Y))):
        line.drawing += elm.Dot(open=True).at(at).color(line.colour)
        side: Literal["left", "right"] = "left" if at[0] else "right"
        line.text((at[0] + (0.3 if at[0] else -0.3), at[1]), f"{name} (TAE {ends[name].tae})", 10, side)
    for y, sense, contact, lift in ((A_Y, "R1", "K1a", 1.5), (B_Y, "R2", "K1b", -1.2)):
        line.wire((0, y), (4.5, y))
        ohm = value(c.r1 if sense == "R1" else c.r2, "Ω")
        line.part(elm.ResistorIEC, (4.5, y), (7.5, y), f"{sense} {ohm}", "top")
        line.wire((7.5, y), (34, y))
        line.wire((4.5, y), (4.5, y + lift), (5.0, y + lift))
        line.drawing += elm.Switch(nc=True).at((5.0, y + lift)).to((7.0, y + lift)).color(line.colour)
        line.text((6.0, y + lift + 0.65), f"{contact}: closed at rest", 9)
        line.wire((7.0, y + lift), (7.5, y + lift), (7.5, y))
        line.dot((4.5, y))
        line.dot((7.5, y))
    line.part(elm.Diac, (0.7, A_Y), (0.7, B_Y), "D1 P3100SC", "bottom")
    line.dot((0.7, A_Y))
    line.dot((0.7, B_Y))
    line.text((2.1, A_Y + 0.35), net(pinout, "LA_EXCHANGE"), 9)
    line.text((2.1, B_Y - 0.35), net(pinout, "LB_EXCHANGE"), 9)
    line.text((10.0, A_Y + 0.35), net(pinout, "LA_PHONE"), 9)
    line.text((10.0, B_Y + 0.35), net(pinout, "LB_PHONE"), 9)
    line.text((6.0, 6.9), "sense element; surge diodes D2 across R1, D3 across R2", 10)
    line.text((29.0, 5.0), "T3 on the telephone's side: own sound never looks far", 10)


def _coils(line: Pen, touch: Pen, left: float, right: float, name: str) -> None:
    """A transformer over the barrier, primary from `left` to `right`."""
    line.drawing += elm.Inductor2(loops=4).at((left, BARRIER_Y + 0.75)).to((right, BARRIER_Y + 0.75)).color(line.colour)
    touch.drawing += (
        elm.Inductor2(loops=4).at((right, BARRIER_Y - 0.75)).to((left, BARRIER_Y - 0.75)).color(touch.colour)
    )
    for side in (-0.16, 0.16):
        line.drawing += (
            elm.Line().at((left + 0.3, BARRIER_Y + side)).to((right - 0.3, BARRIER_Y + side)).color("#555555")
        )
    line.text(((left + right) / 2, BARRIER_Y + 1.3), name, 10)


def _amplifier(touch: Pen, x: float, width: float, out: str, *lines: str) -> None:
    touch.box((x - width / 2, -7.2), (width, 1.7), *lines)
    touch.arrow((x, -7.2), (x, -8.2))
    touch.text((x, -8.55), out, 10)


def _current(line: Pen, touch: Pen, pinout: Pinout, c: Circuit) -> None:
    left, right = 3.7, 8.3
    for x in (left, right):
        line.dot((x, A_Y))
    line.wire((left, A_Y), (left, 0.4))
    line.wire((right, A_Y), (right, -2.25))
    line.part(elm.Capacitor2, (left, 0.4), (left, -0.9), f"C3 {value(c.c3, 'F')}", "bottom")
    line.part(elm.ResistorIEC, (left, -0.9), (left, -2.25), f"R5 {value(c.r5, 'Ω')}", "bottom")
    line.wire((left, -2.25), (5.0, -2.25))
    line.wire((7.0, -2.25), (right, -2.25))
    _coils(line, touch, 5.0, 7.0, "T2")
    for x in (5.0, 7.0):
        touch.wire((x, BARRIER_Y - 0.75), (x, -5.5))
    _amplifier(touch, 6.0, 3.4, net(pinout, "AUDIO_I"), "U1B, virtual ground", f"R8 {value(c.r8, 'Ω')}")
    line.box((9.4, BARRIER_Y + 0.1), (2.4, 1.2), "U5 AMC3301", f"±{c.amc_range * 1e3:g} mV")
    touch.box((9.4, BARRIER_Y - 1.3), (2.4, 1.2), f"gain {c.amc_gain:g}", "own supply")
    line.wire((3.7, -0.0), (9.9, -0.0), (9.9, BARRIER_Y + 1.3))
    line.dot((3.7, 0.0))
    line.wire((8.3, 0.6), (11.2, 0.6), (11.2, BARRIER_Y + 1.3))
    line.dot((8.3, 0.6))
    touch.wire((10.6, BARRIER_Y - 1.3), (10.6, -5.5))
    _amplifier(touch, 10.6, 3.2, net(pinout, "I_DC"), "U3B, difference", f"gain {c.difference_gain:g}")


def _ring_and_dc(line: Pen, touch: Pen, pinout: Pinout, c: Circuit) -> None:
    for x, y, name in ((14.0, A_Y, "R10"), (15.6, B_Y, "R11")):
        line.dot((x, y))
        line.wire((x, y), (x, BARRIER_Y + 1.4))
        line.part(elm.ResistorIEC, (x, BARRIER_Y + 1.4), (x, BARRIER_Y - 1.4), "", "top")
        touch.wire((x, BARRIER_Y - 1.4), (x, -5.5))
        line.text((x + 0.3, BARRIER_Y + 1.7), name, 9, "left")
    line.text((16.0, BARRIER_Y + 1.2), "each", 9, "left")
    line.text((16.0, BARRIER_Y + 0.75), f"3 x {value(c.r10 / 3, 'Ω')}", 9, "left")
    _amplifier(touch, 14.8, 3.4, net(pinout, "V_DC"), "U3A, difference", f"R12, R13 {value(c.r12, 'Ω')}")
    line.dot((18.4, A_Y))
    line.dot((20.8, B_Y))
    line.wire((18.4, A_Y), (18.4, 1.2))
    line.part(elm.Capacitor, (18.4, 1.2), (18.4, -0.2), f"C5 {value(c.c5, 'F')}", "bottom")
    line.part(elm.ResistorIEC, (18.4, -0.2), (18.4, -1.7), f"R14 {value(c.r14, 'Ω')}", "bottom")
    line.wire((20.8, B_Y), (20.8, -1.7))
    line.box((17.9, BARRIER_Y + 0.1), (3.4, 1.2), "U4 H11AA1", "two lamps")
    touch.box((17.9, BARRIER_Y - 1.3), (3.4, 1.2), "transistor", f"to {net(pinout, 'GND')}")
    touch.arrow((19.6, BARRIER_Y - 1.3), (19.6, -8.2))
    touch.text((19.6, -8.55), net(pinout, "RING_N"), 10)


def _voltage(line: Pen, touch: Pen, pinout: Pinout, c: Circuit) -> None:
    for x, y, block, series in ((23.2, A_Y, "C1", "R3"), (25.2, B_Y, "C2", "R4")):
        line.dot((x, y))
        line.wire((x, y), (x, 1.2))
        where = "top" if block == "C1" else "bottom"
        farad = c.c1 if block == "C1" else c.c2
        ohm = c.r3 if series == "R3" else c.r4
        line.part(elm.Capacitor, (x, 1.2), (x, -0.4), f"{block} {value(farad, 'F')}", where)
        line.part(elm.ResistorIEC, (x, -0.4), (x, -2.25), f"{series} {value(ohm, 'Ω')}", where)
        touch.wire((x, BARRIER_Y - 0.75), (x, -5.5))
    _coils(line, touch, 23.2, 25.2, "T1")
    _amplifier(touch, 24.2, 3.4, net(pinout, "AUDIO_V"), "U1A, virtual ground", f"R7 {value(c.r7, 'Ω')}")


def _play(line: Pen, touch: Pen, pinout: Pinout, c: Circuit) -> None:
    left, right = 29.0, 31.6
    for x, y, contact in ((left, A_Y, "K2a"), (right, B_Y, "K2b")):
        line.dot((x, y))
        line.wire((x, y), (x, 1.4))
        line.drawing += elm.Switch().at((x, 1.4)).to((x, -0.2)).color(line.colour)
        line.text((x + 0.5, 0.4), f"{contact}", 9, "left")
    line.part(elm.Capacitor, (left, -0.2), (left, -2.25), f"C4 {value(c.c4, 'F')}", "bottom")
    line.wire((right, -0.2), (right, -2.25))
    _coils(line, touch, left, right, "T3")
    line.text((30.3, 1.1), "open at rest", 9)
    touch.part(elm.ResistorIEC, (left, BARRIER_Y - 0.75), (left, -5.5), f"R9 {value(c.r9, 'Ω')}", "bottom")
    touch.wire((right, BARRIER_Y - 0.75), (right, -5.5))
    touch.box((28.4, -7.2), (3.8, 1.7), "U1C, U1D, bridge", f"gain {c.play_gain:g}")
    touch.arrow((30.3, -8.2), (30.3, -7.2))
    touch.text((30.3, -8.55), net(pinout, "AUDIO_PLAY"), 10)


def control_schematic(pinout: Pinout) -> bytes:
    """The controller, the relays' drivers, the box's header with lamps and button."""

    def paint(d: schemdraw.Drawing) -> None:
        touch = Pen(d, TOUCH_INK)
        _connector(touch, (0, 0), "Raspberry Pi Pico", pinout, pinout.tap)
        _connector(touch, (19.5, 0), "Raspberry Pi, 40-pin header", pinout, pinout.box)
        _relays(touch, pinout)
        _panel(touch, pinout)

    return render(paint)


def _connector(pen: Pen, corner: Point, title: str, pinout: Pinout, pins: tuple[Pin, ...]) -> None:
    x, y = corner
    height = len(pins) + 1.0
    pen.box((x, y), (4.6, height))
    pen.text((x + 2.3, y + height + 0.4), title, 11)
    for row, pin in enumerate(pins):
        at = y + height - 1 - row
        pad = f"pad {pin.pad}" if pin.pad else "on board"
        pen.text((x + 0.2, at), f"GPIO{pin.gpio} {pin.name}", 9, "left")
        pen.text((x + 4.45, at), pad, 8, "right")
        pen.wire((x + 4.6, at), (x + 5.3, at))
        pen.text((x + 5.45, at), net(pinout, pin.net), 9, "left")


def _relays(pen: Pen, pinout: Pinout) -> None:
    pen.text((13.2, 11.4), "relay drivers", 11)
    pen.box((10.6, 8.2), (5.2, 2.4), "Q1 high-side switch, R20 pull-down", "K1 coil to GND, D4 across")
    pen.text((10.5, 9.9), net(pinout, "K1_DRIVE"), 9, "right")
    pen.wire((9.9, 9.4), (10.6, 9.4))
    pen.text((13.2, 10.85), net(pinout, "V5"), 9)
    pen.arrow((13.2, 8.2), (13.2, 6.6))
    pen.text((13.4, 7.4), net(pinout, "V5_DRAWN"), 9, "left")
    pen.box((10.6, 4.2), (5.2, 2.4), "Q2 low-side switch, R21 pull-down", "K2 coil from V5_DRAWN, D5 across")
    pen.text((10.5, 5.9), net(pinout, "K2_DRIVE"), 9, "right")
    pen.wire((9.9, 5.4), (10.6, 5.4))
    pen.text((13.2, 3.5), "K2 has a supply only while K1 is drawn:", 9)
    pen.text((13.2, 3.0), "bypass parts the play transformer by wiring", 9)
    pen.text(
        (13.2, 1.9), f"{net(pinout, 'V_MID')}: 2 x 10 kΩ from {net(pinout, 'V33')} to {net(pinout, 'GND')}, buffered", 9
    )


def _panel(pen: Pen, pinout: Pinout) -> None:
    x = 28.5
    pen.text((x + 2.6, 11.4), "panel", 11)
    for row, (pin, part) in enumerate(
        (
            ("rec", "R30 330 Ω, LED red: REC"),
            ("red", "R31 330 Ω, LED red: STATUS"),
            ("green", "R32 330 Ω, LED green: STATUS"),
            ("blue", "R33 330 Ω, LED blue: STATUS"),
            ("button", "S1 closes to GND; R34 1 kΩ, C20 100 nF"),
        )
    ):
        found = next(one for one in pinout.box if one.name == pin)
        y = 9.6 - row * 1.3
        pen.box((x + 2.2, y - 0.45), (6.2, 0.9), part)
        pen.wire((x + 1.7, y), (x + 2.2, y))
        pen.text((x + 1.6, y), net(pinout, found.net), 9, "right")
