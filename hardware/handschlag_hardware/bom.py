"""`bom.toml`: the parts, and the table made from them."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from handschlag_hardware.pinout import ROOM

GROUPS: Final = {
    "line": "On the line's side, or over the barrier",
    "touch": "On the side that people touch",
    "box": "The box",
    "cable": "Cables",
    "plain": "Without any board of ours (oral consent only)",
}


class BadParts(ValueError):
    """What is wrong in bom.toml, where, and what is allowed."""


@dataclass(frozen=True)
class Part:
    """A row: the same part for all of `refs`."""

    refs: tuple[str, ...]
    group: str
    what: str
    value: str
    part: str
    others: tuple[str, ...]


def load(path: Path = ROOM / "bom.toml") -> tuple[Part, ...]:
    """Read and check; raises BadParts."""
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> tuple[Part, ...]:
    """The parts in a text; raises BadParts."""
    names = {field.name for field in fields(Part)}
    parts = []
    for row in tomllib.loads(text).get("part", []):
        if set(row) != names:
            raise BadParts(f"bom.toml, part {row.get('refs')}: keys are {sorted(row)}; needed {sorted(names)}")
        if row["group"] not in GROUPS:
            raise BadParts(f"bom.toml, part {row['refs']}: group is {row['group']!r}; allowed {', '.join(GROUPS)}")
        parts.append(Part(**{**row, "refs": tuple(row["refs"]), "others": tuple(row["others"])}))
    for ref, times in Counter(ref for part in parts for ref in part.refs).items():
        if times > 1:
            raise BadParts(f"bom.toml: {ref} is there {times} times; allowed is once")
    return tuple(parts)


def _row(part: Part) -> str:
    cells = (", ".join(part.refs), str(len(part.refs)), part.value, part.part, "; ".join(part.others), part.what)
    return "| " + " | ".join(cell or "-" for cell in cells) + " |"


def table(parts: tuple[Part, ...]) -> str:
    """The bill of materials as Markdown."""
    out = [
        "# Bill of materials",
        "",
        "Made from `bom.toml` by `hardware/make`: change it there. Part numbers were chosen from makers' data sheets;",
        "no board of this kind was built and measured yet.",
    ]
    for group, title in GROUPS.items():
        out += ["", f"## {title}", "", "| refs | each | value | part | instead | what |", "|---|---|---|---|---|---|"]
        out += [_row(part) for part in parts if part.group == group]
    return "\n".join(out) + "\n"
