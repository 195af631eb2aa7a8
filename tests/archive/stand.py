"""A stand for tests with real parts: Mosquitto and `handschlag-archive ingest` as processes, boxes as MQTT clients.

Certificates, access rules and the broker's configuration come from the archive's own commands, so they are tested as
shipped.
"""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from handschlag_archive.broker import write_broker_configuration
from handschlag_archive.ca import Authority

PATIENCE_S = 30.0
"""How long a condition may take on a busy machine before the test fails."""


def find_mosquitto() -> str:
    """The broker's program; skips the test where it is not installed."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("no mosquitto here; get it with: apt-get install mosquitto")
    return found


def free_port() -> int:
    """A TCP port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Broker:
    """Mosquitto with the shipped configuration, on a free port."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "ca")
        self.authority.init()
        self.authority.issue_server(["localhost", "127.0.0.1"])
        self.port = free_port()
        written = write_broker_configuration(
            folder / "broker", authority=self.authority.folder, port=self.port, bind="127.0.0.1"
        )
        self.configuration = written.configuration
        self._command = [find_mosquitto(), "-c", str(written.configuration)]
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    def reload(self) -> None:
        """Tell it to read its files anew."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def restart(self) -> None:
        """Stop it kindly and start it again, on the same port."""
        self.__exit__(None, None, None)
        self.__enter__()

    def kill(self) -> None:
        """Take it away without a word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=PATIENCE_S)

    def __enter__(self) -> Self:
        """Start, and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"mosquitto does not listen: {self._log.read_text()}") from error
                self._pause()
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=PATIENCE_S)

    @staticmethod
    def _pause() -> None:
        threading.Event().wait(0.02)


class ArchiveProcess:
    """`handschlag-archive ingest` as a process."""

    def __init__(self, config: Path, log: Path, *, workers: int = 1) -> None:
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "handschlag_archive", "ingest", "--config", str(config), "--json"),
                    *(("--workers", str(workers)) if workers > 1 else ()),
                ],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.log = log

    def wait_ready(self) -> None:
        """Wait for the line that says it is subscribed."""
        line = self._line()
        assert json.loads(line or "{}").get("ready") is True, f"{line!r}: {self.log.read_text()}"

    def wait_for_log(self, *any_of: str) -> None:
        """Wait until one of these stands in the log."""
        end = time.monotonic() + PATIENCE_S
        while not any(words in self.log.read_text() for words in any_of):
            assert time.monotonic() < end, self.log.read_text()
            threading.Event().wait(0.02)

    def stop(self) -> dict[str, Any]:
        """Stop it kindly; what it says at the end."""
        self.process.terminate()
        said = json.loads(self._line())
        assert self.process.wait(timeout=PATIENCE_S) == 0, self.log.read_text()
        return dict(said)

    def kill(self) -> None:
        """Take it away without a word."""
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)
        self.close()

    def close(self) -> None:
        """Leave nothing running and nothing open."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _line(self) -> str:
        assert self.process.stdout is not None
        watchdog = threading.Timer(PATIENCE_S, self.process.kill)
        watchdog.start()
        try:
            return self.process.stdout.readline()
        finally:
            watchdog.cancel()


class BoxClient:
    """A box's MQTT side, as little as a test needs."""

    def __init__(self, broker: Broker, name: str) -> None:
        self.name = name
        self.receipts: list[bytes] = []
        self.refused: dict[int, ReasonCode] = {}
        self._came = threading.Condition()
        self._ready = False
        issued = broker.authority.issue_box(name)
        context = ssl.create_default_context(cafile=str(broker.authority.certificate))
        context.load_cert_chain(issued.certificate, issued.key)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"test-{name}", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.tls_set_context(context)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.connect("localhost", broker.port, clean_start=True)
        self._client.loop_start()
        self.until(lambda: self._ready)

    def publish(self, what: str, name: str, payload: bytes) -> int:
        """Send one file up; the message id."""
        return self.publish_to(f"handschlag/1/{self.name}/up/{what}/{name}", payload)

    def publish_to(self, topic: str, payload: bytes) -> int:
        """Send something anywhere; the message id."""
        info = self._client.publish(topic, payload, qos=1)
        info.wait_for_publish(PATIENCE_S)
        return info.mid

    def publish_all(self, recording: str, files: Sequence[tuple[str, bytes]]) -> None:
        """Send files up, in this order."""
        for name, payload in files:
            self.publish(recording, name, payload)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition`, looking again after every event."""
        with self._came:
            assert self._came.wait_for(condition, timeout=PATIENCE_S), f"waited in vain; receipts: {self.receipts}"

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: paho.ConnectFlags, reason: ReasonCode, _p: Properties | None
    ) -> None:
        assert not reason.is_failure, reason
        client.subscribe(f"handschlag/1/{self.name}/down/#", qos=1)

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, _mid: int, _reasons: list[ReasonCode], _p: Properties | None
    ) -> None:
        with self._came:
            self._ready = True
            self._came.notify_all()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        with self._came:
            self.receipts.append(bytes(message.payload))
            self._came.notify_all()

    def _on_publish(
        self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _p: Properties | None
    ) -> None:
        with self._came:
            if reason.is_failure and reason.value != 0x10:  # 0x10: nobody has subscribed, no failure here
                self.refused[mid] = reason
            self._came.notify_all()
