"""Ports where a part is missing on purpose."""

from __future__ import annotations

from handschlag.adapters.absent import AbsentAudio, AbsentLine, AbsentPanel, AbsentUplink
from handschlag.core.effects import RecLamp, StatusLamp
from handschlag.core.events import AudioGone, Disconnected, PlayConnected, PlayFailed, SendFailed, TapGone
from handschlag.ports import Audio, Line, Panel, Uplink
from tests.support.inbox import Inbox


def now() -> float:
    """Always the same time."""
    return 5.0


def test_no_tap_is_a_tap_that_has_gone() -> None:
    """TapGone once; PLAY is refused, everything else does nothing."""
    inbox, line = Inbox(), AbsentLine(now)
    port: Line = line
    port.start(inbox.post)
    port.ping()
    port.path(bypass=True)
    port.connect_play(on=False, ms=0)
    assert inbox.events == [TapGone(5.0, "not configured")]
    port.connect_play(on=True, ms=100)
    assert inbox.events[1:] == [PlayConnected(5.0, ok=False, why="gone")]
    port.close()


def test_no_sound_device_is_one_that_has_gone() -> None:
    """AudioGone once; a sound fails by its name."""
    inbox, audio = Inbox(), AbsentAudio(now)
    port: Audio = audio
    port.start(inbox.post)
    port.stop_play()
    port.play("start")
    assert inbox.events == [AudioGone(5.0, "not configured"), PlayFailed(5.0, "start", "not configured")]
    port.close()


def test_no_panel_says_nothing() -> None:
    """Nothing is pressed, and showing is no error."""
    inbox, panel = Inbox(), AbsentPanel(now)
    port: Panel = panel
    port.start(inbox.post)
    port.show(RecLamp.ON, StatusLamp.READY)
    port.close()
    assert inbox.events == []


def test_no_broker_is_one_out_of_reach() -> None:
    """Disconnected once; a file is not sent, and may be another day."""
    inbox, uplink = Inbox(), AbsentUplink(now)
    port: Uplink = uplink
    port.start(inbox.post)
    port.send("r", "head.json")
    port.send_ledger(1, 2)
    port.close()
    assert inbox.events == [
        Disconnected(5.0, "not configured"),
        SendFailed(5.0, "r", "head.json", "not configured", permanent=False),
    ]
