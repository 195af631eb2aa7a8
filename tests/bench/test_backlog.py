"""The backlog that benches and fires drain: is it what the box itself would have left?"""

from __future__ import annotations

import json
from pathlib import Path

from handschlag.adapters.clock import SystemClock
from handschlag.adapters.files import RealFiles
from handschlag.adapters.flac import FlacCodec
from handschlag.cli.box import identity_of
from handschlag.cli.evidence import FolderFiles
from handschlag.cli.storage import open_storage
from handschlag.core.events import Event, FolderFound
from handschlag.sealing.open import open_recording
from handschlag.sealing.verify import verify_recording
from handschlag.settings import load
from handschlag.sim.worker import InlineWorker
from handschlag_bench.backlog import fill
from handschlag_bench.uplink.plant import Plant
from tests.adapters.spool_bench import raise_

FILES = {"head.json", "details.0", "keys.json", "details.1", "clips.0.json", "manifest.jws"}


def test_a_backlog_verifies_and_opens(tmp_path: Path) -> None:
    """Each recording verifies against its ledger, and opens to speech of the length that was asked for."""
    plant = Plant(tmp_path)
    box = plant.add_box("werkstatt-1")
    made = fill(box.settings, recordings=2, seconds=5.0)
    assert list(made.recordings) == sorted(set(made.recordings))
    on_disk = [path for name in made.recordings for path in (box.data / "spool" / name).iterdir()]
    assert {path.name for path in on_disk} == FILES | {f"00000{index}.clip" for index in range(3)}
    assert (len(on_disk), sum(path.stat().st_size for path in on_disk)) == (made.files, made.size)
    for name in made.recordings:
        folder = FolderFiles(box.data / "spool" / name)
        verdict = verify_recording(folder, plant.trust, ledger=FolderFiles(box.data / "ledger"))
        assert verdict.ok, verdict.wrong
        opened = open_recording(folder, plant.owner.workshop(), plant.trust)
        sounds = [FlacCodec().decode(flac)[0] for _, flac in opened.clips()]
        assert [len(sound) for sound in sounds] == [16000, 16000, 8000]
        assert min(abs(sound.astype(int)).max() for sound in sounds) > 1000


def test_a_box_finds_a_backlog_closed_and_unreceipted(tmp_path: Path) -> None:
    """A start on the folder sees what a box sees that was offline, also when more was added later."""
    plant = Plant(tmp_path)
    box = plant.add_box("werkstatt-1")
    made = [fill(box.settings, recordings=1, seconds=1.0) for _ in range(2)]
    told: list[Event] = []
    kept = open_storage(
        box.data,
        identity=identity_of(load(box.settings), plant.trust_of_box(box)),
        boot="b",
        files=RealFiles(),
        worker=lambda _name: InlineWorker(on_error=raise_),
        codec=FlacCodec(),
        clock=SystemClock(),
        post=told.append,
        reserve_bytes=0,
    )
    kept.spool.find(told.append)
    found = {event.recording: event for event in told if isinstance(event, FolderFound)}
    assert set(found) == {name for part in made for name in part.recordings}
    for event in found.values():
        assert event.has_keys
        assert event.has_manifest
        assert event.consented
        assert event.closed_in_ledger
        assert not event.receipted
        assert not event.gone
    assert kept.ledger.doubt is None
    assert {row["state"] for row in kept.catalog.rows().values()} == {"queued"}
    months = [path.read_text() for path in (box.data / "ledger").glob("*.jsonl")]
    lines = [json.loads(line) for month in months for line in month.splitlines()]
    assert [line["kind"] for line in lines].count("closed") == 2
    for part in (kept.spool, kept.ledger, kept.catalog):
        part.close()
