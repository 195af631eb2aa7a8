"""Manifests, clip lists, names and gaps."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.sealing import jws
from handschlag.sealing import manifest as man
from handschlag.sealing.encoding import MAX_FILE_BYTES, canonical
from handschlag.sealing.errors import BadFile, SealingError, Untrusted
from handschlag.sealing.ledger import LedgerPosition
from handschlag.sealing.manifest import ClipEntry, Manifest
from tests.sealing.builder import ARCHIVE_KEY, BOX_KEY, build, trust

HASH = "ab" * 32


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    """A valid manifest."""
    return build().manifest


def entries(count: int, samples: int = 16000) -> list[ClipEntry]:
    """Clips without gaps."""
    return [ClipEntry(index, index * samples, samples, HASH) for index in range(count)]


def test_manifest_comes_back(manifest: Manifest) -> None:
    """What was signed is what is read, by a pinned key and by a trust file."""
    token = man.sign_manifest(manifest, BOX_KEY)
    assert man.read_manifest(token, BOX_KEY.verify_key) == manifest
    assert man.read_manifest(token, trust().keys("boxes")) == manifest
    assert man.read_manifest(token, trust().box_keys(manifest.box)) == manifest
    assert man.peek_manifest(token) == manifest


def test_a_manifest_by_another_role_is_untrusted(manifest: Manifest) -> None:
    """The archive cannot sign what only a box may say."""
    with pytest.raises(Untrusted, match=rf"manifest\.jws: .*{ARCHIVE_KEY.kid}.*boxes"):
        man.read_manifest(man.sign_manifest(manifest, ARCHIVE_KEY), trust().keys("boxes"))


def test_a_box_speaks_for_itself_only(manifest: Manifest) -> None:
    """A trusted box that signs in another box's name is refused."""
    foreign = msgspec.structs.replace(manifest, box="werkstatt-2")
    with pytest.raises(Untrusted, match="trusted for box werkstatt-1, not for box werkstatt-2"):
        man.read_manifest(man.sign_manifest(foreign, BOX_KEY), trust().keys("boxes"))


def test_validity_counts_on_a_trusted_clock_only(manifest: Manifest) -> None:
    """A key used before it was valid is refused, unless the box's clock was not synchronised anyway."""
    early = msgspec.structs.replace(manifest, closed_at="2025-12-31T23:59:59.999Z")
    with pytest.raises(Untrusted, match="valid from"):
        man.read_manifest(man.sign_manifest(early, BOX_KEY), trust().keys("boxes"))
    unsynced = msgspec.structs.replace(early, clock="unsynced")
    assert man.read_manifest(man.sign_manifest(unsynced, BOX_KEY), trust().keys("boxes")) == unsynced


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("recording", {"recording": "01890A5D-ac96-774b-bcce-b302099a8057"}),
    ("box", {"box": "Werkstatt"}),
    ("keys.json", {"files": {"head.json": HASH, "details.0": HASH, "details.1": HASH}}),
    ("details.1", {"files": {"head.json": HASH, "details.0": HASH, "keys.json": HASH}}),
    ("files", {"files": {}}),
    ("evil", {"files": {"head.json": HASH, "details.0": HASH, "details.1": HASH, "keys.json": HASH, "../evil": HASH}}),
    (
        "clips.",
        {"files": {**dict.fromkeys(("head.json", "details.0", "details.1", "keys.json", "clips.1.json"), HASH)}},
    ),
    ("files", {"files": dict.fromkeys(("head.json", "details.0", "details.1", "keys.json"), HASH.upper())}),
    ("recipients", {"recipients": ()}),
    ("recipient is listed twice", {"recipients": ("A" * 43, "A" * 43)}),
    ("consent", {"consent": ()}),
    ("retention_class", {"retention_class": "two words"}),
    ("retain_until", {"retain_until": "2027"}),
    ("ended", {"ended": ""}),
    ("clock", {"clock": "so-so"}),
    ("gap 1", {"gaps": ((5, 5), (9, 1))}),
    ("gap 1", {"gaps": ((5, 5), (10, 1))}),
    ("gaps", {"gaps": ((5, 0),)}),
    ("gaps", {"gaps": ((-1, 3),)}),
    ("consent is younger", {"ledger": LedgerPosition(1, HASH)}),
    ("hash", {"ledger": LedgerPosition(9, "0")}),
    ("version", {"version": 2}),
]


@pytest.mark.parametrize(("what", "change"), WRONG)
def test_wrong_manifests_are_neither_signed_nor_read(manifest: Manifest, what: str, change: dict[str, Any]) -> None:
    """The writer refuses what the reader would refuse, and both name what is wrong."""
    wrong = msgspec.structs.replace(manifest, **change)
    with pytest.raises(BadFile, match=what):
        man.sign_manifest(wrong, BOX_KEY)
    token = jws.sign(canonical(wrong), "handschlag-manifest", BOX_KEY)
    with pytest.raises(BadFile, match=what):
        man.read_manifest(token, BOX_KEY.verify_key)


def test_unknown_fields_are_refused(manifest: Manifest) -> None:
    """A manifest that says more than this program understands is not half understood."""
    more = {**json.loads(canonical(manifest)), "more": 1}
    with pytest.raises(BadFile, match="more"):
        man.read_manifest(jws.sign(canonical(more), "handschlag-manifest", BOX_KEY), BOX_KEY.verify_key)


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (511, [511]), (512, [512]), (513, [512, 1]), (1024, [512, 512])]
)
def test_clip_lists_hold_512_each(count: int, sizes: list[int]) -> None:
    """Around the chunk size: lists are full but for the last, none is empty, and all fit one message."""
    clips = entries(count)
    lists = man.clip_lists(clips)
    assert list(lists) == [f"clips.{number}.json" for number in range(len(sizes))]
    read = [man.read_clip_list(data, name) for name, data in lists.items()]
    assert [len(part) for part in read] == sizes
    assert [entry for part in read for entry in part] == clips
    assert all(len(data) <= MAX_FILE_BYTES for data in lists.values())


