"""Ports where a part is missing on purpose: no tap, no sound device, no panel, no broker.

Each posts once what a broken part would post, and does nothing else, so that nobody else asks `if`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from handschlag.core.effects import Rank, RecLamp, StatusLamp
from handschlag.core.events import AudioGone, Disconnected, PlayConnected, PlayFailed, SendFailed, TapGone
from handschlag.ports import AudioBlock, Post

WHY = "not configured"


class _Absent:
    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._post: Post = lambda _event: None

    def close(self) -> None:
        """Nothing to end."""


class AbsentLine(_Absent):
    """No tap: the line is unknown, so nothing is ever asked or recorded."""

    def start(self, post: Post) -> None:
        """Post TapGone."""
        self._post = post
        post(TapGone(self._now(), WHY))

    def ping(self) -> None:
        """Nobody to ping."""

    def path(self, *, bypass: bool) -> None:
        """No path to switch."""

    def connect_play(self, *, on: bool, ms: int) -> None:  # noqa: ARG002 - the port's signature
        """Post the refusal."""
        if on:
            self._post(PlayConnected(self._now(), ok=False, why="gone"))


class AbsentAudio(_Absent):
    """No sound device."""

    def start(self, post: Post) -> None:
        """Post AudioGone."""
        self._post = post
        post(AudioGone(self._now(), WHY))

    def want(self, *, blocks: bool) -> None:
        """None will come."""

    def done(self, block: AudioBlock) -> None:
        """No block ever came."""

    def play(self, sound: str) -> None:
        """Post PlayFailed."""
        self._post(PlayFailed(self._now(), sound, WHY))

    def stop_play(self) -> None:
        """It is silent already."""


class AbsentPanel(_Absent):
    """No lamps, no button."""

    def start(self, post: Post) -> None:
        """Nothing will ever be pressed."""

    def show(self, rec: RecLamp, status: StatusLamp) -> None:
        """Nobody sees it."""


class AbsentUplink(_Absent):
    """No broker: recordings stay on the box."""

    def start(self, post: Post) -> None:
        """Post Disconnected."""
        self._post = post
        post(Disconnected(self._now(), WHY))

    def send(self, recording: str, name: str, rank: Rank = Rank.BACKLOG) -> None:  # noqa: ARG002 - nothing goes
        """Post SendFailed; a broker may be configured one day, so it is not permanent."""
        self._post(SendFailed(self._now(), recording, name, WHY, permanent=False))

    def send_ledger(self, first: int, last: int) -> None:
        """Nobody to send to."""

    def reply(self, message: str, outcome: str, status: Mapping[str, Any] | None = None) -> None:
        """Nobody to answer."""
