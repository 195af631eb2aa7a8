"""The uplink's thread: one session after the other, for ever."""

from __future__ import annotations

import json
import logging
import random
import re
import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from handschlag.adapters.uplink.errors import BadUplink, Ended, reason
from handschlag.adapters.uplink.link import IN_FLIGHT, MAX_PACKET, Link, UplinkCounts
from handschlag.adapters.uplink.outbox import File, LedgerLines, Outbox, Reply
from handschlag.adapters.uplink.pace import Pace
from handschlag.adapters.uplink.poison import PACKETS_FAULT, Poison
from handschlag.adapters.uplink.session import Session
from handschlag.adapters.uplink.tls import TlsFiles, tls_context
from handschlag.core.effects import Rank
from handschlag.core.events import Disconnected, Event
from handschlag.ports import Post
from handschlag.sealing.trust import Trust

LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
"""A connection that lasted so long sets the pauses between attempts back."""

_CLOSE_S = 3.0
_log = logging.getLogger(__name__)
_BOX = re.compile(r"[a-z0-9-]{1,32}")
_LEVEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class MqttUplink:
    """The connection to the broker at `host`:`port`, as the box named `box`.

    Args:
        host: name or address, as the broker's certificate has it.
        port: TCP port.
        box: the box's name, which is its certificate's common name.
        tls: certificate files; None connects in clear, for tests and the demonstration only.
        read: gives a sealed file's bytes by recording and name; called in the uplink's own thread.
        ledger_lines: gives ledger lines by number, both ends included; likewise.
        trust: whose word counts: the keys of the archive, the owner and the operator.
        in_flight: files without PUBACK at a time; the broker's Receive Maximum may lower it.
        max_packet: bytes of a whole packet at most; the broker's Maximum Packet Size may lower it.
        cap_kbit_s: bandwidth for files and ledger, in 1000 bits each second; revocations and status go past it.
        now: monotonic seconds, for events.
        jitter: the pause before an attempt, given its longest (1 to 30 s).

    Raises:
        BadUplink: a name that no topic can carry, or certificate files that cannot be read.
    """

    def __init__(
        self,
        host: str,
        port: int,
        box: str,
        *,
        tls: TlsFiles | None,
        read: Callable[[str, str], bytes],
        ledger_lines: Callable[[int, int], Sequence[bytes]],
        trust: Trust,
        in_flight: int = IN_FLIGHT,
        max_packet: int = MAX_PACKET,
        cap_kbit_s: float | None = None,
        now: Callable[[], float] = time.monotonic,
        jitter: Callable[[float], float] = lambda longest: random.uniform(0, longest),
    ) -> None:
        if not _BOX.fullmatch(box):
            raise BadUplink(f"box {box!r}: allowed are 1 to 32 of a-z, 0-9 and -")
        if not 1 <= in_flight <= 1000:
            raise BadUplink(f"in_flight {in_flight}: allowed are 1 to 1000")
        if tls is not None:
            tls_context(tls)  # a file that cannot be read is told now and here, not at each attempt
        self.counts = UplinkCounts()
        self._link = Link(
            host=host,
            port=port,
            box=box,
            tls=tls,
            read=read,
            ledger_lines=ledger_lines,
            archive=trust.keys("archive"),
            owner=trust.keys("owner"),
            operator=trust.keys("operator"),
            in_flight=in_flight,
            max_packet=max_packet,
            now=now,
            post=self._tell,
            counts=self.counts,
            pace=Pace(cap_kbit_s),
            poison=Poison(),
        )
        self._jitter = jitter
        self._post: Post = lambda _event: None
        self._outbox = Outbox()
        self._told = False  # whether anybody knows that there is no connection
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    def start(self, post: Post) -> None:
        """Begin to connect, for ever."""
        self._post = post
        self._thread.start()

    def send(self, recording: str, name: str, rank: Rank = Rank.BACKLOG) -> None:
        """Publish a file; its bytes are read when its turn comes, by rank. Posts FileSent or SendFailed.

        With a revocation everything else of its recording that still waits is taken back.
        """
        file = File(recording, name)
        if not _LEVEL.fullmatch(recording) or not _LEVEL.fullmatch(name):
            self._link.fail(file, "a name that no topic can carry", permanent=True)
            return
        if rank is Rank.REVOCATION:
            for taken in self._outbox.withdraw(recording):
                self._link.fail(taken, "withdrawn", permanent=False)
        refusal = self._outbox.offer(file, rank)
        if refusal:
            self._link.fail(file, refusal, permanent=False)

    def send_ledger(self, first: int, last: int) -> None:
        """Publish ledger lines; while offline nothing is kept: the core asks again."""
        self._outbox.offer(LedgerLines(first, last), Rank.MANIFEST)

    def reply(self, message: str, outcome: str, status: Mapping[str, Any] | None = None) -> None:
        """Answer a message of owner or operator; while offline nothing is kept: the message comes again."""
        said = {"outcome": outcome} if status is None else {"outcome": outcome, "status": status}
        self._outbox.offer(Reply(message, json.dumps(said).encode()), Rank.STATUS)

    def close(self) -> None:
        """Say goodbye, and end."""
        if self._outbox.closing:
            return
        self._outbox.closing = True
        self._outbox.ring()
        if self._thread.ident is not None:
            self._thread.join(timeout=_CLOSE_S)
        if not self._thread.is_alive():
            self._outbox.close()

    def _tell(self, event: Event) -> None:
        self._post(event)

    def _run(self) -> None:
        longest = 1.0
        while not self._outbox.closing:
            began = time.monotonic()
            try:
                self._connect_once()
            except Exception:  # noqa: BLE001 - all sending rests on this thread: a fault of ours must not end it
                _log.exception("a fault of the uplink's own; it goes on")
            if time.monotonic() - began > STEADY_S:
                longest = 1.0
            self._pause(self._jitter(longest))
            longest = min(LONGEST_PAUSE_S, longest * 2)

    def _connect_once(self) -> None:
        """One connection, and what has to be told of its end."""
        session: Session | None = None
        ended, flying, waiting = Ended(""), list[File](), list[File]()
        try:
            session = Session(self._link, self._outbox)
            session.run()
        except Ended as error:
            ended = error
        except Exception as error:  # noqa: BLE001 - whatever a broker can provoke in the library ends one session only
            ended = Ended(reason(error))
        finally:
            waiting = self._outbox.shut()
            if session is not None:
                flying = session.end()
        if self._outbox.closing:
            return
        named = ended.code in PACKETS_FAULT
        culprit = self._link.poison.ended(flying, named=named)
        if culprit is not None:
            self._link.fail(culprit, str(ended), permanent=named)
        if not self._told or (session is not None and session.accepted):
            self._told = True
            self._tell(Disconnected(self._link.now(), str(ended)))
        for file in (*flying, *waiting):
            if file is not culprit:
                self._link.fail(file, str(ended), permanent=False)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._outbox.closing and (left := until - time.monotonic()) > 0:
            select.select([self._outbox.bell], [], [], left)
            self._outbox.heard()
