"""The page to read: one sheet of A4 as PDF, in the fonts that every reader has, so that none is embedded."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, Final

from handschlag.evidence.errors import CannotExport

_MARGIN: Final = 56.0
_SMALLEST: Final = 6.0


def page(title: str, parts: Iterable[tuple[str, str]]) -> bytes:
    """A PDF of one page: headings with text below them, as large as fits."""
    try:
        from reportlab.lib.pagesizes import A4  # noqa: PLC0415 - an extra
        from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415
    except ModuleNotFoundError:
        raise CannotExport("the summary needs reportlab; get it with: pip install 'handschlag[evidence]'") from None
    width, height = A4
    room, body = width - 2 * _MARGIN, height - 2 * _MARGIN
    sections = list(parts)
    size = 10.0
    while size > _SMALLEST and _height(sections, size, room) > body - 30:
        size -= 0.5
    file = io.BytesIO()
    canvas: Any = Canvas(file, pagesize=A4, invariant=1)
    canvas.setTitle(title)
    canvas.setFont("Helvetica-Bold", 15)
    canvas.drawString(_MARGIN, height - _MARGIN, title)
    at = height - _MARGIN - 30
    for heading, text in sections:
        canvas.setFont("Helvetica-Bold", size)
        canvas.drawString(_MARGIN, at, heading)
        at -= size * 1.35
        canvas.setFont("Helvetica", size)
        for line in _lines(text, size, room):
            canvas.drawString(_MARGIN, at, line)
            at -= size * 1.3
        at -= size * 0.8
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def _height(sections: Iterable[tuple[str, str]], size: float, room: float) -> float:
    return sum(size * (2.15 + 1.3 * len(_lines(text, size, room))) for _, text in sections)


def _lines(text: str, size: float, room: float) -> list[str]:
    from reportlab.lib.utils import simpleSplit  # noqa: PLC0415 - an extra

    plain = text.encode("cp1252", "replace").decode("cp1252")
    return [str(line) for line in simpleSplit(plain, "Helvetica", size, room)]
