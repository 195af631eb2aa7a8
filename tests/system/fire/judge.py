"""What must be true of boxes and archive, whatever burned: read from the disks, with little of the product.

Every recording that was closed on a box is in the archive, verified and once, or still whole on the box; what the box
holds a receipt for, or has written down as receipted, lies in the archive's folders byte for byte. Hashes are compared
here with what the signed manifest says; only signatures and what is inside the sealed files are left to `verify`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handschlag.cli.evidence import FolderFiles
from handschlag.errors import HandschlagError
from handschlag.sealing.verify import verify_recording
from handschlag_archive.cli.parts import open_index
from handschlag_archive.export import export_recording
from handschlag_archive.settings import read_settings
from handschlag_archive.stores.open import open_stores
from handschlag_bench.uplink.plant import BoxPlace, Plant

MANIFEST, RECEIPT = "manifest.jws", "receipt.jws"
STORES = ("clips", "keys")

Files = Mapping[str, str]
"""Names of files, and the SHA-256 of their bytes."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A recording that was closed on a box, as it lay there."""

    box: str
    recording: str
    files: Files


def closed_on(box: BoxPlace) -> list[Owed]:
    """Every recording with a manifest on a box's disk, without its receipt."""
    found = []
    for folder in sorted((box.data / "spool").iterdir()):
        files = hashes(folder)
        files.pop(RECEIPT, None)
        if MANIFEST in files:
            found.append(Owed(box.name, folder.name, files))
    return found


def hashes(folder: Path) -> dict[str, str]:
    """What is in a folder."""
    return {path.name: sha256(path.read_bytes()) for path in folder.iterdir() if path.is_file()}


def sha256(data: bytes) -> str:
    """As hex digits."""
    return hashlib.sha256(data).hexdigest()


def judge(plant: Plant, owed: Iterable[Owed], *, data: Path | None = None, settings: Path | None = None) -> list[str]:
    """Everything that is wrong; empty when all is well. `data` and `settings` when the archive's are elsewhere."""
    lying = data or plant.archive / "data"
    wrong = []
    rows = _rows(settings or plant.archive_settings)
    whole = list(owed)
    for one in whole:
        wrong += _judge_one(plant, one, rows[one.box, one.recording], lying)
    known = {(one.box, one.recording) for one in whole}
    wrong += [f"{box}/{recording}: nobody made it" for box, recording in rows if (box, recording) not in known]
    wrong += _verify(plant, settings or plant.archive_settings, [key for key in rows if "stored" in rows[key]])
    for box in plant.boxes.values():
        for recording, manifest in receipted(box):
            wrong += [
                f"{box.name}/{recording}: receipted, but {w}" for w in uncovered(lying, box.name, recording, manifest)
            ]
    return wrong


def _judge_one(plant: Plant, one: Owed, states: Iterable[str], data: Path) -> list[str]:
    where = f"{one.box}/{one.recording}"
    folder = plant.boxes[one.box].data / "spool" / one.recording
    here = hashes(folder) if folder.is_dir() else {}
    on_box = {name: here.get(name) for name in one.files} == one.files
    times = Counter(states)["stored"]
    wrong = []
    if times > 1:
        wrong.append(f"{where}: {times} times in the archive")
    if times:
        wrong += [f"{where}: stored, but {why}" for why in uncovered(data, one.box, one.recording, one.files[MANIFEST])]
        extra = Counter(name for name, _ in _lying(data, one.box, one.recording)) - Counter(one.files.keys())
        wrong += [f"{where}: {name} lies there {count} times too often" for name, count in extra.items()]
    elif not on_box:
        wrong.append(f"{where}: lost: neither stored nor whole on the box")
    if here and not on_box:
        changed = sorted(name for name in one.files if here.get(name) != one.files[name])
        wrong.append(f"{where}: changed on the box: {changed[:3]}")
    return wrong


def uncovered(data: Path, box: str, recording: str, manifest_hash: str) -> list[str]:
    """What the manifest of this hash names and the archive's folders do not have, byte for byte."""
    lying: dict[str, set[str]] = {}
    contents: dict[str, bytes] = {}
    for name, path in _lying(data, box, recording):
        content = path.read_bytes()
        lying.setdefault(name, set()).add(sha256(content))
        contents[f"{name} {sha256(content)}"] = content
    manifest = contents.get(f"{MANIFEST} {manifest_hash}")
    if manifest is None:
        return ["its manifest is not there"]
    named: dict[str, str] = dict(payload(manifest)["files"])
    for name in [name for name in named if name.startswith("clips.")]:
        listed = contents.get(f"{name} {named[name]}")
        for entry in json.loads(listed) if listed is not None else ():
            named[f"{entry['index']:06}.clip"] = entry["sha256"]
    missing = sorted(name for name, digest in named.items() if digest not in lying.get(name, ()))
    return [f"{len(missing)} files are missing or altered, e.g. {missing[0]}"] if missing else []


def payload(token: bytes) -> dict[str, Any]:
    """What a JWS says, unchecked."""
    middle = token.split(b".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(middle + b"=" * (-len(middle) % 4))))


def receipted(box: BoxPlace) -> Iterator[tuple[str, str]]:
    """Recordings that the box believes to be stored, with their manifest's hash: by receipt and by its ledger."""
    for path in sorted((box.data / "spool").glob(f"*/{RECEIPT}")):
        yield path.parent.name, payload(path.read_bytes())["manifest_hash"]
    for path in sorted((box.data / "ledger").glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            if b'"receipted"' in line:
                entry = json.loads(line)
                if entry["kind"] == "receipted":
                    yield entry["recording"], entry["manifest"]


def _lying(data: Path, box: str, recording: str) -> Iterator[tuple[str, Path]]:
    for store in STORES:
        folder = data / store / box / recording
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if not path.name.endswith(".tmp"):
                    yield path.name.rpartition(".")[0], path


def _rows(settings: Path) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    with closing(open_index(read_settings(settings))) as index, index.transaction() as transaction:
        for summary in transaction.summaries():
            found.setdefault((summary.row.which.box, summary.row.which.recording), []).append(summary.row.state.value)
    return _Rows(found)


class _Rows(dict[tuple[str, str], list[str]]):
    def __missing__(self, key: tuple[str, str]) -> list[str]:
        return []


def stored_rows(settings: Path) -> list[tuple[str, str]]:
    """What the archive's index calls stored: box and recording."""
    return [key for key, states in _rows(settings).items() if "stored" in states]


def _verify(plant: Plant, config: Path, recordings: Iterable[tuple[str, str]]) -> list[str]:
    """What the archive lays out must verify for anybody who has the public keys."""
    settings = read_settings(config)
    stores = open_stores(settings)
    out = plant.folder / "laid-out"
    wrong = []
    with closing(open_index(settings)) as index:
        for box, recording in recordings:
            try:
                export_recording(index, stores.clips, stores.keys, recording=recording, box=box, out=out)
                verdict = verify_recording(FolderFiles(out), plant.trust, box=box, recording=recording)
                if not verdict.ok or "receipt" not in verdict.checked:
                    wrong.append(f"{box}/{recording}: {verdict.wrong or 'no receipt'}")
            except HandschlagError as error:
                wrong.append(f"{box}/{recording}: {error}")
            finally:
                shutil.rmtree(out, ignore_errors=True)
    return wrong
