"""The errors of hearing."""

from __future__ import annotations

from handschlag.errors import HandschlagError


class HearingError(HandschlagError, ValueError):
    """Audio or a setting that the detectors cannot take: says what was given and what is allowed."""
