"""Sealing while the call runs: sizes, order, one-way wiping."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from handschlag.sealing import recording as rec
from handschlag.sealing.errors import AlreadySealed, BadFile, BadKey, SealingError, Tampered, Wiped
from handschlag.sealing.keys import RecordingKey
from handschlag.sealing.recording import MAX_DETAILS_BYTES, MAX_FLAC_BYTES, Sealer
from tests.sealing.builder import AT, BOX, OTHER_RECORDING, OWNER, RECORDING, RECORDING_KEY

GOOD: dict[str, Any] = {
    "box": BOX,
    "recording": RECORDING,
    "sample_rate": 8000,
    "channels": 2,
    "opened_at": AT,
    "clock": "synced",
    "boot": "5eed",
    "seizure": 7,
}


def sealer(**changes: Any) -> Sealer:
    """A sealer with the fixed key."""
    return Sealer.begin(**{**GOOD, **changes}, key=RecordingKey(RECORDING_KEY))


def test_head_says_what_it_was_begun_with() -> None:
    """The head contains what the reader needs, and a commitment to the key."""
    head = rec.read_head(sealer().head)
    assert {name: getattr(head, name) for name in GOOD} == GOOD
    rec.check_commitment(head, RecordingKey(RECORDING_KEY))
    with pytest.raises(Tampered, match="commits to another key"):
        rec.check_commitment(head, RecordingKey.new())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("box", "Werkstatt"),
        ("recording", RECORDING.upper()),
        ("recording", "01890a5d-ac96-474b-bcce-b302099a8057"),
        ("sample_rate", 44100),
        ("channels", 3),
        ("opened_at", "2026-11-02 09:15:00"),
        ("opened_at", "2026-13-02T09:15:00Z"),
        ("opened_at", "2026-11-02T09:15:00+01:00"),
        ("opened_at", "2026-11-02T09:15:00Z\n"),
        ("clock", "perhaps"),
        ("boot", ""),
        ("boot", "a b"),
        ("seizure", -1),
        ("seizure", 2**53),
    ],
)
def test_wrong_heads_are_refused_by_field(field: str, value: object) -> None:
    """Each field has its form; the error names it."""
    with pytest.raises(BadFile, match=rf"head\.json: .*\$\.{field}"):
        sealer(**{field: value})


def test_unknown_suites_and_fields_are_refused() -> None:
    """A head of another suite or version, or with a field too many, is not guessed at."""
    head = json.loads(sealer().head)
    for change, what in (({"suite": "handschlag/2"}, "suite"), ({"version": 2}, "version"), ({"more": 1}, "more")):
        with pytest.raises(BadFile, match=what):
            rec.read_head(json.dumps({**head, **change}).encode())


@pytest.mark.parametrize("length", [0, 1, 4091, 4092, 4093, 8187, 8188, 8189, MAX_FLAC_BYTES - 1, MAX_FLAC_BYTES])
def test_clips_are_padded_and_come_back(length: int) -> None:
    """Sealed sizes tell 4 KiB steps only, the content comes back to the byte."""
    flac = bytes(i % 255 for i in range(length))
    sealed = sealer().clip(3, 48000, 16000, flac)
    assert len(sealed) == 20 + 16 + (length + 4 + 4095) // 4096 * 4096
    header, content = rec.open_clip(sealed, RecordingKey(RECORDING_KEY), RECORDING, "000003.clip")
    assert (header.index, header.first_sample, header.samples) == (3, 48000, 16000)
    assert content == flac


def test_a_clip_has_the_layout_of_the_design() -> None:
    """Decrypted by hand: header, nonce, aad, length, content and zeros are where the design says."""
    sealed = sealer().clip(5, 80000, 16000, b"fLaC1234")
    header = bytes.fromhex("48534331 00000005 0000000000013880 00003e80")
    assert sealed[:20] == header
    aad = header + bytes.fromhex(RECORDING.replace("-", ""))
    plain = AESGCM(bytes(RecordingKey(RECORDING_KEY).clip)).decrypt(bytes(8) + bytes([0, 0, 0, 5]), sealed[20:], aad)
    assert plain == b"\x00\x00\x00\x08fLaC1234" + bytes(4096 - 12)


def test_too_long_a_clip_is_refused() -> None:
    """What no message could carry is refused before it is sealed."""
    with pytest.raises(BadFile, match=r"000000\.clip: .*at most"):
        sealer().clip(0, 0, 16000, bytes(MAX_FLAC_BYTES + 1))


@pytest.mark.parametrize(
    ("index", "first", "samples"), [(-1, 0, 1), (10**6, 0, 1), (0, 0, 0), (0, 0, 16001), (0, -1, 1)]
)
def test_impossible_places_are_refused(index: int, first: int, samples: int) -> None:
    """Index, first sample and samples have their ranges."""
    with pytest.raises(SealingError, match="clip"):
        sealer().clip(index, first, samples, b"x")


def test_an_index_is_sealed_once_and_rising() -> None:
    """Sealing again would reuse a nonce: refused, also after a failure, also for overlapping samples."""
    one = sealer()
    one.clip(0, 0, 16000, b"a")
    with pytest.raises(AlreadySealed):
        one.clip(0, 16000, 16000, b"b")
    with pytest.raises(BadFile):
        one.clip(1, 16000, 16000, bytes(MAX_FLAC_BYTES + 1))
    with pytest.raises(AlreadySealed):
        one.clip(1, 32000, 16000, b"b")
    with pytest.raises(AlreadySealed):
        one.clip(2, 31999, 16000, b"b")
    one.clip(7, 48000, 1, b"c")


@pytest.mark.parametrize("number", [-1, 2])
def test_there_are_two_details(number: int) -> None:
    """Only 0 and 1 exist."""
    with pytest.raises(BadFile, match="details"):
        sealer().details(number, {})


def test_details_are_sealed_once() -> None:
    """A number of details is a nonce, too."""
    one = sealer()
    one.details(0, {"a": 1})
    with pytest.raises(AlreadySealed, match=r"details\.0"):
        one.details(0, {"a": 2})
    one.details(1, {"a": 2})


@pytest.mark.parametrize("length", [0, 1000, 1012, 1013, 1014, MAX_DETAILS_BYTES - 8])
def test_details_are_padded_and_come_back(length: int) -> None:
    """Sealed details tell 1 KiB steps only."""
    sealed = sealer().details(1, {"n": "x" * length})
    assert (len(sealed) - 8 - 16) % 1024 == 0
    assert rec.open_details(sealed, 1, RecordingKey(RECORDING_KEY), RECORDING) == {"n": "x" * length}


def test_details_that_json_cannot_say_are_refused_without_quoting_them() -> None:
    """The error names the file and shows nothing personal."""
    with pytest.raises(BadFile, match=r"details\.0") as caught:
        sealer().details(0, {"number": "+49 30 1234567", "x": object()})
    assert "1234567" not in str(caught.value)
    with pytest.raises(BadFile, match="at most"):
        sealer().details(0, {"n": "x" * MAX_DETAILS_BYTES})


def test_details_are_no_clips_and_belong_to_their_number_and_recording() -> None:
    """Details 0 do not open as details 1, nor in another recording."""
    sealed, key = sealer().details(0, {"a": 1}), RecordingKey(RECORDING_KEY)
    with pytest.raises(BadFile, match=r"details\.1: says that it is details\.0"):
        rec.open_details(sealed, 1, key, RECORDING)
    with pytest.raises(Tampered, match=r"details\.0"):
        rec.open_details(sealed, 0, key, OTHER_RECORDING)
    renumbered = sealed[:7] + b"\x01" + sealed[8:]
    with pytest.raises(Tampered, match=r"details\.1"):
        rec.open_details(renumbered, 1, key, RECORDING)


def test_a_clip_opens_only_in_its_place() -> None:
    """Another recording, key, index, sample or length of samples does not open."""
    sealed, key = sealer().clip(1, 16000, 16000, b"flac"), RecordingKey(RECORDING_KEY)
    for where, other in ((RECORDING, RecordingKey.new()), (OTHER_RECORDING, key)):
        with pytest.raises(Tampered, match="altered, or sealed for another"):
            rec.open_clip(sealed, other, where, "000001.clip")
    for position in (7, 15, 19, 20, 4000, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(Tampered):
            rec.open_clip(bytes(changed), key, RECORDING, "000001.clip")


@pytest.mark.parametrize("cut", [0, 3, 19, 36, 4095, 4131, 4133])
def test_cut_or_extended_clips_are_refused_by_their_length(cut: int) -> None:
    """A sealed clip has few possible lengths."""
    sealed = sealer().clip(0, 0, 16000, b"flac") + b"\0"
    with pytest.raises(BadFile, match=r"x\.clip"):
        rec.read_clip_header(sealed[:cut], "x.clip")


@pytest.mark.parametrize(
    "plain",
    [
        b"\x00\x00\x10\x00" + bytes(4092),
        b"\xff\xff\xff\xff" + bytes(4092),
        b"\x00\x00\x00\x01" + bytes(8188),
        b"\x00\x00\x00\x01a" + bytes(4090) + b"\x01",
    ],
    ids=["longer than it is", "huge", "a block too many", "padding not zero"],
)
def test_inner_length_and_padding_are_checked(plain: bytes) -> None:
    """A writer that knows the key, and writes another form, is refused all the same."""
    key = RecordingKey(RECORDING_KEY)
    header = rec._CLIP.header.pack(b"HSC1", 0, 0, 16000)
    aad = header + bytes.fromhex(RECORDING.replace("-", ""))
    sealed = header + AESGCM(bytes(key.clip)).encrypt(bytes(12), plain, aad)
    with pytest.raises(Tampered, match="inner length"):
        rec.open_clip(sealed, key, RECORDING, "000000.clip")


def test_keys_are_wrapped_for_each_recipient() -> None:
    """Every recipient's key opens, and gives the recording key."""
    workshops = [OWNER.workshop(1), OWNER.workshop(2)]
    keys = rec.read_keys(sealer().keys([workshop.public for workshop in workshops]))
    assert [wrapped.kid for wrapped in keys.recipients] == [workshop.kid for workshop in workshops]
    for workshop, wrapped in zip(workshops, keys.recipients, strict=True):
        assert workshop.unwrap(wrapped, box=BOX, recording=RECORDING).raw == RECORDING_KEY


