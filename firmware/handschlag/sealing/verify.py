"""Checking everything that can be checked with public keys alone.

What is checked: that every file is named by the manifest and every named file is there, byte for byte; that the box
signed the manifest and the trust file knows the box; that head, keys, details, clip lists and clips say the same as the
manifest; that clips follow one another and every hole is a gap that the manifest admits; the archive's receipt, the
owner's rewraps, and, with the ledger, that the chain holds and contains the consent. The first thing wrong is named.

What is not: what was said. Clips are read one at a time, lists 512 at a time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import msgspec

from handschlag.sealing import jws
from handschlag.sealing.encoding import MAX_FILE_BYTES, sha256_hex
from handschlag.sealing.errors import BadFile, Destroyed, SealingError, Tampered, Untrusted
from handschlag.sealing.keys import WrappedKey
from handschlag.sealing.ledger import (
    GENESIS,
    LedgerHead,
    LedgerPosition,
    Value,
    Walker,
    is_epoch,
    read_head,
)
from handschlag.sealing.manifest import (
    CLIPS_PER_LIST,
    HEAD,
    KEYS,
    MANIFEST,
    RECEIPT,
    REVOKE,
    ClipEntry,
    Consent,
    Manifest,
    check_order,
    clip_index,
    details_name,
    holes,
    is_name,
    peek_manifest,
    read_clip_list,
    read_manifest,
    rewrap_counter,
)
from handschlag.sealing.owner import read_owner
from handschlag.sealing.receipt import Stored, read_receipt
from handschlag.sealing.recording import (
    Head,
    check_details,
    read_clip_header,
    read_keys,
)
from handschlag.sealing.recording import (
    read_head as read_recording_head,
)
from handschlag.sealing.revoke import read_revoke
from handschlag.sealing.rewrap import peek_rewrap, read_rewrap
from handschlag.sealing.trust import Trust

_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])\.jsonl")
_LEDGER_HEAD: Final = re.compile(r"head(\.[0-9]{1,16})?\.jws")
_ENDING: Final = frozenset({"withdrawn", "destroyed", "purged", "expired"})


@runtime_checkable
class Files(Protocol):
    """A folder: a recording's, or a ledger's. `read` is called for names of `names` only."""

    def names(self) -> Sequence[str]:
        """All names in it."""
        ...

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        ...


class HeldFiles:
    """`Files` held in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def names(self) -> Sequence[str]:
        """All names, sorted."""
        return sorted(self._files)

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        return self._files[name]


class Verdict(msgspec.Struct, frozen=True):
    """Whether all is well; in words what was checked, by subject; and the first thing wrong."""

    ok: bool
    checked: dict[str, str]
    wrong: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedRecording:
    """A recording that was found complete and unaltered. `wrapped` are its wrapped keys, those in force first."""

    head: Head
    manifest: Manifest
    wrapped: tuple[WrappedKey, ...]


def verify_recording(
    files: Files,
    trust: Trust,
    *,
    ledger: Files | None = None,
    ledger_start: LedgerPosition = GENESIS,
    box: str | None = None,
    recording: str | None = None,
) -> Verdict:
    """Check one recording; `box` and `recording` are what it is expected to be, where that is known.

    `ledger_start` is the position before the first line, where `ledger` is an extract.
    """
    checked: dict[str, str] = {}
    try:
        found = check_recording(files, trust, checked, box=box, recording=recording)
        if ledger is not None:
            manifest_hash = sha256_hex(_read(files, MANIFEST))
            _check_against_ledger(ledger, trust, found, manifest_hash, checked, start=ledger_start)
    except SealingError as error:
        return Verdict(ok=False, checked=checked, wrong=str(error))
    return Verdict(ok=True, checked=checked)


def verify_ledger(
    ledger: Files | Iterable[bytes],
    trust: Trust,
    *,
    box: str | None = None,
    known: Sequence[LedgerPosition] = (),
    start: LedgerPosition = GENESIS,
) -> Verdict:
    """Check a ledger's chain and the signed heads beside it.

    Lines may come as a folder (`2026-11.jsonl`, `head.jws`) or as they are, without newlines. `known` are positions
    that the ledger must contain, from manifests or the archive.
    """
    checked: dict[str, str] = {}
    try:
        claims = [_Claim("a known position", position) for position in known]
        _fold_ledger(ledger, trust, claims, checked, box=box, start=start)
    except SealingError as error:
        return Verdict(ok=False, checked=checked, wrong=str(error))
    return Verdict(ok=True, checked=checked)


