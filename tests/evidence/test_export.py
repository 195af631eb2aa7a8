"""An evidence export: what is in it, who can check it, and that nothing of it can be changed unnoticed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import stat
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from cryptography import x509

from handschlag.evidence import layout, verifier
from handschlag.evidence.errors import BadExport, CannotExport
from handschlag.evidence.place import Place
from handschlag.evidence.verifier import find_wrong_in_export
from handschlag.sealing.encoding import from_base64url, to_base64url
from handschlag.sealing.errors import BadKey, SealingError
from handschlag.sealing.keys import OwnerSecret, SigningKey
from handschlag.sealing.trust import write_trust
from tests.evidence.exports import CLIP, STAFF_KEY, export, recording, sound, verdict, with_owner
from tests.sealing.builder import BOX, BOX_KEY, OTHER_RECORDING, OWNER, RECORDING, Built


@pytest.fixture(scope="module")
def built() -> Built:
    """A recording with a gap, a receipt and a ledger."""
    return recording()


@pytest.fixture(scope="module")
def whole(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The owner's export of it; its zip beside it."""
    out = tmp_path_factory.mktemp("exports") / "case-7"
    export(built, out)
    return out


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """The export, to be spoilt."""
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def wrong(path: Path, built: Built) -> str:
    """What is wrong, on which both verifiers must agree that something is."""
    found = verdict(path, built.trust).wrong
    second = find_wrong_in_export(path, built.trust_file)
    assert (found is None) == (second is None), f"we say {found!r}, the verifier in the export {second!r}"
    assert found is not None, "found nothing wrong"
    return found


def sums_anew(folder: Path) -> None:
    """Write SHA256SUMS anew, as a forger without the owner's key would."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    kept = sorted(set(names) - {layout.SUMS, layout.VCON})
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in kept]
    (folder / layout.SUMS).write_text("".join(lines))


def test_folder_and_zip_are_whole(whole: Path, built: Built) -> None:
    """Both are found in order, with a trust file of one's own and with the keys inside; both say which it was."""
    for path in (whole, whole.with_name("case-7.zip")):
        for trust, said in ((built.trust, "your trust file"), (None, "compare with paper")):
            found = verdict(path, trust)
            assert found.wrong is None
            assert said in found.checked["trust"]
            assert found.checked["vcon"].startswith("signed by owner's key")
            assert found.checked["ledger"].endswith("has the consent (entry 3)")
    assert find_wrong_in_export(whole, built.trust_file) is None


def test_zip_holds_the_same_bytes_below_one_folder(whole: Path) -> None:
    """Whoever gets the one gets the other."""
    with zipfile.ZipFile(whole.with_name("case-7.zip")) as packed:
        held = {name: packed.read(name) for name in packed.namelist()}
    there = {f"case-7/{p.relative_to(whole).as_posix()}": p.read_bytes() for p in whole.rglob("*") if p.is_file()}
    assert held == there


def test_the_opened_audio_is_the_recording(whole: Path) -> None:
    """Clips in order, silence where the second was lost."""
    samples, rate = soundfile.read(whole / layout.AUDIO, dtype="int16")
    gap = np.zeros((CLIP, 2), np.int16)
    assert rate == 8000
    assert np.array_equal(samples, np.concatenate([sound(0), gap, sound(2), sound(3)]))


