"""A workshop whose archive is served on this machine, with calls that can be heard."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handschlag.adapters.flac import FlacCodec
from handschlag_archive.web.gate import Manners
from handschlag_archive.web.invitations import Invitations
from handschlag_archive.web.journal import Journal
from handschlag_archive.web.roles import Role
from handschlag_archive.web.serving import make_server
from handschlag_archive.web.static_files import FOLDER
from tests.archive.desk import all_up
from tests.archive.web.house import House
from tests.sealing.builder import BOX, Built, build

RATE: Final = 8000
CLIP: Final = 16000
BOILER_AT: Final = datetime(2026, 11, 23, 14, 35, 12, tzinfo=UTC)
XSS: Final = "<img src=x onerror=\"document.title='hit'\"><script>document.title='hit'</script>"

Samples = NDArray[np.int16]


def recording_id(at: datetime, number: int) -> str:
    """The UUIDv7 of a call that began then."""
    digits = f"{int(at.timestamp() * 1000):012x}7{number % 4096:03x}8{number:015x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def voices(seconds: int, seed: int) -> Samples:
    """Two legs that talk in turns: harmonics of a voice's pitch, in syllables, over a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(seconds * RATE) / RATE
    legs = []
    for leg, pitch in enumerate((118.0, 196.0)):
        voice = sum(np.sin(2 * np.pi * pitch * k * t + k) / k for k in range(1, 12))
        syllables = np.clip(np.sin(2 * np.pi * 2.3 * t + leg) + 0.35, 0, 1)
        turns = (np.floor(t / 3.1) % 2 == leg) * (0.35 + 0.65 * np.abs(np.sin(t / 5 + leg)))
        legs.append(5200 * voice * syllables * turns + rng.normal(0, 40, t.size))
    samples: Samples = np.clip(np.stack(legs, axis=1), -32768, 32767).astype(np.int16)
    return samples


class Spoiler:
    """A server whose operator is not honest: what it answers for `paths` is changed on the way; all paths are noted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.paths: dict[str, Callable[[bytes], bytes]] = {}
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        self.asked.append(path)
        change = self.paths.get(path)
        if change is None:
            await self._app(scope, receive, send)
            return
        start: list[Message] = []
        body = b""

        async def keep(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                start.append(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                changed = change(body)
                headers = [(name, value) for name, value in start[0]["headers"] if name != b"content-length"]
                length = (b"content-length", str(len(changed)).encode())
                await send({**start[0], "headers": [*headers, length]})
                await send({"type": "http.response.body", "body": changed})

        await self._app(scope, receive, keep)


class Workshop:
    """House, server, people."""

    def __init__(self, folder: Path, *, calls: int = 40) -> None:
        self.house = House(folder, static=FOLDER)
        self.house.now = datetime.now(UTC)
        self.house.manners = Manners(plain=True, clock=self.house.clock)
        self.boiler_sound = voices(24, 1)
        self.boiler = self._boiler()
        for number in range(1, calls):
            self._call(number)
        self.spoiler = Spoiler(self.house.new_gate(self.house.manners))
        ready = threading.Event()
        self._server = make_server(self.spoiler, host="127.0.0.1", port=0, on_ready=ready.set)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        if not ready.wait(20):
            raise RuntimeError("the server does not listen")
        self.address = f"http://127.0.0.1:{self._server.port}"

    @property
    def boiler_path(self) -> str:
        """The call about the boiler, as addresses name it."""
        return f"{BOX}/{self.boiler.manifest.recording}"

    def close(self) -> None:
        """Stop it."""
        self._server.stop()
        self._thread.join(20)
        self.house.close()

    def invite(self, name: str, role: Role = Role.OWNER) -> str:
        """A link, as the command line makes it, some minutes after whatever was before (logins are throttled)."""
        self.house.wait(minutes=5)
        desk = self.house.desk
        invitations = Invitations(desk.index, self.house.vault, Journal(self.house.vault))
        invitation, token = invitations.make(name, role, self.house.now)
        return f"{self.address}/#/invite/{invitation.invitation}.{token}"

    def store(self, at: datetime, number: int, **how: Any) -> Built:
        """A call comes in."""
        recording = recording_id(at, number)
        built = build(recording=recording, receipt=False, at=_text(at), **how)
        self.house.desk.take(*all_up(built.files, recording=recording))
        return built

    def _boiler(self) -> Built:
        """24 s of sound, of which the second from 8 to 10 was lost."""
        codec = FlacCodec()
        flacs = [codec.encode(self.boiler_sound[at : at + CLIP], RATE) for at in range(0, 24 * RATE, CLIP)]
        self.boiler_sound[4 * CLIP : 5 * CLIP] = 0
        return self.store(
            BOILER_AT,
            0,
            clips=12,
            skip=(4,),
            samples=CLIP,
            flacs=flacs,
            opening={
                "direction": "incoming",
                "numbers": {"caller": {"number": "+4930901820", "name": "Familie Kessler"}},
            },
            closing={
                "marks_s": [5.2, 17.0],
                "masked": [[13 * RATE, 14 * RATE]],
                "quality": {"score": 92},
            },
            changes={"retention_class": "order"},
        )

    def _call(self, number: int) -> None:
        at = BOILER_AT - timedelta(hours=3 * number, minutes=17 * number % 60)
        flac = FlacCodec().encode(voices(2, number), RATE)
        count = 1 + number % 3
        name = XSS if number == 5 else ("Hausverwaltung Nord", "Bäckerei Öztürk", "", "", "")[number % 5]
        caller = {"number": f"0{30 + number % 7}{5550000 + 7919 * number}", **({"name": name} if name else {})}
        numbers = {"dialled": caller["number"]} if number % 4 == 3 else {"caller": caller}
        self.store(
            at,
            number,
            clips=count,
            flacs=[flac] * count,
            oral=number % 3 == 2,
            opening={"direction": "outgoing" if number % 4 == 3 else "incoming", "numbers": numbers},
            closing={"marks_s": [0.5] if number % 6 == 1 else [], "masked": []},
            changes={"retention_class": ("inquiry", "order", "repair")[number % 3]},
        )


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