def check_recording(
    files: Files,
    trust: Trust | None,
    checked: dict[str, str],
    *,
    box: str | None = None,
    recording: str | None = None,
) -> CheckedRecording:
    """Check one recording, adding to `checked` in words; raises the SealingError that names the first thing wrong.

    Without `trust` no signature is checked, only that all fits together.
    """
    names = _names(files)
    if REVOKE in names:
        _check_revoked(files, names, trust, recording)
    manifest = _check_manifest(files, names, trust, checked)
    if box is not None and manifest.box != box:
        raise Tampered(f"{MANIFEST}: is of box {manifest.box}, expected box {box}")
    if recording is not None and manifest.recording != recording:
        raise Tampered(f"{MANIFEST}: is of recording {manifest.recording}, expected recording {recording}")
    head = _check_head(files, names, manifest, checked)
    wrapped = _check_keys(files, names, manifest, trust, checked)
    _check_details_files(files, names, manifest, checked)
    _check_clips(files, names, manifest, head, checked)
    if trust is not None:
        _check_receipt(files, names, manifest, trust, checked)
    return CheckedRecording(head, manifest, wrapped)


# --- the files of a recording


def _names(files: Files) -> frozenset[str]:
    names = list(files.names())
    for name in names:
        if not is_name(name):
            raise BadFile(f"{name[:80]!r}: a foreign file, no part of a recording")
    if len(set(names)) != len(names):
        raise BadFile("a file is listed twice")
    return frozenset(names)


def _read(files: Files, name: str) -> bytes:
    data = files.read(name)
    if len(data) > MAX_FILE_BYTES:
        raise BadFile(f"{name}: {len(data)} bytes, at most {MAX_FILE_BYTES} are allowed")
    return data


def _read_named(files: Files, names: frozenset[str], name: str, sha256: str) -> bytes:
    """A file's bytes, which must have that hash."""
    if name not in names:
        raise BadFile(f"{name}: is missing")
    data = _read(files, name)
    if sha256_hex(data) != sha256:
        raise Tampered(f"{name}: is not the file that was signed: its hash differs")
    return data


def _check_revoked(files: Files, names: frozenset[str], trust: Trust | None, recording: str | None) -> None:
    if trust is None:
        raise Destroyed(f"{REVOKE}: this recording was revoked")
    revoke = read_revoke(_read(files, REVOKE), trust.revoker_keys())
    if HEAD in names:
        recording = read_recording_head(_read(files, HEAD)).recording
    if recording is not None and revoke.recording != recording:
        raise Tampered(f"{REVOKE}: is of recording {revoke.recording}, expected recording {recording}")
    keys = "its wrapped keys are still here" if KEYS in names else "its keys are gone"
    raise Destroyed(
        f"recording {revoke.recording} was destroyed, says {REVOKE}: {revoke.reason}, at {revoke.at}; {keys}"
    )


def _check_manifest(files: Files, names: frozenset[str], trust: Trust | None, checked: dict[str, str]) -> Manifest:
    if MANIFEST not in names:
        why = "not closed yet" if KEYS in names else "never confirmed, or destroyed"
        raise BadFile(f"{MANIFEST}: is missing: the recording was {why}")
    token = _read(files, MANIFEST)
    if trust is None:
        checked["manifest"] = "signature not checked: no trust file"
        return peek_manifest(token)
    manifest = read_manifest(token, trust.keys("boxes"))
    with jws.naming(MANIFEST):
        for recipient in manifest.recipients:
            trust.admit_recipient(recipient)
    checked["manifest"] = f"signed by box {manifest.box}, closed at {manifest.closed_at} ({manifest.clock} clock)"
    checked["consent"] = "; ".join(map(_in_words, manifest.consent))
    return manifest


def _in_words(consent: Consent) -> str:
    what = {"key": f"key press ({consent.leg or 'unknown'} leg)", "oral": "spoken"}[consent.way]
    return f"{what} at {consent.at}, text {consent.text_version}, ledger entry {consent.ledger_seq}"


def _check_head(files: Files, names: frozenset[str], manifest: Manifest, checked: dict[str, str]) -> Head:
    head = read_recording_head(_read_named(files, names, HEAD, manifest.files[HEAD]))
    if (head.box, head.recording) != (manifest.box, manifest.recording):
        raise Tampered(f"{HEAD}: is of recording {head.recording} of box {head.box}, the manifest of another")
    checked["head"] = f"recording {head.recording}, opened at {head.opened_at}, {head.sample_rate} Hz, {head.suite}"
    return head


