"""The box's settings: one TOML file, read strictly.

A wrong key, type, range or missing file is an error that names the key, its value and what is allowed; nothing is
guessed and nothing unknown is passed over. Paths are relative to the settings file.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from handschlag.calibration_file import BadCalibration, BenchName, CalibrationFile, read_calibration
from handschlag.core.policy import AskWhen, Way
from handschlag.core.retention import Retention
from handschlag.errors import HandschlagError
from handschlag.usb_sound import BadCard, is_identity


class BadSetting(HandschlagError, ValueError):
    """The settings cannot be used as they are."""


Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Pin = Annotated[int, msgspec.Meta(ge=0, le=27)]
BoxName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,32}$")]
Person = Annotated[int, msgspec.Meta(ge=1, le=9999)]
AreaCode = Annotated[str, msgspec.Meta(pattern="^[0-9]{0,6}$")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Hour = Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the settings file."""


class BoxSection(Section, frozen=True):
    """Who this box is and where it keeps things. `accepted`: the acceptance sheet is signed."""

    name: BoxName
    data: str
    key: str
    trust: str
    accepted: bool = False
    reserve_mib: Annotated[int, msgspec.Meta(ge=16, le=1_048_576)] = 512


class ConsentSection(Section, frozen=True):
    """How the other party is asked.

    `line_users`: the register's numbers of all who answer the line. `country` gives emergency numbers and the form of
    numbers, `area_code` is the line's own. `rule` has one value: everybody must have agreed.
    """

    language: Literal["de", "en"] = "de"
    way: Way = Way.KEY
    ask: AskWhen = AskWhen.BUTTON
    line_users: tuple[Person, ...] = ()
    country: Literal["DE", "AT", "CH", "FR", "DK"] = "DE"
    area_code: AreaCode = ""
    rule: Literal["all_party_optin"] = "all_party_optin"
    prompts: str = ""
    retention: Retention = Retention.ORDER


class DutySection(Section, frozen=True):
    """A shift of the duty rota, in local time; one that ends before it begins goes over midnight."""

    days: tuple[Day, ...]
    begin: Hour
    end: Hour
    staff: tuple[Person, ...]
    ask: AskWhen | None = None


class LineSection(Section, frozen=True):
    """The tap, or what takes its place. `proven` is the serial number of the tap whose polarity the bench proved.

    `kind = "sources"` reads the line without a tap: `hook`, `ring` and `number` name who decides what, of `gpio`
    (opto-isolated inputs on `hook_pin` and `ring_pin`), `modem` (its serial port; ring and number) and `fritz` (host of
    a FRITZ!Box's call monitor; with `extension`, its hook is that telephone's). With several the one that restricts
    wins (see `core.sources`). Beside a tap, `number` alone may be given. Without a tap only the oral way is open.

    `hint = ["vox"]` listens to a line that no wire knows, and says in the status how it sounds. It decides nothing:
    alone, without `hook` and `ring`, nothing can be recorded.

    `bench` names that result, by a date for example. A dial tone that disproves a result disproves it for good: only
    another result, with another name, brings the keypress way back. `calibration` is the bench's file, which has its
    own name for the result; without one recordings hold the mix of both parties.
    """

    kind: Literal["tap", "sources", "absent"]
    port: str = ""
    hook: tuple[Literal["gpio", "fritz"], ...] = ()
    ring: tuple[Literal["gpio", "modem", "fritz"], ...] = ()
    number: tuple[Literal["modem", "fritz"], ...] = ()
    hint: tuple[Literal["vox"], ...] = ()
    hook_pin: Pin | None = None
    ring_pin: Pin | None = None
    modem: str = ""
    fritz: str = ""
    fritz_port: Port = 1012
    extension: Annotated[int, msgspec.Meta(ge=0, le=999)] | None = None
    proven: str = ""
    bench: BenchName = ""
    calibration: str = ""


class AudioSection(Section, frozen=True):
    """The sound device: its USB identity (usb:VVVV:PPPP[:SERIAL][@PORT]), or a name or a unique part of it.

    Never an index, which changes with every plug. `cap_dbm0` is the highest mean level at which anything is played
    into the line (see `prompts.send_level`). `pipe` is the simulated world's socket.
    """

    kind: Literal["portaudio", "pipe", "absent"]
    device: str = ""
    cap_dbm0: Annotated[float, msgspec.Meta(ge=-40.0, le=0.0)] = -7.5
    socket: str = ""


class PanelSection(Section, frozen=True):
    """Lamps and button. Pins are BCM numbers."""

    kind: Literal["gpio", "pipe", "absent"]
    rec: Pin = 17
    red: Pin = 22
    green: Pin = 23
    blue: Pin = 24
    button: Pin = 27
    socket: str = ""


class QuietSection(Section, frozen=True):
    """Hours without sending, in local time; such as end before they begin go over midnight."""

    days: tuple[Day, ...]
    begin: Hour
    end: Hour


