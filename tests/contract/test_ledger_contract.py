"""What every `ports.Ledger` does, in memory or on disk."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from handschlag.adapters.files import RealFiles
from handschlag.adapters.ledger_file import LedgerFile
from handschlag.adapters.worker import WorkerThread
from handschlag.core.events import EntryDurable, Event
from handschlag.ports import Ledger
from handschlag.sim.memory_ledger import MemoryLedger
from tests.support.clock import HandClock

GENESIS = "0" * 64


@dataclass
class Bench:
    """A ledger and what it posted."""

    ledger: Ledger
    posted: queue.Queue[Event]

    def durable(self, ticket: int) -> EntryDurable:
        """The next event, which must be EntryDurable for `ticket`."""
        event = self.posted.get(timeout=20)
        assert isinstance(event, EntryDurable)
        assert event.ticket == ticket
        return event


@pytest.fixture(params=["memory", "disk"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Each implementation in turn, empty."""
    posted: queue.Queue[Event] = queue.Queue()
    made: Ledger
    faults: list[Exception] = []
    if request.param == "memory":
        made = MemoryLedger(boot="b00t", post=posted.put, clock=HandClock())
    else:
        worker = WorkerThread("ledger", on_error=faults.append)
        made = LedgerFile(
            tmp_path / "ledger", boot="b00t", files=RealFiles(), worker=worker, post=posted.put, clock=HandClock()
        )
    yield Bench(made, posted)
    made.close()
    assert not faults


def test_an_empty_ledger_stands_at_zero(bench: Bench) -> None:
    """Nothing is durable, there is nothing to send and nothing to fold."""
    assert bench.ledger.durable() == (0, GENESIS)
    assert list(bench.ledger.lines(1, 100)) == []
    assert list(bench.ledger.entries()) == []


def test_every_entry_is_told_with_its_ticket_in_order(bench: Bench) -> None:
    """Each append, ticket 0 included, comes back once with the next number and the hash of its line."""
    for ticket in (0, 7, 0, 9):
        bench.ledger.append("call", {"seizure": ticket}, ticket)
    told = [bench.durable(ticket) for ticket in (0, 7, 0, 9)]
    assert [event.seq for event in told] == [1, 2, 3, 4]
    lines = bench.ledger.lines(1, 4)
    assert [event.hash for event in told] == [hashlib.sha256(line).hexdigest() for line in lines]
    assert bench.ledger.durable() == (4, told[-1].hash)
    assert bench.posted.empty()


def test_lines_are_chained_and_carry_time_and_boot(bench: Bench) -> None:
    """Each line is one JSON object with number, the hash of the line before, both clocks, boot, kind and its fields."""
    bench.ledger.append("boot", {}, 1)
    bench.ledger.append("granted", {"recording": "r", "seizure": 3, "way": "key"}, 2)
    bench.durable(1)
    bench.durable(2)
    first, second = bench.ledger.lines(1, 2)
    assert b"\n" not in first
    one, two = msgspec.json.decode(first), msgspec.json.decode(second)
    assert (one["seq"], one["prev"], one["kind"]) == (1, GENESIS, "boot")
    assert (two["seq"], two["prev"]) == (2, hashlib.sha256(first).hexdigest())
    assert two["at"].startswith("2026-11-23T12:00:00")
    assert (two["clock"], two["mono"], two["boot"]) == ("synced", 5.0, "b00t")
    assert (two["recording"], two["seizure"], two["way"]) == ("r", 3, "key")


@pytest.mark.parametrize(
    ("first", "last", "seqs"),
    [(1, 5, [1, 2, 3, 4, 5]), (2, 4, [2, 3, 4]), (5, 5, [5]), (4, 99, [4, 5]), (0, 1, [1]), (6, 9, []), (3, 2, [])],
)
def test_lines_come_by_number_and_never_beyond(bench: Bench, first: int, last: int, seqs: list[int]) -> None:
    """Any range gives exactly the durable lines in it."""
    for ticket in range(5):
        bench.ledger.append("call", {}, ticket)
    for ticket in range(5):
        bench.durable(ticket)
    assert [msgspec.json.decode(line)["seq"] for line in bench.ledger.lines(first, last)] == seqs
    assert [entry["seq"] for entry in bench.ledger.entries()] == [1, 2, 3, 4, 5]
