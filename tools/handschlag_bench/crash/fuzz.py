"""Files spoilt at random: what is accepted, what crashes, and whether the independent verifier agrees.

And what the honest case costs: checking an hour, and sealing a clip beside `age` on the same bytes.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from handschlag.cli.evidence import FolderFiles
from handschlag.errors import HandschlagError
from handschlag.evidence.verifier import find_wrong
from handschlag.sealing.encoding import sha256_hex
from handschlag.sealing.keys import OwnerSecret, SigningKey
from handschlag.sealing.ledger import LedgerPosition
from handschlag.sealing.manifest import ClipEntry, Consent, Manifest, clip_lists, sign_manifest
from handschlag.sealing.open import open_recording
from handschlag.sealing.recording import Sealer
from handschlag.sealing.trust import Trust, TrustedKey, write_trust
from handschlag.sealing.verify import HeldFiles, verify_recording
from handschlag_bench.crash import guided
from handschlag_bench.crash.mutations import Case, forged, missigned, whole
from handschlag_bench.row import Row

FLAC_BYTES: Final = 28_000
"""A clip of 2 s of speech on two legs at 8 kHz, as the demonstration's are."""
_AT: Final = "2026-11-02T09:15:00Z"
_ID: Final = "01890a5d-ac96-774b-bcce-b302099a8057"


class Count:
    """What became of spoilt recordings."""

    def __init__(self) -> None:
        self.tried = 0
        self.accepted: list[str] = []
        self.stricter = 0
        self.laxer: list[str] = []
        self.crashed: list[str] = []

    def judge(self, case: Case) -> None:
        """Give it to both verifiers, and to who has the workshop key."""
        self.tried += 1
        try:
            ours = verify_recording(HeldFiles(case.files), case.trust, ledger=HeldFiles(case.ledger)).wrong
            with contextlib.suppress(HandschlagError):
                opened = open_recording(HeldFiles(case.files), case.workshop, case.trust)
                for _ in opened.clips():
                    pass
            second = find_wrong(case.files, case.trust_file, case.ledger)
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            self.crashed.append(f"{case.done}: {type(error).__name__}: {error}")
            return
        if ours is None:
            self.accepted.append(case.done)
        if ours is None and second is not None:
            self.laxer.append(f"{case.done}: {second}")
        if ours is not None and second is None:
            self.stricter += 1


def rows(*, full: bool) -> Iterator[Row]:
    """Count and measure."""
    yield from _spoilt(20_000 if full else 2_000, 10_000 if full else 1_000)
    yield from _guided(200_000 if full else 10_000)
    yield from _cost()


def _spoilt(forgeries: int, missignings: int) -> Iterator[Row]:
    rng, case = Random(1), whole()
    without, with_keys = Count(), Count()
    for _ in range(forgeries):
        without.judge(forged(rng, case))
    for _ in range(missignings):
        with_keys.judge(missigned(rng, case))
    disagreed = len(without.laxer) + without.stricter
    yield _row(f"forgeries accepted, of {without.tried}", len(without.accepted), "== 0")
    yield _row(f"forgeries on which the verifiers differ, of {without.tried}", disagreed, "== 0")
    yield _row("crashes on forgeries", len(without.crashed), "== 0")
    yield _row(f"mis-signed that only we accept, of {with_keys.tried}", len(with_keys.laxer), "== 0")
    yield _row("mis-signed that only we refuse", with_keys.stricter, "")
    yield _row("mis-signed that both accept", len(with_keys.accepted) - len(with_keys.laxer), "")
    yield _row("crashes on mis-signed", len(with_keys.crashed), "== 0")
    for found in (*without.accepted, *without.laxer, *without.crashed, *with_keys.laxer, *with_keys.crashed)[:10]:
        print(f"  {found}", file=sys.stderr)


def _guided(executions: int) -> Iterator[Row]:
    kept, edges, crashes = guided.run(Random(1), executions // 10)
    yield _row(f"crashes of parsers, own fuzzer, {executions // 10} runs", len(crashes), "== 0")
    yield _row("  edges reached", edges, "", beside={"inputs kept": kept})
    for found in crashes[:10]:
        print(f"  {found}", file=sys.stderr)
    if importlib.util.find_spec("atheris") is None:
        return
    with tempfile.TemporaryDirectory() as name:
        for number, seed in enumerate(guided.seeds()):
            (Path(name) / f"{number}").write_bytes(seed)
        command = [sys.executable, "-m", "handschlag_bench.crash.guided", f"-runs={executions}", "-max_len=16384", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=name)
    covered = re.findall(r"cov: (\d+)", done.stderr)
    yield _row(f"crashes of parsers, atheris, {executions} runs", int(done.returncode != 0), "== 0")
    yield _row("  edges reached", float(covered[-1]) if covered else 0, "")
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)


