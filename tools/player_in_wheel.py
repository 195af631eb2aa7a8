"""Sees to it that a wheel has the archive's page: a build step of hatchling.

A wheel without it is a good wheel for boxes, and for an archive without a page; so where it cannot be built the step
says what is missing, and goes on.
"""

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PlayerInWheel(BuildHookInterface[Any]):
    """Runs tools/build-player before a wheel is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build the page, unless this is an editable installation, which takes it from where it lies."""
        builder = Path(self.root) / "tools" / "build-player"
        if version == "editable" or not builder.is_file():
            return
        done = subprocess.run([builder], check=False)  # noqa: S603 - our own program
        if done.returncode:
            self.app.display_warning("The wheel has no page for the browser: see above for what is missing")
