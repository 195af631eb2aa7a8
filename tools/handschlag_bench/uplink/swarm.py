"""Many simulated boxes in one process: each with its own certificate, name and connection, and recordings to deliver.

    python -m handschlag_bench.uplink.swarm PLAN.json

They all connect first, then all begin at once. A box sends its recordings one after the other, files in the box's
order, so many in flight, the manifest last and alone; what the archive says is missing it sends again, and without a
receipt it sends the manifest again, as the real box does. A recording is delivered when its `stored` receipt is there,
with a good signature. Prints JSON lines: when all were connected, how many recordings are stored, and the end.
"""

from __future__ import annotations

import asyncio
import json
import resource
import ssl
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from handschlag.adapters.spool.names import in_sending_order
from handschlag.sealing.keys import Keyring
from handschlag.sealing.manifest import MANIFEST
from handschlag.sealing.receipt import Incomplete, Refused, Stored, read_receipt, unfold_names
from handschlag.sealing.trust import read_trust
from handschlag_bench.uplink.simple_mqtt import SimpleClient

CONNECTING_AT_ONCE = 64
RECEIPT_TIMEOUT_S = 12.0
TOLD_EACH_S = 0.5


class SimulatedBox(msgspec.Struct, frozen=True, kw_only=True):
    """Who it is, and what it has."""

    name: str
    certificate: str
    key: str
    spool: str
    recordings: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do; `trust` is the trust file with the archive's key."""

    port: int
    ca: str
    trust: str
    boxes: tuple[SimulatedBox, ...]
    in_flight: int = 8


@dataclass(slots=True)
class Count:
    """What became of it so far."""

    files: int = 0
    stored: int = 0
    receipts: int = 0
    incomplete: int = 0
    timeouts: int = 0
    last_at: float = 0.0


@dataclass(slots=True)
class _Box:
    """A box at work."""

    told: SimulatedBox
    plan: Plan
    archive: Keyring
    count: Count
    client: SimpleClient = field(init=False)
    answers: asyncio.Queue[Stored | Incomplete] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.client = SimpleClient(self.told.name, self._received, in_flight=self.plan.in_flight)

    async def connect(self) -> None:
        context = ssl.create_default_context(cafile=self.plan.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.told.certificate, self.told.key)
        await self.client.connect(self.plan.port, context)
        await self.client.subscribe(f"handschlag/1/{self.told.name}/down/#")

    async def deliver(self) -> None:
        for recording in self.told.recordings:
            folder = Path(self.told.spool) / recording
            names = in_sending_order(path.name for path in folder.iterdir())
            await self._send(folder, names)
            while not isinstance(said := await self._answer(recording), Stored):
                if said is None:
                    self.count.timeouts += 1
                    missing: tuple[str, ...] = ()
                else:
                    self.count.incomplete += 1
                    missing = unfold_names(said.names, said.clips)
                await self._send(folder, (*missing, MANIFEST))
            self.count.stored += 1
            self.count.last_at = time.monotonic()

    async def _send(self, folder: Path, names: tuple[str, ...]) -> None:
        topic = f"handschlag/1/{self.told.name}/up/{folder.name}"
        *before, last = names
        await asyncio.gather(*(self._publish(topic, folder / name) for name in before))
        await self._publish(topic, folder / last)

    async def _publish(self, topic: str, path: Path) -> None:
        await self.client.publish(f"{topic}/{path.name}", path.read_bytes)
        self.count.files += 1

    async def _answer(self, recording: str) -> Stored | Incomplete | None:
        """The next word on a recording; None when there is none in time."""
        try:
            async with asyncio.timeout(RECEIPT_TIMEOUT_S):
                while True:
                    said = await self.answers.get()
                    if said.recording == recording:
                        return said
        except TimeoutError:
            return None

    def _received(self, _topic: str, payload: bytes) -> None:
        said = read_receipt(payload, self.archive)
        self.count.receipts += 1
        if isinstance(said, Refused):
            sys.exit(f"{self.told.name}: refused: {said.why}")
        if isinstance(said, Stored | Incomplete):
            self.answers.put_nowait(said)


async def deliver_all(plan: Plan, archive: Keyring) -> None:
    """Connect all, begin, and tell; receipts count by the keys of `archive`."""
    count = Count()
    boxes = [_Box(told, plan, archive, count) for told in plan.boxes]
    few = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def connect(box: _Box) -> None:
        async with few:
            await box.connect()

    connecting_at = time.monotonic()
    await asyncio.gather(*(connect(box) for box in boxes))
    began = time.monotonic()
    facts = {"began": began, "connecting_s": round(began - connecting_at, 3)}
    _tell(count, facts)

    async def tell() -> None:
        while True:
            await asyncio.sleep(TOLD_EACH_S)
            _tell(count, facts)

    telling = asyncio.create_task(tell())
    await asyncio.gather(*(box.deliver() for box in boxes))
    telling.cancel()
    await asyncio.gather(*(box.client.close() for box in boxes))
    used = resource.getrusage(resource.RUSAGE_SELF)
    _tell(count, facts, ended=count.last_at, cpu_s=round(used.ru_utime + used.ru_stime, 2))


def _tell(count: Count, facts: dict[str, float], **more: float) -> None:
    seen = {name: getattr(count, name) for name in ("files", "stored", "receipts", "incomplete", "timeouts", "last_at")}
    print(json.dumps({**facts, **seen, **more}), flush=True)


def main(plan: Plan) -> None:
    """Deliver, and end."""
    archive = read_trust(Path(plan.trust).read_bytes()).keys("archive")
    asyncio.run(deliver_all(plan, archive))


if __name__ == "__main__":
    main(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan))