def test_wrong_recipients_are_refused() -> None:
    """None, twice the same, and what is no key."""
    public = OWNER.workshop().public
    for wrong in ([], [public, public]):
        with pytest.raises(BadFile, match="recipients"):
            sealer().keys(wrong)
    with pytest.raises(BadKey):
        sealer().keys([public[:-1]])


@pytest.mark.parametrize(
    "change", [{"suite": "x"}, {"recipients": []}, {"box": "A"}, {"recording": "x"}, {"extra": 1}, {"version": 2}]
)
def test_wrong_key_files_are_refused(change: dict[str, object]) -> None:
    """keys.json is read strictly."""
    keys = json.loads(sealer().keys([OWNER.workshop().public]))
    with pytest.raises(BadFile, match=r"keys\.json"):
        rec.read_keys(json.dumps({**keys, **change}).encode())


def test_wrapped_parts_have_their_size_and_spelling() -> None:
    """A wrapped key that is cut, padded or spelled otherwise is refused by recipient and part."""
    keys = json.loads(sealer().keys([OWNER.workshop().public]))
    enc = keys["recipients"][0]["enc"]
    for wrong in (enc[:-4], enc + "=", enc + "AAAA", ""):
        keys["recipients"][0]["enc"] = wrong
        with pytest.raises(BadFile, match=r"recipients\[0\]: enc"):
            rec.read_keys(json.dumps(keys).encode())


