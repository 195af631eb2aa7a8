"""Workers at once on one archive: over both databases, in any order, and with a server that is killed under them."""

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from handschlag.sealing.receipt import Receipt, Stored
from handschlag_archive.index import IndexBusy, State
from handschlag_archive.ingest import Message
from tests.archive.desk import Desk, all_up
from tests.archive.postgres import PostgreSQL
from tests.sealing.builder import Built, build

RECORDINGS = 6
KILLS, GROUPS_BETWEEN = 4, 8
PATIENCE_S = 60


def _id(number: int) -> str:
    return f"01890a5d-ac96-774b-bcce-d302099a{number:04x}"


def _built(count: int) -> list[Built]:
    return [build(recording=_id(number), receipt=False) for number in range(count)]


def _sent(built: Sequence[Built]) -> list[Message]:
    return [message for one in built for message in all_up(one.files, recording=one.manifest.recording)]


def _stored(receipts: Sequence[Receipt]) -> set[str]:
    return {one.recording for one in receipts if isinstance(one, Stored)}


def test_two_workers_that_take_the_same_files_in_opposite_order_do_not_stop_each_other(desk: Desk) -> None:
    """Every file goes to both, from both ends: no deadlock, nothing busy, every recording stored once and whole."""
    built = _built(RECORDINGS)
    second = desk.colleague()

    def work(worker: Desk, messages: list[Message]) -> list[Receipt]:
        receipts: list[Receipt] = []
        for start in range(0, len(messages), 7):
            receipts += worker.take(*messages[start : start + 7])
        return receipts

    with closing(second), ThreadPoolExecutor(2) as threads:
        one = threads.submit(work, desk, _sent(built))
        other = threads.submit(work, second, _sent(built)[::-1])
        receipts = [*one.result(), *other.result()]
    assert _stored(receipts) == {_id(number) for number in range(RECORDINGS)}
    for each in built:
        assert desk.on_disk(recording=each.manifest.recording) == set(each.files)


def test_a_server_that_is_killed_again_and_again_costs_nothing_that_was_receipted(tmp_path: Path) -> None:
    """Two workers, each with a share of every recording, while PostgreSQL dies four times: all is stored, verified."""
    server = PostgreSQL()
    built = _built(4 * RECORDINGS)
    try:
        server.start()
        with closing(Desk(tmp_path, database=server.new_database())) as desk, closing(desk.colleague()) as second:
            refused = [0]
            taken = threading.Semaphore(0)

            def work(worker: Desk, messages: list[Message]) -> list[Receipt]:
                receipts: list[Receipt] = []
                turns = random.Random(len(messages))
                while messages:
                    size = turns.randrange(1, 9)
                    group, messages = messages[:size], messages[size:]
                    while True:
                        try:
                            receipts += worker.take(*group)
                        except IndexBusy:
                            refused[0] += 1
                            threading.Event().wait(0.01)
                        else:
                            taken.release()
                            break
                return receipts

            def kill() -> None:
                for _ in range(KILLS):
                    for _ in range(GROUPS_BETWEEN):
                        assert taken.acquire(timeout=PATIENCE_S)
                    server.kill()
                    server.start()

            sent = _sent(built)
            with ThreadPoolExecutor(3) as threads:
                halves = [threads.submit(work, desk, sent[::2]), threads.submit(work, second, sent[1::2])]
                killing = threads.submit(kill)
                receipts = [receipt for half in halves for receipt in half.result()]
                killing.result()
            assert refused[0] > 0
            with desk.index.transaction() as transaction:
                rows = {row.which: row for row in transaction.in_state(State.STORED)}
            assert {which.recording for which in rows} >= _stored(receipts)  # what was said is so
            late = desk.take(*[one for one in sent if one.topic.endswith("/manifest.jws")])
            assert _stored(late) == {each.manifest.recording for each in built}
            for number, each in enumerate(built):
                files = desk.export(tmp_path / f"out-{number}", recording=each.manifest.recording)
                assert {name: data for name, data in files.items() if name != "receipt.jws"} == each.files
    finally:
        server.close()
