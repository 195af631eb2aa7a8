"""The settings: every mistake is one error that names key, value and what is allowed."""

from pathlib import Path

import pytest

from handschlag_archive.settings import BadSetting, read_password, read_settings

GOOD = """
data = "kept"
[broker]
ca = "file"
certificate = "file"
key = "file"
port = 18883
[ingest]
settle_s = 1
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the settings file goes, with the files it names beside it."""
    for name in ("file", "trust.json", "archive-signing.key"):
        (tmp_path / name).touch()
    return tmp_path / "archive.toml"


def test_paths_are_relative_to_the_file(path: Path) -> None:
    """Good settings come back with absolute paths and defaults."""
    path.write_text(GOOD)
    settings = read_settings(path)
    assert settings.data == str(path.parent / "kept")
    assert settings.broker.ca == str(path.parent / "file")
    assert (settings.broker.port, settings.ingest.settle_s, settings.ingest.group) == (18883, 1.0, 256)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'data = "kept"',
            'dat = "kept"',
            r"dat = 'kept': no such setting; allowed here: broker, data, clips, keys, copies, erasures",
        ),
        ("port = 18883", "prot = 18883", r"broker\.prot = 18883: no such setting; allowed here: ca, certificate"),
        ("port = 18883", 'port = "x"', r"broker\.port = 'x': expected `int`, got `str`"),
        ("port = 18883", "port = 65536", r"broker\.port = 65536: expected `int` <= 65535"),
        ("settle_s = 1", "settle_s = -1", r"ingest\.settle_s = -1: expected `float` >= 0\.05"),
        ('ca = "file"', "", r"broker\.ca is missing"),
        ('ca = "file"', 'ca = "none"', r"broker\.ca = 'none': no such file \(.*none\); allowed is a file"),
        ('data = "kept"', "broker = 3", r"no TOML"),
        ('data = "kept"', 'data = "kept"\nerasures = "kept/erased"', r"erasures = '.*': lies in the folder data"),
        ('data = "kept"', 'data = "kept"\nerasures = "x/../kept"', r"erasures = '.*': lies in the folder data"),
        ("[ingest]\nsettle_s = 1", "[retention]\nclock_jump_days = 0", r"retention\.clock_jump_days = 0: expected"),
        ("[ingest]\nsettle_s = 1", "[[ingest]]", r"ingest = \[\{\}\]: expected `object`, got `array`"),
    ],
)
def test_a_mistake_is_named_with_key_value_and_allowed(path: Path, old: str, new: str, says: str) -> None:
    """Wrong key, type, range and file each give an error that a person can act on."""
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(BadSetting, match=says):
        read_settings(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"= ="])
def test_what_is_no_toml_is_said_so(path: Path, content: bytes) -> None:
    """Binary and broken files are refused by name."""
    path.write_bytes(content)
    with pytest.raises(BadSetting, match=r"archive\.toml: (no TOML|byte 0 is no UTF-8)"):
        read_settings(path)


def test_an_absent_file_is_said_so(path: Path) -> None:
    """A settings file that is not there is named."""
    with pytest.raises(BadSetting, match=r"archive\.toml: cannot be read: No such file"):
        read_settings(path)


def test_a_database_may_be_named_with_its_password_in_a_file(path: Path) -> None:
    """The URL is taken as it is, the password from its own line."""
    (path.parent / "word").write_text("geheim\n")
    path.write_text(
        'database = "postgresql+psycopg://archive@db.example:5433/archive?sslmode=verify-full"\n'
        f'database_password_file = "word"\n{GOOD}'
    )
    settings = read_settings(path)
    assert settings.database == "postgresql+psycopg://archive@db.example:5433/archive?sslmode=verify-full"
    assert read_password(settings) == "geheim"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql+psycopg://archive:geheim@host/name", "holds a password"),
        ("postgresql+psycopg://archive@host/name?password=geheim", "holds a password"),
        ("mysql://archive:geheim@host/name", "allowed is postgresql"),
        ("geheim", "allowed is postgresql"),
    ],
)
def test_a_password_in_the_settings_is_refused_and_not_said(path: Path, url: str, says: str) -> None:
    """Settings are read by many and their errors are logged."""
    path.write_text(f'database = "{url}"\n{GOOD}')
    with pytest.raises(BadSetting, match=says) as refused:
        read_settings(path)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe"])
def test_a_password_file_that_holds_none_is_refused(path: Path, content: bytes) -> None:
    """An empty password would be tried at the server, again and again."""
    (path.parent / "word").write_bytes(content)
    path.write_text(f'database = "postgresql+psycopg://archive@host/name"\ndatabase_password_file = "word"\n{GOOD}')
    with pytest.raises(BadSetting, match="database_password_file"):
        read_password(read_settings(path))