def test_the_verifier_in_the_export_runs_by_itself(whole: Path, tmp_path: Path) -> None:
    """Python and cryptography alone: the export's own program, in its folder, isolated from everything of ours."""
    folder = Path(shutil.copytree(whole, tmp_path / "elsewhere"))
    for spoil, code in ((False, 0), (True, 1)):
        if spoil:
            (folder / layout.DETAILS).write_text("[]")
        block = "import sys; sys.modules.update(dict.fromkeys(('handschlag', 'msgspec', 'soundfile', 'numpy')))"
        run = f"{block}; import runpy; sys.argv = ['verify.py']; runpy.run_path('verify.py', run_name='__main__')"
        done = subprocess.run([sys.executable, "-c", run], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert (done.stdout.splitlines()[-1] == "ok") == (code == 0)


def test_the_verifier_is_about_a_page() -> None:
    """What a third person has to read before believing it: no import of ours, and not long."""
    source = Path(verifier.__file__).read_text()
    assert "handschlag." not in re.sub(r'".*?"', "", source)
    assert len(source.splitlines()) < 400


def test_the_vcon_is_signed_by_the_owner_as_the_draft_says(whole: Path) -> None:
    """General JWS JSON serialization; the certificate's key is the owner's and its signature holds by its own right."""
    jws = json.loads((whole / layout.VCON).read_bytes())
    (signature,) = jws["signatures"]
    certificate = x509.load_der_x509_certificate(base64.b64decode(signature["header"]["x5c"][0]))
    key: Any = certificate.public_key()
    assert key.public_bytes_raw() == OWNER.signing().public
    given = from_base64url(signature["signature"], "signature")
    key.verify(given, f"{signature['protected']}.{jws['payload']}".encode())
    vcon = json.loads(base64.urlsafe_b64decode(jws["payload"] + "==="))
    assert vcon["vcon"] == "0.4.0"
    assert vcon["parties"] == [{"tel": "+493012345"}, {"name": BOX, "type": "organization"}]
    dialog = vcon["dialog"][0]
    assert (dialog["type"], dialog["duration"], dialog["parties"]) == ("recording", 2.0, [[0, 1], [0, 1]])
    digest = hashlib.sha512((whole / layout.AUDIO).read_bytes()).digest()
    assert dialog["content_hash"] == "sha512-" + to_base64url(digest)
    basis = vcon["attachments"][0]
    assert (basis["type"], basis["encoding"], basis["party"]) == ("lawful_basis", "json", 0)
    assert basis["body"]["lawful_basis"] == "consent"
    assert basis["body"]["expiration"] == "2027-11-02T00:00:00Z"
    assert basis["body"]["purpose_grants"][0]["granted"] is True
    assert basis["body"]["proof_mechanisms"][0]["proof_data"]["ledger_seq"] == 3


def test_staff_export_unsigned_and_it_is_said_everywhere(built: Built, tmp_path: Path) -> None:
    """Who has the workshop key only can open, not sign for the owner: vCon, README, pages and verdict say so."""
    made = export(built, tmp_path / "out", key=STAFF_KEY)
    found = verdict(tmp_path / "out", built.trust)
    assert found.wrong is None
    assert made["signed"] is False
    assert found.checked["vcon"] == "NOT signed by the owner"
    assert "dialog" in json.loads((tmp_path / "out" / layout.VCON).read_bytes())
    readme = (tmp_path / "out" / layout.README).read_text()
    assert "NICHT unterschrieben" in readme
    assert "NOT signed" in readme


def test_without_a_ledger_it_is_said(built: Built, tmp_path: Path) -> None:
    """No extract, and the consent text says on what it rests then."""
    export(built, tmp_path / "out", ledger=False)
    assert verdict(tmp_path / "out", built.trust).checked["ledger"] == "no extract here"
    assert find_wrong_in_export(tmp_path / "out", built.trust_file) is None
    assert "liegt nicht bei" in (tmp_path / "out" / layout.CONSENT_DE).read_text()


def test_consent_in_words_and_data(whole: Path) -> None:
    """The announcement's text, found by its hash, in both languages; the ledger's entries as they are in the data."""
    for name, said in ((layout.CONSENT_DE, "Taste 1"), (layout.CONSENT_EN, "key 1")):
        text = (whole / name).read_text()
        assert said in text
        assert "Duerfen wir dieses Gespraech aufzeichnen?" in text
    data = json.loads((whole / layout.CONSENT).read_bytes())
    assert [entry["kind"] for entry in data["ledger"]] == ["granted", "opened", "closed", "receipted"]


def test_the_extract_is_the_call_and_what_vouches_for_it(built: Built, whole: Path) -> None:
    """From the call's first line to the signed head behind its last; the box's start before it stays at home."""
    lines = b"".join(path.read_bytes() for path in sorted((whole / "ledger").glob("*.jsonl"))).splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["seq"] for entry in entries] == list(range(2, 2 + len(entries)))
    assert entries[0]["kind"] == "call"
    assert (whole / "ledger" / "head.jws").read_bytes() == built.ledger["head.jws"]


def test_pages_are_pdf_of_one_page(whole: Path) -> None:
    """One page each, in both languages; German letters need no font of their own."""
    for name in (layout.SUMMARY_DE, layout.SUMMARY_EN):
        data = (whole / name).read_bytes()
        assert data.startswith(b"%PDF-")
        assert len(re.findall(rb"/Type /Page\b", data)) == 1


