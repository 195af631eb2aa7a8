"""The broker's configuration as it is shipped: Mosquitto 2, TLS 1.3, a certificate for everyone, one rule per name.

The one idea: the broker takes the user name from the client certificate, and the rules are patterns over that name, so
adding a box changes nothing here. Option names are those of mosquitto.conf(5).

`max_queued_messages 0` with a byte limit: the default of 1000 messages silently drops what was acknowledged to the
sender. `max_inflight_messages` is what one archive worker may hold unacknowledged, hence the size of its commit group.
Neither makes the broker trustworthy: only the archive's receipt moves a recording on.
"""

import getpass
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from handschlag.errors import HandschlagError
from handschlag_archive.ca import ARCHIVE_NAME

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

_RULES: Final = f"""\
# %u is the common name of the client's certificate: a box reaches its own topics and no others.
pattern write handschlag/1/%u/up/#
pattern read handschlag/1/%u/down/#
pattern write homie/5/%u/#
pattern write homeassistant/device/%u/config

user {ARCHIVE_NAME}
topic read handschlag/1/+/up/#
topic write handschlag/1/+/down/receipt
topic write handschlag/1/+/down/owner
"""


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
    persistence = folder / "broker"
    written = Written(folder / "mosquitto.conf", folder / "acl")
    for path in (*files.values(), persistence, written.rules):
        if any(character in str(path) for character in "\r\n"):
            raise BadBroker(f"{str(path)!r}: a path with a line break cannot stand in mosquitto.conf")
    persistence.mkdir(parents=True, exist_ok=True)
    written.rules.write_text(_RULES, encoding="utf-8")
    written.rules.chmod(0o600)
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
    if user is not None and os.geteuid() == 0:
        # Mosquitto opens these only after it has given up root.
        for path in (written.rules, persistence, files["key"]):
            shutil.chown(path, user)
    return written