def _check_keys(
    files: Files, names: frozenset[str], manifest: Manifest, trust: Trust | None, checked: dict[str, str]
) -> tuple[WrappedKey, ...]:
    wrapped: list[WrappedKey] = []
    counters = sorted((counter for counter in map(rewrap_counter, names) if counter is not None), reverse=True)
    for counter in counters:
        name = f"keys.{counter}.jws"
        token = _read(files, name)
        rewrap = peek_rewrap(token, name) if trust is None else read_rewrap(token, trust.keys("owner"), name)
        if (rewrap.box, rewrap.recording) != (manifest.box, manifest.recording):
            raise Tampered(f"{name}: is of recording {rewrap.recording} of box {rewrap.box}, the manifest of another")
        wrapped += rewrap.recipients
    if KEYS in names:
        keys = read_keys(_read_named(files, names, KEYS, manifest.files[KEYS]))
        if (keys.box, keys.recording) != (manifest.box, manifest.recording):
            raise Tampered(f"{KEYS}: is of recording {keys.recording} of box {keys.box}, the manifest of another")
        if tuple(key.kid for key in keys.recipients) != manifest.recipients:
            raise Tampered(f"{KEYS}: is wrapped for other keys than the manifest says")
        wrapped += keys.recipients
    if not wrapped:
        raise BadFile(f"{KEYS}: is missing, and there is no rewrap: the recording cannot be opened any more")
    checked["keys"] = f"wrapped for {', '.join(dict.fromkeys(key.kid for key in wrapped))}"
    if counters:
        checked["keys"] += f"; rewrapped by the owner, last with counter {counters[0]}"
    return tuple(wrapped)


def _check_details_files(files: Files, names: frozenset[str], manifest: Manifest, checked: dict[str, str]) -> None:
    numbers = [number for number in (0, 1) if details_name(number) in manifest.files]
    for number in (0, 1):
        name = details_name(number)
        if number in numbers:
            check_details(_read_named(files, names, name, manifest.files[name]), number)
        elif name in names:
            raise BadFile(f"{name}: is not named by the manifest")
    checked["details"] = f"{len(numbers)} sealed"


def _check_clips(files: Files, names: frozenset[str], manifest: Manifest, head: Head, checked: dict[str, str]) -> None:
    left = {name for name in names if name.startswith("clips.") or clip_index(name) is not None}
    gaps = _Gaps(manifest.gaps)
    count, last = 0, None
    for number, name in enumerate(manifest.lists):
        entries = read_list(files, names, manifest, name)
        left.discard(name)
        if len(entries) != CLIPS_PER_LIST and number + 1 < len(manifest.lists):
            raise Tampered(f"{name}: {len(entries)} clips, but another list follows")
        with jws.naming(name):
            start, last = (last.end_sample if last else 0), check_order(entries, last)
            gaps.check(entries, start)
        for entry in entries:
            read_clip(files, names, entry)
            left.discard(entry.name)
        count += len(entries)
    if left:
        raise BadFile(f"{min(left)}: is not named by the manifest")
    seconds = (last.end_sample if last else 0) / head.sample_rate
    missing = sum(samples for _, samples in manifest.gaps) / head.sample_rate
    checked["clips"] = f"{count} clips, {seconds:.1f} s, in order; {len(manifest.gaps)} gaps, {missing:.1f} s"


def read_list(files: Files, names: frozenset[str], manifest: Manifest, name: str) -> tuple[ClipEntry, ...]:
    """A clip list that is the one the manifest names; raises BadFile, Tampered."""
    return read_clip_list(_read_named(files, names, name, manifest.files[name]), name)


def read_clip(files: Files, names: frozenset[str], entry: ClipEntry) -> bytes:
    """A sealed clip that is the one its list names, inside and out; raises BadFile, Tampered."""
    data = _read_named(files, names, entry.name, entry.sha256)
    header = read_clip_header(data, entry.name)
    if (header.index, header.first_sample, header.samples) != (entry.index, entry.first_sample, entry.samples):
        raise Tampered(f"{entry.name}: its header says clip {header.index}, the list says otherwise")
    return data


