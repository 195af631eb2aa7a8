"""Somebody who may see everything that the broker is given, and notes what was sent, and under which name."""

from __future__ import annotations

import ssl
import threading
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from handschlag.sim.demo.place import DemoFailed, Place

CONNECT_S = 10.0


class Witness:
    """Listens beside the archive, with the archive's certificate."""

    def __init__(self, place: Place) -> None:
        self._lock = threading.Lock()
        self._seen: list[tuple[str, str]] = []
        self._payloads: list[bytes] = []
        self._listening = threading.Event()
        folder = place.folder / "broker"
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "witness", protocol=mqtt.MQTTv5)
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(str(folder / "archive.pem"), str(folder / "archive.key"))
        self._client.tls_set_context(context)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._listening.set()
        self._client.on_message = self._heard
        self._client.connect("127.0.0.1", place.port)
        self._client.loop_start()
        if not self._listening.wait(CONNECT_S):
            raise DemoFailed("the witness could not listen at the broker")

    def names(self, recording: str) -> list[str]:
        """What was sent of a recording, in order."""
        with self._lock:
            return [name for which, name in self._seen if which == recording]

    def revoked(self) -> bool:
        """A revocation has passed."""
        with self._lock:
            return any(name == "revoke.jws" for _, name in self._seen)

    def payloads(self) -> list[bytes]:
        """Everything that was sent, in order."""
        with self._lock:
            return list(self._payloads)

    def close(self) -> None:
        """Go home."""
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe("handschlag/1/+/up/#", qos=1)

    def _heard(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        parts = message.topic.split("/")
        if len(parts) == 6:
            with self._lock:
                self._seen.append((parts[4], parts[5]))
                self._payloads.append(bytes(message.payload))
