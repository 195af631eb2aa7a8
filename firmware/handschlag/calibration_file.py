"""The bench's result on disk: a JSON file beside the settings, named there as `line.calibration`.

    {"version": 1, "tap": "T1-0042", "bench": "2026-11-24", "polarity": 1, "delay": 4,
     "line_z": [...], "phone_z": [...], "separation_db": [41.2, 43.0]}

`tap` is the serial number of the tap that was measured, `bench` the name of the result (see `LineSection`); the rest is
`hearing.Calibration`. It is read strictly: what does not fit is refused, with its name, and never guessed.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from handschlag.errors import HandschlagError
from handschlag.hearing import Calibration

BenchName = Annotated[str, msgspec.Meta(pattern="^[0-9A-Za-z.:-]{0,40}$")]


class BadCalibration(HandschlagError, ValueError):
    """A calibration file that cannot be used: the file, what is wrong in it, and what is allowed."""


class CalibrationFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds."""

    version: Literal[1]
    tap: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    bench: Annotated[str, msgspec.Meta(pattern="^[0-9A-Za-z.:-]{1,40}$")]
    polarity: Literal[1, -1]
    delay: int
    line_z: tuple[float, ...]
    phone_z: tuple[float, ...]
    separation_db: tuple[float, float]

    def calibration(self) -> Calibration:
        """For the ear.

        Raises:
            HearingError: where taps, delay or separation are none.
        """
        return Calibration(self.line_z, self.phone_z, self.polarity, self.delay, self.separation_db)


def read_calibration(raw: bytes, name: str) -> CalibrationFile:
    """Read and check the bytes of the file of this name.

    Raises:
        BadCalibration: names the file, the key and what is allowed.
    """
    try:
        held = msgspec.json.decode(raw, type=CalibrationFile)
        held.calibration()
    except (msgspec.DecodeError, HandschlagError) as error:
        raise BadCalibration(f"{name}: {error}; allowed is what the bench wrote") from error
    return held


def as_json(calibration: Calibration, *, tap: str, bench: str) -> bytes:
    """The file's bytes.

    Raises:
        BadCalibration: for a calibration that no bench has measured, or a name that is not allowed.
    """
    if calibration.separation_db is None:
        raise BadCalibration("a nominal calibration is no bench result: separation_db is missing")
    held = CalibrationFile(
        version=1,
        tap=tap,
        bench=bench,
        polarity=1 if calibration.polarity == 1 else -1,
        delay=calibration.delay,
        line_z=calibration.line_z,
        phone_z=calibration.phone_z,
        separation_db=calibration.separation_db,
    )
    raw = msgspec.json.format(msgspec.json.encode(held))
    read_calibration(raw, "the new calibration")
    return raw
