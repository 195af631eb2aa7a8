"""Recordings coming in: whatever the order, the repetitions and the rubbish, what was signed is what is kept."""

import errno
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handschlag.sealing.encoding import sha256_hex
from handschlag.sealing.keys import SigningKey
from handschlag.sealing.receipt import Incomplete, Progress, Receipt, Refused, Stored
from handschlag.sealing.trust import Trust
from handschlag.sealing.verify import HeldFiles, verify_recording
from handschlag_archive.index import State
from handschlag_archive.ingest import Message
from handschlag_archive.stores.port import Place
from tests.archive.conftest import Folders
from tests.archive.desk import OTHER_BOX, OTHER_BOX_KEY, SETTLE_S, Desk, all_up, two_boxes, up
from tests.sealing.builder import BOX, OTHER_RECORDING, RECORDING, Built, build

BUILT = build(receipt=False)
LONG = build(clips=600, receipt=False)


def _kinds(receipts: Iterable[Receipt]) -> list[str]:
    return [type(receipt).__name__ for receipt in receipts]


def _assert_kept(desk: Desk, built: Built, out: Path) -> None:
    """What is laid out is, byte for byte, what the box sealed, and it verifies with the receipt beside it."""
    files = desk.export(out, box=built.manifest.box, recording=built.manifest.recording)
    receipt = files.pop("receipt.jws")
    assert files == built.files
    verdict = verify_recording(HeldFiles({**files, "receipt.jws": receipt}), two_boxes())
    assert verdict.ok, verdict.wrong


def test_a_recording_is_receipted_when_its_last_file_is_here(desk: Desk, tmp_path: Path) -> None:
    """Every file but the last is answered by growing progress, the last by `stored` with the manifest's hash."""
    messages = all_up(BUILT.files)
    *before, last = desk.take_each(messages)
    names = {message.topic.rsplit("/", 1)[1] for message in messages}
    seen: set[str] = set()
    for receipt in before:
        assert isinstance(receipt, Progress)
        assert seen < set(receipt.every_name) < names
        seen = set(receipt.every_name)
    assert isinstance(last, Stored)
    assert (last.box, last.recording, last.copies) == (BOX, RECORDING, 1)
    assert last.manifest_hash == sha256_hex(BUILT.files["manifest.jws"])
    assert last.retain_until == "2027-11-02T00:00:00.000Z"
    assert last.epoch == desk.index.epoch
    _assert_kept(desk, BUILT, tmp_path / "out")


def test_clips_of_one_group_are_one_progress_with_ranges(desk: Desk) -> None:
    """A group gives one receipt for a recording, with its clips as ranges."""
    (receipt,) = desk.take(*[up(name, data) for name, data in LONG.files.items() if name.endswith(".clip")])
    assert isinstance(receipt, Progress)
    assert (receipt.names, receipt.clips) == ((), "0-599")


def test_a_long_recording_with_two_lists_is_stored(desk: Desk, tmp_path: Path) -> None:
    """Clips named by a second list are waited for, too."""
    *most, late = (
        [message for message in all_up(LONG.files) if not message.topic.endswith("000599.clip")],
        up("000599.clip", LONG.files["000599.clip"]),
    )
    assert _kinds(desk.take(*most[0])) == ["Progress"]
    assert _kinds(desk.take(late)) == ["Stored"]
    _assert_kept(desk, LONG, tmp_path / "out")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_order_repetition_rubbish_and_restarts_change_nothing(folders: Folders, data: st.DataObject) -> None:
    """Any order, any grouping, duplicates, rubbish under every name and restarts in between: stored as sealed."""
    folder = folders()
    with closing(Desk(folder)) as desk:
        good = all_up(BUILT.files)
        noise = data.draw(st.lists(st.sampled_from(good), max_size=6))
        rubbish = [
            Message(one.topic, bytes(reversed(one.payload))) for one in data.draw(st.lists(st.sampled_from(good)))
        ]
        messages = data.draw(st.permutations([*good, *noise, *rubbish]))
        stored = False
        while messages:
            size = data.draw(st.integers(1, 6))
            group, messages = messages[:size], messages[size:]
            stored |= "Stored" in _kinds(desk.take(*group))
            if data.draw(st.booleans()):
                desk.close()
                stored |= "Stored" in _kinds(desk.start())
        assert stored
        assert desk.on_disk() == set(BUILT.files)
        _assert_kept(desk, BUILT, folder / "out")


