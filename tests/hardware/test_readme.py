"""The hardware's README: its made parts are complete, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from handschlag_hardware import pinout, readme
from handschlag_hardware.readme import BadReadme
from handschlag_tap import line


def test_links_lead_somewhere() -> None:
    """Each file that the README links to is there."""
    text = (pinout.ROOM / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links
    for link in links:
        assert (pinout.ROOM / link).is_file(), link


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    """A README without one of its made parts is refused."""
    text = (pinout.ROOM / "README.md").read_text(encoding="utf-8")
    broken = tmp_path / "README.md"
    broken.write_text(text.replace("<!-- made: figures -->", ""), encoding="utf-8")
    with pytest.raises(BadReadme, match="figures"):
        readme.made(broken)


def test_the_firmwares_figures_are_told_right() -> None:
    """The table of what the tap tells has the firmware's own limits."""
    text = (pinout.ROOM / "README.md").read_text(encoding="utf-8")
    for told in (
        f"{line.DEAD_MV // 1000} to {line.SEIZURE_MV // 1000} V with at least {line.LOOP_UA // 1000} mA",
        f"for {line.SEIZE_MS} ms (in bypass",
        f"before {line.RING_OVER_MS} ms without it",
        f"for {line.HANG_UP_MS} ms; at once when it rings",
        f"the loop open for {line.PULSE_MAX_MS + 1} to {line.HANG_UP_MS - 1} ms",
        f"openings of {line.PULSE_MIN_MS} to {line.PULSE_MAX_MS} ms, less than {line.DIGIT_ENDS_MS} ms apart",
        f"for {line.BREAK_MIN_MS} to {line.HANG_UP_MS - 1} ms",
        f"the other sign for {line.POLARITY_MS} ms",
        f"Within {line.DIALLING_MS // 1000} s",
        f"A single opening of {line.FLASH_MIN_MS} to {line.PULSE_MAX_MS} ms",
    ):
        assert told in text, told