class UplinkSection(Section, frozen=True):
    """The broker. Without `ca` the connection is not encrypted, which is refused unless the host is this machine.

    `in_flight` files are on their way at a time. `cap_kbit_s` is the bandwidth for files, a live call's clips included,
    in 1000 bits each second; a whole clip must get through in a minute. Revocations and the status go past it, and past
    the hours of `quiet`, in which nothing else is sent.
    """

    kind: Literal["mqtt", "absent"]
    host: str = ""
    port: Port = 8883
    ca: str = ""
    certificate: str = ""
    key: str = ""
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    cap_kbit_s: Annotated[int, msgspec.Meta(ge=16, le=10_000_000)] | None = None
    quiet: tuple[QuietSection, ...] = ()


class Settings(Section, frozen=True):
    """The whole file."""

    box: BoxSection
    line: LineSection
    audio: AudioSection
    panel: PanelSection
    uplink: UplinkSection
    consent: ConsentSection = ConsentSection()
    duty: tuple[DutySection, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with where they came from and the hash that the ledger names."""

    settings: Settings
    folder: Path
    sha256: str

    def path(self, text: str) -> Path:
        """A path of the file, relative to it."""
        return (self.folder / text).resolve() if text else self.folder

    def calibration(self) -> CalibrationFile | None:
        """The bench's result, where the settings name one.

        Raises:
            BadSetting: when its file cannot be used, or is of another tap than the proven one.
        """
        line = self.settings.line
        if not line.calibration:
            return None
        key = f"line.calibration = {line.calibration!r}"
        try:
            held = read_calibration(self.path(line.calibration).read_bytes(), key)
        except OSError as error:
            raise BadSetting(f"{key}: cannot be read ({error.strerror}); allowed is the bench's file") from error
        except BadCalibration as error:
            raise BadSetting(str(error)) from error
        if held.tap != line.proven:
            raise BadSetting(f"{key}: is of tap {held.tap!r}; allowed is that of line.proven = {line.proven!r}")
        if line.bench not in {"", held.bench}:
            raise BadSetting(f"line.bench = {line.bench!r}: the calibration names {held.bench!r}; leave one out")
        return held

    def bench(self) -> str:
        """Name of the bench result in force."""
        held = self.calibration()
        return held.bench if held is not None else self.settings.line.bench


def load(path: Path) -> Loaded:
    """Read and check a settings file.

    Raises:
        BadSetting: names file, key, value and what is allowed.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadSetting(f"{path}: cannot be read ({error.strerror}); allowed is a readable TOML file") from error
    try:
        tree = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{path}: is not TOML: {error}") from error
    try:
        settings = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        raise BadSetting(f"{path}: {_explain(str(error), tree)}") from error
    loaded = Loaded(settings, path.resolve().parent, hashlib.sha256(raw).hexdigest())
    _check(path, loaded)
    loaded.calibration()
    return loaded


def _explain(message: str, tree: dict[str, Any]) -> str:
    """Add to what msgspec says (what, and where as `$.box.name`) the value that stands there and what is allowed."""
    where = re.search(r"`\$\.?([^`]*)`$", message)
    key = where.group(1) if where else ""
    value: Any = tree
    for part in filter(None, re.split(r"\.|\[|\]", key)):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, ValueError, TypeError):
            value = None
            break
    what = message.partition(" - at")[0]
    unknown = re.search(r"unknown field `([^`]+)`", message)
    if unknown:
        name = ".".join(filter(None, [key, unknown.group(1)]))
        section = _section(key)
        allowed = ", ".join(f.name for f in msgspec.structs.fields(section)) if section else "the documented keys"
        return f"{name}: no such key; allowed are {allowed}"
    if allowed_values := _choices(key):
        what += f"; allowed are {', '.join(allowed_values)}"
    shown = "" if isinstance(value, dict) or value is None else f" = {value!r}"
    return f"{key or 'the file'}{shown}: {what}"


def _type_at(key: str) -> Any:
    """The type that a key of the file has; None where there is none. `x[0]` has the type of x's items."""
    kind: Any = Settings
    for part in filter(None, re.split(r"\.|(\[)\d*\]", key)):
        if part == "[":
            kind = get_args(kind)[0] if get_origin(kind) is tuple else None
        else:
            is_section = isinstance(kind, type) and issubclass(kind, Section)
            fields = {f.name: f.type for f in msgspec.structs.fields(kind)} if is_section else {}
            kind = fields.get(part)
    return kind


def _section(key: str) -> type[Section] | None:
    kind = _type_at(key)
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _choices(key: str) -> list[str]:
    """The values that a key with few of them allows."""
    for kind in (_type_at(key), *get_args(_type_at(key))):
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return [member.value for member in kind]
        if get_origin(kind) is Literal:
            return [str(value) for value in get_args(kind)]
    return []


def _check_deciders(path: Path, line: LineSection) -> None:
    """Somebody must decide hook and ring, unless the line is only listened to."""
    only_heard = line.hint and not (line.hook or line.ring or line.number)
    for key, value in (("hook", line.hook), ("ring", line.ring)):
        if not value and not only_heard:
            raise BadSetting(f'{path}: line.{key} = []: is missing; with kind = "sources" somebody must decide it')
    if line.proven or line.calibration:
        raise BadSetting(f'{path}: line.proven, line.calibration: are of a tap; not allowed with kind = "sources"')