class _Gaps:
    """The gaps a manifest admits."""

    def __init__(self, gaps: Sequence[tuple[int, int]]) -> None:
        self._gaps = gaps

    def check(self, entries: Sequence[ClipEntry], start: int) -> None:
        """Raise Tampered unless every hole from `start` on lies in a gap."""
        for first, samples in holes(entries, start):
            at = bisect_right(self._gaps, first, key=lambda gap: gap[0]) - 1
            if at < 0 or sum(self._gaps[at]) < first + samples:
                raise Tampered(f"{samples} samples are missing from sample {first} on, and the manifest names no gap")


def _check_receipt(
    files: Files, names: frozenset[str], manifest: Manifest, trust: Trust, checked: dict[str, str]
) -> None:
    if RECEIPT not in names:
        checked["receipt"] = "none here"
        return
    receipt = read_receipt(_read(files, RECEIPT), trust.keys("archive"), RECEIPT)
    if not isinstance(receipt, Stored):
        raise BadFile(f"{RECEIPT}: is no receipt that says `stored`")
    if (receipt.box, receipt.recording) != (manifest.box, manifest.recording):
        raise Tampered(f"{RECEIPT}: is of recording {receipt.recording} of box {receipt.box}")
    if receipt.manifest_hash != sha256_hex(_read(files, MANIFEST)):
        raise Tampered(f"{RECEIPT}: is for another manifest")
    checked["receipt"] = f"stored by the archive at {receipt.at}, {receipt.copies} copies, epoch {receipt.epoch}"


# --- the ledger


@dataclass(frozen=True, slots=True)
class _Claim:
    """Somebody's word that the ledger has a certain line."""

    who: str
    position: LedgerPosition


@dataclass(slots=True)
class _Story:
    """What the ledger says of one recording."""

    recording: str
    entries: dict[int, Mapping[str, Value]] = field(default_factory=dict)

    def note(self, seq: int, entry: Mapping[str, Value]) -> None:
        if entry.get("recording") == self.recording:
            self.entries[seq] = entry

    def of_kind(self, *kinds: str) -> Iterator[tuple[int, Mapping[str, Value]]]:
        return ((seq, entry) for seq, entry in self.entries.items() if entry["kind"] in kinds)


def _fold_ledger(
    ledger: Files | Iterable[bytes],
    trust: Trust,
    claims: Sequence[_Claim],
    checked: dict[str, str],
    *,
    box: str | None,
    start: LedgerPosition = GENESIS,
    story: _Story | None = None,
) -> None:
    claims = [*claims, *_signed_heads(ledger, trust, box)]
    due: dict[int, list[_Claim]] = {}
    for claim in claims:
        due.setdefault(claim.position.seq, []).append(claim)
    walker = Walker(start)
    for position, entry in _proven(ledger, walker):
        _meet(due.pop(position.seq, ()), position)
        if is_epoch(entry):
            _check_epoch(entry, trust, box)
        if story is not None:
            story.note(position.seq, entry)
    _check_doubts(walker, due)
    at = walker.at
    for seq, unmet in sorted(due.items()):
        if seq > at.seq:
            raise Tampered(f"ledger: ends at entry {at.seq}, but {unmet[0].who} names entry {seq}: its end was cut off")
        if unmet[0].position not in {start, GENESIS}:
            raise Tampered(f"ledger: begins after entry {start.seq}, but {unmet[0].who} names entry {seq}")
    named = max((claim.position.seq for claim in claims), default=0)
    checked["ledger"] = f"entries {start.seq + 1} to {at.seq} chained, vouched for up to entry {named}"
    for stretch in walker.stretches:
        checked["ledger"] += (
            f"; entries {stretch.good.seq + 1} to {stretch.head.seq} are NOT proven, as entry {stretch.declared_by}"
            f" admits, and the owner accepts with entry {walker.lifted_by}"
        )


def _meet(claims: Iterable[_Claim], position: LedgerPosition) -> None:
    for claim in claims:
        if claim.position.hash != position.hash:
            raise Tampered(f"ledger entry {position.seq}: is not the one that {claim.who} names")


def _check_doubts(walker: Walker, due: dict[int, list[_Claim]]) -> None:
    """What is not proven must have been admitted by the box and accepted by the owner."""
    if walker.broken:
        raise Tampered(walker.broken)
    if walker.doubted_by > walker.lifted_by:
        raise Tampered(
            f"ledger entry {walker.doubted_by}: the box doubts its ledger, and the owner has opened no new epoch"
        )
    for stretch in walker.stretches:
        for seq in [seq for seq in due if stretch.good.seq < seq <= stretch.head.seq]:
            del due[seq]  # nobody can say what stood there


