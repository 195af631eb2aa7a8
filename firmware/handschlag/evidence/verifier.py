"""Checks an evidence export, or a sealed recording, without any other part of Handschlag.

Written from the format's description alone, it shares no code with the product: Python's standard library and the
package `cryptography` are enough. It lies in every export as verify.py.

    python3 verify.py                                             the export in whose folder it lies
    python3 verify.py EXPORT-FOLDER [TRUST-FILE]                  another one; by keys of your own
    python3 verify.py RECORDING-FOLDER TRUST-FILE [LEDGER-FOLDER] a sealed recording

Prints what is true of it, then `ok` or the first thing wrong; exits 0 or 1. Prüft einen Beweisexport; am Ende steht
`ok` oder das Erste, was nicht stimmt. Without a trust file of your own the keys are the export's: compare their
fingerprints with those on paper. With the package soundfile the audio is compared with what was sealed, sample by
sample.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import re
import struct
import sys
from collections.abc import Callable, Mapping
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Folder = Mapping[str, bytes]
SUITE = "handschlag/1 mlkem768-x25519 hkdf-sha256 aes-256-gcm"
NAME = re.compile(
    r"head\.json|keys\.json|keys\.\d+\.jws|\d{6}\.clip|details\.[01]|clips\.\d+\.json|(manifest|receipt)\.jws"
)


class Wrong(Exception):
    """What is wrong."""


def need(fact: object, what: str) -> None:
    """Complain unless `fact`."""
    if not fact:
        raise Wrong(what)


def unbase64(text: str) -> bytes:
    """Bytes of base64url in its one spelling."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(base64.urlsafe_b64encode(data).decode().rstrip("=") == text, "base64url is not canonical")
    return data


def hexhash(data: bytes) -> str:
    """SHA-256 in hex."""
    return sha256(data).hexdigest()