def _check_line(path: Path, settings: Settings) -> None:
    """Every source that is named must be wired, and nothing may be wired in vain."""
    line = settings.line
    named = {*line.hook, *line.ring, *line.number}
    if line.hint and line.kind != "sources":
        raise BadSetting(f'{path}: line.hint = {list(line.hint)}: allowed with kind = "sources" only')
    if line.kind == "sources":
        _check_deciders(path, line)
    elif line.hook or line.ring or (line.number and line.kind != "tap"):
        raise BadSetting(
            f"{path}: line.hook = {list(line.hook)}, line.ring = {list(line.ring)}, line.number = {list(line.number)}: "
            'allowed with kind = "sources"; number also with kind = "tap"'
        )
    wired = (
        ("hook_pin", line.hook_pin is not None, "gpio" in line.hook, "the hook input's pin (BCM number)"),
        ("ring_pin", line.ring_pin is not None, "gpio" in line.ring, "the ring input's pin (BCM number)"),
        ("modem", line.modem != "", "modem" in named, "the modem's serial port, as /dev/serial/by-id/..."),
        ("fritz", line.fritz != "", "fritz" in named, "the host name of the FRITZ!Box"),
        ("extension", line.extension is not None, line.extension is not None and "fritz" in named, ""),
    )
    for key, given, needed, allowed in wired:
        if needed and not given:
            raise BadSetting(f"{path}: line.{key}: is missing; allowed is {allowed}")
        if given and not needed:
            raise BadSetting(f"{path}: line.{key} = {getattr(line, key)!r}: nothing in hook, ring and number uses it")
    _check_pins(path, settings)


def _check_pins(path: Path, settings: Settings) -> None:
    line, panel = settings.line, settings.panel
    taken = (panel.rec, panel.red, panel.green, panel.blue, panel.button) if panel.kind == "gpio" else ()
    pins = [pin for pin in (line.hook_pin, line.ring_pin) if pin is not None]
    if len({*pins, *taken}) < len(pins) + len(set(taken)):
        raise BadSetting(
            f"{path}: line.hook_pin = {line.hook_pin}, line.ring_pin = {line.ring_pin}: allowed are two different pins "
            f"that the panel does not use ({', '.join(map(str, taken)) or 'none'})"
        )


def _check_device(path: Path, settings: Settings) -> None:
    try:
        is_identity(settings.audio.device)
    except BadCard as error:
        raise BadSetting(f"{path}: audio.device = {error}") from error


def _check_hours(path: Path, settings: Settings) -> None:
    for number, duty in enumerate(settings.duty):
        if not duty.days or not duty.staff or duty.begin == duty.end:
            raise BadSetting(
                f"{path}: duty[{number}] {duty.begin} to {duty.end}: needs days, staff, and two hours that must differ"
            )
    for number, quiet in enumerate(settings.uplink.quiet):
        if not quiet.days or quiet.begin == quiet.end:
            raise BadSetting(
                f"{path}: uplink.quiet[{number}] {quiet.begin} to {quiet.end}: needs days and two different hours"
            )


def _check(path: Path, loaded: Loaded) -> None:
    settings = loaded.settings
    _check_line(path, settings)
    _check_device(path, settings)
    _check_hours(path, settings)
    needed = (
        (
            "line.port",
            settings.line.kind == "tap",
            settings.line.port,
            "the tap's serial port, as /dev/serial/by-id/...",
        ),
        ("audio.device", settings.audio.kind == "portaudio", settings.audio.device, "a sound device's name"),
        ("audio.socket", settings.audio.kind == "pipe", settings.audio.socket, "the world's socket"),
        ("panel.socket", settings.panel.kind == "pipe", settings.panel.socket, "the world's socket"),
        ("uplink.host", settings.uplink.kind == "mqtt", settings.uplink.host, "the broker's host name"),
    )
    for key, applies, value, allowed in needed:
        if applies and not value:
            raise BadSetting(f"{path}: {key} = {value!r}: is missing; allowed is {allowed}")
    uplink = settings.uplink
    if uplink.kind == "mqtt":
        given = [bool(name) for name in (uplink.ca, uplink.certificate, uplink.key)]
        if any(given) and not all(given):
            raise BadSetting(f"{path}: uplink.ca, uplink.certificate and uplink.key go together; give all three")
        if not any(given) and uplink.host not in {"localhost", "127.0.0.1", "::1"}:
            raise BadSetting(
                f"{path}: uplink.host = {uplink.host!r}: without ca, certificate and key only this machine is allowed"
            )
    files = [("box.key", settings.box.key), ("box.trust", settings.box.trust)]
    files += [("uplink.ca", uplink.ca), ("uplink.certificate", uplink.certificate), ("uplink.key", uplink.key)]
    for key, name in files:
        if name and not loaded.path(name).is_file():
            raise BadSetting(f"{path}: {key} = {name!r}: no such file; allowed is a path relative to the settings")