def _cost() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flacs = [os.urandom(FLAC_BYTES) for _ in range(16)]
        sealing_s, trust = _hour(folder / "recording", flacs)
        began = time.perf_counter()
        verdict = verify_recording(FolderFiles(folder / "recording"), trust)
        verify_s = time.perf_counter() - began
        if not verdict.ok:
            raise RuntimeError(f"the hour does not verify: {verdict.wrong}")
        began = time.perf_counter()
        second = find_wrong({p.name: p.read_bytes() for p in (folder / "recording").iterdir()}, write_trust(trust))
        second_s = time.perf_counter() - began
        if second is not None:
            raise RuntimeError(f"the hour does not verify: {second}")
        yield _row("verify 1 h of audio", verify_s, "<= 2", unit="s", beside={"verify.py": second_s})
        age = _age(folder, b"".join(flacs[at % 16] for at in range(1800)), flacs[0])
    yield _row("seal 1 h, 1,800 clips", sealing_s, "", unit="s", beside=_some(age, "age, one stream"))
    yield _row("seal one clip", sealing_s / 1800 * 1000, "", unit="ms", beside=_some(age, "age, one clip"))


def _hour(folder: Path, flacs: list[bytes]) -> tuple[float, Trust]:
    """An hour of clips on disk; how long the sealing alone took."""
    folder.mkdir()
    key = SigningKey.from_seed(bytes(32))
    begun = {"opened_at": _AT, "clock": "synced", "boot": "b", "seizure": 1}
    sealer = Sealer.begin(box="box", recording=_ID, sample_rate=8000, channels=2, **begun)  # type: ignore[arg-type]
    files = {"head.json": sealer.head, "keys.json": sealer.keys([OwnerSecret.new().workshop().public])}
    files |= {f"details.{number}": sealer.details(number, {}) for number in (0, 1)}
    entries, spent = [], 0.0
    for index in range(1800):
        began = time.perf_counter()
        sealed = sealer.clip(index, index * 16_000, 16_000, flacs[index % len(flacs)])
        digest = sha256_hex(sealed)
        spent += time.perf_counter() - began
        entries.append(ClipEntry(index, index * 16_000, 16_000, digest))
        (folder / f"{index:06}.clip").write_bytes(sealed)
    files |= clip_lists(entries)
    consent = Consent(way="key", at=_AT, text_version="1", text_hash="0" * 64, leg="far", ledger_seq=1)
    kids = tuple(one["kid"] for one in json.loads(files["keys.json"])["recipients"])
    manifest = Manifest(
        box="box", recording=_ID, files={name: sha256_hex(data) for name, data in files.items()}, recipients=kids,
        consent=(consent,), retention_class="order", ended="idle", closed_at=_AT, clock="synced",
        ledger=LedgerPosition(1, "0" * 64), firmware="1",
    )  # fmt: skip
    files["manifest.jws"] = sign_manifest(manifest, key)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return spent, Trust(boxes=(TrustedKey.of(key.verify_key, box="box"),))


def _age(folder: Path, stream: bytes, clip: bytes) -> dict[str, float]:
    """Seconds for the hour as one stream, milliseconds for one clip by a program of its own; empty without age."""
    if any(shutil.which(program) is None for program in ("age", "age-keygen")):
        return {}
    key = folder / "age.key"
    subprocess.run(["age-keygen", "-o", str(key)], check=True, capture_output=True)
    recipient = next(line.split()[-1] for line in key.read_text().splitlines() if "public key" in line)
    command = ["age", "-r", recipient, "-o", "/dev/null"]
    began = time.perf_counter()
    subprocess.run(command, input=stream, check=True)
    whole_s = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(20):
        subprocess.run(command, input=clip, check=True)
    return {"age, one stream": whole_s, "age, one clip": (time.perf_counter() - began) / 20 * 1000}


def _some(figures: dict[str, float], name: str) -> dict[str, float]:
    return {name: figures[name]} if name in figures else {}


def _row(name: str, value: float, goal: str, *, unit: str = "", beside: dict[str, float] | None = None) -> Row:
    return Row(bench="fuzz", row=name, value=float(value), unit=unit, goal=goal, beside=beside or {})