def signed(token: bytes, typ: str, keys: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Payload of a JWS and the trusted key that signed it."""
    header64, payload64, signature64 = token.decode("ascii").split(".")
    header = json.loads(unbase64(header64))
    need(header["alg"] == "EdDSA" and header["typ"] == typ and "crit" not in header, f"{typ}: another header")
    key = next((key for key in keys if key["kid"] == header["kid"]), None)
    if key is None:
        raise Wrong(f"{typ}: signed by a key that is not trusted")
    public = unbase64(key["public"])
    need(base64.urlsafe_b64encode(sha256(public).digest()).decode().rstrip("=") == key["kid"], "trust file: wrong kid")
    Ed25519PublicKey.from_public_bytes(public).verify(unbase64(signature64), f"{header64}.{payload64}".encode())
    payload = json.loads(unbase64(payload64))
    trusted_time = payload.get("clock", "synced") == "synced"
    when = payload.get("closed_at", payload.get("at")) if trusted_time else None
    since, until = key.get("valid_from"), key.get("valid_until")
    need(not when or not since or when[:-1] >= since[:-1], f"{typ}: key not yet valid")
    need(not when or not until or when[:-1] <= until[:-1], f"{typ}: key no longer valid")
    need("box" not in key or key["box"] == payload["box"], f"{typ}: signed by another box")
    return payload, key


def check_recording(files: Folder, trust: dict[str, Any]) -> dict[str, Any]:
    """Raise unless all is well; the manifest."""
    need("revoke.jws" not in files, "revoked")
    for name in files:
        need(NAME.fullmatch(name), f"foreign file {name}")
    manifest, _ = signed(files["manifest.jws"], "handschlag-manifest", trust["boxes"])
    who = (manifest["box"], manifest["recording"])
    named = dict(manifest["files"])
    kids = {key["kid"] for key in trust["workshop"]}
    need(not kids or kids >= set(manifest["recipients"]), "wrapped for somebody unknown")
    head = json.loads(files["head.json"])
    need((head["box"], head["recording"]) == who and head["suite"] == SUITE, "head: of another recording")
    rewraps = [name for name in files if re.fullmatch(r"keys\.\d+\.jws", name)]
    for name in rewraps:
        rewrap, _ = signed(files[name], "handschlag-keys", trust["owner"])
        need(
            (rewrap["box"], rewrap["recording"]) == who and name == f"keys.{rewrap['counter']}.jws", "rewrap of another"
        )
    if rewraps and "keys.json" not in files:
        del named["keys.json"]
    else:
        keys = json.loads(files["keys.json"])
        need((keys["box"], keys["recording"]) == who, "keys: of another recording")
        need([key["kid"] for key in keys["recipients"]] == manifest["recipients"], "keys: for others")
    end, last = 0, -1
    lists = sorted((name for name in named if name.startswith("clips.")), key=lambda name: int(name.split(".")[1]))
    for number, name in enumerate(lists):
        entries = json.loads(files[name])
        need(name == f"clips.{number}.json" and (len(entries) == 512 or name == lists[-1]), "lists out of order")
        for entry in entries:
            clip, index, first = f"{entry['index']:06}.clip", entry["index"], entry["first_sample"]
            named[clip] = entry["sha256"]
            need(index > last and first >= end, f"{clip}: out of order")
            hole = first == end or any(gap <= end and first <= gap + length for gap, length in manifest["gaps"])
            need(hole, f"{clip}: a hole before it that is no gap")
            header = (b"HSC1", index, first, entry["samples"])
            need(struct.unpack_from(">4sIQI", files[clip]) == header, f"{clip}: another header")
            need(len(files[clip]) > 36 and (len(files[clip]) - 36) % 4096 == 0, f"{clip}: cut off")
            end, last = first + entry["samples"], index
    for name, digest in named.items():
        need(hexhash(files[name]) == digest, f"{name}: altered")
    for name in files:
        need(name in named or name in {"manifest.jws", "receipt.jws", *rewraps}, f"{name}: not in the manifest")
    if "receipt.jws" in files:
        receipt, _ = signed(files["receipt.jws"], "handschlag-receipt", trust["archive"])
        need((receipt["box"], receipt["recording"]) == who and receipt["kind"] == "stored", "receipt: of another")
        need(receipt["manifest_hash"] == hexhash(files["manifest.jws"]), "receipt: for another manifest")
    return {**manifest, "seizure": (head["boot"], head["seizure"]), "hash": hexhash(files["manifest.jws"])}


def proven(folder: Folder, *, extract: bool) -> tuple[list[tuple[int, str, dict[str, Any]]], list[range]]:
    """The proven lines of a ledger, with number and hash, and the numbers of which nobody can say what stood there.

    A line that does not follow the one before ends what is proven. The chain is taken up again only by an entry that
    admits it: it names the last proven line and the one that it follows itself.
    """
    lines = []
    for name in sorted(name for name in folder if name.endswith(".jsonl")):
        lines += folder[name].split(b"\n")
        need(lines.pop() == b"", f"{name}: torn")
    first: dict[str, Any] = _object(lines[0]) if extract else {"prev": "0" * 64, "seq": 1}
    prev, seq, broken = str(first["prev"]), int(first["seq"]) - 1, False
    found: list[tuple[int, str, dict[str, Any]]] = [(seq, prev, {})]
    unproven: list[range] = []
    for line in lines:
        entry = _object(line)
        if broken or (entry.get("seq"), entry.get("prev")) != (seq + 1, prev):
            admits = _doubts(entry) and (entry.get("good_seq"), entry.get("good_hash")) == (seq, prev)
            behind = entry.get("head_seq")
            if not (admits and isinstance(behind, int) and behind >= seq):
                broken = True
                continue
            broken = (entry["seq"], entry["prev"]) != (behind + 1, entry.get("head_hash"))
            if broken:
                continue
            unproven.append(range(seq + 1, entry["seq"]))
        prev, seq = hexhash(line), entry["seq"]
        found.append((seq, prev, entry))
    need(not broken, f"ledger: broken behind entry {seq}")
    return found, unproven


def _doubts(entry: dict[str, Any]) -> bool:
    return (entry.get("kind"), entry.get("what")) == ("fault", "ledger:doubted")


def _object(line: bytes) -> dict[str, Any]:
    """A line's values; none of a line that is no JSON object."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _check_lifted(lines: list[tuple[int, str, dict[str, Any]]], trust: dict[str, Any], box: str) -> None:
    """What the box doubted, the owner must have lifted later, by a signed message that stands in the ledger."""
    doubted = lifted = 0
    for seq, _, entry in lines:
        doubted = seq if _doubts(entry) else doubted
        said = (entry.get("kind"), entry.get("by"), entry.get("name"), entry.get("outcome"))
        if said == ("command", "owner", "epoch", "done"):
            message, _ = signed(entry["token"].encode(), "handschlag-owner", trust["owner"])
            fits = (message["name"], message["epoch"], message["box"]) == ("epoch", entry["epoch"], box)
            need(fits, f"ledger entry {seq}: not what the owner signed")
            lifted = seq
    need(doubted <= lifted, f"ledger: doubted by entry {doubted}, and the owner has opened no new epoch")


def check_ledger(folder: Folder, trust: dict[str, Any], manifest: dict[str, Any], *, extract: bool = False) -> None:
    """Raise unless the chain (or an extract of it) holds and contains what manifest and heads say."""
    lines, unproven = proven(folder, extract=extract)
    _check_lifted(lines, trust, manifest["box"])
    hashes = {seq: digest for seq, digest, _ in lines}
    entries = {seq: entry for seq, _, entry in lines if entry.get("recording") == manifest["recording"]}
    claims = [manifest["ledger"]]
    for name in folder:
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])\.jsonl", name):
            need(re.fullmatch(r"head(\.\d+)?\.jws", name), f"foreign file {name}")
            head, _ = signed(folder[name], "handschlag-ledger-head", trust["boxes"])
            need(head["box"] == manifest["box"], "ledger head of another box")
            claims.append(head)
    for claim in claims:
        nobody_knows = any(claim["seq"] in numbers for numbers in unproven)
        met = hashes.get(claim["seq"]) == claim["hash"] or nobody_knows
        need(met, f"ledger: entry {claim['seq']} is not the signed one")
    for consent in manifest["consent"]:
        entry = entries[consent["ledger_seq"]]
        need(entry["kind"] == {"key": "granted", "oral": "confirmed"}[consent["way"]], "ledger: no consent")
        granted = [e for s, e in entries.items() if e["kind"] == "granted" and s <= consent["ledger_seq"]][-1]
        need((granted["tap_boot"], granted["seizure"]) == manifest["seizure"], "ledger: consent of another seizure")
        need((granted["way"], granted["text_hash"]) == (consent["way"], consent["text_hash"]), "ledger: other consent")
    for entry in entries.values():
        need(entry["kind"] not in {"withdrawn", "destroyed", "purged", "expired"}, "ledger: it should be gone")
        need(entry["kind"] != "closed" or entry["manifest"] == manifest["hash"], "ledger: closed another manifest")


