"""Processes that do not outlive the one that started them, even when it is killed.

`setpriv` (util-linux) asks the kernel to send SIGTERM when the parent dies (prctl(2), PR_SET_PDEATHSIG). Where it is
absent a killed parent leaves its children behind.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence


def dies_with_parent(command: Sequence[str]) -> list[str]:
    """The command, asked to end with its parent."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv else list(command)
