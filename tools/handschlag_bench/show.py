"""Rows for the eye, or as JSON."""

import operator
from collections.abc import Iterable

import msgspec

from handschlag_bench.row import Row

_GOALS = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}


def met(row: Row) -> bool | None:
    """Is the goal met? None where it is no figure; figures are `<= 1`, `>= 10`, `== 0`, and `0` for the same."""
    relation, _, limit = row.goal.rpartition(" ")
    try:
        return bool(_GOALS[relation or "=="](row.value, float(limit)))
    except (KeyError, ValueError):
        return None


def show(rows: Iterable[Row], *, as_json: bool) -> list[Row]:
    """Print each row as soon as it is there; gives those that missed their goal."""
    missed = []
    for row in rows:
        print(msgspec.json.encode(row).decode() if as_json else line(row), flush=True)
        if met(row) is False:
            missed.append(row)
    return missed


def line(row: Row) -> str:
    """One line."""
    beside = ", ".join(f"{name} {value:.4g}" for name, value in row.beside.items())
    goal = f"goal {row.goal}" if row.goal else ""
    verdict = {True: "met", False: "MISSED", None: ""}[met(row)]
    return f"{row.bench:10} {row.row:42} {row.value:9.4g} {row.unit:14} {goal:14} {verdict:6} {beside}".rstrip()