def test_rubbish_that_came_first_neither_wins_nor_stays(desk: Desk, tmp_path: Path) -> None:
    """Other bytes under every name come first; the recording is stored as signed, and the rubbish is gone."""
    messages = all_up(BUILT.files)
    desk.take(*[Message(one.topic, b"rubbish " + one.payload) for one in messages if "manifest" not in one.topic])
    assert "Stored" in _kinds(desk.take(*messages))
    assert desk.on_disk() == set(BUILT.files)
    assert sum(1 for path in tmp_path.glob("[ck]*/*/*/*")) == len(BUILT.files)
    _assert_kept(desk, BUILT, tmp_path / "out")


def test_what_is_missing_is_named_once_nothing_new_comes(desk: Desk, tmp_path: Path) -> None:
    """After five quiet seconds, not before, `incomplete` names files and clip ranges; what comes then completes it."""
    messages = all_up(LONG.files)
    late = [one for one in messages if one.topic.endswith(("/keys.json", "/details.1", "/000007.clip", "/000300.clip"))]
    desk.take(*[one for one in messages if one not in late])
    assert desk.wait(SETTLE_S - 0.1) == []
    (said,) = desk.wait(0.2)
    assert isinstance(said, Incomplete)
    assert said.manifest_hash == sha256_hex(LONG.files["manifest.jws"])
    assert (said.names, said.clips) == (("details.1", "keys.json"), "7,300")
    assert desk.wait(100) == []
    assert _kinds(desk.take_each(late)) == ["Progress"] * 3 + ["Stored"]
    assert desk.wait(100) == []
    _assert_kept(desk, LONG, tmp_path / "out")


def test_a_missing_list_is_asked_for_before_its_clips(desk: Desk) -> None:
    """Without the list nobody knows its clips: first the list is missing, then they are."""
    messages = {one.topic.rsplit("/", 1)[1]: one for one in all_up(BUILT.files)}
    desk.take(messages["manifest.jws"], messages["head.json"], messages["details.0"], messages["details.1"])
    (first,) = desk.wait(SETTLE_S)
    assert isinstance(first, Incomplete)
    assert (first.names, first.clips) == (("clips.0.json", "keys.json"), "")
    desk.take(messages["clips.0.json"], messages["keys.json"])
    (second,) = desk.wait(SETTLE_S)
    assert isinstance(second, Incomplete)
    assert (second.names, second.clips) == ((), "0-2")


def test_a_name_with_nothing_but_rubbish_is_missing(desk: Desk) -> None:
    """Progress counts a name by whatever came under it; `incomplete` asks for the true bytes."""
    messages = all_up(BUILT.files)
    desk.take(*[Message(one.topic, b"x") if "keys" in one.topic else one for one in messages])
    (said,) = desk.wait(SETTLE_S)
    assert isinstance(said, Incomplete)
    assert said.every_name == ("keys.json",)


def test_new_files_put_the_asking_off_and_old_ones_do_not(desk: Desk) -> None:
    """The five quiet seconds begin anew with what is new, not with what comes twice."""
    messages = {one.topic.rsplit("/", 1)[1]: one for one in all_up(BUILT.files)}
    desk.take(messages["manifest.jws"])
    desk.now += 4
    desk.take(messages["head.json"])
    desk.now += 4
    assert desk.wait(0) == []
    desk.take(messages["head.json"], messages["manifest.jws"])
    assert _kinds(desk.wait(1)) == ["Incomplete"]


def test_a_manifest_sent_again_gets_the_same_receipt(desk: Desk) -> None:
    """The receipt of a stored recording is the one it was stored with, to the byte, also after a restart."""
    desk.take(*all_up(BUILT.files))
    first = desk.ingest.take([up("manifest.jws", BUILT.files["manifest.jws"])], desk.now)
    desk.close()
    desk.start()
    again = desk.ingest.take([up("manifest.jws", BUILT.files["manifest.jws"])], desk.now)
    assert first == again
    row = desk.row()
    assert row is not None
    assert again[0].receipt == row.receipt


