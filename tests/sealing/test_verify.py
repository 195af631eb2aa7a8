"""Nothing can be changed unnoticed; the second verifier agrees every time."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handschlag.evidence import verifier
from handschlag.evidence.verifier import find_wrong
from handschlag.sealing.encoding import canonical, sha256_hex
from handschlag.sealing.jws import sign
from handschlag.sealing.keys import RecordingKey, SigningKey
from handschlag.sealing.ledger import LedgerPosition, sign_head
from handschlag.sealing.manifest import ClipEntry, clip_lists, clip_name, sign_manifest
from handschlag.sealing.receipt import Destroyed, Stored, sign_receipt
from handschlag.sealing.recording import Keys
from handschlag.sealing.revoke import sign_revoke
from handschlag.sealing.rewrap import sign_rewrap
from handschlag.sealing.trust import Trust, TrustedKey, write_trust
from handschlag.sealing.verify import HeldFiles, Verdict, verify_ledger, verify_recording
from tests.sealing.builder import (
    ARCHIVE_KEY,
    AT,
    BOX,
    BOX_KEY,
    OTHER_RECORDING,
    OWNER,
    RECORDING,
    RECORDING_KEY,
    Built,
    LedgerBuilder,
    build,
)

FLIPS = 48
"""Random bits flipped per file; small files are short enough for most of their bytes to be hit over the files."""


def rewrap(counter: int = 1, key: SigningKey | None = None, recording: str = RECORDING) -> bytes:
    """A rewrap for generation 2."""
    return sign_rewrap(
        recording_key=RecordingKey(RECORDING_KEY),
        recipients=[OWNER.workshop(2).public],
        box=BOX,
        recording=recording,
        counter=counter,
        key=key or OWNER.signing(),
    )


@pytest.fixture(scope="module")
def whole() -> Built:
    """A recording with everything a recording can have: a lost clip, a receipt, a rewrap."""
    built = build(clips=4, skip=(1,), flac_lengths=(700, 4092, 4093))
    built.files["keys.1.jws"] = rewrap()
    return built


def judge(built: Built, files: dict[str, bytes] | None = None, ledger: dict[str, bytes] | None = None) -> Verdict:
    """Our verdict; asserts that the second verifier comes to the same."""
    files = built.files if files is None else files
    ledger = built.ledger if ledger is None else ledger
    verdict = verify_recording(HeldFiles(files), built.trust, ledger=HeldFiles(ledger))
    second = find_wrong(files, built.trust_file, ledger)
    assert verdict.ok == (verdict.wrong is None)
    assert verdict.ok == (second is None), f"we say {verdict.wrong!r}, the second verifier {second!r}"
    return verdict


def wrong(*args: Any, **kwargs: Any) -> str:
    """What is wrong, which something must be."""
    verdict = judge(*args, **kwargs)
    assert verdict.wrong is not None, "found nothing wrong"
    return verdict.wrong


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clips": 0},
        {"clips": 1},
        {"oral": True},
        {"interrupted": True},
        {"receipt": False},
        {"clips": 6, "skip": (0, 3, 4)},
        {"recipients": [OWNER.workshop(1).public, OWNER.workshop(2).public]},
        {"changes": {"gaps": ((3, 5), (100_000, 7))}},
    ],
)
def test_honest_recordings_pass(options: dict[str, Any]) -> None:
    """Every kind of recording that a box makes is found in order, and said so by subject."""
    verdict = judge(build(**options))
    assert verdict.wrong is None
    assert set(verdict.checked) == {"manifest", "consent", "head", "keys", "details", "clips", "receipt", "ledger"}


@pytest.mark.parametrize("clips", [511, 512, 513, 1025])
def test_lists_around_their_size(clips: int) -> None:
    """One list, a full list, a list of one more."""
    built = build(clips=clips, samples=10)
    assert judge(built).ok
    last = max(name for name in built.files if name.startswith("clips."))
    del built.files[last]
    assert wrong(built) == f"{last}: is missing"


def test_the_whole_one_passes(whole: Built) -> None:
    """The recording that is mutated below is in order before."""
    assert judge(whole).wrong is None


NAMES = [
    *("head.json", "keys.json", "keys.1.jws", "details.0", "details.1", "clips.0.json", "manifest.jws", "receipt.jws"),
    *("000000.clip", "000002.clip", "000003.clip"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_in_any_file_is_found(whole: Built, name: str) -> None:
    """Random bits of each file; the file is named."""
    rng = random.Random(name)
    assert set(NAMES) == set(whole.files)
    for bit in rng.sample(range(8 * len(whole.files[name])), FLIPS):
        flipped = bytearray(whole.files[name])
        flipped[bit // 8] ^= 1 << bit % 8
        assert wrong(whole, {**whole.files, name: bytes(flipped)}).startswith(f"{name}: ")


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_or_longer_file_is_found(whole: Built, name: str) -> None:
    """Empty, cut by a byte, cut in the middle, a byte more, doubled, and far too long."""
    data = whole.files[name]
    for other in (
        b"",
        data[:-1],
        data[: len(data) // 2],
        data[1:],
        data + b"\0",
        data + b"\n",
        data + data,
        bytes(200_000),
    ):
        assert wrong(whole, {**whole.files, name: other}).startswith(f"{name}: ")


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"receipt.jws", "keys.1.jws", "keys.json"}))
def test_a_missing_file_is_found(whole: Built, name: str) -> None:
    """Every file that must be there is missed by its name."""
    files = {other: data for other, data in whole.files.items() if other != name}
    assert wrong(whole, files).startswith(f"{name}: is missing")


def test_what_may_be_missing(whole: Built) -> None:
    """A receipt comes later, a rewrap may be, and stands in for the original keys; no keys at all will not do."""
    for names in ({"receipt.jws"}, {"keys.1.jws"}, {"keys.json"}):
        assert judge(whole, {name: data for name, data in whole.files.items() if name not in names}).ok
    without = {name: data for name, data in whole.files.items() if not name.startswith("keys.")}
    assert "cannot be opened any more" in wrong(whole, without)


def test_any_two_swapped_files_are_found(whole: Built) -> None:
    """All pairs."""
    for one in NAMES:
        for two in NAMES:
            if one < two:
                swapped = {**whole.files, one: whole.files[two], two: whole.files[one]}
                assert wrong(whole, swapped).startswith((f"{one}: ", f"{two}: "))


def test_a_doubled_clip_is_found(whole: Built) -> None:
    """A clip under another's name, in a gap's place, and behind the end."""
    clip = whole.files["000002.clip"]
    assert wrong(whole, {**whole.files, "000003.clip": clip}).startswith("000003.clip: ")
    for free in ("000001.clip", "000004.clip", "999999.clip"):
        assert wrong(whole, {**whole.files, free: clip}) == f"{free}: is not named by the manifest"


def test_a_foreign_clip_is_found(whole: Built) -> None:
    """A clip of another recording, sealed by the same box at the same place."""
    other = build(clips=4, recording=OTHER_RECORDING)
    for name in ("000000.clip", "000001.clip"):
        assert wrong(whole, {**whole.files, name: other.files[name]}).startswith(f"{name}: ")


@pytest.mark.parametrize("name", NAMES)
def test_another_recordings_file_is_found(whole: Built, name: str) -> None:
    """Each file exchanged for the same file of another honest recording of the same box."""
    other = build(clips=4, skip=(1,), recording=OTHER_RECORDING)
    other.files["keys.1.jws"] = rewrap(recording=OTHER_RECORDING)
    assert other.files[name] != whole.files[name]
    assert wrong(whole, {**whole.files, name: other.files[name]})


@pytest.mark.parametrize(
    "name",
    ["README", "000000.clip.tmp", "../head.json", "clips.1.json", "details.2", "clips.01.json", "", "keys.0.jws"],
)
def test_foreign_files_are_found(whole: Built, name: str) -> None:
    """A file that is no part of the recording has no place among its files."""
    assert name[:12] in wrong(whole, {**whole.files, name: whole.files["clips.0.json"]})


def test_rewraps_are_the_owners_and_of_this_recording(whole: Built) -> None:
    """A rewrap by the box, of another recording, or under another counter."""
    for name, token in (
        ("keys.2.jws", rewrap(2, BOX_KEY)),
        ("keys.2.jws", rewrap(2, recording=OTHER_RECORDING)),
        ("keys.2.jws", rewrap(1)),
    ):
        assert wrong(whole, {**whole.files, name: token}).startswith("keys.2.jws: ")


def resign(built: Built, files: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    """Files with a manifest that names them as they are now, properly signed by the box; without receipt."""
    named = {name: sha256_hex(data) for name, data in files.items() if name in built.manifest.files or "clips." in name}
    manifest = msgspec.structs.replace(built.manifest, files=named, **changes)
    signed = {**files, "manifest.jws": sign_manifest(manifest, BOX_KEY)}
    signed.pop("receipt.jws", None)
    return signed


def without_closed(built: Built) -> dict[str, bytes]:
    """The ledger up to the manifest, which so knows of no other manifest."""
    lines = b"".join(built.ledger[name] for name in ("2026-10.jsonl", "2026-11.jsonl")).splitlines()
    return {"2026-11.jsonl": b"".join(line + b"\n" for line in lines[: built.manifest.ledger.seq])}


def exchange(built: Built, name: str) -> dict[str, bytes]:
    """Re-signed with a file of another recording."""
    return resign(built, {**built.files, name: build(recording=OTHER_RECORDING).files[name]})


def another_suite(built: Built) -> dict[str, bytes]:
    """Re-signed with a head of an unknown suite."""
    return resign(
        built, {**built.files, "head.json": built.files["head.json"].replace(b"handschlag/1", b"handschlag/9")}
    )


def relist(built: Built, **changes: Any) -> dict[str, bytes]:
    """Re-signed with a list that says something else of the last clip, which no gap betrays."""
    entries = [*built.entries[:-1], msgspec.structs.replace(built.entries[-1], **changes)]
    return resign(built, {**built.files, **clip_lists(entries)}, gaps=((16000, 16000), (48000, 1)))


def relist_raw(built: Built, entries: list[ClipEntry], **changes: Any) -> dict[str, bytes]:
    """Re-signed with a list that our own writer would refuse."""
    return resign(built, {**built.files, "clips.0.json": canonical(entries)}, **changes)


def consent(built: Built, **changes: Any) -> dict[str, bytes]:
    """Re-signed with another consent."""
    return resign(built, built.files, consent=(msgspec.structs.replace(built.manifest.consent[0], **changes),))


def receipt(built: Built, key: SigningKey, recording: str = RECORDING) -> dict[str, bytes]:
    """With a `stored` receipt by somebody."""
    digest = sha256_hex(built.files["manifest.jws"])
    stored = Stored(box=BOX, recording=recording, at=AT, epoch="e1", manifest_hash=digest, copies=1)
    return {**built.files, "receipt.jws": sign_receipt(stored, key)}


def other_receipt(built: Built) -> dict[str, bytes]:
    """With a receipt that says `destroyed`."""
    token = sign_receipt(Destroyed(box=BOX, recording=RECORDING, at=AT, epoch="e1"), ARCHIVE_KEY)
    return {**built.files, "receipt.jws": token}


def late_receipt(built: Built) -> dict[str, bytes]:
    """With the receipt of the manifest before this one."""
    return {**resign(built, built.files, ended="silence"), "receipt.jws": built.files["receipt.jws"]}


def by_the_archive(built: Built) -> dict[str, bytes]:
    """With a manifest signed by the archive."""
    return {**built.files, "manifest.jws": sign_manifest(built.manifest, ARCHIVE_KEY)}


def says(**changes: Any) -> Callable[[Built], dict[str, bytes]]:
    """Re-signed with other fields."""
    return lambda built: resign(built, built.files, **changes)


CONTRADICTIONS: list[tuple[str, Callable[[Built], dict[str, bytes]]]] = [
    ("head.json: is of recording", lambda b: exchange(b, "head.json")),
    ("head.json: suite", another_suite),
    ("keys.json: is of recording", lambda b: exchange(b, "keys.json")),
    ("keys.json: is wrapped for other", says(recipients=(OWNER.workshop(2).kid,))),
    ("no workshop key", says(recipients=(OWNER.workshop(3).kid,))),
    ("the manifest names no gap", says(gaps=())),
    ("the manifest names no gap", says(gaps=((16000, 15999),))),
    ("the manifest names no gap", says(gaps=((16001, 15999),))),
    ("000003.clip: its header", lambda b: relist(b, samples=15999)),
    ("000003.clip: its header", lambda b: relist(b, first_sample=48001)),
    ("000000.clip: does not come after", lambda b: relist_raw(b, [*b.entries, b.entries[0]])),
    ("000002.clip: does not come after", lambda b: relist_raw(b, b.entries[::-1])),
    ("000002.clip: is not named", lambda b: relist_raw(b, [b.entries[0], b.entries[2]], gaps=((16000, 32000),))),
    ("manifest.jws: ", by_the_archive),
    ("not for box werkstatt-2", says(box="werkstatt-2")),
    ("valid from", says(closed_at="2020-01-01T00:00:00Z")),
    ("receipt.jws: is for another manifest", late_receipt),
    ("receipt.jws: is no receipt", other_receipt),
    ("receipt.jws: ", lambda b: receipt(b, BOX_KEY)),
    ("receipt.jws: is of recording", lambda b: receipt(b, ARCHIVE_KEY, OTHER_RECORDING)),
    ("is no consent", lambda b: consent(b, ledger_seq=2)),
    ("is no consent", lambda b: consent(b, ledger_seq=4)),
    ("is no consent", lambda b: consent(b, way="oral")),
    ("another text_hash", lambda b: consent(b, text_hash="00" * 32)),
    ("is not the one that manifest.jws names", says(ledger=LedgerPosition(4, "00" * 32))),
    ("its end was cut off", says(ledger=LedgerPosition(99, "00" * 32))),
]


@pytest.mark.parametrize(("what", "change"), CONTRADICTIONS)
def test_signed_contradictions_are_found(whole: Built, what: str, change: Callable[[Built], dict[str, bytes]]) -> None:
    """What a box signed properly, but does not fit together, is refused all the same."""
    assert what in wrong(whole, change(whole), without_closed(whole))


def test_resigning_alone_changes_nothing(whole: Built) -> None:
    """The contradictions above are what is found, not the new signature: without one all is well."""
    assert judge(whole, resign(whole, whole.files), without_closed(whole)).ok


def test_a_short_list_in_the_middle_is_found() -> None:
    """All lists but the last are full, so that no clip can be taken out between two."""
    built = build(clips=4, samples=10)
    files = {**built.files, "clips.0.json": canonical(built.entries[:2]), "clips.1.json": canonical(built.entries[2:])}
    assert "another list follows" in wrong(built, resign(built, files), without_closed(built))


def test_expectations_of_box_and_recording(whole: Built) -> None:
    """An honest recording in another's place is found by who knows what should be there."""
    assert verify_recording(whole.held(), whole.trust, box=BOX, recording=RECORDING).ok
    other = verify_recording(whole.held(), whole.trust, recording=OTHER_RECORDING)
    assert other.wrong == f"manifest.jws: is of recording {RECORDING}, expected recording {OTHER_RECORDING}"
    assert "expected box x" in str(verify_recording(whole.held(), whole.trust, box="x").wrong)


