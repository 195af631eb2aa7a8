"""Is everything in the archive? Asked of its index and its bytes, after the clock has stopped."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from handschlag.cli.evidence import FolderFiles
from handschlag.errors import HandschlagError
from handschlag.sealing.verify import verify_recording
from handschlag_archive.cli.parts import open_index
from handschlag_archive.export import export_recording
from handschlag_archive.settings import read_settings
from handschlag_archive.stores.open import open_stores
from handschlag_bench.uplink.plant import Plant


class NotKept(RuntimeError):
    """The archive does not have, whole and receipted, what the bench was told it has: no figure counts then."""


def all_kept(plant: Plant, recordings: Iterable[tuple[str, str]]) -> int:
    """How many: each of these (box, recording) is laid out by the archive, whole, and verifies with its receipt.

    Raises:
        NotKept: one is absent, incomplete, altered or without a receipt.
    """
    settings = read_settings(plant.archive_settings)
    stores = open_stores(settings)
    out = plant.folder / "laid-out"
    counted = 0
    with closing(open_index(settings)) as index:
        for box, recording in recordings:
            try:
                export_recording(index, stores.clips, stores.keys, recording=recording, box=box, out=out)
                verdict = verify_recording(FolderFiles(out), plant.trust, box=box, recording=recording)
            except HandschlagError as error:
                raise NotKept(f"{box}/{recording}: {error}") from error
            finally:
                shutil.rmtree(out, ignore_errors=True)
            if not verdict.ok or "receipt" not in verdict.checked:
                raise NotKept(f"{box}/{recording}: {verdict.wrong or 'no receipt'}")
            counted += 1
    return counted


def resident_mb(pid: int) -> float:
    """What a process holds in memory now."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def cpu_s(pid: int) -> float:
    """Seconds of a core that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def states(plant: Plant) -> Counter[str]:
    """How many recordings are in which state, by the archive's index."""
    with closing(open_index(read_settings(plant.archive_settings))) as index, index.transaction() as transaction:
        return Counter(summary.row.state.value for summary in transaction.summaries())