def check_export(folder: Path, own_trust: bytes | None) -> list[str]:
    """Raise unless an export holds together; in words what is true of it."""
    listed = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text("ascii").splitlines())
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    need(there == {*listed, "SHA256SUMS", "vcon.json"}, "files are missing, or foreign ones are there")
    for name, digest in listed.items():
        need(hexhash((folder / name).read_bytes()) == digest, f"{name}: altered")
    inside = json.loads((folder / "trust.json").read_bytes())
    trust = json.loads(own_trust) if own_trust else inside
    words = ["keys: your own" if own_trust else f"keys: the export's own, compare with paper: {_fingerprints(inside)}"]
    sealed = _folder(str(folder / "sealed"))
    manifest = check_recording(sealed, trust)
    words.append(f"recording {manifest['recording']}: whole, signed by box {manifest['box']}")
    words += [
        f"consent: {c['way']} {c['at']} ({c['clock']}), ledger entry {c['ledger_seq']}" for c in manifest["consent"]
    ]
    if (folder / "ledger").is_dir():
        check_ledger(_folder(str(folder / "ledger")), trust, manifest, extract=True)
        words.append("ledger: the extract is chained, and has the consent")
    else:
        words.append("ledger: no extract here")
    words.append(_check_vcon(folder, trust))
    words.append(_check_audio(folder, sealed, manifest))
    consent = json.loads((folder / "consent.json").read_bytes())
    told = [(c["ledger_seq"], c["way"], c["at"], c["text_sha256"]) for c in consent["consent"]]
    signed_ones = [(c["ledger_seq"], c["way"], c["at"], c["text_hash"]) for c in manifest["consent"]]
    need(consent["recording"] == manifest["recording"] and told == signed_ones, "consent.json: another consent")
    for c in consent["consent"]:
        need(c["text"] is None or hexhash(c["text"].encode()) == c["text_sha256"], "consent.json: another announcement")
    if (folder / "timestamp").is_dir():
        words.append("timestamp: not checked here; openssl ts -verify -in timestamp/response.tsr does")
    return words