def test_nobody_is_trusted_by_default(whole: Built) -> None:
    """An empty trust file trusts nobody, and the role is said."""
    verdict = verify_recording(whole.held(), Trust())
    assert not verdict.ok
    assert "for the role boxes" in str(verdict.wrong)


# --- destroyed recordings


def revoke(key: SigningKey = BOX_KEY, recording: str = RECORDING) -> bytes:
    """A revocation."""
    return sign_revoke(box=BOX, recording=recording, reason="key-9", at=AT, clock="synced", ledger_seq=9, key=key)


@pytest.mark.parametrize("left", [("head.json",), ("head.json", "keys.json", "000000.clip"), (), tuple(NAMES)])
def test_a_destroyed_recording_says_so(whole: Built, left: tuple[str, ...]) -> None:
    """Whatever is left of it: when and why it was destroyed, by a valid revocation of box or owner."""
    for key in (BOX_KEY, OWNER.signing()):
        files = {"revoke.jws": revoke(key), **{name: whole.files[name] for name in left}}
        said = wrong(whole, files)
        assert f"recording {RECORDING} was destroyed, says revoke.jws: key-9, at {AT}" in said
        assert ("still here" in said) == ("keys.json" in left)


def test_a_forged_revocation_is_not_believed(whole: Built) -> None:
    """A revocation by somebody else, or of another recording, is itself what is wrong."""
    assert "was destroyed" not in wrong(whole, {**whole.files, "revoke.jws": revoke(ARCHIVE_KEY)})
    assert "is of recording" in wrong(whole, {**whole.files, "revoke.jws": revoke(recording=OTHER_RECORDING)})