def test_a_file_sent_again_of_a_stored_recording_gets_progress(desk: Desk) -> None:
    """A box that starts over after it was stored is not left without `progress`, and nothing is kept twice."""
    desk.take(*all_up(BUILT.files))
    (receipt,) = desk.take(up("head.json", BUILT.files["head.json"]), up("000000.clip", b"rubbish"))
    assert isinstance(receipt, Progress)
    assert set(receipt.every_name) == set(BUILT.files)
    assert desk.on_disk() == set(BUILT.files)


def test_an_archive_in_a_new_epoch_says_so_in_its_receipt(desk: Desk, tmp_path: Path) -> None:
    """What was stored in an earlier epoch is receipted anew, and the export has the new receipt."""
    desk.take(*all_up(BUILT.files))
    desk.close()
    desk.new_epoch("restored-1")
    (receipt,) = desk.take(up("manifest.jws", BUILT.files["manifest.jws"]))
    assert isinstance(receipt, Stored)
    assert receipt.epoch == "restored-1"
    assert receipt.retain_until == "2027-11-02T00:00:00.000Z"
    _assert_kept(desk, BUILT, tmp_path / "out")


@pytest.mark.parametrize("name", ["000001.clip", "keys.json", "manifest.jws"])
def test_a_new_epoch_says_stored_only_of_what_is_still_here(desk: Desk, tmp_path: Path, name: str) -> None:
    """A restored index may know more than the restored stores have: what is lost is asked for, not receipted."""
    desk.take(*all_up(BUILT.files))
    for store in ("clips", "keys"):
        for path in (desk.folder / store / BOX / RECORDING).glob(f"{name}.*"):
            path.unlink()
    desk.close()
    desk.new_epoch("restored-1")
    receipts = desk.take(up("manifest.jws", BUILT.files["manifest.jws"]))
    if name != "manifest.jws":
        assert not any(isinstance(receipt, Stored) for receipt in receipts)
    receipts += desk.take(*all_up(BUILT.files))
    assert isinstance(receipts[-1], Stored)
    assert receipts[-1].epoch == "restored-1"
    _assert_kept(desk, BUILT, tmp_path / "out")


def test_a_second_manifest_cannot_replace_a_stored_one(desk: Desk) -> None:
    """Even the box's own key cannot sign something else in the place of what is stored."""
    desk.take(*all_up(BUILT.files))
    other = build(receipt=False, changes={"retain_until": "2026-11-03T00:00:00Z"})
    (receipt,) = desk.take(up("manifest.jws", other.files["manifest.jws"]))
    assert isinstance(receipt, Refused)
    assert receipt.manifest_hash == sha256_hex(other.files["manifest.jws"])
    assert "another manifest" in receipt.why
    row = desk.row()
    assert row is not None
    assert row.manifest_sha256 == sha256_hex(BUILT.files["manifest.jws"])


_STRANGER = SigningKey.from_seed(b"stranger" + bytes(24))


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (build(box_key=_STRANGER).files["manifest.jws"], "knows no key"),
        (build(box_key=OTHER_BOX_KEY).files["manifest.jws"], "knows no key"),
        (build(box=OTHER_BOX, box_key=OTHER_BOX_KEY).files["manifest.jws"], "knows no key"),
        (build(box=OTHER_BOX).files["manifest.jws"], "not for box"),
        (build(recording=OTHER_RECORDING).files["manifest.jws"], "is of recording"),
        (
            BUILT.files["manifest.jws"][:-20] + bytes(reversed(BUILT.files["manifest.jws"][-20:-3])) + b"AAA",
            "signature",
        ),
        (BUILT.files["manifest.jws"] + b"\n", "not a compact JWS"),
        (b"", "not a compact JWS"),
        (b"\xff" * 1000, "not a compact JWS"),
    ],
    ids=["stranger", "other-box", "other-topic", "wrong-claim", "other-recording", "altered", "line", "empty", "noise"],
)
def test_a_manifest_that_does_not_count_is_refused_and_not_kept(desk: Desk, manifest: bytes, why: str) -> None:
    """Foreign, forged, altered or misplaced manifests are refused by name; the true one still goes through."""
    *others, true = all_up(BUILT.files)
    desk.take(*others)
    (receipt,) = desk.take(up("manifest.jws", manifest))
    assert isinstance(receipt, Refused)
    assert receipt.manifest_hash == sha256_hex(manifest)
    assert why in receipt.why
    assert "manifest.jws" not in desk.on_disk()
    assert _kinds(desk.take(true)) == ["Stored"]


