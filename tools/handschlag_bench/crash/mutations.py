"""Recordings spoilt in every way that a file can be: JSON by structure, binary files by range, lines by place.

Two kinds. A *forged* one was made without any key: whatever is done to it must be found. A *mis-signed* one was made
with the box's and the archive's keys, all hashes and signatures made to fit, so that what is behind the signatures is
reached: it may be harmless, but it must not crash anybody, and nobody may accept what the stricter reader refuses.

Objects are kept as lists of pairs, since a name that stands twice is one of the things to try.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from handschlag.sealing import jws
from handschlag.sealing.encoding import sha256_hex
from handschlag.sealing.keys import OwnerSecret, SigningKey, WorkshopKey
from handschlag.sealing.trust import Trust, read_trust

VECTORS: Final = Path(__file__).parents[3] / "tests" / "sealing" / "vectors" / "recording.json"
BOX_KEY: Final = SigningKey.from_seed(b"box" + bytes(29))
ARCHIVE_KEY: Final = SigningKey.from_seed(b"archive" + bytes(25))

_TYPS: Final = {
    "manifest.jws": "handschlag-manifest",
    "receipt.jws": "handschlag-receipt",
    "head.jws": "handschlag-ledger-head",
}
_ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2, 511, 2**31, 2**53, 2**64, 1.5, -0.0, 1e308, "", "A", "0" * 64, "é\u0000", "x" *
    600, [], [[]], {}, {"a": 1}, "2026-11-02T09:15:00.000Z", "key", "far" )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A recording and its ledger by file name, whom to trust, and in words what was done to it."""

    files: dict[str, bytes]
    ledger: dict[str, bytes]
    trust: Trust
    trust_file: bytes
    workshop: WorkshopKey
    done: str = ""


def whole() -> Case:
    """The committed vectors, with their rewrap: everything that a recording can have."""
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    files = {name: base64.b64decode(text) for name, text in vectors["files_base64"].items()}
    files["keys.1.jws"] = base64.b64decode(vectors["rewrap_base64"])
    trust_file = json.dumps(vectors["trust"]).encode()
    return Case(
        files=files,
        ledger={name: text.encode() for name, text in vectors["ledger"].items()},
        trust=read_trust(trust_file),
        trust_file=trust_file,
        workshop=OwnerSecret.from_bytes(bytes.fromhex(vectors["owner_secret_hex"])).workshop(),
    )


# --- bytes and JSON


class Pairs(list[list[Any]]):
    """A JSON object as pairs, so that a name can stand twice."""


def _load(data: bytes) -> Any:
    return json.loads(data, object_pairs_hook=lambda pairs: Pairs([list(pair) for pair in pairs]))


