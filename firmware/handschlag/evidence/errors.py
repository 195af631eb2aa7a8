"""What can be wrong with an export."""

from __future__ import annotations

from handschlag.errors import HandschlagError


class CannotExport(HandschlagError, OSError):
    """There is no place to export to, or something that is needed is missing."""


class BadExport(HandschlagError, ValueError):
    """A folder or zip that is no export, or one that does not hold together."""