def _check_epoch(entry: Mapping[str, Value], trust: Trust, box: str | None) -> None:
    """The owner's message stands in the entry: anybody can check that it was the owner who lifted the doubt."""
    with jws.naming(f"ledger entry {entry['seq']}"):
        said = read_owner(str(entry.get("token", "")).encode(), trust.keys("owner"))
        if said.name != "epoch" or said.epoch != entry.get("epoch") or (box is not None and said.box != box):
            raise Tampered("is not what the owner signed")


def proven_entries(ledger: Files) -> list[dict[str, Value]]:
    """All entries of a ledger's folder that are proven, in order; of the rest `verify_ledger` tells."""
    return [entry for _, entry in _proven(ledger, Walker())]


def _proven(ledger: Files | Iterable[bytes], walker: Walker) -> Iterator[tuple[LedgerPosition, dict[str, Value]]]:
    if not isinstance(ledger, Files):
        yield from (taken for taken in map(walker.take, ledger) if taken is not None)
        return
    for name in ledger_months(ledger):
        *lines, rest = ledger.read(name).split(b"\n")
        yield from (taken for taken in map(walker.take, lines) if taken is not None)
        if rest:
            walker.break_off(f"{name}: the last line is incomplete")


def ledger_months(ledger: Files) -> list[str]:
    """The names of a ledger's files of lines, in order."""
    return sorted(name for name in ledger.names() if _MONTH.fullmatch(name))


def ledger_heads(ledger: Files, trust: Trust, box: str | None = None) -> dict[str, LedgerHead]:
    """The signed heads in a ledger's folder by name; raises BadFile for foreign files, Tampered, Untrusted."""
    heads: dict[str, LedgerHead] = {}
    for name in ledger.names():
        if _LEDGER_HEAD.fullmatch(name):
            heads[name] = read_head(_read(ledger, name), trust.keys("boxes"), name)
            if box is not None and heads[name].box != box:
                raise Untrusted(f"{name}: is of box {heads[name].box}, expected box {box}")
        elif not _MONTH.fullmatch(name):
            raise BadFile(f"{name[:80]!r}: a foreign file, no part of a ledger")
    return heads


def _signed_heads(ledger: Files | Iterable[bytes], trust: Trust, box: str | None) -> list[_Claim]:
    if not isinstance(ledger, Files):
        return []
    return [_Claim(name, head.position) for name, head in ledger_heads(ledger, trust, box).items()]


def _check_against_ledger(
    ledger: Files,
    trust: Trust,
    found: CheckedRecording,
    manifest_hash: str,
    checked: dict[str, str],
    *,
    start: LedgerPosition,
) -> None:
    manifest = found.manifest
    story = _Story(manifest.recording)
    claims = [_Claim(MANIFEST, manifest.ledger)]
    _fold_ledger(ledger, trust, claims, checked, box=manifest.box, start=start, story=story)
    for consent in manifest.consent:
        _check_consent(consent, found.head, story)
    for seq, entry in story.of_kind("closed"):
        if entry.get("manifest") != manifest_hash:
            raise Tampered(f"ledger entry {seq}: closed this recording with another manifest")
    for seq, entry in story.of_kind(*_ENDING):
        raise Destroyed(f"ledger entry {seq}: this recording was {entry['kind']} at {entry['at']}; it should be gone")
    seqs = ", ".join(str(consent.ledger_seq) for consent in manifest.consent)
    checked["ledger"] += f"; has the consent (entry {seqs})"


def _check_consent(consent: Consent, head: Head, story: _Story) -> None:
    entry = story.entries.get(consent.ledger_seq)
    kind = {"key": "granted", "oral": "confirmed"}[consent.way]
    if entry is None or entry["kind"] != kind:
        raise Tampered(f"ledger entry {consent.ledger_seq}: is no consent ({kind}) to this recording")
    granted: Mapping[str, Value] | None = None
    for seq, told in story.of_kind("granted"):
        if seq <= consent.ledger_seq:
            granted = told
    if granted is None:
        raise Tampered(f"ledger: says nowhere before entry {consent.ledger_seq} that this recording was granted")
    expected = {
        "way": consent.way,
        "text_hash": consent.text_hash,
        "tap_boot": head.boot,
        "seizure": head.seizure,
    }
    for name, value in expected.items():
        if granted.get(name) != value:
            raise Tampered(f"ledger: granted this recording with another {name} than the manifest or head says")
