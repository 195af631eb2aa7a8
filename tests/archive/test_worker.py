"""The worker and a broker that behaves badly: what is not durable is not acknowledged, whatever happens meanwhile."""

import errno
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from handschlag.sealing.receipt import Progress, read_receipt
from handschlag_archive import mqtt
from handschlag_archive.ca import Authority
from handschlag_archive.mqtt import Worker, WorkerDied
from handschlag_archive.settings import read_settings
from handschlag_archive.stores.port import Place
from tests.archive.desk import Desk, all_up
from tests.archive.stand import PATIENCE_S
from tests.sealing.builder import ARCHIVE_KEY, BOX, RECORDING, build

BUILT = build(receipt=False)
SENT = all_up(BUILT.files)
CONNECT, PUBLISH, PUBACK, SUBSCRIBE = 1, 3, 4, 8
GOOD, NOBODY_LISTENS, NOT_AUTHORIZED = 0x00, 0x10, 0x87


class Stub:
    """A broker as a script: it speaks TLS and MQTT 5, and says only what a test has it say."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder / "ca")
        authority.init()
        served = authority.issue_server(["localhost", "127.0.0.1"])
        authority.issue_archive()
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
        self._tls.load_cert_chain(served.certificate, served.key)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(PATIENCE_S)
        self.port = self._server.getsockname()[1]
        self.folder = authority.folder

    def accept(self) -> "Connection":
        """The next client, through its handshake."""
        plain, _ = self._server.accept()
        plain.settimeout(PATIENCE_S)
        return Connection(self._tls.wrap_socket(plain, server_side=True))

    def close(self) -> None:
        """Listen no more."""
        self._server.close()


class Connection:
    """One client at the stub."""

    def __init__(self, tls: ssl.SSLSocket) -> None:
        self._tls = tls

    def expect(self, kind: int) -> bytes:
        """The next packet, which must be of that kind; its body."""
        found, body = self.packet()
        assert found == kind, (found, body)
        return body

    def packet(self) -> tuple[int, bytes]:
        """The next packet's kind and body; pings are answered."""
        while True:
            first = self._read(1)[0]
            length = shift = 0
            while True:
                byte = self._read(1)[0]
                length |= (byte & 0x7F) << shift
                shift += 7
                if not byte & 0x80:
                    break
            body = self._read(length)
            if first >> 4 != 12:
                return first >> 4, body
            self.send(0xD0, b"")

    def send(self, first: int, body: bytes) -> None:
        """One packet, of less than 2 MiB."""
        length, rest = bytearray(), len(body)
        while rest > 0x7F:
            length.append(0x80 | rest & 0x7F)
            rest >>= 7
        length.append(rest)
        self._tls.sendall(bytes([first]) + length + body)

    def welcome(self) -> None:
        """Let the client in and have it subscribed."""
        self.expect(CONNECT)
        self.send(0x20, b"\0\0\0")
        self.send(0x90, self.expect(SUBSCRIBE)[:2] + b"\0\1")

    def deliver(self, number: int, topic: str, payload: bytes) -> None:
        """One message at QoS 1."""
        name = topic.encode()
        self.send(0x32, len(name).to_bytes(2, "big") + name + number.to_bytes(2, "big") + b"\0" + payload)

    def close(self) -> None:
        """Hang up."""
        self._tls.close()

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            some = self._tls.recv(count - len(data))
            if not some:
                raise ConnectionError("the client is gone")
            data += some
        return data


