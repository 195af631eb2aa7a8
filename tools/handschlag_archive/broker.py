"""The broker's configuration as it is shipped: Mosquitto 2, TLS 1.3, a certificate for everyone, one rule per name.

The one idea: the broker takes the user name from the client certificate, and the rules are patterns over that name, so
adding a box changes nothing here. Option names are those of mosquitto.conf(5).

A revoked name stands in two places: its certificates in `crlfile`, so that no new connection begins, and the name
itself in the rules, so that a connection that stands can do nothing any more. Mosquitto reads both anew at SIGHUP, and
lets everybody else's connection stand; the revoked one it leaves open, without a right, until it ends or the broker is
restarted. A denial stands before what permits: Mosquitto tries a user's rules before the patterns, denials first.

What rules cannot do: Mosquitto 2.0 asks them for each message that is delivered, not for a subscription, and a member
of a shared subscription that may not read takes its share with it. So the archive's group has a name that only its
workers know (`mqtt.shared_subscription`), and a box's client id cannot be guessed by another (`adapters.uplink`).

`max_queued_messages 0` with a byte limit: the default of 1000 messages silently drops what was acknowledged to the
sender. `max_inflight_messages` is what one archive worker may hold unacknowledged, hence the size of its commit group.
Neither makes the broker trustworthy: only the archive's receipt moves a recording on.
"""

import getpass
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from handschlag.errors import HandschlagError
from handschlag_archive.ca import ARCHIVE_NAME, Authority, replace_file

MAX_PACKET_BYTES: Final = 131072
MAX_QUEUED_BYTES: Final = 256 * 1024 * 1024
MAX_INFLIGHT: Final = 512

_CONFIGURATION: Final = """\
# Mosquitto 2 for Handschlag boxes and their archive. Written by `handschlag-archive broker-config`.
per_listener_settings false
user {user}

listener {port}{bind}
cafile {ca}
certfile {certificate}
keyfile {key}
crlfile {revoked}
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file {acl}

max_packet_size {max_packet_bytes}
max_inflight_messages {max_inflight}
max_queued_messages 0
max_queued_bytes {max_queued_bytes}
set_tcp_nodelay true

persistence true
persistence_location {persistence}/
autosave_interval 60

log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages true
"""

_PATTERNS: Final = """\
# %u is the common name of the client's certificate: a box reaches its own topics and no others.
pattern write handschlag/1/%u/up/#
pattern read handschlag/1/%u/down/#
pattern write homie/5/%u/#
pattern write homeassistant/device/%u/config
"""

_SERVICES: Final[Mapping[str, Sequence[str]]] = {
    ARCHIVE_NAME: (
        "read handschlag/1/+/up/#",
        "write handschlag/1/+/down/receipt",
        "write handschlag/1/+/down/owner",
    ),
    "operator": ("write handschlag/1/+/down/command", "read handschlag/1/+/up/reply/+", "read homie/5/#"),
    "fleet": ("read homie/5/#", "read homeassistant/device/+/config"),
}
"""A service may do this and nothing else: what the patterns would give a box of its name is denied to it."""


class BadBroker(HandschlagError, ValueError):
    """Something the broker's configuration cannot say, or a file it needs is absent."""


@dataclass(frozen=True)
class Written:
    """The files of one broker configuration."""

    configuration: Path
    rules: Path


def write_broker_configuration(
    folder: Path, *, authority: Path, port: int, bind: str | None = None, user: str | None = None
) -> Written:
    """Write `mosquitto.conf` and `acl` into `folder`, for the broker certificate that `authority` issued.

    Args:
        folder: where the configuration and the broker's persistence go.
        authority: folder with `ca.pem`, `server.pem` and `server.key`.
        port: TCP port, 1-65535.
        bind: address to listen on; None is all of them.
        user: whom Mosquitto runs as when started by root; None is the present user.

    """
    if not 1 <= port <= 65535:
        raise BadBroker(f"port {port}: allowed is 1 to 65535")
    folder, authority = folder.resolve(), authority.resolve()
    files = {"ca": authority / "ca.pem", "certificate": authority / "server.pem", "key": authority / "server.key"}
    for path in files.values():
        if not path.is_file():
            raise BadBroker(f"{path} is absent; make it with: ca init, then ca issue server")
    files["revoked"] = authority / "crl.pem"
    if not files["revoked"].is_file():
        Authority(authority).renew_revoked_list()  # an authority from before there was a list
    persistence = folder / "broker"
    written = Written(folder / "mosquitto.conf", folder / "acl")
    for path in (*files.values(), persistence, written.rules):
        if any(character in str(path) for character in "\r\n"):
            raise BadBroker(f"{str(path)!r}: a path with a line break cannot stand in mosquitto.conf")
    persistence.mkdir(parents=True, exist_ok=True)
    owner = user if user is not None and os.geteuid() == 0 else None
    replace_file(written.rules, rules(Authority(authority).revoked_names()).encode(), mode=0o600, owner=owner)
    text = _CONFIGURATION.format(
        user=user or getpass.getuser(),
        port=port,
        bind=f" {bind}" if bind else "",
        acl=written.rules,
        persistence=persistence,
        max_packet_bytes=MAX_PACKET_BYTES,
        max_inflight=MAX_INFLIGHT,
        max_queued_bytes=MAX_QUEUED_BYTES,
        **files,
    )
    written.configuration.write_text(text, encoding="utf-8")
    if owner is not None:
        # Mosquitto opens these, and the rules, only after it has given up root.
        for path in (persistence, files["key"]):
            shutil.chown(path, owner)
    return written


def rewrite_rules(folder: Path, authority: Authority) -> Path:
    """Write the access rules in `folder` anew, for the names that `authority` has revoked by now; where they are.

    Raises:
        BadBroker: there are none yet.

    """
    path = folder.resolve() / "acl"
    try:
        owner = path.stat().st_uid
    except FileNotFoundError as error:
        raise BadBroker(f"{path} is absent; name the folder of broker-config with --broker") from error
    replace_file(path, rules(authority.revoked_names()).encode(), mode=0o600, owner=owner)
    return path


def rules(revoked: Collection[str]) -> str:
    """The broker's access rules; who is called as one of `revoked` may do nothing."""
    parts = [_PATTERNS]
    for name, rights in _SERVICES.items():
        if name not in revoked:
            own = (f"handschlag/1/{name}/#", f"homie/5/{name}/#", f"homeassistant/device/{name}/#")
            denied = [f"topic deny {topic}" for topic in own]
            parts.append("\n".join([f"user {name}", *denied, *(f"topic {right}" for right in rights), ""]))
    parts += [f"user {name}\ntopic deny #\n" for name in revoked]
    return "\n".join(parts)