def test_a_full_list_of_the_largest_numbers_fits() -> None:
    """512 entries with the longest numbers stay below the size of a message."""
    clips = [ClipEntry(999_000 + i, 2**53 - 10**8 + i * 16000, 16000, HASH) for i in range(512)]
    assert len(man.clip_lists(clips)["clips.0.json"]) <= MAX_FILE_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"{}",
        b"null",
        b"[{}]",
        canonical([{**json.loads(canonical(entries(1)))[0], "x": 1}]),
        canonical(entries(513)),
        canonical([{"index": 10**6, "first_sample": 0, "samples": 1, "sha256": HASH}]),
        canonical([{"index": 0, "first_sample": 0, "samples": 0, "sha256": HASH}]),
        canonical([{"index": 0, "first_sample": 0, "samples": 16001, "sha256": HASH}]),
        canonical([{"index": True, "first_sample": 0, "samples": 1, "sha256": HASH}]),
        canonical([{"index": 0, "first_sample": 0.5, "samples": 1, "sha256": HASH}]),
    ],
)
def test_wrong_clip_lists_are_refused(data: bytes) -> None:
    """Clip lists are read strictly."""
    with pytest.raises(BadFile, match=r"clips\.0\.json"):
        man.read_clip_list(data, "clips.0.json")


@pytest.mark.parametrize(
    "wrong",
    [
        [ClipEntry(1, 0, 10, HASH), ClipEntry(0, 10, 10, HASH)],
        [ClipEntry(0, 0, 10, HASH), ClipEntry(0, 10, 10, HASH)],
        [ClipEntry(0, 0, 10, HASH), ClipEntry(1, 9, 10, HASH)],
        [ClipEntry(0, 20, 10, HASH), ClipEntry(1, 0, 10, HASH)],
    ],
)
def test_clips_out_of_order_are_refused(wrong: list[ClipEntry]) -> None:
    """Indexes and samples rise; the clip that does not is named."""
    with pytest.raises(BadFile, match=r"00000[01]\.clip: does not come after"):
        man.clip_lists(wrong)


def test_names_are_the_designs() -> None:
    """Names of files, there and back."""
    assert man.clip_name(17) == "000017.clip"
    assert man.clip_index("000017.clip") == 17
    assert man.clip_index("17.clip") is None
    assert man.rewrap_counter("keys.12.jws") == 12
    assert man.details_name(1) == "details.1"
    for good in (
        "head.json",
        "keys.json",
        "keys.1.jws",
        "details.0",
        "clips.0.json",
        "manifest.jws",
        "receipt.jws",
        "revoke.jws",
    ):
        assert man.is_name(good)
    for bad in (
        "",
        "head",
        "keys.0.jws",
        "keys.01.jws",
        "details.2",
        "clips.00.json",
        "0.clip",
        "000000.clip.tmp",
        "../head.json",
        "000000.clip\n",
    ):
        assert not man.is_name(bad)
    with pytest.raises(BadFile):
        man.clip_name(10**6)


def test_holes_are_what_no_clip_covers() -> None:
    """Before the first clip and between clips; not after the last."""
    clips = [ClipEntry(1, 10, 5, HASH), ClipEntry(2, 15, 5, HASH), ClipEntry(4, 30, 5, HASH)]
    assert man.holes(clips) == ((0, 10), (20, 10))
    assert man.holes(clips, start=10) == ((20, 10),)
    assert man.holes([]) == ()


def test_gaps_are_merged() -> None:
    """Gaps that overlap or touch become one."""
    assert man.merge_gaps([(10, 5), (0, 3)], [(12, 8), (20, 1)]) == ((0, 3), (10, 11))


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 5)), max_size=40))
def test_merged_gaps_cover_the_same_and_are_valid(gaps: list[tuple[int, int]]) -> None:
    """Merging neither loses nor invents, and gives what a manifest takes."""
    merged = man.merge_gaps(gaps)
    covered = {sample for first, samples in gaps for sample in range(first, first + samples)}
    assert {sample for first, samples in merged for sample in range(first, first + samples)} == covered
    assert all(a[0] + a[1] < b[0] for a, b in pairwise(merged))


def test_too_many_gaps_are_made_fewer_and_wider() -> None:
    """A recording with thousands of dropouts can still be closed: the closest are joined, none is lost."""
    gaps = [(first * 10, 4) for first in range(3000)] + [(100_000 + first * 1000, 4) for first in range(1500)]
    merged = man.merge_gaps(gaps)
    assert len(merged) == man.MAX_GAPS
    covered = {sample for first, samples in merged for sample in range(first, first + samples)}
    assert covered.issuperset(sample for first, samples in gaps for sample in range(first, first + samples))
    assert {(100_000 + first * 1000, 4) for first in range(1, 1500)} <= set(merged)
    changed = build(changes={"gaps": merged}).manifest
    assert changed.gaps == merged


@given(st.binary(max_size=100))
def test_no_bytes_crash_the_readers(data: bytes) -> None:
    """Any bytes are one error of ours."""
    with pytest.raises(SealingError):
        man.read_manifest(data, BOX_KEY.verify_key)
    with pytest.raises(SealingError):
        man.read_clip_list(data, "clips.0.json")