def _dump(value: Any) -> str:
    match value:
        case Pairs():
            return "{" + ",".join(f"{json.dumps(name)}:{_dump(each)}" for name, each in value) + "}"
        case list():
            return "[" + ",".join(map(_dump, value)) + "]"
        case dict():
            return json.dumps(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _containers(value: Any) -> list[list[Any]]:
    found: list[list[Any]] = []
    if isinstance(value, list):
        if value:
            found.append(value)
        for each in value:
            found += _containers(each[1] if isinstance(value, Pairs) else each)
    return found


def spoil_json(rng: Random, data: bytes) -> bytes:
    """One field or item removed, doubled, renamed, retyped, changed, exchanged, or one more put in."""
    tree = _load(data)
    containers = _containers(tree)
    if not containers:
        return spoil_bytes(rng, data)
    at = rng.choice(containers)
    index = rng.randrange(len(at))
    named = isinstance(at, Pairs)
    value = at[index][1] if named else at[index]
    match rng.randrange(7):
        case 0:
            del at[index]
        case 1:
            other = rng.choice(_ODD) if rng.random() < 0.5 else value
            at.insert(rng.randrange(len(at) + 1), [at[index][0], other] if named else value)
        case 2 if named:
            at[index] = [rng.choice([str(at[index][0]).upper(), "", "x", str(at[index][0]) + "_"]), value]
        case 3:
            other = rng.randrange(len(at))
            at[index], at[other] = at[other], at[index]
        case 4:
            at.insert(index, ["extra", rng.choice(_ODD)] if named else rng.choice(_ODD))
        case 5:
            at[index] = [at[index][0], _changed(rng, value)] if named else _changed(rng, value)
        case _:
            at[index] = [at[index][0], rng.choice(_ODD)] if named else rng.choice(_ODD)
    return _dump(tree).encode("utf-8", "surrogatepass")


def _changed(rng: Random, value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return value + rng.choice([-1, 1, 0.5, 1000])
    if isinstance(value, str) and value:
        at = rng.randrange(len(value))
        return rng.choice([value[:at] + rng.choice("A0z-_ .") + value[at + 1 :], value[:at], value + value[at:]])
    return rng.choice(_ODD)


def spoil_bytes(rng: Random, data: bytes) -> bytes:
    """A bit, a byte or a range changed, cut out, doubled, put in or exchanged."""
    out = bytearray(data)
    at = rng.randrange(len(out) + 1)
    length = min(rng.choice([1, 1, 2, 4, 8, 16, 100, 4096]), len(out) - at)
    match rng.randrange(7):
        case 0 if at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        case 1 if length:
            out[at : at + length] = rng.randbytes(length)
        case 2:
            del out[at : at + length]
        case 3:
            out[at:at] = out[at : at + length]
        case 4:
            out[at:at] = rng.randbytes(rng.choice([1, 2, 16, 4096]))
        case 5 if length:
            out[at : at + length] = rng.choice([b"\0", b"\xff"]) * length
        case _:
            del out[at:]
    return bytes(out)


def spoil_jws(rng: Random, token: bytes) -> bytes:
    """Header, payload or signature of a token changed, by structure or by bytes; or the whole in another spelling."""
    parts = token.split(b".")
    which = rng.randrange(4)
    if which == 3:
        return spoil_bytes(rng, token)
    plain = base64.urlsafe_b64decode(parts[which] + b"==")
    plain = spoil_bytes(rng, plain) if which == 2 or rng.random() < 0.2 else spoil_json(rng, plain)
    parts[which] = base64.urlsafe_b64encode(plain).rstrip(b"=")
    return b".".join(parts)


def payload(token: bytes) -> bytes:
    """What a token signs."""
    return base64.urlsafe_b64decode(token.split(b".")[1] + b"==")


# --- whole recordings


def forged(rng: Random, case: Case) -> Case:
    """Spoilt without any key; never the same bytes again."""
    while True:
        made = rng.choice([_file, _file, _file, _file, _line, _exchange])(rng, case)
        if (made.files, made.ledger) != (case.files, case.ledger):
            return made


def _file(rng: Random, case: Case) -> Case:
    name = rng.choice(sorted(case.files))
    return replace(case, files={**case.files, name: _spoilt(rng, name, case.files[name])}, done=f"{name} spoilt")


def _spoilt(rng: Random, name: str, data: bytes) -> bytes:
    if name.endswith(".jws"):
        return spoil_jws(rng, data)
    structured = name.endswith(".json") and rng.random() < 0.8
    return spoil_json(rng, data) if structured else spoil_bytes(rng, data)


def _line(rng: Random, case: Case) -> Case:
    name = rng.choice(sorted(case.ledger))
    if name == "head.jws":
        data = spoil_jws(rng, case.ledger[name])
    else:
        lines = case.ledger[name].split(b"\n")[:-1]
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines[at], lines[other] = lines[other], lines[at]
            case 2:
                lines.insert(at, lines[other])
            case 3:
                lines[at] = spoil_bytes(rng, lines[at])
            case _:
                lines[at] = spoil_json(rng, lines[at])
        data = b"".join(line + b"\n" for line in lines)
    return replace(case, ledger={**case.ledger, name: data}, done=f"ledger {name} spoilt")


def _exchange(rng: Random, case: Case) -> Case:
    """Two files in each other's place, one missing that must not, or one more."""
    names = sorted(case.files)
    one, other = rng.sample(names, 2)
    files = dict(case.files)
    match rng.randrange(3):
        case 0:
            files[one], files[other] = files[other], files[one]
        case 1:
            one = rng.choice([name for name in names if name not in {"receipt.jws", "keys.json", "keys.1.jws"}])
            del files[one]
        case _:
            other = rng.choice(
                ["000003.clip", "details.2", "clips.1.json", "keys.2.jws", "x", "000001.CLIP", "HEAD.JSON"]
            )
            files[other] = files[one]
    return replace(case, files=files, done=f"{one} and {other} exchanged, missing or doubled")


def missigned(rng: Random, case: Case) -> Case:
    """Spoilt by who holds the box's and the archive's keys: everything around it is made to fit."""
    return rng.choice([_refitted_file, _refitted_file, _resigned, _rechained])(rng, case)


def _refitted_file(rng: Random, case: Case) -> Case:
    plain = [name for name in sorted(case.files) if not name.endswith(".jws")]
    name = rng.choice(plain)
    files = {**case.files, name: _spoilt(rng, name, case.files[name])}
    return _refit(replace(case, files=files, done=f"{name} spoilt, signed"), lambda line: line)


def _resigned(rng: Random, case: Case) -> Case:
    """The payload of one token changed and signed properly; what names the token follows it."""
    name = rng.choice(["manifest.jws", "receipt.jws", "head.jws"])
    held = case.ledger if name == "head.jws" else case.files
    key = ARCHIVE_KEY if name == "receipt.jws" else BOX_KEY
    token = jws.sign(spoil_json(rng, payload(held[name])), _TYPS[name], key)
    if name == "head.jws":
        return replace(case, ledger={**case.ledger, name: token}, done=f"{name} spoilt, signed")
    made = replace(case, files={**case.files, name: token}, done=f"{name} spoilt, signed")
    return _refit_around(made) if name == "manifest.jws" else made


def _rechained(rng: Random, case: Case) -> Case:
    """One ledger line changed, and every later one, the manifest and the head chained and signed anew."""
    lines = _lines(case)
    chosen = rng.randrange(len(lines))
    number = iter(range(len(lines)))
    return _refit(
        replace(case, done=f"ledger line {chosen + 1} spoilt, chained and signed"),
        lambda line: spoil_json(rng, line) if next(number) == chosen else line,
    )


def _lines(case: Case) -> list[bytes]:
    months = sorted(name for name in case.ledger if name.endswith(".jsonl"))
    return [line for name in months for line in case.ledger[name].split(b"\n")[:-1]]


def _refit(case: Case, spoil: Callable[[bytes], bytes]) -> Case:
    """Hashes, chain and signatures as if all had been so from the start."""
    files = dict(case.files)
    lists = json.loads(case.files["clips.0.json"]) if _is_list(case.files["clips.0.json"]) else None
    if lists is not None:
        for entry in lists:
            clip = f"{entry['index']:06}.clip"
            entry["sha256"] = sha256_hex(files[clip]) if clip in files else entry["sha256"]
        files["clips.0.json"] = _canonical(lists)
    manifest = json.loads(payload(case.files["manifest.jws"]))
    manifest["files"] = {name: sha256_hex(files[name]) for name in manifest["files"]}
    lines, prev = [], "0" * 64
    position = manifest["ledger"]["seq"]
    before = _lines(case)
    for line in before[:position]:
        lines.append(spoil(_with(line, "prev", prev)))
        prev = sha256_hex(lines[-1])
    manifest["ledger"]["hash"] = prev
    files["manifest.jws"] = jws.sign(_canonical(manifest), _TYPS["manifest.jws"], BOX_KEY)
    for line in before[position:]:
        named = _with(line, "manifest", sha256_hex(files["manifest.jws"])) if b'"manifest"' in line else line
        lines.append(spoil(_with(named, "prev", prev)))
        prev = sha256_hex(lines[-1])
    return _signed_around(replace(case, files=files), lines, prev)


def _refit_around(case: Case) -> Case:
    """Receipt, ledger and head as they would follow this manifest."""
    lines, prev = [], "0" * 64
    for line in _lines(case):
        named = _with(line, "manifest", sha256_hex(case.files["manifest.jws"])) if b'"manifest"' in line else line
        lines.append(_with(named, "prev", prev))
        prev = sha256_hex(lines[-1])
    return _signed_around(case, lines, prev)


def _signed_around(case: Case, lines: list[bytes], last: str) -> Case:
    receipt = json.loads(payload(case.files["receipt.jws"]))
    receipt["manifest_hash"] = sha256_hex(case.files["manifest.jws"])
    head = {**json.loads(payload(case.ledger["head.jws"])), "seq": len(lines), "hash": last}
    return replace(
        case,
        files={**case.files, "receipt.jws": jws.sign(_canonical(receipt), _TYPS["receipt.jws"], ARCHIVE_KEY)},
        ledger={
            "2026-11.jsonl": b"".join(line + b"\n" for line in lines),
            "head.jws": jws.sign(_canonical(head), _TYPS["head.jws"], BOX_KEY),
        },
    )


def _is_list(data: bytes) -> bool:
    try:
        entries = json.loads(data)
    except ValueError:
        return False
    return isinstance(entries, list) and all(
        isinstance(entry, dict) and {"index", "sha256"} <= set(entry) and type(entry["index"]) is int
        for entry in entries
    )


def _with(line: bytes, name: str, value: str) -> bytes:
    return _canonical({**json.loads(line), name: value})


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
