"""Pure signal processing on numpy frames: who speaks, which key, which tone, and whose it is.

Everything streams on a fixed grid of 10 ms at 8 kHz, so the same audio gives the same events however it was cut.
`Ear` is the room's door; `Capture` cuts what was consented to. No clock, file or thread is known here.
"""

from handschlag.hearing.capture import Capture, Clip
from handschlag.hearing.ear import Ear, Heard
from handschlag.hearing.errors import HearingError
from handschlag.hearing.events import CallerIdHeard, Event, ExchangeHeard, KeyHeard, Leg, Levels, SpeechHeard, ToneHeard
from handschlag.hearing.legs import Calibration
from handschlag.hearing.quality import QualityMeter
from handschlag.hearing.score import Quality

__all__ = [
    "Calibration",
    "CallerIdHeard",
    "Capture",
    "Clip",
    "Ear",
    "Event",
    "ExchangeHeard",
    "Heard",
    "HearingError",
    "KeyHeard",
    "Leg",
    "Levels",
    "Quality",
    "QualityMeter",
    "SpeechHeard",
    "ToneHeard",
]