def test_nothing_is_readable_by_others(whole: Path) -> None:
    """Files 0600, folders 0700, the zip too."""
    for path in (whole, *whole.rglob("*"), whole.with_name("case-7.zip")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_no_name_tells_who_called(whole: Path) -> None:
    """File names say nothing personal (P9); the number stands inside, where it belongs."""
    assert not any("4930" in str(path.relative_to(whole)) for path in whole.rglob("*"))
    assert "+493012345" in (whole / layout.DETAILS).read_text()


def _details(folder: Path) -> None:
    path = folder / layout.DETAILS
    path.write_text(path.read_text().replace("+493012345", "+493099999"))


def _audio(folder: Path) -> None:
    samples, rate = soundfile.read(folder / layout.AUDIO, dtype="int16")
    samples[5000, 0] += 1
    soundfile.write(folder / layout.AUDIO, samples, rate, subtype="PCM_16")


def _shorter(folder: Path) -> None:
    samples, rate = soundfile.read(folder / layout.AUDIO, dtype="int16")
    soundfile.write(folder / layout.AUDIO, samples[:-1], rate, subtype="PCM_16")


def _longer(folder: Path) -> None:
    samples, rate = soundfile.read(folder / layout.AUDIO, dtype="int16")
    soundfile.write(folder / layout.AUDIO, np.concatenate([samples, samples[:1]]), rate, subtype="PCM_16")


def _noise_in_the_gap(folder: Path) -> None:
    samples, rate = soundfile.read(folder / layout.AUDIO, dtype="int16")
    samples[CLIP + 7] = 1
    soundfile.write(folder / layout.AUDIO, samples, rate, subtype="PCM_16")


def _consent(folder: Path) -> None:
    path = folder / layout.CONSENT
    path.write_text(path.read_text().replace('"key"', '"oral"'))


def _announcement(folder: Path) -> None:
    path = folder / layout.CONSENT
    path.write_text(path.read_text().replace("Duerfen wir", "Muessen wir"))


def _key(folder: Path) -> None:
    path = folder / layout.KEY
    said = json.loads(path.read_text())
    said["key"] = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
    path.write_text(json.dumps(said))


def _clip(folder: Path) -> None:
    path = folder / "sealed/000002.clip"
    data = bytearray(path.read_bytes())
    data[99] ^= 1
    path.write_bytes(data)


def _ledger(folder: Path) -> None:
    path = max((folder / "ledger").glob("*.jsonl"))
    path.write_text(path.read_text().replace('"outcome":"recorded"', '"outcome":"refused"'))


def _no_ledger_head(folder: Path) -> None:
    (folder / "ledger/head.jws").unlink()
    path = max((folder / "ledger").glob("*.jsonl"))
    path.write_text(path.read_text().replace(RECORDING, OTHER_RECORDING))


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_details, "details.json"),
        (_audio, "recording.flac"),
        (_shorter, "recording.flac"),
        (_longer, "recording.flac"),
        (_noise_in_the_gap, "recording.flac"),
        (_consent, "consent"),
        (_announcement, "consent"),
        (_key, "commits to another key"),
        (_clip, "000002.clip"),
        (_ledger, "ledger"),
        (_no_ledger_head, "ledger"),
    ],
)
def test_a_forger_without_the_owners_key_is_found(
    copy: Path, built: Built, spoil: Callable[[Path], None], named: str
) -> None:
    """Each part altered: found by its hash; with that made to fit, by a signature; unsigned, by itself."""
    spoil(copy)
    assert "SHA256SUMS" in wrong(copy, built)
    sums_anew(copy)
    found = wrong(copy, built)
    assert "vcon.json: does not name" in found or named in found
    jws = json.loads((copy / layout.VCON).read_bytes())
    vcon = json.loads(base64.urlsafe_b64decode(jws["payload"] + "==="))
    for file in (*vcon["dialog"], *vcon["attachments"]):
        if "url" in file:
            digest = hashlib.sha512((copy / file["url"]).read_bytes()).digest()
            file["content_hash"] = "sha512-" + to_base64url(digest)
    (copy / layout.VCON).write_text(json.dumps(vcon))
    assert named in wrong(copy, built)


def test_a_foreign_and_a_missing_file_are_found(copy: Path, built: Built) -> None:
    """Nothing can be put beside, nothing taken away."""
    (copy / "zzz.txt").touch()
    assert "foreign" in wrong(copy, built)
    (copy / "zzz.txt").unlink()
    (copy / "sealed/receipt.jws").unlink()
    assert "receipt.jws" in wrong(copy, built)


def _sign(jws: dict[str, Any], key: SigningKey, typ: str) -> None:
    """Sign a JWS anew."""
    one = jws["signatures"][0]
    one["protected"] = to_base64url(json.dumps({"alg": "EdDSA", "kid": key.kid, "typ": typ}).encode())
    one["signature"] = to_base64url(key.sign(f"{one['protected']}.{jws['payload']}".encode()))


