"""Other programs that hear, for figures beside ours: run, never copied (all are GPL).

| program | Debian package | how | what |
|---|---|---|---|
| spandsp | libspandsp2 (Debian 12), libspandsp2t64 (13) | ctypes | DTMF |
| multimon-ng | multimon-ng | process | DTMF |
| minimodem | minimodem | process | V.23 caller id |

For topic modules: `decode_spandsp(samples)` and `decode_multimon(samples)` take one channel at 8 kHz, full scale ±1.0,
and give the digits as a string; `None` means that the program is not installed, and then there is no figure beside.
`beside({"spandsp": ..., "multimon-ng": ...})` leaves such out of a row. `minimodem(samples)` gives the bytes that were
received.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import soundfile
import soxr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

RATE: Final = 8_000
MULTIMON_RATE: Final = 22_050

_CHUNK: Final = 160
_MAX_DIGITS: Final = 128


def beside(figures: Mapping[str, float | None]) -> dict[str, float]:
    """Those figures that there are."""
    return {name: value for name, value in figures.items() if value is not None}


def missing() -> list[str]:
    """Debian packages that would add figures beside."""
    absent = [] if _spandsp() is not None else ["libspandsp2 (Debian 13: libspandsp2t64)"]
    return absent + [name for name in ("multimon-ng", "minimodem") if shutil.which(name) is None]


@cache
def _spandsp() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("spandsp")
    try:
        library = ctypes.CDLL(name or "libspandsp.so.2")
    except OSError:
        return None
    library.dtmf_rx_init.restype = ctypes.c_void_p
    library.dtmf_rx_init.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    library.dtmf_rx.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    library.dtmf_rx_get.restype = ctypes.c_size_t
    library.dtmf_rx_get.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.dtmf_rx_free.argtypes = [ctypes.c_void_p]
    return library


def to_pcm(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Floats of full scale ±1.0 as 16 bit."""
    return np.clip(np.rint(np.asarray(samples, np.float64) * 32767.0), -32768, 32767).astype(np.int16)


def decode_spandsp(samples: NDArray[np.floating]) -> str | None:
    """The digits that spandsp's `dtmf_rx` finds; None where libspandsp is not installed."""
    hits = spandsp_hits(samples)
    return None if hits is None else "".join(digit for digit, _ in hits)


def spandsp_hits(samples: NDArray[np.floating]) -> list[tuple[str, float]] | None:
    """Digits with the time in seconds at which each was told (to 20 ms); None where libspandsp is not installed."""
    library = _spandsp()
    if library is None:
        return None
    pcm = np.concatenate([to_pcm(samples), np.zeros(800, np.int16)])
    state = library.dtmf_rx_init(None, None, None)
    buffer = ctypes.create_string_buffer(_MAX_DIGITS + 1)
    hits: list[tuple[str, float]] = []
    try:
        for first in range(0, pcm.size, _CHUNK):
            chunk = np.ascontiguousarray(pcm[first : first + _CHUNK])
            library.dtmf_rx(state, chunk.ctypes.data, chunk.size)
            count = library.dtmf_rx_get(state, buffer, _MAX_DIGITS)
            hits += [(chr(code), (first + chunk.size) / RATE) for code in buffer.raw[:count]]
    finally:
        library.dtmf_rx_free(state)
    return hits


def decode_multimon(samples: NDArray[np.floating]) -> str | None:
    """The digits that `multimon-ng -a DTMF` finds; None where it is not installed."""
    program = shutil.which("multimon-ng")
    if program is None:
        return None
    resampled = soxr.resample(np.asarray(samples, np.float64), RATE, MULTIMON_RATE)
    raw = np.concatenate([to_pcm(resampled), np.zeros(MULTIMON_RATE // 5, np.int16)]).tobytes()
    command = [program, "-q", "-t", "raw", "-a", "DTMF", "-"]
    said = subprocess.run(command, input=raw, check=True, capture_output=True).stdout.decode()
    return "".join(line.split()[-1] for line in said.splitlines() if line.startswith("DTMF:"))


def minimodem(samples: NDArray[np.floating], rate: int = RATE) -> bytes | None:
    """The bytes that minimodem receives as V.23 (1200 Bd, 1300/2100 Hz); None where it is not installed."""
    program = shutil.which("minimodem")
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="hs-bench-") as folder:
        path = Path(folder) / "caller.wav"
        soundfile.write(path, to_pcm(samples), rate)
        command = [program, "--rx", "-q", "-M", "1300", "-S", "2100", "-f", str(path), "1200"]
        return subprocess.run(command, check=False, capture_output=True).stdout