def test_an_unfinished_recording_says_so(whole: Built) -> None:
    """Keys without a manifest, and neither."""
    open_one = {name: whole.files[name] for name in ("head.json", "keys.json", "details.0", "000000.clip")}
    assert "not closed yet" in wrong(whole, open_one)
    del open_one["keys.json"]
    assert "never confirmed, or destroyed" in wrong(whole, open_one)


@pytest.mark.parametrize("kind", ["withdrawn", "destroyed"])
def test_what_the_ledger_calls_withdrawn_is_not_in_order(kind: str) -> None:
    """A recording that survived its withdrawal is found by the ledger."""
    built = build()
    ledger = LedgerBuilder()
    ledger.lines = b"".join(built.ledger[name] for name in ("2026-10.jsonl", "2026-11.jsonl")).splitlines()
    ledger.position = LedgerPosition(len(ledger.lines), sha256_hex(ledger.lines[-1]))
    ledger.add(kind, recording=RECORDING, reason="owner")
    assert f"was {kind}" in wrong(built, ledger=ledger.files())


def test_another_manifest_than_the_ledger_closed_is_found(whole: Built) -> None:
    """A second manifest for the same recording, signed by the box, contradicts the `closed` entry."""
    assert "closed this recording with another manifest" in wrong(whole, resign(whole, whole.files, ended="silence"))


