"""Stores as the settings name them: what is refused, and what stands behind the port then."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from handschlag_archive.cli import app
from handschlag_archive.settings import BadSetting, Settings, read_settings
from handschlag_archive.stores.copies import Copies
from handschlag_archive.stores.folder import FolderStore
from handschlag_archive.stores.open import each, open_stores
from handschlag_archive.stores.s3 import BadBucket, S3Store
from tests.archive.stores.test_contract import an_object
from tests.support.s3_servers import ACCESS_KEY, SECRET_KEY, S3Server

BROKER = '[broker]\nca = "file"\ncertificate = "file"\nkey = "file"\n'
BUCKET = 'kind = "s3"\nbucket = "bucket-a"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the settings file goes, with the files it names beside it."""
    for name in ("file", "trust.json", "archive-signing.key"):
        (tmp_path / name).touch()
    return tmp_path / "archive.toml"


def _read(path: Path, text: str, *, first: str = "") -> Settings:
    path.write_text(f"{first}\n{BROKER}{text}")
    return read_settings(path)


def test_without_a_word_about_stores_all_is_as_it_was(path: Path) -> None:
    """Old settings files keep working: one folder for clips, one for keys, one copy."""
    opened = open_stores(_read(path, ""))
    assert isinstance(opened.clips, FolderStore)
    assert isinstance(opened.keys, FolderStore)
    assert (opened.clips.root, opened.keys.root) == (path.parent / "data" / "clips", path.parent / "data" / "keys")
    assert opened.copies == 1


def test_every_copy_counts_unless_said_otherwise(path: Path) -> None:
    """With two stores each, two copies are needed; `copies` can ask for fewer."""
    text = "".join(
        f'[[{what}]]\nkind = "folder"\npath = "{disk}/{what}"\n' for what in ("clips", "keys") for disk in "ab"
    )
    opened = open_stores(_read(path, text))
    assert isinstance(opened.clips, Copies)
    assert opened.copies == opened.clips.required == 2
    assert [store.name for store in each(opened.clips)] == [str(path.parent / disk / "clips") for disk in "ab"]
    assert opened.clips.put([an_object()]) == 2
    fewer = open_stores(_read(path, text, first="copies = 1"))
    assert isinstance(fewer.keys, Copies)
    assert fewer.copies == fewer.keys.required == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[clips]]\nkind = "ftp"\n', r"clips\[0\]\.kind = 'ftp': no such store; allowed are folder, s3"),
        ('[[clips]]\npath = "x"\n', r"clips\[0\]\.kind is missing"),
        ('[[clips]]\nkind = "folder"\n', r"clips\[0\]\.path is missing"),
        (f'[[clips]]\n{BUCKET}buket = "x"\n', r"clips\[0\]\.buket = 'x': no such setting; allowed here: kind, bucket"),
        ('[[keys]]\nkind = "s3"\nbucket = "UPPER"\n', r"keys\[0\]\.bucket = 'UPPER': expected `str` matching regex"),
        (f'[[keys]]\n{BUCKET}prefix = "a"\n', r"keys\[0\]\.prefix = 'a'"),
        (f'[[keys]]\n{BUCKET}endpoint = "https://me:word@host"\n', r"keys\[0\]\.endpoint"),
        (f'[[keys]]\n{BUCKET}credentials = "gone"\n', r"keys\[0\]\.credentials = 'gone': no such file"),
        (f"[[clips]]\n{BUCKET}[[keys]]\n{BUCKET}", r"clips\[0\] and keys\[0\]: bucket bucket-a .* not apart"),
        (
            f'[[clips]]\n{BUCKET}prefix = "clips/"\n[[keys]]\n{BUCKET}prefix = "keys/"\n',
            r"clips\[0\] and keys\[0\]: .* not apart",
        ),
        (f"[[clips]]\n{BUCKET}[[clips]]\n{BUCKET}", r"clips\[0\] and clips\[1\]: .* not apart"),
        (
            '[[clips]]\nkind = "folder"\npath = "all"\n[[keys]]\nkind = "folder"\npath = "all/keys"\n',
            r"clips\[0\] and keys\[0\]: folder .*all and folder .*all/keys are not apart",
        ),
        ('[[keys]]\nkind = "folder"\npath = "erasures"\n', r"keys\[0\]\.path = .*: is not apart from .*erasures"),
    ],
)
def test_a_mistake_is_named(path: Path, text: str, says: str) -> None:
    """Wrong kinds, names and places; keys that would share a bucket or a folder with clips."""
    with pytest.raises(BadSetting, match=says):
        _read(path, text)


