"""P3: whatever becomes of the box, its serial line or its tap, the telephone works and the box recovers by itself.

Real box processes, killed, hung, unplugged and flooded, with the simulated tap and with the tap's firmware, while
nothing goes on, while the announcement plays and while a call is recorded. Each trial goes on with the box of the one
before it and waits until that is ready for the next call, which proves the recovery.

Here stands a slice; FAIL_SAFE_TRIALS=n takes every fault in every phase with both taps, and n random trials more
(README.md in this folder).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from handschlag.core.tap_protocol import encode
from handschlag.sim.tap import SimTap
from tests.hardware.wires import FirmwareTap
from tests.system.fail_safe import AFTER_HZ, SERIAL, Workshop, level_at

TRIALS = int(os.environ.get("FAIL_SAFE_TRIALS", "0"))
LINE_RATE = 230
"""Bytes in 20 ms at 115200 baud."""

FOR_S = 7.0
"""How long a fault lasts: longer than the tap's 5 s."""

MOST_GROWTH_KIB = 6 * 1024
"""How much the box's memory may seem to grow in a flood; a queue that kept it all would need far more."""

SILENT_DB = -38.0


Fault = Callable[[Workshop], None]


def kill(shop: Workshop) -> None:
    """The box dies; somebody (systemd) starts it again, while the call goes on."""
    shop.kill()
    shop.world.run(FOR_S)
    assert shop.tap.bypass
    shop.start()


def hang(shop: Workshop) -> None:
    """The box stands still, and the wire to the tap carries rubbish meanwhile; then it goes on."""
    shop.noise_to_tap = rubbish(random.Random(7), LINE_RATE, words=b"PING")
    shop.hang()
    shop.world.run(FOR_S)
    shop.noise_to_tap = None
    assert shop.tap.bypass
    shop.go_on()


def unplug(shop: Workshop) -> None:
    """The tap's USB plug is pulled and put back."""
    shop.wire.unplug()
    shop.world.run(FOR_S)
    assert shop.tap.bypass
    shop.wire.plug()


def mute(shop: Workshop) -> None:
    """The tap says nothing any more, though its terminal stays."""
    shop.tap.mute = True
    shop.world.run(FOR_S)
    shop.tap.mute = False


def reboot(shop: Workshop) -> None:
    """The tap loses its power for a moment."""
    shop.tap.reboot(f"{random.Random(shop.world.now).getrandbits(32):x}")
    assert shop.tap.bypass
    shop.world.run(2.0)


def contradict(shop: Workshop) -> None:
    """The tap claims thousands of times a second that the line was seized, and that it was not."""
    told = [
        encode(1, "LINE", {"hook": hook, "ring": 0, "seiz": _seizure(shop), "pol": pol})
        for hook in ("onhook", "offhook")
        for pol in "+-"
    ]
    shop.noise = lambda: b"".join(told * 10)
    shop.world.run(1.0)
    shop.noise = None
    shop.world.run(FOR_S)


def repeat(shop: Workshop) -> None:
    """The tap says the truth, thousands of times a second."""
    seen = {"hook": "offhook" if shop.tap.off_hook else "onhook", "ring": 0, "seiz": _seizure(shop)}
    line = encode(1, "LINE", seen)
    before = shop.resident_kib()
    shop.noise = lambda: line * 100
    shop.world.run(1.0)
    shop.noise = None
    assert shop.resident_kib() - before < MOST_GROWTH_KIB


def garbage(shop: Workshop) -> None:
    """Both directions carry rubbish at line rate and twice that, valid looking lines among it, besides what is true."""
    source = random.Random(11)
    before = shop.resident_kib()
    shop.noise = rubbish(source, LINE_RATE, words=b"LINE hook=onhook ring=1 seiz=99")
    shop.noise_to_tap = rubbish(source, LINE_RATE, words=b"PATH to=bypass")
    shop.world.run(2.0)
    shop.noise = rubbish(source, 2 * LINE_RATE, words=b"HELLO proto=1 boot=ff serial=X audio=mix")
    shop.noise_to_tap = rubbish(source, 2 * LINE_RATE, words=b"PLAY on=1 ms=60000")
    shop.world.run(2.0)
    shop.noise = shop.noise_to_tap = None
    assert shop.resident_kib() - before < MOST_GROWTH_KIB


