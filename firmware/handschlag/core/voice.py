"""What the box says into the line.

A sound is played only once the tap has confirmed that the play transformer is connected: an announcement that nobody
could hear must never count as asked. After each sound the transformer is parted again, for it loads the line.
"""

from __future__ import annotations

from handschlag.core.draft import Draft
from handschlag.core.effects import ConnectPlay, Play, StopPlay
from handschlag.core.readiness import may_be_emergency
from handschlag.core.state import IN_CALL, Bar, Voice

CONNECT_TIMEOUT_S = 0.5
PLAY_MARGIN_S = 1.0


def say(d: Draft, sound: str) -> None:
    """Begin to play a sound, instead of what is playing.

    Never outside of a call, and never on one that is, or may be, an emergency call.
    """
    if d.state.phase not in IN_CALL or d.call.bar is Bar.EMERGENCY or d.call.unseen or may_be_emergency(d.state):
        return
    if d.state.voice.playing:
        d.do(StopPlay())
    length_ms = int((d.state.policy.sound_s[sound] + PLAY_MARGIN_S) * 1000)
    d.put(voice=Voice(wanted=sound))
    d.do(ConnectPlay(on=True, ms=length_ms))
    d.wake("voice", d.at + CONNECT_TIMEOUT_S)


def hush(d: Draft) -> None:
    """Fall silent at once and part the transformer."""
    if d.state.voice == Voice():
        return
    d.put(voice=Voice())
    d.do(StopPlay(), ConnectPlay(on=False))
    d.wake("voice", None)


def connected(d: Draft) -> None:
    """The transformer is on the line: play what was wanted."""
    wanted = d.state.voice.wanted
    if wanted and may_be_emergency(d.state):  # a dial tone, or a loss, since it was wanted
        hush(d)
        return
    if not wanted:
        if not d.state.voice.playing:
            d.do(ConnectPlay(on=False))
        return
    d.put(voice=Voice(playing=wanted))
    d.do(Play(wanted))
    d.wake("voice", d.at + d.state.policy.sound_s[wanted] + PLAY_MARGIN_S)


def finished(d: Draft) -> None:
    """A sound has ended by itself."""
    d.put(voice=Voice())
    d.do(ConnectPlay(on=False))
    d.wake("voice", None)