class Stand:
    """A worker in a thread of its own, at the stub."""

    def __init__(self, folder: Path) -> None:
        self.stub = Stub(folder)
        self.desk = Desk(folder)
        (folder / "trust.json").touch()
        (folder / "archive-signing.key").write_bytes(ARCHIVE_KEY.to_file())
        config = folder / "archive.toml"
        ca = self.stub.folder
        config.write_text(
            f'[broker]\nhost = "127.0.0.1"\nport = {self.stub.port}\nca = "{ca / "ca.pem"}"\n'
            f'certificate = "{ca / "archive.pem"}"\nkey = "{ca / "archive.key"}"\nkeepalive_s = 5\n'
        )
        self.worker = Worker(read_settings(config), self.desk.ingest, on_ready=lambda: None)
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def start(self) -> "Connection":
        """Run the worker; its connection."""
        self._thread.start()
        return self.stub.accept()

    def _run(self) -> None:
        try:
            self.worker.run()
        except WorkerDied as error:
            self.error = error

    def join(self) -> None:
        """Wait for the worker's end."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def close(self) -> None:
        """End everything."""
        self.worker.stop()
        if self._thread.ident is not None:
            self.join()
        self.stub.close()
        self.desk.close()


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """A worker that has not been started, and its broker."""
    monkeypatch.setattr(mqtt, "_PAUSE_S", 0.02)
    made = Stand(tmp_path)
    yield made
    made.close()


def _hold(stand: Stand, until: threading.Event) -> threading.Event:
    """Have the disk hang in the middle of a write; the event says that it does."""
    put, hangs = stand.desk.clips.put, threading.Event()

    def stuck(objects: Sequence[tuple[Place, bytes]]) -> int:
        hangs.set()
        assert until.wait(PATIENCE_S)
        return put(objects)

    stand.desk.clips.put = stuck  # type: ignore[method-assign]
    return hangs


def test_while_the_disk_hangs_nothing_is_acknowledged_and_the_connection_lives(stand: Stand) -> None:
    """A write that does not return: no acknowledgement, no receipt; pings go on; then both come, in that order."""
    released = threading.Event()
    hangs = _hold(stand, released)
    with closing(stand.start()) as broker:
        broker.welcome()
        broker.deliver(7, SENT[0].topic, SENT[0].payload)
        assert hangs.wait(PATIENCE_S)
        broker.deliver(8, SENT[1].topic, SENT[1].payload)
        broker._tls.settimeout(0.3)
        with pytest.raises(TimeoutError):
            broker.packet()
        broker._tls.settimeout(PATIENCE_S)
        assert stand.desk.on_disk() == set()
        released.set()
        assert broker.expect(PUBACK)[:2] == (7).to_bytes(2, "big")
        assert b"/down/receipt" in broker.expect(PUBLISH)


def test_a_disk_that_refuses_is_tried_until_it_takes_and_only_then_acknowledged(stand: Stand) -> None:
    """Full for a while: the group is kept and tried again; nothing is lost, nothing acknowledged too early."""
    put, left = stand.desk.clips.put, [5]

    def full(objects: Sequence[tuple[Place, bytes]]) -> int:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return put(objects)

    stand.desk.clips.put = full  # type: ignore[method-assign]
    with closing(stand.start()) as broker:
        broker.welcome()
        broker.deliver(7, SENT[0].topic, SENT[0].payload)
        assert broker.expect(PUBACK)[:2] == (7).to_bytes(2, "big")
        assert left[0] < 0
        assert stand.worker.counts["store refused"] == 5
        assert len(stand.desk.on_disk()) == 1


def test_a_broker_that_sends_more_than_it_may_loses_nothing(stand: Stand) -> None:
    """Mosquitto 2.0.11 passes the receive maximum: what there is no room for is not read, and nothing falls out."""
    worker = stand.worker

    def network() -> None:
        for number in range(1, 3001):
            message = paho.MQTTMessage(number, b"of/no/use")
            message.qos = 1
            worker._on_message(worker._client, None, message)

    reading = threading.Thread(target=network)
    reading.start()
    reading.join(0.3)
    assert len(worker._queue) <= 2 * 512
    taken: list[int] = []
    while reading.is_alive() or worker._queue:
        taken += [arrived.mid for arrived in worker._next_group()]
    assert taken == list(range(1, 3001))


def test_a_worker_that_holds_as_much_as_it_may_can_be_stopped(stand: Stand) -> None:
    """The network's thread, which waits for room, is no reason to stay."""
    released = threading.Event()
    hangs = _hold(stand, released)
    with closing(stand.start()) as broker:
        broker.welcome()
        broker.deliver(7, SENT[0].topic, SENT[0].payload)
        assert hangs.wait(PATIENCE_S)
        for number in range(8, 8 + 2 * 512 + 50):
            broker.deliver(number, "of/no/use", b"")
        stand.worker.stop()
        released.set()
        stand.join()


