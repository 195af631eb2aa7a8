"""`handschlag-archive scrub` over real folders and real S3 services: what it says, and with which exit code."""

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from handschlag.sealing.trust import write_trust
from handschlag_archive.age import Behind
from handschlag_archive.cli import app
from handschlag_archive.cli.parts import open_erasures, open_ingest
from handschlag_archive.cli.scrubbing import Rate
from handschlag_archive.settings import read_settings
from tests.archive.desk import all_up
from tests.sealing.builder import ARCHIVE_KEY, RECORDING, build, trust
from tests.support.s3_servers import ACCESS_KEY, SECRET_KEY, S3Server

BUILT = build(clips=3, receipt=False)
FOLDERS = "".join(
    f'[[{what}]]\nkind = "folder"\npath = "{disk}/{what}"\n' for what in ("clips", "keys") for disk in ("one", "two")
)


def _archive(folder: Path, stores: str) -> Path:
    """Settings of an archive that has taken one recording in."""
    (folder / "trust.json").write_bytes(write_trust(trust()))
    (folder / "archive-signing.key").write_bytes(ARCHIVE_KEY.to_file())
    (folder / "file").touch()
    config = folder / "archive.toml"
    config.write_text(f'[broker]\nca = "file"\ncertificate = "file"\nkey = "file"\n{stores}')
    return config


def _take(config: Path) -> None:
    index, ingest = open_ingest(read_settings(config))
    with closing(index):
        ingest.take(all_up(BUILT.files), 0.0)


def _scrub(config: Path, *more: str) -> tuple[int, list[dict[str, Any]]]:
    said = CliRunner().invoke(app, ["scrub", "--config", str(config), "--all", "--json", *more])
    assert said.exception is None or isinstance(said.exception, SystemExit), said.exception
    return said.exit_code, [json.loads(line) for line in said.stdout.splitlines()]


def _files(folder: Path, name: str) -> list[Path]:
    return [next(folder.glob(f"{disk}/*/*/*/{name}.*")) for disk in ("one", "two")]


def test_it_repairs_and_says_so_in_lines_of_json(tmp_path: Path) -> None:
    """One file altered, one gone, each in another copy: both right again, each named, exit code 0."""
    config = _archive(tmp_path, FOLDERS)
    _take(config)
    altered, gone = _files(tmp_path, "000001.clip")[0], _files(tmp_path, "keys.json")[1]
    before = altered.read_bytes(), gone.read_bytes()
    altered.write_bytes(bytes(len(before[0])))
    gone.unlink()
    code, lines = _scrub(config)
    assert code == 0
    *findings, report = lines
    assert {(line["what"], line["name"], line["recording"]) for line in findings} == {
        ("repaired", "000001.clip", RECORDING),
        ("repaired", "keys.json", RECORDING),
    }
    assert (report["ok"], report["stored"], report["read"], report["counts"]) == (True, 1, 1, {"repaired": 2})
    assert (altered.read_bytes(), gone.read_bytes()) == before
    assert _scrub(config, "--rate", "100")[1][-1]["counts"] == {}


def test_what_it_cannot_repair_is_exit_code_1(tmp_path: Path) -> None:
    """Both copies bad: cron and whoever watches it see it by the code; the words name the alarm."""
    config = _archive(tmp_path, FOLDERS)
    _take(config)
    for path in _files(tmp_path, "000001.clip"):
        path.write_bytes(path.read_bytes()[:-1])
    code, lines = _scrub(config)
    assert code == 1
    assert [line.get("what") for line in lines] == ["lost", None]
    assert lines[-1]["ok"] is False
    said = CliRunner().invoke(app, ["scrub", "--config", str(config)])
    assert said.exit_code == 1
    assert "ALARM; lost: 1" in said.stdout


def test_an_index_from_a_backup_is_not_scrubbed(tmp_path: Path) -> None:
    """It would take for garbage what it does not know yet: first it is brought up to date."""
    config = _archive(tmp_path, FOLDERS)
    _take(config)
    settings = read_settings(config)
    open_erasures(settings).add([], 7)  # a list that has counted further than the index
    said = CliRunner().invoke(app, ["scrub", "--config", str(config), "--all"])
    assert isinstance(said.exception, Behind)


def test_a_grown_archive_is_compared_across_its_stores(
    tmp_path: Path, moto_server: S3Server, rclone_server: S3Server
) -> None:
    """Clips in a folder and a locking bucket, keys in two services: what is lost in one comes back, and is locked."""
    (tmp_path / "account").write_text(
        f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    buckets = {"clips": moto_server.fresh_bucket(), "keys": rclone_server.fresh_bucket()}
    stores = ""
    for what, server in (("clips", moto_server), ("keys", rclone_server)):
        stores += f'[[{what}]]\nkind = "folder"\npath = "one/{what}"\n'
        stores += f'[[{what}]]\nkind = "s3"\nbucket = "{buckets[what]}"\nendpoint = "{server.endpoint}"\n'
        stores += 'region = "eu-central-1"\npath_style = true\ncredentials = "account"\n'
    config = _archive(tmp_path, stores)
    made = CliRunner().invoke(app, ["buckets", "--config", str(config), "--create"])
    assert made.exit_code == 0, made.output
    _take(config)
    clips, keys = moto_server.client(), rclone_server.client()
    (key,) = [one["Key"] for one in keys.list_objects_v2(Bucket=buckets["keys"])["Contents"]]
    keys.put_object(Bucket=buckets["keys"], Key=key, Body=b"something else")
    versions = clips.list_object_versions(Bucket=buckets["clips"])["Versions"]
    until = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime(2000, 1, 1, tzinfo=UTC)}
    lost = next({"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions if "000001.clip" in one["Key"])
    assert clips.head_object(Bucket=buckets["clips"], **lost)["ObjectLockMode"] == "COMPLIANCE"
    clips.put_object_retention(Bucket=buckets["clips"], **lost, Retention=until)  # what no real service would do
    clips.delete_object(Bucket=buckets["clips"], **lost)
    code, lines = _scrub(config)
    assert code == 0
    assert lines[-1]["counts"] == {"repaired": 2}
    assert keys.get_object(Bucket=buckets["keys"], Key=key)["Body"].read() == BUILT.files["keys.json"]
    assert clips.head_object(Bucket=buckets["clips"], Key=lost["Key"])["ObjectLockMode"] == "COMPLIANCE"


def test_the_rate_is_kept_over_all_recordings() -> None:
    """Two megabytes at one per second: waited for until they are paid; a pause in between is not saved up."""
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    rate = Rate(1e6, clock=lambda: now[0], sleep=sleep)
    rate(2_000_000)
    rate(500_000)
    now[0] += 3600
    rate(1_000_000)
    assert slept == pytest.approx([2.0, 0.5, 0.0])
    rate(1_000_000)
    assert slept[-1] == pytest.approx(1.0)