def _fingerprints(trust: dict[str, Any]) -> str:
    keys = [key for role in ("boxes", "archive", "owner") for key in trust[role]]
    prints = [sha256(unbase64(key["public"])).hexdigest()[:32] for key in keys]
    return "; ".join(" ".join(digits[i : i + 4] for i in range(0, 32, 4)) for digits in prints)


def _check_vcon(folder: Path, trust: dict[str, Any]) -> str:
    vcon = json.loads((folder / "vcon.json").read_bytes())
    words = "vcon: NOT signed"
    if "signatures" in vcon:
        (one,) = vcon["signatures"]
        header = json.loads(unbase64(one["protected"]))
        need((header["alg"], header["typ"]) == ("EdDSA", "vcon+json") and "crit" not in header, "vcon: another header")
        key = next((key for key in trust["owner"] if key["kid"] == header["kid"]), None)
        if key is None:
            raise Wrong("vcon: signed by a key that is not the owner's")
        public = unbase64(key["public"])
        need(unbase64(key["kid"]) == sha256(public).digest(), "trust file: wrong kid")
        signed_bytes = f"{one['protected']}.{vcon['payload']}".encode()
        Ed25519PublicKey.from_public_bytes(public).verify(unbase64(one["signature"]), signed_bytes)
        vcon = json.loads(unbase64(vcon["payload"]))
        need(one["header"]["uuid"] == vcon["uuid"], "vcon: its header names another uuid")
        words = f"vcon: signed by the owner's key {key['kid']}"
    told = {file["url"]: file["content_hash"] for file in [*vcon["dialog"], *vcon["attachments"]] if "url" in file}
    for name in ("recording.flac", "SHA256SUMS"):
        digest = base64.urlsafe_b64encode(sha512((folder / name).read_bytes()).digest()).decode().rstrip("=")
        need(told.get(name) == f"sha512-{digest}", f"vcon: does not name {name} by its hash")
    for file in vcon["attachments"]:
        if file.get("encoding") == "none":
            need(
                (folder / "sealed" / Path(file["filename"]).name).read_text("ascii") == file["body"],
                "vcon: another token",
            )
    return words


