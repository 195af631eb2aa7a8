"""The format document says what the code does: every constant that it names equals the code's."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import handschlag.sealing
from handschlag.sealing import encoding, jws, keys, ledger, manifest, owner, recording, rewrap, trust, verify
from handschlag.sealing import receipt as receipts
from handschlag.sealing import revoke as revokes

TEXT = (Path(handschlag.sealing.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")
FLAT = re.sub(r"\s+", " ", TEXT)


@pytest.mark.parametrize(
    "said",
    [
        f"at most {encoding.MAX_INTEGER}",
        f"larger than {encoding.MAX_FILE_BYTES} bytes",
        f"at most {ledger.MAX_LINE_BYTES} bytes",
        f"at most {ledger._MAX_FIELDS} values",
        f"{ledger._MAX_TEXT} characters",
        f"`{ledger.DOUBTED}`",
        f"workshop key: {keys.WORKSHOP_PUBLIC_BYTES} bytes",
        f"ML-KEM key ({keys._MLKEM_PUBLIC_BYTES})",
        f"`enc` has {keys.ENC_BYTES} bytes, the ciphertext {keys.WRAPPED_BYTES}",
        f"at most {keys.MAX_GENERATION})",
        f"At most {keys._MAX_KEY_FILE_BYTES} bytes",
        f"`{keys.SUITE}`",
        *(f"`{kind}`" for kind in (keys._OWNER, keys._WORKSHOP, keys._SIGNING)),
        f"{recording._CLIP.magic.decode()}",
        f"{recording._DETAILS.magic.decode()}",
        f"aad: the {recording._CLIP.header.size} bytes in front",
        f"in front ({recording._DETAILS.header.size} bytes)",
        f"multiple of {recording._CLIP.block}",
        f"multiples of {recording._DETAILS.block}",
        f"and tag ({recording._TAG_BYTES})",
        f"1 to {recording.MAX_RECIPIENTS} recipients",
        f"1 to {manifest.MAX_CLIP_SAMPLES} (2 s",
        f"1 to {manifest.CLIPS_PER_LIST} `{{index",
        f"index 0 to {manifest.MAX_CLIPS - 1}",
        f"up to {manifest.MAX_GAPS} pairs",
        *(f"`{module._TYP}`" for module in (manifest, rewrap, revokes, receipts, ledger, owner)),
    ],
)
def test_constants_are_the_codes(said: str) -> None:
    """As the code has it, so the document says it."""
    assert said in FLAT


def test_all_kinds_of_ledger_lines_are_named() -> None:
    """None more and none less than the code takes."""
    listed = re.search(r"Kinds: ([a-z, ]+)\.", FLAT)
    assert listed is not None
    assert set(listed[1].split(", ")) == ledger.KINDS


@pytest.mark.parametrize(
    ("form", "begins"),
    [
        (recording.Head, "**`head.json`** `{"),
        (recording.Keys, "**`keys.json`** `{"),
        (manifest.Manifest, "**`manifest.jws`** payload `{"),
        (manifest.Consent, "`consent` 1 to 64 of `{"),
        (manifest.ClipEntry, "1 to 512 `{"),
        (revokes.Revoke, "**`revoke.jws`** `{"),
        (ledger.LedgerHead, "A signed head is `{"),
        (owner.OwnerMessage, "a JWS by the owner over `{"),
        (keys._KeyFile, "canonical JSON and a newline: `{"),
        (trust.TrustedKey, "`operator` hold `{"),
    ],
)
def test_fields_are_the_codes(form: type[msgspec.Struct], begins: str) -> None:
    """Each object's fields, none more and none less."""
    said = re.sub(r"\[\{.*?\}\]", "", FLAT[FLAT.index(begins) + len(begins) :])
    listed = re.sub(r"\[.*?\]|: [^,}]*|\?", "", said[: said.index("}`")]).split(", ")
    assert {name.strip() for name in listed} == {field.encode_name for field in msgspec.structs.fields(form)}


def test_stored_receipts_fields() -> None:
    """The one kind that has a place in a folder."""
    listed = {"kind", *(field.encode_name for field in msgspec.structs.fields(receipts.Stored))}
    said = re.search(r"payload `\{(kind: \"stored\".*?)\}`", FLAT)
    assert said is not None
    assert {part.split(":")[0].strip() for part in said[1].split(",")} == listed


def test_infos_are_the_ones_that_keys_come_from() -> None:
    """HKDF and HPKE infos as written there give the product's own keys."""
    secret = keys.OwnerSecret.from_bytes(bytes(range(32)))
    key = keys.RecordingKey(bytes(range(32)))
    assert keys._derive(secret.raw, b"handschlag/1 xwing 3") == secret.workshop(3).seed
    assert keys._derive(secret.raw, b"handschlag/1 sign") == secret.signing().seed
    for info in ("clip", "details", "commit"):
        assert keys._derive(key.raw, info.encode()) == getattr(key, info)
        assert f"| recording key | `{info}` |" in FLAT
    recording_id = "01890a5d-ac96-774b-bcce-b302099a8057"
    raw = bytes.fromhex(recording_id.replace("-", ""))
    assert keys._wrap_info("box", recording_id) == b"handschlag/1 key\0box\0" + raw
    for said in ('`"handschlag/1 key" | 0x00 | box id | 0x00 | recording id (16)`', "`handschlag/1 xwing N`"):
        assert said in FLAT


def test_modules_without_constants_are_looked_at_too() -> None:
    """What the document calls allowed names is what the code allows."""
    for name in ("head.json", "keys.json", "keys.7.jws", "000000.clip", "details.0", "details.1", "clips.0.json"):
        assert manifest.is_name(name)
    assert verify._LEDGER_HEAD.fullmatch("head.7.jws")
    assert jws._SIGNATURE_BYTES == 64
