"""`handschlag hear` on every kind of file: what can be heard is heard, all else is one line that names the file."""

from __future__ import annotations

import struct
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handschlag.cli.hear import BadAudio, heard, heard_with_quality
from handschlag_bench.hearing.signals import dialled, digits_of

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = "110"


def _wav(
    path: Path,
    data: bytes,
    *,
    channels: int = 1,
    rate: int = 8000,
    bits: int = 16,
    kind: int = 1,
    says: int | None = None,
) -> Path:
    """A WAV file with any header; `says` is the length of the data that it claims."""
    frame = channels * bits // 8
    form = struct.pack("<IHHIIHH", 16, kind, channels, rate, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, bits)
    length = struct.pack("<I", len(data) if says is None else says)
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + form + b"data" + length + data)
    return path


def _pcm() -> bytes:
    return (dialled(NUMBER) * 32767).astype("<i2").tobytes()


def _refusal(path: Path, audio: str = "") -> str:
    with pytest.raises(BadAudio) as refused:
        heard(path, audio)
    said = str(refused.value)
    assert path.name in said
    assert "\n" not in said
    return said


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"])
def test_every_kind_of_sample_is_heard(tmp_path: Path, subtype: str) -> None:
    """8, 16, 24 and 32 bit, floats and companded samples give the same keys."""
    path = tmp_path / "sound.wav"
    soundfile.write(path, dialled(NUMBER), 8000, subtype=subtype)
    assert digits_of(heard(path, "")) == NUMBER


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_every_rate_is_heard(tmp_path: Path, rate: int) -> None:
    """Rates from 8 to 192 kHz give the same keys."""
    path = tmp_path / "sound.flac"
    soundfile.write(path, dialled(NUMBER, rate=rate), rate)
    assert digits_of(heard(path, "")) == NUMBER


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e300])
def test_hostile_samples_do_not_deafen(tmp_path: Path, value: float) -> None:
    """A second of anything before it does not keep a number from being heard."""
    path = tmp_path / "sound.wav"
    soundfile.write(path, np.concatenate([np.full(8000, value), dialled(NUMBER)]), 8000, subtype="DOUBLE")
    assert digits_of(heard(path, "")) == NUMBER
    events, _ = heard_with_quality(path, "")
    assert digits_of(events) == NUMBER


@pytest.mark.parametrize("count", [0, 1, 2, 79, 80, 81])
def test_hardly_any_samples_are_silence(tmp_path: Path, count: int) -> None:
    """Empty files and those of a few samples are files in which nothing is heard."""
    path = tmp_path / "sound.wav"
    soundfile.write(path, np.full(count, 0.5), 8000)
    assert heard(path, "") == []
    assert heard_with_quality(path, "")[0] == []


def test_a_truncated_wav_is_heard_as_far_as_it_goes(tmp_path: Path) -> None:
    """The header promises more than there is, or an odd number of bytes: what is there is heard."""
    assert digits_of(heard(_wav(tmp_path / "more.wav", _pcm(), says=0x7FFF0000), "")) == NUMBER
    assert digits_of(heard(_wav(tmp_path / "most.wav", _pcm(), says=0xFFFFFFFF), "")) == NUMBER
    assert digits_of(heard(_wav(tmp_path / "odd.wav", _pcm() + b"\1"), "")) == NUMBER


@pytest.mark.parametrize(
    "header",
    [
        {"channels": 0},
        {"channels": 3},
        {"channels": 255},
        {"rate": 0},
        {"rate": 1},
        {"rate": 7999},
        {"rate": 192_001},
        {"rate": 0xFFFFFFFF},
        {"bits": 0},
        {"kind": 0x1234},
    ],
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, header: dict[str, int]) -> None:
    """Channels, rates, sample sizes and encodings that do not exist or do not fit are refused, by name."""
    _refusal(_wav(tmp_path / "sound.wav", _pcm() * 6, **header))


@pytest.mark.parametrize(
    "content", [b"", b"hallo\n" * 100, b"RIFF\0\0\0\0WAVE", b"fLaC" + bytes(range(256)) * 20, bytes(range(256)) * 20]
)
def test_what_is_no_audio_is_refused(tmp_path: Path, content: bytes) -> None:
    """Nothing, text, half a header and garbage are refused, and the allowed is named."""
    path = tmp_path / "sound.wav"
    path.write_bytes(content)
    assert "allowed is WAV or FLAC" in _refusal(path)


def test_a_damaged_flac_is_refused(tmp_path: Path) -> None:
    """A FLAC file cut in half, or with bytes changed, is refused, not heard in part."""
    path = tmp_path / "sound.flac"
    soundfile.write(path, np.random.default_rng(1).standard_normal(80_000) * 0.1, 8000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    _refusal(path)
    changed = bytearray(whole)
    for at in range(500, len(changed), 997):
        changed[at] ^= 0xFF
    path.write_bytes(changed)
    _refusal(path)


def test_folders_and_missing_files_are_refused(tmp_path: Path) -> None:
    """A folder is no audio file; a file that is not there is said to be missing."""
    folder = tmp_path / "folder.wav"
    folder.mkdir()
    _refusal(folder)
    assert "no such file" in _refusal(tmp_path / "missing.wav")


def test_an_unknown_kind_of_audio_is_refused(tmp_path: Path) -> None:
    """`--audio` allows three words, and says which."""
    path = tmp_path / "sound.wav"
    soundfile.write(path, dialled(NUMBER), 8000)
    with pytest.raises(BadAudio, match="allowed are vi, legs and mix"):
        heard(path, "stereo")


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_of_a_file_is_heard_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Bytes changed, cut or put in anywhere: there is a list of events or a refusal, and nothing else."""
    path = tmp_path / "sound.bin"
    fits = data.draw(st.sampled_from(["wav", "flac"]))
    soundfile.write(path, dialled("1"), 8000, format=fits.upper())
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.one_of(st.integers(0, 60), st.integers(0, len(content) - 1)))
        match data.draw(st.sampled_from(["change", "cut", "insert"])):
            case "change":
                content[at] = data.draw(st.integers(0, 255))
            case "cut":
                del content[at + 1 :]
            case _:
                content[at:at] = data.draw(st.binary(max_size=40))
        content = content or bytearray(b"\0")
        if len(content) < 61:
            break
    path.write_bytes(content)
    with suppress(BadAudio):
        heard(path, "mix")


def test_the_command_says_one_line_and_exits_with_2(tmp_path: Path) -> None:
    """A refusal on the command line: nothing on the output, one line on the error output, exit code 2."""
    path = _wav(tmp_path / "sound.wav", _pcm(), rate=1)
    command = [sys.executable, "-m", "handschlag", "hear", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().splitlines() == [f"handschlag: {path}: sample rate 1 Hz: allowed are 8000 to 192000 Hz"]