def test_a_complete_recording_that_does_not_verify_is_refused(desk: Desk) -> None:
    """Signed and complete is not enough: a hole that the manifest does not admit is found before `stored`."""
    holed = build(skip=[1], receipt=False, changes={"gaps": ()})
    (receipt,) = desk.take(*all_up(holed.files))
    assert isinstance(receipt, Refused)
    assert "samples are missing" in receipt.why
    assert desk.state() is State.OPEN


def test_a_signed_list_that_is_none_is_refused_not_fatal(desk: Desk) -> None:
    """A manifest that names rubbish as its clip list is refused by the list's name, and time brings no crash."""
    files = dict(BUILT.files, **{"clips.0.json": b"[]"})
    named = {**BUILT.manifest.files, "clips.0.json": sha256_hex(b"[]")}
    files["manifest.jws"] = build(changes={"files": named}).files["manifest.jws"]
    (receipt,) = desk.take(*[one for one in all_up(files) if ".clip" not in one.topic or "clips.0" in one.topic])
    assert isinstance(receipt, Refused)
    assert "clips.0.json" in receipt.why
    assert desk.wait(100) == []


def test_two_boxes_may_use_one_recording_id(desk: Desk, tmp_path: Path) -> None:
    """The same id at two boxes is two recordings that know nothing of each other."""
    theirs = build(box=OTHER_BOX, box_key=OTHER_BOX_KEY, receipt=False)
    mixed = [one for pair in zip(all_up(BUILT.files), all_up(theirs.files, box=OTHER_BOX), strict=True) for one in pair]
    receipts = desk.take_each(mixed)
    assert {(one.box, type(one).__name__) for one in receipts[-2:]} == {(BOX, "Stored"), (OTHER_BOX, "Stored")}
    _assert_kept(desk, BUILT, tmp_path / "one")
    _assert_kept(desk, theirs, tmp_path / "two")


def test_two_workers_share_one_recording(desk: Desk, tmp_path: Path) -> None:
    """Files that went to two workers meet in the index; the commit that completes the set answers `stored`."""
    second = desk.colleague()
    receipts = []
    for number, message in enumerate(all_up(BUILT.files)):
        receipts += (desk, second)[number % 2].take(message)
    assert _kinds(receipts)[-1] == "Stored"
    assert _kinds(receipts)[:-1] == ["Progress"] * (len(receipts) - 1)
    _assert_kept(second, BUILT, tmp_path / "out")
    second.close()


def test_a_worker_that_waits_sees_what_another_took_in(desk: Desk) -> None:
    """The worker that holds the manifest asks for nothing that came by another worker meanwhile."""
    second = desk.colleague()
    *others, manifest = all_up(BUILT.files)
    desk.take(manifest)
    second.take(*others[:-1])
    assert _kinds(desk.wait(SETTLE_S)) == ["Progress"]
    (said,) = desk.wait(SETTLE_S)
    assert isinstance(said, Incomplete)
    assert said.every_name == (others[-1].topic.rsplit("/", 1)[1],)
    second.close()


def _spoil(folder: Path, name: str, content: bytes | None) -> None:
    (path,) = folder.glob(f"*/{BOX}/{RECORDING}/{name}.*")
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("content", [None, b"", b"other bytes"], ids=["gone", "emptied", "altered"])
@pytest.mark.parametrize("name", sorted(set(BUILT.files)))
def test_bytes_lost_before_the_receipt_are_asked_for_again(
    desk: Desk, tmp_path: Path, name: str, content: bytes | None
) -> None:
    """No `stored` on the index's word alone: what the disk lost meanwhile is noticed and asked for."""
    messages = all_up(BUILT.files)
    last = next(one for one in messages if not one.topic.endswith(f"/{name}"))
    desk.take(*[one for one in messages if one is not last])
    _spoil(tmp_path, name, content)
    desk.close()
    desk.start()
    assert "Stored" not in _kinds(desk.take(last))
    asked = [one for one in desk.wait(SETTLE_S) if isinstance(one, Incomplete)]
    assert {missing for one in asked for missing in one.every_name} <= {name}
    assert bool(asked) or name == "manifest.jws"  # then the box repeats it, having no receipt
    assert "Stored" in _kinds(desk.take(*messages))
    _assert_kept(desk, BUILT, tmp_path / "out")