def test_after_wiping_nothing_is_sealed() -> None:
    """A withdrawn recording's sealer refuses everything, for ever."""
    key = RecordingKey(RECORDING_KEY)
    one = Sealer.begin(**GOOD, key=key)
    one.wipe()
    one.wipe()
    assert key.wiped
    with pytest.raises(Wiped):
        one.clip(0, 0, 16000, b"x")
    with pytest.raises(Wiped):
        one.details(0, {})
    with pytest.raises(Wiped):
        one.keys([OWNER.workshop().public])
    assert rec.read_head(one.head).recording == RECORDING


def test_each_recording_has_its_own_key() -> None:
    """Two heads never commit to the same key."""
    one, two = Sealer.begin(**GOOD), Sealer.begin(**GOOD)
    assert rec.read_head(one.head).commitment != rec.read_head(two.head).commitment


def test_sealer_shows_no_secret() -> None:
    """Its repr names the recording and nothing else."""
    assert repr(sealer()) == f"Sealer({RECORDING}, RecordingKey(...))"


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, 16000), st.binary(max_size=99)), max_size=8)
)
def test_any_rising_sequence_comes_back(steps: list[tuple[int, int, int, bytes]]) -> None:
    """Whatever rises can be sealed and opened."""
    one, key, index, sample = sealer(), RecordingKey(RECORDING_KEY), 0, 0
    for more, gap, samples, flac in steps:
        index, sample = index + more, sample + gap
        header, content = rec.open_clip(one.clip(index, sample, samples, flac), key, RECORDING, "x")
        assert (header.index, header.first_sample, header.samples, content) == (index, sample, samples, flac)
        index, sample = index + 1, sample + samples


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_readers(data: bytes) -> None:
    """Any bytes are a BadFile."""
    for read in (rec.read_head, rec.read_keys):
        with pytest.raises(BadFile):
            read(data)
    with pytest.raises(BadFile):
        rec.read_clip_header(data, "x")
    with pytest.raises(BadFile):
        rec.check_details(data, 0)