def test_another_owner_is_not_believed(whole: Path, built: Built) -> None:
    """The signature counts by the reader's trust file, whatever the export's own trust file and certificate say."""
    other = with_owner(built.trust, OwnerSecret.from_bytes(bytes(32)).signing().public)
    found = verdict(whole, other).wrong
    assert found is not None
    assert "vcon.json" in found
    assert find_wrong_in_export(whole, write_trust(other)) is not None


def test_another_signature_of_the_owner_does_not_sign_an_export(copy: Path, built: Built) -> None:
    """A header of another type is refused, though the key is right: a rewrap is no export."""
    jws = json.loads((copy / layout.VCON).read_bytes())
    _sign(jws, OWNER.signing(), "handschlag-keys")
    (copy / layout.VCON).write_text(json.dumps(jws))
    assert "typ" in wrong(copy, built)


def test_the_box_cannot_sign_an_export(copy: Path, built: Built) -> None:
    """The box's key is trusted for manifests, never for what was said."""
    jws = json.loads((copy / layout.VCON).read_bytes())
    _sign(jws, BOX_KEY, "vcon+json")
    (copy / layout.VCON).write_text(json.dumps(jws))
    assert "owner" in wrong(copy, built)


BROKEN = ["", "[]", "{}", '{"payload": 5}', '{"signatures": []}', "[" * 100_000, '{"dialog": 3}']


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_vcon_is_told_in_one_line(copy: Path, built: Built, text: str) -> None:
    """Whatever stands there instead: the file is named, nothing crashes."""
    (copy / layout.VCON).write_text(text)
    assert wrong(copy, built).startswith("vcon.json: ")


# --- making one


def test_what_does_not_verify_is_not_exported(tmp_path: Path) -> None:
    """A recording with a flipped bit, a ledger of another box, a foreign key: an error, and nothing left behind."""
    spoilt = recording()
    spoilt.files["000002.clip"] = spoilt.files["000003.clip"]
    with pytest.raises(SealingError, match=r"000002\.clip"):
        export(spoilt, tmp_path / "out")
    mixed = recording()
    mixed.ledger = recording(recording=OTHER_RECORDING).ledger
    with pytest.raises(BadExport, match="says nothing of recording"):
        export(mixed, tmp_path / "out")
    with pytest.raises(BadKey, match="another workshop key"):
        export(recording(), tmp_path / "out", key=OwnerSecret.from_bytes(bytes(32)).to_file())
    assert list(tmp_path.iterdir()) == []


def test_when_it_fails_half_way_nothing_half_remains(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full after so many files: folder, zip and parts are gone, and the error names a file."""
    write = Place.write

    def full(place: Place, name: str, data: bytes) -> None:
        if name == layout.SUMS:
            raise OSError(28, "No space left on device", name)
        write(place, name, data)

    monkeypatch.setattr(Place, "write", full)
    with pytest.raises(CannotExport, match="SHA256SUMS: cannot be written"):
        export(built, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_nothing_goes_anywhere_else(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No temporary folder is asked for one: plaintext is written where the user said, and nowhere else."""
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(elsewhere))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "here").mkdir()
    export(built, tmp_path / "here" / "out")
    assert list(elsewhere.iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["out", "out.zip"]


@pytest.mark.parametrize("name", ["out", "out.zip", "out.part", "out.zip.part"])
def test_nothing_is_overwritten(built: Built, tmp_path: Path, name: str) -> None:
    """What is there already stays, and is named."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(CannotExport, match=rf"{re.escape(name)}: is there already"):
        export(built, tmp_path / "out")
    assert (tmp_path / name).read_text() == "mine"


# --- as a zip


def test_hostile_zips_are_refused(whole: Path, tmp_path: Path) -> None:
    """Cut off, no zip, a name twice, names that lead out, two folders: one clear error each."""
    good = whole.with_name("case-7.zip").read_bytes()
    for data in (good[: len(good) // 2], b"PK", b"", bytes(1000), good[:-40] + bytes(40)):
        path = tmp_path / "bad.zip"
        path.write_bytes(data)
        with pytest.raises(BadExport):
            verdict(path)
    for names in (["a/x", "a/x"], ["a/x", "b/y"]):
        path = tmp_path / "names.zip"
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "w") as packed:
            for name in names:
                packed.writestr(name, b"")
        with pytest.raises(BadExport):
            verdict(path)
    path = tmp_path / "out.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a/../../evil", b"")
    assert "foreign file" in str(verdict(path).wrong)