def rubbish(source: random.Random, size: int, *, words: bytes) -> Callable[[], bytes]:
    """So many bytes each time: noise, unknown words, endless lines, cut lines, and `words` with a wrong crc."""

    def some() -> bytes:
        told = b""
        while len(told) < size:
            match source.randrange(5):
                case 0:
                    told += source.randbytes(40)
                case 1:
                    told += encode(source.randrange(65536), "MOON", {"a": 1})
                case 2:
                    told += b"9" * 300 + b"\n"
                case 3:
                    whole = b"%d %b *%04X\n" % (source.randrange(65536), words, source.getrandbits(16))
                    told += b"\n" + whole[: source.randrange(len(whole))]
                case _:
                    body = b"%d %b" % (source.randrange(65536), words)
                    right = int(encode_crc(body), 16)
                    told += b"\n%b *%04X\n" % (body, right ^ (1 + source.randrange(65535)))
        return told[:size].rstrip(b"\n") + b"\n"

    return some


def encode_crc(body: bytes) -> bytes:
    """The right checksum of a body, as digits."""
    seq, _, rest = body.partition(b" ")
    word, _, fields = rest.decode().partition(" ")
    pairs = dict(each.split("=") for each in fields.split()) if fields else {}
    return encode(int(seq), word, pairs).rpartition(b"*")[2].strip()


ENDED: dict[Fault, str] = {
    kill: "interrupted",
    hang: "hung",
    unplug: "tap-gone",
    mute: "line-lost",
    reboot: "tap-reboot",
    contradict: "hangup",
    repeat: "hangup",
    garbage: "hangup",
}
"""Each fault, and how a recording ends that it meets; the last two end no call."""

HARMLESS = {repeat, garbage}
LATE = {mute}
"""It takes 3 s until the tap's silence is one."""


TAPS = ("simulated", "firmware")
PHASES = ("idle", "asking", "recording")
SLICE = {
    ("simulated", unplug, "idle"),
    ("simulated", kill, "asking"),
    ("simulated", hang, "asking"),
    *(("simulated", fault, "recording") for fault in ENDED),
    ("firmware", kill, "recording"),
    ("firmware", hang, "recording"),
    ("firmware", garbage, "recording"),
}
CASES = [case for case in product(TAPS, ENDED, PHASES) if TRIALS or case in SLICE]


def trial(shop: Workshop, fault: Fault, phase: str) -> None:
    """Bring a call so far, let the fault happen, and look at everything that must hold."""
    shop.until(shop.is_ready, "ready")
    old, ends = set(shop.recordings()), _ends(shop)
    shop.bring_to(phase)
    before = set(shop.recordings())
    recording = next(iter(before - old)) if phase == "recording" else None
    seized = shop.tap.off_hook
    if phase == "recording" and fault not in LATE:
        shop.sing(60.0)
    fault(shop)
    assert shop.tap.off_hook == seized, "the telephone was cut off"
    if phase == "recording" and fault in HARMLESS:
        assert shop.phase == "recording"
    elif phase != "idle":
        shop.world.run(1.0)
        assert shop.phase not in {"recording", "granting", "pending"}
    shop.world.run(1.0)
    shop.hang_up()
    shop.until(shop.is_ready, f"ready after {fault.__name__} while {phase}")
    if phase != "idle":
        shop.until(lambda: _ends(shop) > ends, "the call's end in the ledger")
    assert set(shop.recordings()) == before, "something was recorded after the fault"
    if recording is not None:
        _judge(shop, fault, recording)
    assert not [entry for entry in shop.entries("fault") if entry["what"].startswith("closing")]
    if phase == "asking" and fault not in HARMLESS:
        assert not [entry for entry in shop.entries("granted") if entry["seq"] > _last_asked(shop)]