def test_an_acknowledgement_never_goes_out_on_another_connection(stand: Stand) -> None:
    """The connection ends while the disk hangs: on the next one number 7 means something else, and is not said."""
    released = threading.Event()
    hangs = _hold(stand, released)
    with closing(stand.start()) as broker:
        broker.welcome()
        broker.deliver(7, SENT[0].topic, SENT[0].payload)
        assert hangs.wait(PATIENCE_S)
    with closing(stand.stub.accept()) as again:
        again.welcome()
        released.set()
        kind, body = again.packet()
        assert (kind, b"/down/receipt" in body) == (PUBLISH, True)  # where the recording stands, by itself
        again.deliver(9, SENT[1].topic, SENT[1].payload)
        kinds = [again.packet() for _ in range(2)]
        assert [body[:2] for kind, body in kinds if kind == PUBACK] == [(9).to_bytes(2, "big")]
    assert len(stand.desk.on_disk()) == 2


@pytest.mark.parametrize(
    ("reason", "counted"), [(GOOD, 0), (NOBODY_LISTENS, 0), (NOT_AUTHORIZED, 1)], ids=["good", "nobody", "refused"]
)
def test_a_receipt_that_the_broker_refuses_is_counted_and_the_work_goes_on(
    stand: Stand, reason: int, counted: int
) -> None:
    """A box that has gone, or may not be written to, costs its receipt and nothing else."""
    with closing(stand.start()) as broker:
        broker.welcome()
        for number in range(3):
            broker.deliver(number + 1, SENT[number].topic, SENT[number].payload)
            assert broker.expect(PUBACK)[:2] == (number + 1).to_bytes(2, "big")
            receipt = broker.expect(PUBLISH)
            topic_length = int.from_bytes(receipt[:2], "big")
            identifier, payload = receipt[2 + topic_length :][:2], receipt[2 + topic_length + 3 :]
            assert isinstance(read_receipt(payload, ARCHIVE_KEY.verify_key), Progress)
            broker.send(0x40, identifier + bytes([reason, 0]))
    stand.worker.stop()
    stand.join()
    assert stand.worker.counts["receipts refused"] == 3 * counted
    assert stand.worker.counts["messages"] == stand.worker.counts["receipts"] == 3
    assert len(stand.desk.on_disk(BOX, RECORDING)) == 3


def test_a_broker_that_never_answers_the_subscription_is_left(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connected, pinged, and never subscribed: a worker that takes nothing in would look alive for ever."""
    monkeypatch.setattr(mqtt, "_SUBSCRIBED_WITHIN_S", 0.1)
    with closing(stand.start()) as broker:
        broker.expect(CONNECT)
        broker.send(0x20, b"\0\0\0")
        broker.expect(SUBSCRIBE)
        stand.join()
    assert isinstance(stand.error, WorkerDied)
    assert "subscription" in str(stand.error)


def test_a_half_open_connection_is_given_up_and_made_anew(stand: Stand) -> None:
    """The broker takes the connection and says nothing more: after the keep-alive time another is made, and works."""
    with closing(stand.start()) as silent:
        silent.expect(CONNECT)
        with closing(stand.stub.accept()) as broker:
            broker.welcome()
            broker.deliver(1, SENT[0].topic, SENT[0].payload)
            broker.expect(PUBACK)
        with suppress(OSError):
            silent.close()
