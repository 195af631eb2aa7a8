"""A day of a workshop, as short as it can be and as full: every way in which a recording begins and ends.

Each call is some seconds long. What became of a recording is read from the ledger of the whole day afterwards, so the
script need not know it.
"""

from __future__ import annotations

import errno
from pathlib import Path

from handschlag.core.readiness import cannot
from handschlag.core.state import Phase
from handschlag.sim.files import Operation
from handschlag_bench.crash.life import Life

YEAR_S = 365 * 86400.0


def whole_day(folder: Path) -> Life:
    """Live the day in `folder`; the life is still running when this returns."""
    life = Life(folder)
    life.run(1.5)
    for call in (
        agreed,
        unanswered,
        withdrawn_by_key,
        oral_unconfirmed,
        oral_confirmed,
        refused_while_recording,
        archive_away,
        disk_full,
        fortnight,
        long_call,
        expires,
        clock_jumps,
        agreed,
        withdrawn_by_key,
    ):
        call(life)
        life.run(2.0)
    return life


def agreed(life: Life) -> None:
    """Key 1, some seconds of talk, hung up, receipted."""
    lift(life)
    ask_and_agree(life)
    life.run(4.5)
    hang_up(life)


def unanswered(life: Life) -> None:
    """Asked, and nobody answered."""
    lift(life)
    life.press()
    life.run_until(lambda: life.app.state.call.phase is Phase.OPEN, 20.0)
    hang_up(life)


def withdrawn_by_key(life: Life) -> None:
    """Key 1, and key 9 three seconds later."""
    lift(life)
    ask_and_agree(life)
    life.run(3.0)
    life.key("9")
    life.run(1.5)
    hang_up(life)


def oral_unconfirmed(life: Life) -> None:
    """Asked by word after an unanswered question, and hung up before the confirmation."""
    _begin_oral(life)
    life.run(5.0)
    hang_up(life)


def oral_confirmed(life: Life) -> None:
    """Asked by word, repeated on the recording, confirmed."""
    _begin_oral(life)
    life.run(1.0)
    life.both_speak()
    life.run(4.5)
    life.press()
    life.run_until(lambda: life.app.state.call.phase is Phase.RECORDING, 3.0)
    life.run(3.0)
    hang_up(life)


def refused_while_recording(life: Life) -> None:
    """The button held while it records: destroyed."""
    lift(life)
    ask_and_agree(life)
    life.run(2.5)
    life.hold(3.0)
    life.run(1.0)
    hang_up(life)


def archive_away(life: Life) -> None:
    """A call while there is no connection; the connection comes back later."""
    life.uplink.go(online=False)
    agreed(life)
    life.run(1.0)
    life.uplink.go(online=True)
    life.run(1.0)


def disk_full(life: Life) -> None:
    """The disk takes no more in the middle of a call, and then it does again."""

    def full(operation: Operation) -> None:
        if operation.kind in {"write", "append", "mkdir"}:
            raise OSError(errno.ENOSPC, "full")

    lift(life)
    ask_and_agree(life)
    life.run(2.5)
    life.refuse = full
    life.run(2.5)
    life.refuse = lambda _operation: None
    life.run(1.0)
    hang_up(life)
    life.run_until(lambda: cannot(life.app.state.call) == "", 120.0)


def long_call(life: Life) -> None:
    """More clips than one list of a short call has, some of them lost on the way to the archive."""
    life.archive.losing |= {"000002.clip", "000005.clip"}
    lift(life)
    ask_and_agree(life)
    life.run(21.0)
    hang_up(life)
    life.run(3.0)


def fortnight(life: Life) -> None:
    """15 days later the box forgets what the archive has."""
    life.clock.jumped_s = 15 * 86400.0
    life.run(3.0)
    life.clock.jumped_s = 0.0
    life.run(1.0)


def expires(life: Life) -> None:
    """A recording that never reached the archive, and whose time is over 91 days later."""
    life.uplink.go(online=False)
    agreed(life)
    life.clock.jumped_s = 91 * 86400.0
    life.run(3.0)
    life.clock.jumped_s = 0.0
    life.uplink.go(online=True)
    life.run(1.0)


def clock_jumps(life: Life) -> None:
    """Four years ahead within a call, unsynced for a while, and back."""
    lift(life)
    ask_and_agree(life)
    life.run(1.0)
    life.clock.synced = False
    life.clock.jumped_s = 4 * YEAR_S
    life.run(1.5)
    life.clock.synced = True
    life.run(1.0)
    hang_up(life)
    life.clock.jumped_s = 0.0
    life.run(1.5)


def lift(life: Life) -> None:
    """The handset is lifted."""
    life.tap.seize()
    life.run(1.2)


def hang_up(life: Life) -> None:
    """The call is over."""
    life.tap.hang_up()
    life.run(1.2)


def ask_and_agree(life: Life) -> None:
    """The button, the question, key 1."""
    life.press()
    life.run(0.5)
    life.key("1")
    life.run_until(lambda: life.app.state.call.phase is Phase.RECORDING, 3.0)


def _begin_oral(life: Life) -> None:
    lift(life)
    life.press()
    life.run_until(lambda: life.app.state.call.phase is Phase.OPEN and not life.app.state.call.voice.playing, 20.0)
    life.run(1.2)
    life.press()
    life.run_until(lambda: life.app.state.call.phase is Phase.PENDING, 3.0)