# --- ledgers


def lines_of(built: Built) -> list[bytes]:
    """All lines of the ledger."""
    return b"".join(built.ledger[name] for name in ("2026-10.jsonl", "2026-11.jsonl")).splitlines()


def folder(built: Built, lines: list[bytes], *, head: bool = True) -> dict[str, bytes]:
    """Those lines in one file, with the old signed head or none."""
    files = {"2026-11.jsonl": b"".join(line + b"\n" for line in lines)}
    return {**files, "head.jws": built.ledger["head.jws"]} if head else files


def ledger_wrong(built: Built, ledger: dict[str, bytes]) -> str:
    """What both our readings find wrong with the ledger; the second verifier agrees by way of `judge`."""
    verdict = verify_ledger(HeldFiles(ledger), built.trust, box=BOX)
    assert verdict.wrong is not None
    assert wrong(built, ledger=ledger)
    return verdict.wrong


@pytest.mark.parametrize("name", ["2026-10.jsonl", "2026-11.jsonl", "head.jws"])
def test_a_flipped_bit_in_the_ledger_is_found(whole: Built, name: str) -> None:
    """Random bits of every file of the ledger, the last line included, which the signed head guards."""
    rng = random.Random(name)
    size = 8 * len(whole.ledger[name])
    for bit in [*rng.sample(range(size), FLIPS), *range(size - 16, size)]:
        flipped = bytearray(whole.ledger[name])
        flipped[bit // 8] ^= 1 << bit % 8
        assert ledger_wrong(whole, {**whole.ledger, name: bytes(flipped)})


def test_every_removed_swapped_or_doubled_line_is_found(whole: Built) -> None:
    """All lines, and all neighbours."""
    lines = lines_of(whole)
    for number in range(len(lines)):
        assert ledger_wrong(whole, folder(whole, lines[:number] + lines[number + 1 :]))
        assert ledger_wrong(whole, folder(whole, [*lines[: number + 1], *lines[number:]]))
        if number:
            swapped = [*lines[: number - 1], lines[number], lines[number - 1], *lines[number + 1 :]]
            assert f"entry {number}" in ledger_wrong(whole, folder(whole, swapped))


def test_a_cut_ledger_is_found(whole: Built) -> None:
    """Cut off the end: found by the signed head; without one, by the manifest as far as that goes."""
    lines = lines_of(whole)
    for keep in range(len(lines)):
        assert "its end was cut off" in ledger_wrong(whole, folder(whole, lines[:keep]))
    known = whole.manifest.ledger.seq
    for keep in range(known):
        assert "its end was cut off" in wrong(whole, ledger=folder(whole, lines[:keep], head=False))
    verdict = judge(whole, ledger=folder(whole, lines[:known], head=False))
    assert f"vouched for up to entry {known}" in verdict.checked["ledger"]


def test_a_rewritten_ledger_is_found(whole: Built) -> None:
    """An edited line with every later line chained anew still is not what was signed."""
    rewritten = LedgerBuilder()
    for line in lines_of(whole):
        entry = msgspec.json.decode(line)
        own = {
            name: value for name, value in entry.items() if name not in {"seq", "prev", "at", "clock", "mono", "kind"}
        }
        own.pop("boot")
        if entry["kind"] == "granted":
            own["leg"] = "near"
        rewritten.add(entry["kind"], **own)
    assert len(rewritten.lines) == len(lines_of(whole))
    assert "is not the one that head.jws names" in ledger_wrong(whole, folder(whole, rewritten.lines))
    assert "is not the one that manifest.jws names" in wrong(whole, ledger=folder(whole, rewritten.lines, head=False))


def test_torn_and_foreign_files_in_a_ledger_are_found(whole: Built) -> None:
    """A torn month, a missing month, months in each other's place, a file that is none."""
    first, second = whole.ledger["2026-10.jsonl"], whole.ledger["2026-11.jsonl"]
    for changed in (
        {"2026-11.jsonl": second[:-1]},
        {"2026-10.jsonl": first[:-1]},
        {"2026-10.jsonl": second, "2026-11.jsonl": first},
        {"2026-10.jsonl": b""},
        {"notes.txt": b"x"},
        {"2026-13.jsonl": b""},
    ):
        assert ledger_wrong(whole, {**whole.ledger, **changed})


def test_a_head_of_another_box_is_found(whole: Built) -> None:
    """The ledger beside a recording must be its box's."""
    other = SigningKey.from_seed(b"other" + bytes(27))
    trust = msgspec.structs.replace(
        whole.trust, boxes=(*whole.trust.boxes, TrustedKey.of(other.verify_key, box="werkstatt-2"))
    )
    head = sign_head(
        box="werkstatt-2", position=LedgerPosition(1, sha256_hex(lines_of(whole)[0])), at=AT, clock="synced", key=other
    )
    changed = {**whole.ledger, "head.2.jws": head}
    assert verify_ledger(HeldFiles(changed), trust).ok
    assert "expected box" in str(verify_ledger(HeldFiles(changed), trust, box=BOX).wrong)
    assert "expected box" in str(verify_recording(whole.held(), trust, ledger=HeldFiles(changed)).wrong)
    assert find_wrong(whole.files, write_trust(trust), changed)


def test_lines_can_be_checked_without_files(whole: Built) -> None:
    """Lines from anywhere, and positions that somebody else remembers, such as the archive."""
    lines = lines_of(whole)
    last = LedgerPosition(len(lines), sha256_hex(lines[-1]))
    assert verify_ledger(lines, whole.trust, known=[last]).ok
    assert "cut off" in str(verify_ledger(lines[:-1], whole.trust, known=[last]).wrong)
    forked = verify_ledger(lines, whole.trust, known=[LedgerPosition(2, "00" * 32)])
    assert forked.wrong == "ledger entry 2: is not the one that a known position names"
    part = verify_ledger(lines[3:], whole.trust, start=LedgerPosition(3, sha256_hex(lines[2])), known=[last])
    assert part.checked["ledger"].startswith(f"entries 4 to {len(lines)}")
    empty = verify_ledger([], whole.trust)
    assert empty.ok


def test_the_verdict_is_the_json_of_the_command_line(whole: Built) -> None:
    """ok, checked, wrong: as scripts read it."""
    told = msgspec.json.decode(msgspec.json.encode(judge(whole)))
    assert list(told) == ["ok", "checked", "wrong"]
    assert told["ok"] is True
    assert told["wrong"] is None


def test_clips_are_read_one_at_a_time() -> None:
    """However long the recording, each clip is asked for once, in order."""
    built = build(clips=20)
    read: list[str] = []

    class Counting(HeldFiles):
        def read(self, name: str) -> bytes:
            read.append(name)
            return super().read(name)

    assert verify_recording(Counting(built.files), built.trust).ok
    assert [name for name in read if name.endswith(".clip")] == [clip_name(index) for index in range(20)]


def test_errors_of_the_files_come_through() -> None:
    """A disk that fails is no tampering: its own error reaches the caller."""
    built = build()

    class Failing(HeldFiles):
        def read(self, name: str) -> bytes:
            if name.endswith(".clip"):
                raise OSError(5, "input/output error")
            return super().read(name)

    with pytest.raises(OSError, match="input/output"):
        verify_recording(Failing(built.files), built.trust)


def test_rewraps_do_not_hide_a_changed_original(whole: Built) -> None:
    """A valid rewrap stands in for a keys.json that is gone, not for one that was altered."""
    keys = msgspec.json.decode(whole.files["keys.json"], type=Keys)
    other = canonical(msgspec.structs.replace(keys, recipients=keys.recipients[::-1] * 1, box=BOX)) + b" "
    assert wrong(whole, {**whole.files, "keys.json": other}).startswith("keys.json: is not the file that was signed")


def test_a_payload_by_hand_is_read_strictly(whole: Built) -> None:
    """A manifest that the box signed in another form is refused by both verifiers."""
    payload = canonical({"box": BOX, "recording": RECORDING})
    assert wrong(whole, {**whole.files, "manifest.jws": sign(payload, "handschlag-manifest", BOX_KEY)})


def test_the_second_verifier_stands_alone(whole: Built, tmp_path: Path) -> None:
    """As a program of its own: imports nothing of the product, accepts the honest, names the missing clip."""
    script = Path(verifier.__file__)
    assert "import handschlag" not in script.read_text(encoding="utf-8").replace("from handschlag", "import handschlag")
    for name, files in (("recording", whole.files), ("ledger", whole.ledger), (".", {"trust.json": whole.trust_file})):
        (tmp_path / name).mkdir(exist_ok=True)
        for file, data in files.items():
            (tmp_path / name / file).write_bytes(data)
    command = [sys.executable, str(script), "recording", "trust.json", "ledger"]
    good = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (good.stdout, good.returncode) == ("ok\n", 0)
    (tmp_path / "recording" / "000002.clip").unlink()
    bad = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert "000002.clip" in bad.stdout
    assert bad.returncode == 1