def _judge(shop: Workshop, fault: Fault, folder: Path) -> None:
    ended, samples = shop.opened(folder)
    assert ended == ENDED[fault]
    assert len(samples) > (0 if fault is kill else 8000)
    sung = level_at(samples, AFTER_HZ)
    if fault in HARMLESS:
        assert sung > SILENT_DB
    elif fault not in LATE:
        assert sung < SILENT_DB
    kind = "interrupted" if fault is kill else "closed"
    shop.until(lambda: any(entry["recording"] == folder.name for entry in shop.entries(kind)), f"{kind} in the ledger")


def _ends(shop: Workshop) -> int:
    return len([entry for entry in shop.entries("call") if entry["at_end"]])


def _last_asked(shop: Workshop) -> int:
    return int(shop.entries("asked")[-1]["seq"])


def _seizure(shop: Workshop) -> int:
    tap = shop.tap.real
    return tap.core.line.seizures if isinstance(tap, FirmwareTap) else tap.seizure


@pytest.fixture(scope="module")
def open_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Workshop]]:
    """One box process and one tap of each kind, for all trials in turn."""
    open_now: dict[str, Workshop] = {}

    def of(kind: str) -> Workshop:
        if kind not in open_now:
            tap = SimTap(serial=SERIAL) if kind == "simulated" else FirmwareTap(serial=SERIAL)
            open_now[kind] = Workshop(tmp_path_factory.mktemp(kind), tap)
            open_now[kind].start()
        return open_now[kind]

    yield of
    for shop in open_now.values():
        shop.close()


@pytest.mark.parametrize(("kind", "fault", "phase"), CASES, ids=lambda part: getattr(part, "__name__", part))
def test_the_telephone_works_and_the_box_recovers(
    open_shop: Callable[[str], Workshop], kind: str, fault: Fault, phase: str
) -> None:
    """Bypass in 5 s of the tap's clock, the call goes on, nothing is captured after the fault, ready again (P3)."""
    shop = open_shop(kind)
    try:
        trial(shop, fault, phase)
    finally:
        shop.hang_up()


def test_an_unconfirmed_yes_is_gone_after_a_crash(open_shop: Callable[[str], Workshop]) -> None:
    """Killed between the spoken yes and its confirmation: no key was ever on the disk, nothing is left (P1, P5)."""
    shop = open_shop("simulated")
    shop.until(shop.is_ready, "ready")
    shop.kill()
    shop.set(way="oral")
    shop.start()
    shop.world.run(7.0)  # the tap is met
    before = set(shop.recordings())
    shop.bring_to_pending()
    (pending,) = set(shop.recordings()) - before
    assert not list(pending.glob("keys*"))
    kill(shop)
    shop.world.run(7.0)
    shop.hang_up()
    shop.until(shop.is_ready, "ready")
    shop.until(lambda: set(shop.recordings()) == before, "nothing left")
    shop.until(lambda: any(entry["recording"] == pending.name for entry in shop.entries("destroyed")), "destroyed")
    shop.kill()
    shop.set(way="key")
    shop.start()
    shop.world.run(7.0)


@pytest.mark.skipif(not TRIALS, reason="the long version: FAIL_SAFE_TRIALS=200 (tests/system/README.md)")
@pytest.mark.timeout(7200)
def test_many_random_trials(open_shop: Callable[[str], Workshop]) -> None:
    """Any fault in any phase, in any order, with either tap, as often as asked."""
    source = random.Random(os.environ.get("FAIL_SAFE_SEED", "1"))
    for _ in range(TRIALS):
        shop = open_shop(source.choice(TAPS))
        fault, phase = source.choice(list(ENDED)), source.choice(PHASES)
        shop.world.run(source.random() * 3)
        trial(shop, fault, phase)
