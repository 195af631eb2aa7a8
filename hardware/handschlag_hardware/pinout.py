"""`pinout.toml`: the one source of pins. Read strictly, so that a slip is found here and not at the soldering iron."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

ROOM: Final = Path(__file__).resolve().parent.parent
"""The folder `hardware/`."""

SCALES: Final = ("voltage_mv", "current_ua")
TERMINALS: Final = ("La_in", "Lb_in", "La_out", "Lb_out")
KINDS: Final = ("in", "in-pull-up", "out", "adc")


class BadPinout(ValueError):
    """What is wrong in pinout.toml, where, and what is allowed."""


@dataclass(frozen=True)
class Pin:
    """A pin of a controller: its GPIO number, the pad of the board (0: not led out), and the net on it."""

    name: str
    gpio: int
    pad: int
    kind: str
    net: str
    does: str


@dataclass(frozen=True)
class Terminal:
    """A screw terminal on the line's side, with the contact of the TAE plug that belongs to it."""

    name: str
    net: str
    tae: int
    does: str


@dataclass(frozen=True)
class Net:
    """A net that ends at no pin of a controller."""

    name: str
    does: str


@dataclass(frozen=True)
class Scale:
    """A step of the 12-bit converter is `factor / 2**shift` of the unit that the scale is named for."""

    factor: int
    shift: int

    @property
    def step(self) -> float:
        """The unit per step."""
        return float(self.factor / 2**self.shift)


@dataclass(frozen=True)
class Pinout:
    """All of pinout.toml."""

    tap: tuple[Pin, ...]
    box: tuple[Pin, ...]
    terminals: tuple[Terminal, ...]
    scales: dict[str, Scale]
    inner: tuple[Net, ...]

    @property
    def nets(self) -> frozenset[str]:
        """The name of every net that a pin or terminal is on."""
        pins = {pin.net for pin in (*self.tap, *self.box)}
        return frozenset(pins | {end.net for end in self.terminals} | {net.name for net in self.inner})


T = TypeVar("T", Pin, Terminal, Net)


def load(path: Path = ROOM / "pinout.toml") -> Pinout:
    """Read and check; raises BadPinout."""
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> Pinout:
    """The pinout in a text; raises BadPinout."""
    try:
        told = tomllib.loads(text)
        scales = {name: Scale(**scale) for name, scale in told["tap"]["scale"].items()}
        pins = {board: tuple(_row(Pin, row, f"{board}.pin") for row in told[board]["pin"]) for board in ("tap", "box")}
        terminals = tuple(_row(Terminal, row, "terminal") for row in told["terminal"])
        inner = tuple(_row(Net, row, "net") for row in told["net"])
    except tomllib.TOMLDecodeError as error:
        raise BadPinout(f"pinout.toml: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadPinout(f"pinout.toml: {error}; needed are tap.pin, tap.scale, box.pin, terminal and net") from error
    if set(scales) != set(SCALES):
        raise BadPinout(f"pinout.toml, tap.scale: there are {sorted(scales)}; needed are {', '.join(SCALES)}")
    missing = set(TERMINALS) - {terminal.name for terminal in terminals}
    if missing:
        raise BadPinout(f"pinout.toml, terminal: {', '.join(sorted(missing))} missing; needed are {TERMINALS}")
    for board, highest in (("tap", 29), ("box", 27)):
        _check(board, pins[board], highest)
    return Pinout(pins["tap"], pins["box"], terminals, scales, inner)


def _row(kind: type[T], row: dict[str, Any], where: str) -> T:
    wanted = {field.name: field.type for field in fields(kind)}
    if set(row) != set(wanted):
        raise BadPinout(f"pinout.toml, {where} {row.get('name')!r}: keys are {sorted(row)}; needed {sorted(wanted)}")
    for name, value in row.items():
        if type(value).__name__ != wanted[name]:
            raise BadPinout(f"pinout.toml, {where} {row['name']!r}: {name} is {value!r}; allowed is {wanted[name]}")
    return kind(**row)


def _check(board: str, pins: tuple[Pin, ...], highest: int) -> None:
    for pin in pins:
        where = f"pinout.toml, {board}.pin {pin.name!r}"
        if not 0 <= pin.gpio <= highest:
            raise BadPinout(f"{where}: gpio is {pin.gpio}; allowed is 0 to {highest}")
        if pin.kind not in KINDS:
            raise BadPinout(f"{where}: kind is {pin.kind!r}; allowed are {', '.join(KINDS)}")
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", pin.net):
            raise BadPinout(f"{where}: net is {pin.net!r}; allowed are capitals, digits and _")
        if pin.kind == "adc" and not (board == "tap" and 26 <= pin.gpio <= 28):
            raise BadPinout(f"{where}: gpio {pin.gpio} has no converter; allowed are 26 to 28 of the tap")
    for what in ("name", "gpio", "pad", "net"):
        seen = Counter(getattr(pin, what) for pin in pins if not (what == "pad" and pin.pad == 0))
        for value, times in seen.items():
            if times > 1:
                raise BadPinout(f"pinout.toml, {board}.pin: {what} {value!r} is there {times} times; allowed is once")


def firmware_table(pinout: Pinout) -> str:
    """The firmware's module `pins`."""
    lines = [
        '"""Which pin does what. Made from hardware/pinout.toml by hardware/make: change it there."""',
        "",
    ]
    for pin in pinout.tap:
        lines += [f"{pin.name} = {pin.gpio}", f'"""{pin.does[0].upper()}{pin.does[1:]}."""', ""]
    for name, scale in pinout.scales.items():
        lines += [
            f"{name.upper()}_FACTOR, {name.upper()}_SHIFT = {scale.factor}, {scale.shift}",
        ]
    return "\n".join(lines) + "\n"


def table(pins: tuple[Pin, ...]) -> str:
    """Pins as a Markdown table."""
    rows = ["| pin | GPIO | pad | kind | net | does |", "|---|---|---|---|---|---|"]
    rows += [f"| {p.name} | {p.gpio} | {p.pad or '-'} | {p.kind} | `{p.net}` | {p.does} |" for p in pins]
    return "\n".join(rows) + "\n"
