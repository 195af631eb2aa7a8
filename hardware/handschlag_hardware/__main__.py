"""`python -m handschlag_hardware [--check]`."""

from __future__ import annotations

import sys

from handschlag_hardware import generated


def main() -> int:
    """Write what changed, or with `--check` only say what is not current (exit 1)."""
    if sys.argv[1:] not in ([], ["--check"]):
        print("usage: hardware/make [--check]", file=sys.stderr)
        return 2
    checking = sys.argv[1:] == ["--check"]
    names = generated.stale() if checking else generated.write()
    for name in names:
        print(("not current: " if checking else "written: ") + f"hardware/{name}")
    return 1 if checking and names else 0


sys.exit(main())
