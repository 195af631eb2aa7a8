"""Coverage-guided fuzzing of everything that parses, by a small fuzzer of our own and by atheris where it is installed.

An input's first byte chooses the parser, its second whether the rest is signed with a trusted key first, so that what
lies behind a signature is reached as well. Only the product's own errors may come out. Inputs that reach new lines in
a new order are kept and spoilt again. atheris runs as a program of its own, since libFuzzer ends its process:

    python -m handschlag_bench.crash.guided -runs=100000
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, Final

import handschlag.evidence
import handschlag.sealing
from handschlag.errors import HandschlagError
from handschlag.evidence import vcon
from handschlag.sealing import jws, ledger, manifest, paper, receipt, recording, revoke, rewrap, trust
from handschlag.sealing.keys import OwnerSecret, RecordingKey, SigningKey, WorkshopKey
from handschlag_bench.crash.mutations import BOX_KEY, payload, spoil_bytes, spoil_json, spoil_jws, whole

Parser = Callable[[bytes], object]

_KEY: Final = BOX_KEY.verify_key
_RECORDING_KEY: Final = RecordingKey(bytes(32))
_ID: Final = "01890a5d-ac96-774b-bcce-b302099a8057"


PARSERS: Final[tuple[tuple[str, Parser], ...]] = (
    ("", recording.read_head),
    ("", recording.read_keys),
    ("", lambda data: manifest.read_clip_list(data, "clips.0.json")),
    ("", lambda data: recording.read_clip_header(data, "000000.clip")),
    ("", lambda data: recording.open_clip(data, _RECORDING_KEY, _ID, "000000.clip")),
    ("", lambda data: recording.open_details(data, 0, _RECORDING_KEY, _ID)),
    ("", ledger.parse_line),
    ("", lambda data: ledger.check_chain(ledger.read_lines(data))),
    ("", trust.read_trust),
    ("", OwnerSecret.from_file),
    ("", WorkshopKey.from_file),
    ("", SigningKey.from_file),
    ("", lambda data: paper.from_paper(data.decode("utf-8", "replace"))),
    ("", lambda data: receipt.decode_ranges(data.decode("latin-1"))),
    ("", lambda data: vcon.read(data, trust.Trust())),
    ("handschlag-manifest", lambda data: manifest.read_manifest(data, _KEY)),
    ("handschlag-receipt", lambda data: receipt.read_receipt(data, _KEY)),
    ("handschlag-keys", lambda data: rewrap.read_rewrap(data, _KEY, "keys.1.jws")),
    ("handschlag-revoke", lambda data: revoke.read_revoke(data, _KEY)),
    ("handschlag-ledger-head", lambda data: ledger.read_head(data, _KEY)),
)


def parse(data: bytes) -> None:
    """Give the input to its parser; whatever is no error of the product comes out."""
    if len(data) < 2:
        return
    typ, read = PARSERS[data[0] % len(PARSERS)]
    rest = data[2:]
    with contextlib.suppress(HandschlagError):
        read(jws.sign(rest, typ, BOX_KEY) if typ and data[1] % 2 else rest)


def seeds() -> list[bytes]:
    """One honest input for each parser."""
    case = whole()
    line = case.ledger["2026-10.jsonl"].split(b"\n")[0]
    owner = OwnerSecret.from_bytes(bytes(range(32)))
    honest = [
        case.files["head.json"], case.files["keys.json"], case.files["clips.0.json"], case.files["000000.clip"],
        case.files["000000.clip"], case.files["details.0"], line, case.ledger["2026-10.jsonl"], case.trust_file,
        owner.to_file(), owner.workshop().to_file(), BOX_KEY.to_file(), "\n".join(paper.to_paper(owner.raw)).encode(),
        b"0-17,19", vcon.signed({"uuid": "x", "created_at": "2026-11-02T09:15:00Z"}, owner.signing()),
        case.files["manifest.jws"], case.files["receipt.jws"], case.files["keys.1.jws"], b"{}", case.ledger["head.jws"],
    ]  # fmt: skip
    made = [bytes([number, 0]) + data for number, data in enumerate(honest)]
    signed = [number for number, (typ, _) in enumerate(PARSERS) if typ and b"." in honest[number]]
    return made + [bytes([number, 1]) + payload(honest[number]) for number in signed]


def run(rng: Random, executions: int) -> tuple[int, int, list[str]]:
    """(inputs kept, edges reached, crashes in words) after so many executions."""
    corpus: list[bytes] = []
    reached: set[tuple[str, int, int]] = set()
    crashes: list[str] = []
    for data in _inputs(rng, executions, corpus):
        edges, crash = _traced(data)
        if crash is not None:
            crashes.append(crash)
        if not edges <= reached:
            reached |= edges
            corpus.append(data)
    return len(corpus), len(reached), crashes


def _inputs(rng: Random, executions: int, corpus: list[bytes]) -> Iterator[bytes]:
    first = seeds()
    yield from first
    for _ in range(executions - len(first)):
        data = rng.choice(corpus or first)
        for _ in range(rng.choice([1, 1, 2, 4])):
            data = data[:2] + _spoilt(rng, data[2:])
        yield data


def _spoilt(rng: Random, data: bytes) -> bytes:
    try:
        return rng.choice([spoil_json, spoil_jws, spoil_bytes])(rng, data)
    except (ValueError, LookupError, RecursionError):
        return spoil_bytes(rng, data)


def _traced(data: bytes) -> tuple[set[tuple[str, int, int]], str | None]:
    places = tuple(str(Path(str(room.__file__)).parent) for room in (handschlag.sealing, handschlag.evidence))
    edges: set[tuple[str, int, int]] = set()
    last = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal last
        if not frame.f_code.co_filename.startswith(places):
            return None
        if event == "line":
            edges.add((frame.f_code.co_filename, last, frame.f_lineno))
            last = frame.f_lineno
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        parse(data)
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return edges, f"parser {data[0] % len(PARSERS)}: {type(error).__name__}: {error}"
    finally:
        sys.settrace(before)
    return edges, None


def _atheris(arguments: list[str]) -> None:
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(arguments, parse)
    atheris.Fuzz()


if __name__ == "__main__":
    _atheris(sys.argv)
