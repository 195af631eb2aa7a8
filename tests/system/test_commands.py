"""The command line: what it tells; bad input is one line on the error output (what, where, what is allowed), exit 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from handschlag.cli.box import by_name, policy_of, prompts_of, sounds_of
from handschlag.core.hours import Hours
from handschlag.prompts.catalog import BadPrompts
from handschlag.prompts.send_level import mean_dbm0
from handschlag.settings import BadSetting, load
from handschlag_bench.hearing.signals import voice
from tests.support.settings import NO_PARTS

GOOD = (
    """[box]
name = "box-1"
data = "data"
key = "box.key"
trust = "trust.json"

"""
    + NO_PARTS
)

DUTY = """[[duty]]
days = ["mon"]
staff = [1]"""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "handschlag", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _settings(folder: Path, text: str = GOOD) -> Path:
    (folder / "box.key").touch()
    (folder / "trust.json").touch()
    path = folder / "box.toml"
    path.write_text(text)
    return path


def test_good_settings_load(tmp_path: Path) -> None:
    """What the other tests spoil is in order before."""
    assert load(_settings(tmp_path)).settings.box.name == "box-1"


@pytest.mark.parametrize(
    "lines",
    [
        (
            "kind = 'sources'\nhook = ['gpio', 'fritz']\nring = ['gpio', 'modem']\nnumber = ['modem', 'fritz']\n"
            "hook_pin = 5\nring_pin = 6\nmodem = '/dev/serial/by-id/modem'\nfritz = 'fritz.box'\nextension = 1"
        ),
        "kind = 'tap'\nport = '/dev/serial/by-id/tap'\nnumber = ['fritz']\nfritz = 'fritz.box'",
    ],
)
def test_lines_that_are_put_together(tmp_path: Path, lines: str) -> None:
    """A line of several sources, and a tap with the number from elsewhere, load and are assembled of these parts."""
    loaded = load(_settings(tmp_path, GOOD.replace('kind = "absent"', lines, 1)))
    assert loaded.settings.line.fritz == "fritz.box"


def test_quiet_hours_and_the_cap_reach_the_box(tmp_path: Path) -> None:
    """Hours of the settings are the core's; with a cap little is handed to the uplink at a time."""
    hours = "cap_kbit_s = 64\n[[uplink.quiet]]\ndays = ['mon', 'sun']\nbegin = '22:00'\nend = '06:30'"
    loaded = load(_settings(tmp_path, GOOD.replace('[uplink]\nkind = "absent"', f'[uplink]\nkind = "absent"\n{hours}')))
    policy = policy_of(loaded, prompts_of(loaded))
    assert policy.quiet == (Hours(frozenset({0, 6}), 22 * 60, 6 * 60 + 30),)
    assert policy.capped


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "box-1"', 'name = "Box 1"', ["box.name", "'Box 1'", "a-z0-9"]),
        ('name = "box-1"', "name = 5", ["box.name", "5", "str"]),
        ('data = "data"', 'data = "data"\nfolder = "x"', ["box.folder", "no such key", "reserve_mib"]),
        ('data = "data"', 'data = "data"\nreserve_mib = 3', ["box.reserve_mib", "3", "16"]),
        ('key = "box.key"', 'key = "other.key"', ["box.key", "'other.key'", "no such file"]),
        ('[line]\nkind = "absent"', '[line]\nkind = "modem"', ["line.kind", "'modem'", "tap, sources, absent"]),
        ('[line]\nkind = "absent"', '[line]\nkind = "tap"', ["line.port", "/dev/serial/by-id"]),
        ('[uplink]\nkind = "absent"', '[uplink]\nkind = "mqtt"\nhost = "example.org"', ["uplink.host", "ca"]),
        ('[uplink]\nkind = "absent"', '[uplink]\nkind = "mqtt"\nport = 0', ["uplink.port", "0", "1"]),
        ("[panel]", "[consent]\nline_users = [0]\n[panel]", ["consent.line_users[0]", "0", "1"]),
        ("[panel]", f"{DUTY}\nbegin = '7:00'\nend = '09:00'\n[panel]", ["duty[0].begin", "'7:00'", "[0-9]"]),
        ("[panel]", f"{DUTY}\nbegin = '07:00'\nend = '07:00'\n[panel]", ["duty[0]", "07:00", "must differ"]),
        ("[panel]", f"{DUTY}\nbegin = '07:00'\nend = '25:00'\n[panel]", ["duty[0].end", "'25:00'"]),
        ("[panel]", "[[duty]]\ndays = ['Mo']\n[panel]", ["duty[0].days[0]", "'Mo'", "mon, tue"]),
        ("[panel]", "[panel", ["TOML"]),
        *(
            ('[uplink]\nkind = "absent"', f'[uplink]\nkind = "absent"\n{lines}', said)
            for lines, said in (
                ("cap_kbit_s = 8", ["uplink.cap_kbit_s", "8", "16"]),
                ("cap_kbit_s = 'slow'", ["uplink.cap_kbit_s", "'slow'", "int"]),
                ("in_flight = 0", ["uplink.in_flight", "0", "1"]),
                ("quiet = [{days = [], begin = '22:00', end = '06:00'}]", ["uplink.quiet[0]", "needs days"]),
                ("quiet = [{days = ['mon'], begin = '06:00', end = '06:00'}]", ["uplink.quiet[0]", "06:00"]),
                ("[[uplink.quiet]]\ndays = ['mon']\nbegin = '22:00'", ["uplink.quiet[0]", "end"]),
                ("[[uplink.quiet]]\ndays = ['mo']", ["uplink.quiet[0].days[0]", "'mo'", "mon, tue"]),
                ("[[uplink.quiet]]\nbegin = '7 pm'", ["uplink.quiet[0].begin", "'7 pm'"]),
                ("[[uplink.quiet]]\nstaff = [1]", ["uplink.quiet[0].staff", "no such key", "days, begin, end"]),
            )
        ),
        (
            '[audio]\nkind = "absent"',
            '[audio]\nkind = "portaudio"\ndevice = "usb:0d8c"',
            ["audio.device = 'usb:0d8c'", "usb:VVVV:PPPP[:SERIAL][@PORT]"],
        ),
        *(
            ('[line]\nkind = "absent"', f"[line]\n{lines}", said)
            for lines, said in (
                ("kind = 'sources'", ["line.hook", "missing"]),
                ("kind = 'sources'\nhook = ['gpio']\nhook_pin = 5", ["line.ring", "missing"]),
                ("kind = 'sources'\nhook = ['vox']", ["line.hook[0]", "'vox'", "gpio, fritz"]),
                ("kind = 'sources'\nhook = ['gpio']\nhook_pin = 5\nhint = ['vox']", ["line.ring", "missing"]),
                ("kind = 'sources'\nring = ['fritz']\nfritz = 'box'\nhint = ['vox']", ["line.hook", "missing"]),
                ("kind = 'sources'\nhint = ['gpio']", ["line.hint[0]", "'gpio'", "vox"]),
                ("kind = 'absent'\nhint = ['vox']", ["line.hint", "'vox'", "sources"]),
                ("kind = 'tap'\nport = 'x'\nhint = ['vox']", ["line.hint", "'vox'", "sources"]),
                ("kind = 'sources'\nhook = ['modem']", ["line.hook[0]", "'modem'", "gpio, fritz"]),
                ("kind = 'sources'\nhook = ['gpio']\nring = ['modem']\nhook_pin = 5", ["line.modem", "missing"]),
                ("kind = 'sources'\nhook = ['gpio']\nring = ['gpio']\nhook_pin = 5", ["line.ring_pin", "missing"]),
                (
                    "kind = 'sources'\nhook = ['gpio']\nring = ['gpio']\nhook_pin = 5\nring_pin = 5",
                    ["line.hook_pin = 5", "two different pins"],
                ),
                (
                    "kind = 'sources'\nhook = ['gpio']\nring = ['gpio']\nhook_pin = 5\nring_pin = 6\nfritz = 'box'",
                    ["line.fritz = 'box'", "nothing in hook, ring and number uses it"],
                ),
                ("kind = 'sources'\nhook = ['fritz']\nring = ['fritz']\nproven = 'T-7'", ["line.proven", "of a tap"]),
                ("kind = 'tap'\nport = 'x'\nhook = ['gpio']\nhook_pin = 5", ["line.hook", "'gpio'", "sources"]),
                ("kind = 'absent'\nnumber = ['fritz']\nfritz = 'box'", ["line.number", "'fritz'", "tap"]),
            )
        ),
    ],
)
def test_bad_setting_names_key_value_and_what_is_allowed(tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    """Each wrong key, type, range or file is one error with all that is needed to mend it."""
    assert old in GOOD
    with pytest.raises(BadSetting) as caught:
        load(_settings(tmp_path, GOOD.replace(old, new)))
    assert "\n" not in str(caught.value)
    assert all(words in str(caught.value) for words in said), str(caught.value)


def test_check_tells_bad_settings_in_one_line(tmp_path: Path) -> None:
    """The command says the same, on the error output, and ends with 2."""
    done = _run("check", str(_settings(tmp_path, GOOD.replace('"box-1"', '"Box"'))))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "box.name" in done.stderr


@pytest.mark.parametrize(
    ("line", "known"), [("hint = ['vox']", False), ("hook = ['fritz']\nring = ['fritz']\nfritz = 'x'", True)]
)
def test_check_says_that_a_line_that_is_only_heard_records_nothing(tmp_path: Path, line: str, known: bool) -> None:  # noqa: FBT001 - a case
    """Settings that are in order, but cannot record, are told so in both languages; others are not."""
    done = _run("check", str(_settings(tmp_path, GOOD.replace('kind = "absent"', f"kind = 'sources'\n{line}", 1))))
    assert done.returncode == 0, done.stderr
    assert ("the line's state is not known by wire" in done.stdout) == (not known)
    assert ("nicht durch einen Draht bekannt" in done.stdout) == (not known)


def test_hear_refuses_what_is_no_audio(tmp_path: Path) -> None:
    """A file that is no WAV is a clear error, not a traceback."""
    path = tmp_path / "no.wav"
    path.write_bytes(b"this is text")
    done = _run("hear", str(path), "--json")
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_hear_refuses_channels_that_do_not_fit(tmp_path: Path) -> None:
    """One channel cannot be voltage and current."""
    path = tmp_path / "mono.wav"
    soundfile.write(path, np.zeros(8000, np.float32), 8000)
    done = _run("hear", str(path), "--audio", "vi")
    assert done.returncode == 2
    assert "needs 2" in done.stderr


def test_open_refuses_a_wrong_key_file(tmp_path: Path) -> None:
    """A key file of another kind is named, and what is wanted."""
    (tmp_path / "trust.json").write_text("{}")
    key = tmp_path / "key"
    key.write_text("not a key")
    done = _run("open", str(tmp_path), "--key", str(key), "-o", str(tmp_path / "out.flac"))
    assert done.returncode == 2
    assert "not a key file" in done.stderr
    assert not (tmp_path / "out.flac").exists()


def test_paper_copy_brings_the_secret_back(tmp_path: Path) -> None:
    """What was typed from paper gives the same fingerprints; a slip is found in its line."""
    first, again = tmp_path / "owner.key", tmp_path / "again.key"
    assert _run("keys", "new", str(first)).returncode == 0
    paper = _run("keys", "paper", str(first)).stdout
    command = [sys.executable, "-m", "handschlag", "keys", "recover", str(again)]
    typed = subprocess.run(command, input=paper.lower(), capture_output=True, text=True, check=False, timeout=60)
    assert typed.returncode == 0, typed.stderr
    assert first.read_bytes() == again.read_bytes()
    lines = paper.splitlines(keepends=True)
    lines[1] = lines[1][:3] + ("Z" if lines[1][3] != "Z" else "Y") + lines[1][4:]
    slip = "".join(lines)
    wrong = subprocess.run(
        [*command[:-1], str(tmp_path / "third")], input=slip, capture_output=True, text=True, check=False, timeout=60
    )
    assert wrong.returncode == 2
    assert "mistyped" in wrong.stderr


def test_hear_tells_the_quality_last(tmp_path: Path) -> None:
    """With --quality one more line comes, the last: as JSON, or in words, in both languages."""
    path = tmp_path / "legs.wav"
    quiet = voice(3.0, -32.0, seed=5)
    soundfile.write(path, np.stack([quiet, np.zeros_like(quiet)], axis=1), 8000)
    plain = _run("hear", str(path), "--audio", "legs", "--json")
    told = _run("hear", str(path), "--audio", "legs", "--json", "--quality")
    assert told.returncode == 0
    *others, last = told.stdout.splitlines()
    assert others == plain.stdout.splitlines()
    quality = json.loads(last)
    assert quality["kind"] == "quality"
    assert quality["seconds"] == 3.0
    assert {cause["cause"] for cause in quality["causes"]} == {"quiet", "silent"}
    assert quality["score"] == 100 - sum(cause["points"] for cause in quality["causes"])
    words = _run("hear", str(path), "--audio", "legs", "--quality").stdout.splitlines()[-1]
    assert f"Qualität {quality['score']}/100: Werkstatt nicht zu hören" in words
    assert "caller quiet" in words


def test_sounds_above_the_cap_are_made_quieter_and_named(tmp_path: Path) -> None:
    """`audio.cap_dbm0` holds for every sound that the box may play, and each that was too loud is noted."""
    loaded = load(
        _settings(tmp_path, GOOD.replace('[audio]\nkind = "absent"', '[audio]\nkind = "absent"\ncap_dbm0 = -30.0'))
    )
    said = prompts_of(loaded)
    sounds, notes = sounds_of(loaded, said)
    assert sounds.keys() == by_name(said).keys()
    assert max(mean_dbm0(sound.samples) for sound in sounds.values()) <= -29.99
    assert len(notes) == sum(mean_dbm0(prompt.samples) > -30.0 for prompt in said.every()) > 0
    assert any(note.startswith("start: ") for note in notes)


def test_an_announcement_of_another_period_is_refused(tmp_path: Path) -> None:
    """What the settings keep for five years may not be announced as three."""
    loaded = load(_settings(tmp_path, GOOD + '\n[consent]\nretention = "building"\n'))
    with pytest.raises(BadPrompts, match=r"3 years after year-end.*'5 years'.*consent\.retention"):
        prompts_of(loaded)