@pytest.mark.parametrize("copies", ["0", "2", '"two"'])
def test_more_copies_than_stores_are_refused(path: Path, copies: str) -> None:
    """What could never be fulfilled is said at the start, with what is allowed."""
    with pytest.raises(BadSetting, match="copies = "):
        _read(path, "", first=f"copies = {copies}")


@pytest.mark.parametrize("content", ["", "[default]\naws_access_key_id = s3cr3t\n", "s3cr3t", "[default]\ns3cr3t"])
def test_a_credentials_file_that_is_none_is_refused_without_its_content(path: Path, content: str) -> None:
    """The error names file and what must be in it, and not a word of what is."""
    (path.parent / "account").write_text(content)
    settings = _read(path, f'[[clips]]\n{BUCKET}credentials = "account"\n')
    with pytest.raises(BadSetting, match=r"clips\[0\]\.credentials = .*account': is no credentials file") as caught:
        open_stores(settings)
    assert "s3cr3t" not in str(caught.value)


def test_without_boto3_it_is_said_how_to_get_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only who names a bucket needs the part for it."""
    monkeypatch.setitem(sys.modules, "handschlag_archive.stores.s3", None)
    open_stores(_read(path, ""))
    with pytest.raises(BadSetting, match=r"clips\[0\]\.kind = 's3': .* is absent; get it with: pip install"):
        open_stores(_read(path, f"[[clips]]\n{BUCKET}"))


def _grown(path: Path, server: S3Server) -> Settings:
    """Clips and keys in buckets of their own that are not there yet, and a copy of each in a folder."""
    (path.parent / "account").write_text(
        f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    text = ""
    for what in ("clips", "keys"):
        text += f'[[{what}]]\nkind = "folder"\npath = "copy/{what}"\n'
        text += f'[[{what}]]\nkind = "s3"\nbucket = "{server.fresh_bucket()}"\nendpoint = "{server.endpoint}"\n'
        text += 'region = "eu-central-1"\npath_style = true\ncredentials = "account"\nprefix = "handschlag/"\n'
    return _read(path, text, first="copies = 1")


def test_buckets_are_made_as_they_must_be(path: Path, moto_server: S3Server) -> None:
    """Before the command the archive does not start; after it, clips are locked and keys are not."""
    settings = _grown(path, moto_server)
    with pytest.raises(BadBucket, match=r"no such bucket; .*buckets --create"):
        open_stores(settings)
    said = CliRunner().invoke(app, ["buckets", "--config", str(path), "--create", "--json"])
    assert said.exit_code == 0, said.output
    lines = [json.loads(line) for line in said.output.splitlines()]
    assert [(line["made"], line["locked"]) for line in lines] == [(True, True), (True, False)]
    opened = open_stores(settings)
    assert [type(store) for store in each(opened.clips)] == [FolderStore, S3Store]
    assert opened.keys.put([an_object("keys.json")]) == 2


def test_a_service_that_is_down_at_the_start_does_not_stop_it(path: Path, moto_server: S3Server) -> None:
    """The other copies serve; what was not looked at is looked at before it is used."""
    settings = _grown(path, moto_server)
    path.write_text(path.read_text().replace(moto_server.endpoint, "http://127.0.0.1:1"))
    opened = open_stores(read_settings(path))
    place, content = an_object()
    assert opened.clips.put([(place, content)]) == 1
    assert opened.clips.get(place) == content
    assert settings.copies == 1
