"""What the broker and paho do when nobody keeps anything: a bare publisher and a bare subscriber, each a process.

    python -m handschlag_bench.uplink.bare publish|subscribe JSON

The publisher sends payloads of given lengths at QoS 1, so many in flight; the subscriber counts. Nothing is read from a
disk, sealed, signed, stored or answered. Times are of the monotonic clock, which all processes of a machine share.

It is written as paho's documentation begins, with its network loop in a thread; publishing each next message from the
callback of an acknowledgement, in one thread, was found to be no quicker.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import threading
import time
from typing import Any, Literal

import msgspec
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from handschlag_archive.broker import MAX_INFLIGHT


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What to do. `sizes` are (payload length, how often in a row); for the subscriber their sum counts."""

    port: int
    ca: str
    certificate: str
    key: str
    topic: str
    sizes: tuple[tuple[int, int], ...]
    in_flight: int = 8

    @property
    def messages(self) -> int:
        """How many in all."""
        return sum(count for _, count in self.sizes)


def publish(task: Task) -> None:
    """Send everything; says when it began and when the last was acknowledged."""
    payloads = {size: os.urandom(size) for size, _ in task.sizes}
    client = _client(task)
    connected = threading.Event()

    def on_connect(_c: Client, _d: Any, _f: ConnectFlags, code: ReasonCode, _p: Properties | None) -> None:
        _must(code)
        connected.set()

    client.on_connect = on_connect
    client.max_inflight_messages_set(task.in_flight)
    client.connect("localhost", task.port, clean_start=True)
    client.loop_start()
    connected.wait()
    began, used = time.monotonic(), time.process_time()
    sent = [client.publish(task.topic, payloads[size], qos=1) for size, count in task.sizes for _ in range(count)]
    sent[-1].wait_for_publish()
    _say(began=began, ended=time.monotonic(), used_s=time.process_time() - used)
    client.disconnect()
    client.loop_stop()


def subscribe(task: Task) -> None:
    """Take everything; says when it is subscribed and when the last message was there."""
    client = _client(task)
    received = 0
    used = 0.0

    def on_connect(_c: Client, _d: Any, _f: ConnectFlags, code: ReasonCode, _p: Properties | None) -> None:
        _must(code)
        client.subscribe(task.topic, qos=1)

    def on_subscribe(_c: Client, _d: Any, _mid: int, codes: list[ReasonCode], _p: Properties | None) -> None:
        nonlocal used
        _must(codes[0])
        used = time.process_time()
        _say(ready=True)

    def on_message(_c: Client, _d: Any, _message: MQTTMessage) -> None:
        nonlocal received
        received += 1
        if received == task.messages:
            _say(ended=time.monotonic(), used_s=time.process_time() - used)
            client.disconnect()

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = MAX_INFLIGHT
    client.connect("localhost", task.port, clean_start=True, properties=properties)
    client.loop_forever()


def _client(task: Task) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    context = ssl.create_default_context(cafile=task.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(task.certificate, task.key)
    client.tls_set_context(context)
    return client


def _must(code: ReasonCode) -> None:
    if code.is_failure:
        sys.exit(f"the broker refuses: {code}")


def _say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def main(what: Literal["publish", "subscribe"], task: Task) -> None:
    """Do it."""
    {"publish": publish, "subscribe": subscribe}[what](task)


if __name__ == "__main__":
    main("publish" if sys.argv[1] == "publish" else "subscribe", msgspec.json.decode(sys.argv[2], type=Task))
