"""The archive's settings: one TOML file, read strictly.

A key nobody knows, a wrong type, a value out of range or a file that is not there is one error each, which names the
key, the value and what is allowed. Relative paths are relative to the settings file.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from handschlag_archive.stores.settings import KINDS, BadSetting, Chosen, InFolder, InS3, check_stores

__all__ = ["BadSetting", "Broker", "Ingest", "Retention", "Settings", "read_password", "read_settings"]

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the broker is, and the archive's certificate for it."""

    ca: Text
    certificate: Text
    key: Text
    host: Text = "localhost"
    port: Port = 8883
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 30


class Ingest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How files are taken in."""

    settle_s: Annotated[float, msgspec.Meta(ge=0.05, le=3600)] = 5.0
    """Seconds without anything new before a manifest's missing files are named."""
    group: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 256
    """The most messages of one commit."""
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """How many processes take in, each with its own connection to the broker."""
    receive_maximum: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 512
    """The most messages that the broker may send ahead of our acknowledgements."""


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When recordings expire."""

    clock_jump_days: Annotated[int, msgspec.Meta(ge=1, le=400)] = 14
    """A clock that has leapt ahead by more days since it last showed anything lets nothing expire by itself."""


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the archive is reached in the browser."""

    host: Text = "127.0.0.1"
    """The address to listen on. Without a certificate and without a proxy only this machine's own is allowed."""
    port: Port = 8443
    names: tuple[Text, ...] = ()
    """The host names by which browsers may ask for it; without any, all."""
    certificate: Text | None = None
    key: Text | None = None
    trusted_proxies: tuple[Text, ...] = ()
    """Addresses of proxies that speak TLS with the browsers, and whose X-Forwarded-For tells who calls."""
    secret: Text = "web.secret"  # noqa: S105 - the name of a file
    """File of the secret that names and logins are kept with; made at the first start. Back it up."""

    @property
    def plain(self) -> bool:
        """Whether browsers speak to it without TLS."""
        return self.certificate is None and not self.trusted_proxies


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of the archive."""

    broker: Broker
    data: Text = "data"
    """Folder of what is kept: clips, keys and the index, each in a place of its own."""
    clips: tuple[Chosen, ...] = ()
    """Where copies of the clips lie; without any, in the folder `data`."""
    keys: tuple[Chosen, ...] = ()
    """Where copies of the keys lie, apart from the clips; without any, in the folder `data`."""
    copies: Annotated[int, msgspec.Meta(ge=1, le=16)] | None = None
    """In how many of the stores a file must be before a receipt says so; without a number, in all."""
    erasures: Text = "erasures"
    """Folder of the erasure list: in no backup, so that no restore takes it back with the rest."""
    trust: Text = "trust.json"
    """Trust file with the public keys of the boxes."""
    signing_key: Text = "archive-signing.key"
    """The key that signs receipts; made by `handschlag-archive keys`."""
    database: Text | None = None
    """URL of the index: `postgresql+psycopg://user@host/name`; without one, SQLite in the folder `data`."""
    database_password_file: Text | None = None
    """File with nothing but the database's password; without one, PGPASSFILE and what else libpq knows."""
    ingest: Ingest = Ingest()
    retention: Retention = Retention()
    web: Web = Web()


LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_DATABASE: Final = re.compile(
    r"postgresql\+psycopg://(?:(?P<user>[^:@/?]*)(?P<password>:[^@/]*)?@)?(?P<host>[^@/?]*)/(?P<name>[^/?]+)"
    r"(?:\?(?P<options>.*))?"
)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`")
_MISSING: Final = re.compile(r"Object missing required field `(?P<key>[^`]*)`")
_STEP: Final = re.compile(r"[^.\[\]]+")
_PATH: Final = re.compile(r" - at `\$(?P<path>[^`]*)`$")


def read_settings(path: Path) -> Settings:
    """Read and check the settings file, with every path in it made absolute.

    Raises:
        BadSetting: naming key, value and what is allowed.

    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSetting(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadSetting(f"{path}: byte {error.start} is no UTF-8; a TOML file is") from error
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"{path}: no TOML: {error}") from error
    try:
        settings = msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise BadSetting(f"{path}: {_in_words(str(error), raw)}") from error
    if settings.database is not None:
        _check_database(settings.database, path)
    settings = _with_files(settings, path)
    if Path(settings.erasures).resolve().is_relative_to(Path(settings.data).resolve()):
        raise BadSetting(
            f"{path}: erasures = {settings.erasures!r}: lies in the folder data, and a backup of that would take it "
            "back with the rest; allowed is a folder outside of it"
        )
    try:
        check_stores(settings.clips, settings.keys, settings.copies, [settings.erasures])
    except BadSetting as error:
        raise BadSetting(f"{path}: {error}") from None
    try:
        _check_web(settings.web)
    except BadSetting as error:
        raise BadSetting(f"{path}: {error}") from None
    return settings


def read_password(settings: Settings) -> str | None:
    """The database's password, where a file is named for it.

    Raises:
        BadSetting: the file cannot be read, or holds none.

    """
    if settings.database_password_file is None:
        return None
    path = Path(settings.database_password_file)
    try:
        password = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise BadSetting(f"database_password_file: {path}: cannot be read as text") from None
    if not password or "\n" in password:
        raise BadSetting(f"database_password_file: {path}: allowed is one line, the password")
    return password


def _check_web(web: Web) -> None:
    if (web.certificate is None) != (web.key is None):
        raise BadSetting("web.certificate and web.key: allowed are both or none")
    if web.plain and web.host not in LOOPBACK:
        raise BadSetting(
            f"web.host = {web.host!r}: passwords would travel in clear; allowed without web.certificate, or a proxy in "
            f"web.trusted_proxies, are {', '.join(LOOPBACK)}"
        )


def _check_database(url: str, path: Path) -> None:
    """The error must not say the value: it may hold a password, and errors end up in logs."""
    found = _DATABASE.fullmatch(url)
    if found is None:
        raise BadSetting(f"{path}: database: allowed is postgresql+psycopg://user@host[:port]/name[?option=value]")
    if found["password"] is not None or "password=" in (found["options"] or ""):
        raise BadSetting(
            f"{path}: database: holds a password, which would be read by everyone who reads the settings; "
            "write it into a file of its own and name that in database_password_file, or use PGPASSFILE"
        )


def _in_words(message: str, raw: dict[str, Any]) -> str:
    found = _PATH.search(message)
    section = found["path"].lstrip(".") if found else ""
    what = _PATH.sub("", message)
    if unknown := _UNKNOWN.match(what):
        value = _value(raw, section).get(unknown["key"])
        return f"{_key(section, unknown['key'])} = {value!r}: no such setting; allowed here: {_allowed(section, raw)}"
    if missing := _MISSING.match(what):
        return f"{_key(section, missing['key'])} is missing; it has no default"
    if section.endswith(".kind"):
        what = f"no such store; allowed are {', '.join(KINDS)}"
    return f"{section or 'settings'} = {_value(raw, section)!r}: {what[0].lower()}{what[1:]}"


def _key(section: str, key: str) -> str:
    return f"{section}.{key}" if section else key


def _value(raw: Any, section: str) -> Any:
    for part in _STEP.findall(section):
        raw = raw[int(part)] if part.isdigit() else raw[part]
    return raw


def _allowed(section: str, raw: dict[str, Any]) -> str:
    sections: dict[str, type[msgspec.Struct]] = {
        "": Settings,
        "broker": Broker,
        "ingest": Ingest,
        "retention": Retention,
        "web": Web,
    }
    struct = sections.get(section) or KINDS[_value(raw, section)["kind"]]
    names = [field.encode_name for field in msgspec.structs.fields(struct)]
    return ", ".join(names if section in sections else ["kind", *names])


def _with_files(settings: Settings, path: Path) -> Settings:
    folder = path.resolve().parent

    def there(key: str, value: str) -> str:
        whole = folder / value
        if not whole.is_file():
            raise BadSetting(f"{path}: {key} = {value!r}: no such file ({whole}); allowed is a file that can be read")
        return str(whole)

    broker = msgspec.structs.replace(
        settings.broker,
        ca=there("broker.ca", settings.broker.ca),
        certificate=there("broker.certificate", settings.broker.certificate),
        key=there("broker.key", settings.broker.key),
    )

    def placed(key: str, one: Chosen) -> Chosen:
        if isinstance(one, InFolder):
            return InFolder(str(folder / one.path))
        files = {name: value for name in ("ca", "credentials") if (value := getattr(one, name)) is not None}
        found: InS3 = msgspec.structs.replace(
            one, **{name: there(f"{key}.{name}", value) for name, value in files.items()}
        )
        return found

    def chosen(key: str, those: tuple[Chosen, ...]) -> tuple[Chosen, ...]:
        those = those or (InFolder(f"{settings.data}/{key}"),)
        return tuple(placed(f"{key}[{number}]", one) for number, one in enumerate(those))

    return msgspec.structs.replace(
        settings,
        broker=broker,
        clips=chosen("clips", settings.clips),
        keys=chosen("keys", settings.keys),
        data=str(folder / settings.data),
        erasures=str(folder / settings.erasures),
        trust=there("trust", settings.trust),
        signing_key=there("signing_key", settings.signing_key),
        web=msgspec.structs.replace(
            settings.web,
            certificate=settings.web.certificate and there("web.certificate", settings.web.certificate),
            key=settings.web.key and there("web.key", settings.web.key),
            secret=str(folder / settings.web.secret),
        ),
        database_password_file=settings.database_password_file
        and there("database_password_file", settings.database_password_file),
    )
