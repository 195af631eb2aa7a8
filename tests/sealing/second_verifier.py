"""A second verifier, written from the format's description alone.

It shares no code with the product and needs Python's standard library and `cryptography`, so that anybody can
check a recording without trusting the product to check itself:

    python second_verifier.py RECORDING-FOLDER TRUST-FILE [LEDGER-FOLDER]

Prints `ok` or the first thing wrong, and exits 0 or 1.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

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


def check_ledger(folder: Folder, trust: dict[str, Any], manifest: dict[str, Any]) -> None:
    """Raise unless the chain holds and contains what manifest and heads say."""
    prev, seq, hashes = "0" * 64, 0, {0: "0" * 64}
    entries: dict[int, dict[str, Any]] = {}
    for name in sorted(name for name in folder if name.endswith(".jsonl")):
        lines = folder[name].split(b"\n")
        need(lines.pop() == b"", f"{name}: torn")
        for line in lines:
            entry = json.loads(line)
            need((entry["seq"], entry["prev"]) == (seq + 1, prev), f"ledger: broken at entry {seq + 1}")
            prev, seq = hexhash(line), seq + 1
            hashes[seq] = prev
            if entry.get("recording") == manifest["recording"]:
                entries[seq] = entry
    claims = [manifest["ledger"]]
    for name in folder:
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])\.jsonl", name):
            need(re.fullmatch(r"head(\.\d+)?\.jws", name), f"foreign file {name}")
            head, _ = signed(folder[name], "handschlag-ledger-head", trust["boxes"])
            need(head["box"] == manifest["box"], "ledger head of another box")
            claims.append(head)
    for claim in claims:
        need(hashes.get(claim["seq"]) == claim["hash"], f"ledger: entry {claim['seq']} is not the signed one")
    for consent in manifest["consent"]:
        entry = entries[consent["ledger_seq"]]
        need(entry["kind"] == {"key": "granted", "oral": "confirmed"}[consent["way"]], "ledger: no consent")
        granted = [e for s, e in entries.items() if e["kind"] == "granted" and s <= consent["ledger_seq"]][-1]
        need((granted["tap_boot"], granted["seizure"]) == manifest["seizure"], "ledger: consent of another seizure")
        need((granted["way"], granted["text_hash"]) == (consent["way"], consent["text_hash"]), "ledger: other consent")
    for entry in entries.values():
        need(entry["kind"] not in {"withdrawn", "destroyed"}, "ledger: withdrawn")
        need(entry["kind"] != "closed" or entry["manifest"] == manifest["hash"], "ledger: closed another manifest")


def find_wrong(files: Folder, trust: bytes, ledger: Folder | None = None) -> str | None:
    """The first thing wrong, or None."""
    try:
        roles = json.loads(trust)
        manifest = check_recording(files, roles)
        if ledger is not None:
            check_ledger(ledger, roles, manifest)
    except (Wrong, InvalidSignature, ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _folder(path: str) -> Folder:
    return {file.name: file.read_bytes() for file in Path(path).iterdir()}


if __name__ == "__main__":
    found = find_wrong(_folder(sys.argv[1]), Path(sys.argv[2]).read_bytes(), *map(_folder, sys.argv[3:4]))
    sys.stdout.write(f"{found or 'ok'}\n")
    sys.exit(found is not None)
