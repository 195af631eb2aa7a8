"""Somebody else at the broker: subscribes, publishes, remembers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE_S = 20.0


class Peer:
    """A client in clear that is subscribed when its `with` block begins. `on_got` is called for each message."""

    def __init__(
        self, port: int, *topics: str, on_got: Callable[[Peer, str, bytes], None] = lambda _peer, _topic, _payload: None
    ) -> None:
        self.got: list[tuple[str, bytes]] = []
        self._came = threading.Condition()
        self._subscribed = threading.Event()
        self._topics = topics
        self._on_got = on_got
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.on_message = self._message
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, and wait until the broker has it unless called from `on_got`."""
        told = self._client.publish(topic, payload, qos=1)
        if threading.current_thread() is not self._client._thread:
            told.wait_for_publish(PATIENCE_S)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds, looking again after each message."""
        end = time.monotonic() + PATIENCE_S
        with self._came:
            while not condition():
                assert time.monotonic() < end, f"waited in vain; came: {[topic for topic, _ in self.got][-20:]}"
                self._came.wait(0.2)

    def _connected(self, client: Client, *_: Any) -> None:
        for topic in self._topics:
            client.subscribe(topic, qos=1)
        if not self._topics:
            self._subscribed.set()

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._came:
            self.got.append((message.topic, bytes(message.payload)))
            self._came.notify_all()
        self._on_got(self, message.topic, bytes(message.payload))
