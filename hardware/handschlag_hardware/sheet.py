"""A sheet of paper in millimetres, as SVG and as PDF, from one list of marks.

Text is set in Helvetica, whose widths are known, so that both files break lines alike, and so that a text that would
run over the edge, or is too small to be read at arm's length, is an error here and not a surprise at the printer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import Final, Literal

from reportlab.lib.colors import HexColor
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

MIN_PT: Final = 7.0
PT_MM: Final = 25.4 / 72

Anchor = Literal["start", "middle", "end"]


class BadSheet(ValueError):
    """A mark that cannot be printed: what, where, and what is allowed."""


@dataclass(frozen=True)
class Text:
    """A line of text; `y` is the base line, millimetres from the top."""

    x: float
    y: float
    text: str
    size_pt: float
    bold: bool
    colour: str
    anchor: Anchor

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in millimetres."""
        width = width_mm(self.text, self.size_pt, bold=self.bold)
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return left, self.y - 0.72 * self.size_pt * PT_MM, left + width, self.y + 0.2 * self.size_pt * PT_MM


@dataclass(frozen=True)
class Bar:
    """A rectangle, filled or outlined or both; colours as #rrggbb, empty for none."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    line: str
    round: float


@dataclass(frozen=True)
class Disc:
    """A circle with an outline."""

    x: float
    y: float
    radius: float
    fill: str
    line: str


def width_mm(text: str, size_pt: float, *, bold: bool = False) -> float:
    """How wide a text is set."""
    return float(stringWidth(text, _font(bold=bold), size_pt)) * PT_MM


def wrapped(text: str, room_mm: float, size_pt: float, *, bold: bool = False) -> list[str]:
    """A text in lines that fit; raises BadSheet where a single word does not."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if width_mm(longer, size_pt, bold=bold) <= room_mm:
            line = longer
            continue
        if not line or width_mm(word, size_pt, bold=bold) > room_mm:
            raise BadSheet(f"{word!r} at {size_pt} pt is wider than its {room_mm:.1f} mm")
        lines.append(line)
        line = word
    return [*lines, line] if line else lines


class Sheet:
    """Collects marks. Nothing may stand nearer to the edge than `margin` mm."""

    def __init__(self, width: float, height: float, title: str, margin: float = 4.0) -> None:
        self.width = width
        self.height = height
        self.title = title
        self.margin = margin
        self.marks: list[Text | Bar | Disc] = []

    @property
    def texts(self) -> list[Text]:
        """All texts."""
        return [mark for mark in self.marks if isinstance(mark, Text)]

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size_pt: float = 8.0,
        *,
        bold: bool = False,
        colour: str = "#000000",
        anchor: Anchor = "start",
    ) -> None:
        """A line of text; raises BadSheet when too small, or over the edge."""
        mark = Text(x, y, text, size_pt, bold, colour, anchor)
        if size_pt < MIN_PT:
            raise BadSheet(f"{self.title}: {text!r} at {size_pt} pt; allowed is {MIN_PT} pt and more")
        self._within(text, *mark.box)
        self.marks.append(mark)

    def paragraph(
        self, x: float, y: float, room: float, text: str, size_pt: float = 8.0, *, bold: bool = False
    ) -> float:
        """A text in as many lines as it takes, the first at base line `y`; gives the base line after the last."""
        for line in wrapped(text, room, size_pt, bold=bold):
            self.text(x, y, line, size_pt, bold=bold)
            y += size_pt * PT_MM * 1.22
        return y

    def bar(
        self, x: float, y: float, width: float, height: float, *, fill: str = "", line: str = "", round_mm: float = 0.0
    ) -> None:
        """A rectangle; `y` is its top."""
        self._within("a bar", x, y, x + width, y + height)
        self.marks.append(Bar(x, y, width, height, fill, line, round_mm))

    def disc(self, x: float, y: float, radius: float, *, fill: str, line: str = "#000000") -> None:
        """A circle around (x, y)."""
        self._within("a disc", x - radius, y - radius, x + radius, y + radius)
        self.marks.append(Disc(x, y, radius, fill, line))

    def svg(self) -> bytes:
        """The sheet as SVG."""
        out = [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:g}mm" height="{self.height:g}mm" '
                f'viewBox="0 0 {self.width:g} {self.height:g}" '
                'font-family="Helvetica, Arial, Liberation Sans, sans-serif">'
            ),
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{self.width:g}" height="{self.height:g}" fill="#ffffff"/>',
        ]
        out += [_svg(mark) for mark in self.marks]
        return "\n".join([*out, "</svg>", ""]).encode()

    def _within(self, what: str, left: float, top: float, right: float, bottom: float) -> None:
        edge = self.margin - 0.01
        if left < edge or top < edge or right > self.width - edge or bottom > self.height - edge:
            raise BadSheet(
                f"{self.title}: {what!r} takes ({left:.1f}, {top:.1f}) to ({right:.1f}, {bottom:.1f}) mm; "
                f"allowed is {self.margin:g} to {self.width - self.margin:g} and to {self.height - self.margin:g}"
            )


