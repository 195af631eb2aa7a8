"""Events as lines of `hear --json`."""

from __future__ import annotations

from handschlag.hearing import Event, KeyHeard, Leg, SpeechHeard, ToneHeard
from handschlag.hearing.report import line, lines


def test_lines_are_those_of_the_wire() -> None:
    """Each kind has the names and order that the command line promises, times in seconds."""
    key = KeyHeard("1", Leg.FAR, 8001, 8809, -12.34, 0.56, 0.871, final=True)
    tone = ToneHeard("busy", 0, 31_000, 4, 0.9, final=True)
    speech = SpeechHeard(Leg.NEAR, 400, 1200)
    assert list((line(key) or {}).items()) == [
        ("kind", "key"),
        ("key", "1"),
        ("leg", "far"),
        ("start", 1.0),
        ("end", 1.101),
        ("level", -12.3),
        ("twist", 0.6),
        ("cos", 0.87),
    ]
    assert line(tone) == {"kind": "tone", "name": "busy", "start": 0.0, "end": 3.875, "cycles": 4}
    assert line(speech) == {"kind": "speech", "leg": "near", "start": 0.05, "end": 0.15}
    assert [each["kind"] for each in lines([key, speech, tone])] == ["tone", "speech", "key"]


def test_what_is_not_final_is_no_line() -> None:
    """Reports of what still lasts are left out."""
    lasting: list[Event] = [
        KeyHeard("1", Leg.FAR, 0, 400, -10, 0, 0.9, final=False),
        ToneHeard("dial", 0, 12_000, 1, 0.9, final=False),
        SpeechHeard(Leg.FAR, 0, None),
    ]
    assert list(lines(lasting)) == []
