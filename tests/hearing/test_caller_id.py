"""Caller id: messages, their signal, keys that carry numbers, and the ear that hears them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from handschlag.hearing import CallerIdHeard, Ear, Event, KeyHeard, Leg
from handschlag.hearing.caller_id import Caller, parse
from handschlag.hearing.caller_id_dtmf import DtmfCallerId
from handschlag.hearing.report import line
from handschlag.sim import caller_id as sent
from handschlag.sim.caller_id import Sender
from handschlag_bench.hearing.caller_id import Receiver
from handschlag_bench.hearing.signals import dialled, hear, noise, on_line, silence, tones, voice

MESSAGE = sent.call("03023125042", "Weber")


def _signal(message: bytes = MESSAGE, sender: Sender | None = None, rate: int = 8000) -> NDArray[np.float32]:
    quiet = np.zeros(rate // 10, np.float32)
    return np.concatenate([quiet, (sender or Sender()).send(message, rate), quiet])


def _callers(events: list[Event]) -> list[CallerIdHeard]:
    return [event for event in events if isinstance(event, CallerIdHeard)]


# --- messages


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda content: sent.framed(0x80, content))))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_a_message_or_nothing(data: bytes) -> None:
    """Whatever bytes come, the parser gives a caller of sane fields or None, and never raises."""
    caller = parse(data)
    if caller is not None:
        assert set(caller.number.removeprefix("+")) <= set("0123456789*#")
        assert bool(caller.number) != bool(caller.absence)
        assert caller.name.isprintable()
        assert sum(data) % 256 == 0


@given(st.integers(0, len(MESSAGE) * 8 - 1))
def test_every_single_bit_error_is_found(bit: int) -> None:
    """No message with one wrong bit is believed."""
    torn = bytearray(MESSAGE)
    torn[bit // 8] ^= 1 << bit % 8
    assert parse(bytes(torn)) is None


def test_parameters() -> None:
    """Every parameter is told by its own field, unknown ones are skipped."""
    full = sent.call_setup(
        (sent.TIME, b"02291359"),
        (0x13, b"\x00"),
        (sent.NUMBER, b"+493023125042"),
        (sent.CALLED, b"5551"),
        (sent.NAME, "Müller".encode("latin-1")),
        (sent.CALL_TYPE, b"\x02"),
    )
    assert parse(full) == Caller("+493023125042", "Müller", "02-29 13:59", "ring-back")
    assert parse(sent.single("0355")) == Caller("0355", "", "11-24 09:15")
    private = sent.call_setup((sent.TIME, b"11240915"), (sent.NO_NUMBER, b"P"), (sent.NO_NAME, b"P"))
    assert parse(private) == Caller(time="11-24 09:15", absence="private")
    assert parse(sent.single("O")) == Caller(time="11-24 09:15", absence="unavailable")
    assert parse(sent.call_setup((sent.NUMBER, b"0355"), (sent.TIME, b"00000000"))) == Caller("0355")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x80",
        MESSAGE[:-1],
        MESSAGE + b"\x00",
        sent.framed(0x82, MESSAGE[2:-1]),
        sent.call_setup(),
        sent.call("0355", time="13240915"),
        sent.call("0355", time="02300915"),
        sent.call("0355", time="11242415"),
        sent.call("0355", time="11240960"),
        sent.call("0355A"),
        sent.call("+"),
        sent.call("123456789012345678901"),
        sent.call("0355", "We\x07ber"),
        sent.call_setup((sent.NUMBER, b"1234"), (sent.NUMBER, b"1235")),
        sent.call_setup((sent.NUMBER, b"1234"), (sent.NO_NUMBER, b"P")),
        sent.call_setup((sent.NO_NUMBER, b"X")),
        sent.call_setup((sent.NAME, b"Weber")),
        sent.framed(0x80, b"\x02\x05035"),
        sent.framed(0x80, b"\x02\x040355\x01"),
        sent.single(""),
    ],
)
def test_what_makes_no_sense_is_no_message(message: bytes) -> None:
    """Wrong lengths, dates, digits, names, doubles and contradictions are refused, with a right checksum, too."""
    assert parse(message) is None


# --- the signal


@pytest.mark.parametrize(
    "sender",
    [
        Sender(),
        Sender(seizure_bits=0, mark_bits=80),
        Sender(seizure_bits=0, mark_bits=60),
        Sender(level_dbm0=-40.0),
        Sender(level_dbm0=0.0),
        Sender(twist_db=6.0),
        Sender(twist_db=-6.0),
        Sender(baud_error=0.01, mark_error=0.01, space_error=-0.01),
        Sender(baud_error=-0.01, mark_error=-0.01, space_error=0.01),
        Sender(stuffed=3),
        Sender(stuffed=10),
        Sender(tail=0),
    ],
)
def test_exchanges_of_all_kinds(sender: Sender) -> None:
    """Tolerances of EN 300 659-1 and somewhat more are read, the span is that of the message."""
    (event,) = Receiver().hear(_signal(sender=sender))
    assert (event.number, event.name, event.time, event.type) == ("03023125042", "Weber", "11-24 09:15", "voice")
    bit = 8000 / 1200 / (1 + sender.baud_error)
    start = 800 + (sender.seizure_bits + sender.mark_bits) * bit
    assert event.start == pytest.approx(start, abs=4)
    assert event.end == pytest.approx(start + (len(MESSAGE) * (10 + sender.stuffed) - sender.stuffed) * bit, abs=4)


def test_a_torn_message_says_nothing() -> None:
    """A dropout of two bits anywhere in the message takes the whole message away."""
    whole = _signal()
    receiver = Receiver()
    for first in range(4010, 6180, 97):
        torn = whole.copy()
        torn[first : first + 14] = 0.0
        assert receiver.hear(torn) == []


def test_a_doubtful_bit_says_nothing() -> None:
    """Two digits between which a bit is swapped in part are refused, though the checksum would not see the swap."""
    bits = Sender().bits(MESSAGE)
    wave = Sender().keyed(bits, 8000)
    changed = bits.copy()
    ones = [480 + 10 * n + 1 for n in range(14, 22) if bits[480 + 10 * n + 1]]
    zeros = [480 + 10 * n + 1 for n in range(14, 22) if not bits[480 + 10 * n + 1]]
    changed[ones[0]], changed[zeros[0]] = 0, 1
    other = Sender().keyed(changed, 8000)
    quiet = np.zeros(800, np.float32)
    assert [each.number for each in Receiver().hear(np.concatenate([quiet, other, quiet]))] != ["03023125042"]
    mixed = np.concatenate([quiet, 0.4 * wave + 0.6 * other, quiet])
    assert Receiver().hear(mixed) == []


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_hostile_keying(seed: int) -> None:
    """Random bits after a mark signal, with noise and cuts, end by themselves: no exception, no number."""
    random = np.random.default_rng(seed)
    bits = np.concatenate([np.ones(90), random.random(600) < random.uniform(0.1, 0.95), np.ones(30)]).astype(np.int8)
    data = np.frombuffer(bytes([0x80, random.integers(0, 256)]), np.uint8)
    for at, byte in zip((90, 100), data, strict=True):
        bits[at : at + 10] = [0, *np.unpackbits(np.array([byte], np.uint8), bitorder="little"), 1]
    wave = Sender().keyed(bits, 8000)
    wave += np.float32(0.05 * random.random()) * random.standard_normal(wave.size, np.float32)
    assert Receiver().hear(np.concatenate([np.zeros(300, np.float32), wave])) == []


# --- keys


def _keys(text: str, **changes: object) -> list[KeyHeard]:
    keys = [KeyHeard(key, Leg.FAR, 1120 * n, 1120 * n + 560, -12.0, 0.0, 0.9, final=True) for n, key in enumerate(text)]
    return [replace(key, **changes) for key in keys]  # type: ignore[arg-type] # tests name the event's own fields


@pytest.mark.parametrize(
    ("text", "number", "absence"),
    [
        ("A0355123456C", "0355123456", ""),
        ("D0355123456C", "0355123456", ""),
        ("A12345678#", "12345678", ""),
        ("B00C", "", "unavailable"),
        ("B10C", "", "private"),
        ("D1#", "", "private"),
        ("D3#", "", "unavailable"),
        ("77A0355C", "0355", ""),
    ],
)
def test_numbers_as_keys(text: str, number: str, absence: str) -> None:
    """Frames of several countries are read."""
    detector = DtmfCallerId()
    (sent_as_keys,) = [found for key in _keys(text) if (found := detector.feed(key)) is not None]
    assert (sent_as_keys.number, sent_as_keys.absence) == (number, absence)


def test_keys_that_are_no_number() -> None:
    """Near keys, a missing key, an odd key, a loud key, other codes and open frames give nothing."""
    good = _keys("A0355123456C")
    loud = replace(good[4], level_dbm0=-2.0)
    short = replace(good[4], end=good[4].end - 160)
    for keys in (
        _keys("A0355123456C", leg=Leg.NEAR),
        _keys("A0355123456C", final=False),
        good[:5] + good[6:],
        [*good[:4], loud, *good[5:]],
        [*good[:4], short, *good[5:]],
        good[:-1],
        _keys("B77C"),
        _keys("A*12C"),
        _keys("AC"),
        _keys("0355123456C"),
        _keys("A" + "1" * 40 + "C"),
    ):
        detector = DtmfCallerId()
        assert [detector.feed(key) for key in keys] == [None] * len(keys)


def test_numbers_as_keys_through_the_ear() -> None:
    """The signal `A...C` is heard as caller id, beside its keys."""
    (event,) = _callers(hear(dialled("A0355123456C", 70, 70), "mix"))
    assert event.number == "0355123456"


# --- the ear


def test_through_a_line_however_it_is_cut() -> None:
    """At a tap on a line with noise and then speech the same event comes, bit by bit, in all cuts."""
    far = np.concatenate([silence(600, 48_000), Sender().send(MESSAGE, 48_000), voice(0.5, rate=48_000)])
    frames = on_line(far, None)
    whole = _callers(hear(frames, "vi", 48_000))
    assert [event.number for event in whole] == ["03023125042"]
    for cut in (960, 777):
        assert _callers(hear(frames, "vi", 48_000, cut=cut)) == whole
    (coarse,) = _callers(hear(frames, "vi", 48_000, hops=100))
    assert coarse.number == "03023125042"


def test_call_waiting() -> None:
    """Alert signal, no seizure, short mark, in a call: heard, and neither speech nor a key of anybody."""
    alert = tones([2130.0, 2750.0], 80, -17.0)
    signal = Sender(seizure_bits=0, mark_bits=80).send(MESSAGE, 8000)
    frames = np.concatenate([voice(1.0), silence(300), alert, silence(120), signal, silence(400)])
    frames += noise(frames.size, -50.0)
    events = hear(frames, "mix")
    assert [event.number for event in _callers(events)] == ["03023125042"]
    assert not [event for event in events if isinstance(event, KeyHeard)]


def test_speech_music_and_tones_are_no_caller() -> None:
    """Half a minute of voices and tones, the mark's own among them, brings no caller id."""
    parts = [voice(6.0, seed=seed) for seed in range(4)]
    parts += [tones([hz], 700, -15.0) for hz in (1300.0, 2100.0, 1700.0, 425.0)]
    parts += [Sender().keyed(np.ones(600, np.int8), 8000).astype(np.float64), silence(200)]
    assert _callers(hear(np.concatenate(parts), "mix", hops=100)) == []


def test_forgetting_drops_half_a_message() -> None:
    """What was read before `forget` is not joined to what comes after it."""
    wave = _signal()[:, None]
    ear = Ear(8000, "mix")
    assert _callers([*ear.feed(wave[:5000]).events]) == []
    ear.forget()
    assert _callers([*ear.feed(wave[5000:]).events, *ear.flush().events]) == []


def test_line_of_the_wire() -> None:
    """`hear --json` says what wire.md says; a representation says neither number nor name."""
    event = CallerIdHeard("0355", "Weber", "11-24 09:15", "voice", "", 0, 10)
    assert line(event) == {
        "kind": "caller-id",
        "number": "0355",
        "name": "Weber",
        "time": "11-24 09:15",
        "type": "voice",
    }
    assert "0355" not in repr(event)
    assert "Weber" not in repr(event)