def pdf(sheets: Sequence[Sheet]) -> bytes:
    """The sheets as one PDF, a page each; the same sheets give the same bytes."""
    out = BytesIO()
    first = sheets[0]
    canvas = Canvas(out, pagesize=(first.width * mm, first.height * mm), invariant=1)
    canvas.setTitle(first.title)
    for sheet in sheets:
        canvas.setPageSize((sheet.width * mm, sheet.height * mm))
        canvas.setLineWidth(0.2 * mm)
        for mark in sheet.marks:
            _draw(canvas, mark, sheet.height)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _font(*, bold: bool) -> str:
    return "Helvetica-Bold" if bold else "Helvetica"


def _svg(mark: Text | Bar | Disc) -> str:
    if isinstance(mark, Text):
        weight = ' font-weight="bold"' if mark.bold else ""
        return (
            f'<text x="{mark.x:.2f}" y="{mark.y:.2f}" font-size="{mark.size_pt * PT_MM:.3f}"{weight} '
            f'fill="{mark.colour}" text-anchor="{mark.anchor}">{escape(mark.text)}</text>'
        )
    ink = f'fill="{mark.fill or "none"}" stroke="{mark.line or "none"}" stroke-width="0.2"'
    if isinstance(mark, Disc):
        return f'<circle cx="{mark.x:.2f}" cy="{mark.y:.2f}" r="{mark.radius:.2f}" {ink}/>'
    return (
        f'<rect x="{mark.x:.2f}" y="{mark.y:.2f}" width="{mark.width:.2f}" height="{mark.height:.2f}" '
        f'rx="{mark.round:.2f}" {ink}/>'
    )


def _draw(canvas: Canvas, mark: Text | Bar | Disc, height: float) -> None:
    if isinstance(mark, Text):
        canvas.setFont(_font(bold=mark.bold), mark.size_pt)
        canvas.setFillColor(HexColor(mark.colour))
        at = (mark.x * mm, (height - mark.y) * mm, mark.text)
        {"start": canvas.drawString, "middle": canvas.drawCentredString, "end": canvas.drawRightString}[mark.anchor](
            *at
        )
        return
    if mark.fill:
        canvas.setFillColor(HexColor(mark.fill))
    if mark.line:
        canvas.setStrokeColor(HexColor(mark.line))
    ink = {"fill": int(bool(mark.fill)), "stroke": int(bool(mark.line))}
    if isinstance(mark, Disc):
        canvas.circle(mark.x * mm, (height - mark.y) * mm, mark.radius * mm, **ink)
    else:
        corner = (mark.x * mm, (height - mark.y - mark.height) * mm)
        canvas.roundRect(*corner, mark.width * mm, mark.height * mm, mark.round * mm, **ink)