def _check_audio(folder: Path, sealed: Folder, manifest: dict[str, Any]) -> str:
    """Open every clip with the recording's key, to which the head commits, and compare."""
    said, head = json.loads((folder / "recording-key.json").read_bytes()), json.loads(sealed["head.json"])
    need(said["recording"] == manifest["recording"], "recording-key.json: of another recording")
    sub = {
        info: HKDF(SHA256(), 32, None, info.encode()).derive(unbase64(said["key"]))
        for info in ("clip", "details", "commit")
    }
    need(sub["commit"] == unbase64(head["commitment"]), "recording-key.json: not the key that the head commits to")
    recording = bytes.fromhex(manifest["recording"].replace("-", ""))

    def unseal(data: bytes, header: int, key: bytes, number: int) -> bytes:
        aad = data[:header] + recording
        plain = AESGCM(key).decrypt(bytes(8) + number.to_bytes(4, "big"), data[header:], aad)
        return plain[4 : 4 + int.from_bytes(plain[:4], "big")]

    details = [
        json.loads(unseal(sealed[f"details.{n}"], 8, sub["details"], n)) for n in (0, 1) if f"details.{n}" in sealed
    ]
    need(details == json.loads((folder / "details.json").read_bytes()), "details.json: not what was sealed")
    flacs = [unseal(sealed[n], 20, sub["clip"], int(n[:6])) for n in sorted(sealed) if n.endswith(".clip")]
    need(all(flac.startswith(b"fLaC") for flac in flacs), "a clip holds no FLAC file")
    try:
        soundfile = importlib.import_module("soundfile")
    except ImportError:
        return f"audio: {len(flacs)} clips open with the key; not compared with recording.flac (pip install soundfile)"
    at = None
    with soundfile.SoundFile(str(folder / "recording.flac")) as whole:
        for name, flac in zip(sorted(n for n in sealed if n.endswith(".clip")), flacs, strict=True):
            samples, _ = soundfile.read(io.BytesIO(flac), dtype="int16", always_2d=True)
            first = struct.unpack_from(">Q", sealed[name], 8)[0]
            silence = whole.read(0 if at is None else first - at, dtype="int16", always_2d=True)
            need(not silence.any(), "recording.flac: sound where the recording has a gap")
            heard = whole.read(len(samples), dtype="int16", always_2d=True)
            need(heard.tobytes() == samples.tobytes(), f"recording.flac: not what was sealed in {name}")
            at = first + len(samples)
        need(len(whole.read(1, dtype="int16")) == 0, "recording.flac: longer than what was sealed")
    return f"audio: recording.flac is what was sealed, {len(flacs)} clips, every sample"


def find_wrong(files: Folder, trust: bytes, ledger: Folder | None = None) -> str | None:
    """The first thing wrong with a recording, or None."""
    try:
        roles = json.loads(trust)
        manifest = check_recording(files, roles)
        if ledger is not None:
            check_ledger(ledger, roles, manifest)
    except EVERY as error:
        return f"{type(error).__name__}: {error}"
    return None


def find_wrong_in_export(
    folder: Path, own_trust: bytes | None = None, say: Callable[[str], object] = len
) -> str | None:
    """The first thing wrong with an export, or None."""
    try:
        for words in check_export(folder, own_trust):
            say(words)
    except EVERY as error:
        return f"{type(error).__name__}: {error}"
    return None


EVERY = (
    Wrong, InvalidSignature, InvalidTag, ValueError, LookupError, TypeError, AttributeError, OSError, struct.error,
    RecursionError,
)  # fmt: skip


def _folder(path: str) -> Folder:
    return {file.name: file.read_bytes() for file in Path(path).iterdir()}


def _main(arguments: list[str]) -> str | None:
    place = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    if (place / "SHA256SUMS").exists():
        own = Path(arguments[1]).read_bytes() if len(arguments) > 1 else None
        return find_wrong_in_export(place, own, lambda words: sys.stdout.write(f"{words}\n"))
    return find_wrong(_folder(str(place)), Path(arguments[1]).read_bytes(), *map(_folder, arguments[2:3]))


if __name__ == "__main__":
    found = _main(sys.argv[1:])
    sys.stdout.write(f"{found or 'ok'}\n")
    sys.exit(found is not None)