class _FullDisk:
    """Takes the place of a store's `put`; fails until there is room again."""

    def __init__(self) -> None:
        self.full = True

    def __call__(self, _objects: Sequence[tuple[Place, bytes]]) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_gives_no_receipt_and_loses_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that cannot be written raises, is noted nowhere, and goes through when it is given again."""
    messages = all_up(BUILT.files)
    with monkeypatch.context() as patch:
        patch.setattr(desk.keys, "put", _FullDisk())
        with pytest.raises(OSError, match="No space left"):
            desk.take(*messages)
        assert desk.row() is None
    assert _kinds(desk.take(*messages)) == ["Stored"]


def test_a_box_whose_key_is_no_longer_trusted_gets_nothing_stored(tmp_path: Path) -> None:
    """A manifest taken in before its key lost the trust does not count afterwards, and nothing crashes over it."""
    known = [two_boxes()]
    desk = Desk(tmp_path, trust_of=lambda: known[0])
    *others, last = all_up(BUILT.files)[::-1]
    desk.take(*others)
    known[0] = Trust(archive=known[0].archive)
    desk.close()
    assert _kinds(desk.start()) == ["Progress"]
    assert _kinds(desk.take(last)) == ["Progress"]
    assert desk.wait(100) == []
    desk.close()


def _topic(rest: str) -> str:
    return f"handschlag/1/{rest}"


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("", "foreign topic"),
        ("handschlag/2/werkstatt-1/up/x/head.json", "foreign topic"),
        (_topic(f"{BOX}/down/receipt"), "foreign topic"),
        (_topic(f"Werkstatt/up/{RECORDING}/head.json"), "foreign topic"),
        (_topic(f"{BOX}/up/{RECORDING}/a/head.json"), "foreign topic"),
        (_topic(f"{BOX}/up/{RECORDING}"), "foreign topic"),
        (_topic(f"{BOX}/up/{RECORDING.upper()}/head.json"), "foreign recording id"),
        (_topic(f"{BOX}/up/../head.json"), "foreign recording id"),
        (_topic(f"{BOX}/up/{RECORDING}/.."), "foreign file name"),
        (_topic(f"{BOX}/up/{RECORDING}/head.json\n"), "foreign file name"),
        (_topic(f"{BOX}/up/{RECORDING}/receipt.jws"), "foreign file name"),
        (_topic(f"{BOX}/up/{RECORDING}/keys.1.jws"), "foreign file name"),
        (_topic(f"{BOX}/up/{RECORDING}/0000000.clip"), "foreign file name"),
        (_topic(f"{BOX}/up/reply/7"), "bad reply"),
    ],
)
def test_what_is_not_for_us_is_dropped_and_counted(desk: Desk, tmp_path: Path, topic: str, why: str) -> None:
    """Foreign topics, ids and names leave no trace but a count, whatever stands beside them in the group."""
    assert _kinds(desk.take(Message(topic, b"x"), up("head.json", BUILT.files["head.json"]))) == ["Progress"]
    assert dict(desk.ingest.counts) == {why: 1}
    assert {path.parent.parent.name for path in tmp_path.rglob("*.*") if "index" not in path.name} == {BOX}


def test_what_is_larger_than_any_file_is_dropped(desk: Desk) -> None:
    """More than 96 KiB is no file of a recording; exactly as much is taken."""
    assert desk.take(up("000001.clip", bytes(96 * 1024 + 1))) == []
    assert _kinds(desk.take(up("000001.clip", bytes(96 * 1024)))) == ["Progress"]
    assert dict(desk.ingest.counts) == {"too large": 1}
