"""Reading an export back, and finding the first thing wrong.

With a trust file of the reader's own, all signatures are judged by it. Without one the keys inside the export are all
there is: then it is shown that everything fits together, and the keys' fingerprints must be compared with those on
paper, since a forger would bring keys of his own. The verdict says which it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from handschlag.evidence import audio, extract, layout, place, timestamp, vcon
from handschlag.evidence.audio import Decode
from handschlag.evidence.errors import BadExport, CannotExport
from handschlag.evidence.place import Package
from handschlag.sealing.encoding import from_base64url, sha256_hex
from handschlag.sealing.errors import SealingError
from handschlag.sealing.keys import RecordingKey, fingerprint
from handschlag.sealing.manifest import MANIFEST, details_name
from handschlag.sealing.open import Opened
from handschlag.sealing.recording import check_commitment, open_details
from handschlag.sealing.trust import Trust, read_trust
from handschlag.sealing.verify import CheckedRecording, Verdict, check_recording, verify_recording

_SUM: Final = re.compile(r"([0-9a-f]{64})  ([\x21-\x7e]{1,64})")


class _Part:
    """A folder of the export as the sealing room wants it."""

    def __init__(self, package: Package, prefix: str) -> None:
        self._package = package
        self._prefix = prefix

    def names(self) -> Sequence[str]:
        return [name.removeprefix(self._prefix) for name in self._package.names() if name.startswith(self._prefix)]

    def read(self, name: str) -> bytes:
        return place.read(self._package, self._prefix + name)


def check_export(package: Package, trust: Trust | None, decode: Decode) -> Verdict:
    """Check all of an export; `checked` says in words what was, `wrong` names the first thing that is."""
    checked: dict[str, str] = {}
    try:
        _check(package, trust, decode, checked)
    except (BadExport, SealingError) as error:
        return Verdict(ok=False, checked=checked, wrong=str(error))
    return Verdict(ok=True, checked=checked)


def _check(package: Package, trust: Trust | None, decode: Decode, checked: dict[str, str]) -> None:
    names = package.names()
    for name in names:
        if not layout.is_known(name):
            raise BadExport(f"{name[:80]!r}: a foreign file, no part of an export")
    for name in sorted(layout.ALWAYS - set(names)):
        raise BadExport(f"{name}: is missing")
    _check_sums(package, names, checked)
    inside = read_trust(place.read(package, layout.TRUST), layout.TRUST)
    trusted = trust or inside
    checked["trust"] = "your trust file" if trust is not None else _compare(inside)
    found = _check_sealed(package, trusted, checked)
    _check_vcon(package, trusted, found, checked)
    opened = _open(package, found, trusted)
    try:
        _check_details(package, opened, checked)
        with package.open(layout.AUDIO) as file:
            samples = audio.compare(opened, decode, file, layout.AUDIO)
        checked["audio"] = f"{layout.AUDIO} is what was sealed, {samples / found.head.sample_rate:.1f} s, every sample"
    finally:
        opened.wipe()
    _check_consent(package, found, checked)
    _check_stamp(package, names, checked)


def _compare(trust: Trust) -> str:
    keys = [
        (entry.box or role, entry.public) for role in ("boxes", "archive", "owner") for entry in getattr(trust, role)
    ]
    prints = "; ".join(f"{whose} {fingerprint(from_base64url(public, 'public'))}" for whose, public in keys)
    return f"the export's own, compare with paper: {prints}"


def _check_sums(package: Package, names: Sequence[str], checked: dict[str, str]) -> None:
    lines = place.read(package, layout.SUMS).decode("ascii", "replace").split("\n")
    listed = {}
    for line in lines[:-1]:
        said = _SUM.fullmatch(line)
        if said is None or said[2] in listed:
            raise BadExport(f"{layout.SUMS}: a line is not of the form `hash  name`, or a name is listed twice")
        listed[said[2]] = said[1]
    covered = set(names) - {layout.SUMS, layout.VCON}
    if lines[-1] or set(listed) != covered:
        odd = min(set(listed) ^ covered, default="the last line")
        raise BadExport(f"{layout.SUMS}: {odd[:80]} is " + ("missing" if odd in listed else "not listed or incomplete"))
    for name, hash_ in listed.items():
        if place.digest(package, name, "sha256").hex() != hash_:
            raise BadExport(f"{name}: is not the file that {layout.SUMS} names: its hash differs")
    checked["files"] = f"{len(listed)} files as {layout.SUMS} names them"


def _check_sealed(package: Package, trust: Trust, checked: dict[str, str]) -> CheckedRecording:
    sealed, ledger = _Part(package, layout.SEALED), _Part(package, layout.LEDGER)
    told: dict[str, str] = {}
    found = check_recording(sealed, trust, told)
    if ledger.names():
        verdict = verify_recording(sealed, trust, ledger=ledger, ledger_start=extract.start_in(ledger))
        if verdict.wrong is not None:
            raise BadExport(verdict.wrong)
        told = verdict.checked
    else:
        told["ledger"] = "no extract here"
    checked.update(told)
    return found


def _check_vcon(package: Package, trust: Trust, found: CheckedRecording, checked: dict[str, str]) -> None:
    made, kid = vcon.read(place.read(package, layout.VCON), trust)
    try:
        dialog, attached = made["dialog"], made["attachments"]
        told = {file["url"]: file["content_hash"] for file in [*dialog, *attached] if "url" in file}
        inline = {file["filename"]: file["body"] for file in attached if file.get("encoding") == "none"}
        bases = [file["body"] for file in attached if file.get("type") == "lawful_basis"]
        proofs = [basis["proof_mechanisms"][0]["proof_data"]["ledger_seq"] for basis in bases]
        kinds = {basis["lawful_basis"] for basis in bases}
    except (LookupError, TypeError, AttributeError) as error:
        raise BadExport(f"{layout.VCON}: lacks what an export's vCon has ({type(error).__name__})") from None
    for name in (layout.AUDIO, layout.SUMS):
        if told.pop(name, None) != vcon.content_hash(place.digest(package, name, "sha512")):
            raise BadExport(f"{layout.VCON}: does not name {name} by its hash")
    if told:
        raise BadExport(f"{layout.VCON}: names files that are no part of the export")
    for name, body in inline.items():
        if not layout.is_known(f"{layout.SEALED}{name}") or body != _text(package, layout.SEALED + name):
            raise BadExport(f"{layout.VCON}: holds another {str(name)[:40]} than {layout.SEALED}")
    if kinds != {"consent"} or proofs != [consent.ledger_seq for consent in found.manifest.consent]:
        raise BadExport(f"{layout.VCON}: tells another lawful basis than the manifest")
    checked["vcon"] = "NOT signed by the owner" if kid is None else f"signed by owner's key {kid}"


def _text(package: Package, name: str) -> str | None:
    return place.read(package, name).decode("latin-1") if name in package.names() else None


def _open(package: Package, found: CheckedRecording, trust: Trust) -> Opened:
    said = _json(package, layout.KEY, dict)
    if set(said) != {"recording", "key"} or said["recording"] != found.manifest.recording:
        raise BadExport(f"{layout.KEY}: is not of recording {found.manifest.recording}")
    key = RecordingKey(from_base64url(str(said["key"]), f"{layout.KEY}: key", size=32))
    check_commitment(found.head, key)
    sealed = _Part(package, layout.SEALED)
    numbers = [number for number in (0, 1) if details_name(number) in found.manifest.files]
    details = [open_details(sealed.read(details_name(n)), n, key, found.manifest.recording) for n in numbers]
    return Opened(found.head, found.manifest, details, trust is not None, {}, key, sealed)


def _check_details(package: Package, opened: Opened, checked: dict[str, str]) -> None:
    if _json(package, layout.DETAILS, list) != opened.details:
        raise BadExport(f"{layout.DETAILS}: is not what was sealed")
    checked["details"] = f"{layout.DETAILS} is what was sealed; the head commits to the recording's key"


def _check_consent(package: Package, found: CheckedRecording, checked: dict[str, str]) -> None:
    said = _json(package, layout.CONSENT, dict)
    manifest_hash = sha256_hex(place.read(package, layout.SEALED + MANIFEST))
    try:
        told = [(each["ledger_seq"], each["way"], each["at"], each["text_sha256"]) for each in said["consent"]]
        texts = [(each["text"], each["text_sha256"]) for each in said["consent"] if each["text"] is not None]
        fits = (said["recording"], said["manifest_sha256"]) == (found.manifest.recording, manifest_hash)
        holds = all(sha256_hex(text.encode()) == hash_ for text, hash_ in texts)
    except (LookupError, TypeError, AttributeError, UnicodeError) as error:
        raise BadExport(f"{layout.CONSENT}: lacks what a consent record has ({type(error).__name__})") from None
    if not fits or told != [(c.ledger_seq, c.way, c.at, c.text_hash) for c in found.manifest.consent]:
        raise BadExport(f"{layout.CONSENT}: tells another consent than the manifest")
    if not holds:
        raise BadExport(f"{layout.CONSENT}: the announcement's text does not have the hash beside it")
    heard = "with the announcement's text" if texts else "the announcement's text is not here"
    checked["consent record"] = f"{len(told)} as in the manifest, {heard}"


def _check_stamp(package: Package, names: Sequence[str], checked: dict[str, str]) -> None:
    if layout.STAMP not in names and layout.STAMP_ROOTS not in names:
        return
    if layout.STAMP not in names or layout.STAMP_ROOTS not in names:
        raise BadExport("timestamp: the response and the authority's certificates belong together")
    ledger = _Part(package, layout.LEDGER)
    known = timestamp.stampable(
        {name: ledger.read(name) for name in ledger.names()}, place.read(package, layout.SEALED + MANIFEST)
    )
    try:
        checked["time-stamp"] = timestamp.check(
            place.read(package, layout.STAMP), place.read(package, layout.STAMP_ROOTS), known
        )
    except CannotExport as error:
        checked["time-stamp"] = f"not checked: {error}"


def _json(package: Package, name: str, kind: type) -> Any:
    try:
        said = json.loads(place.read(package, name))
    except (ValueError, RecursionError):
        raise BadExport(f"{name}: is no JSON") from None
    if not isinstance(said, kind):
        raise BadExport(f"{name}: is no JSON {kind.__name__}")
    return said
