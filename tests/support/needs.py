"""What a test may need and not find: it skips, and says how to get it."""

from __future__ import annotations

import shutil

import pytest


def need_mosquitto() -> None:
    """Skip unless a real broker can be started."""
    if (shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")) is None:
        pytest.skip("mosquitto is absent; get it with: apt-get install mosquitto")
