"""How well caller id is read: seeded slices of what `tools/bench hearing --quality --full --topic caller-id` counts."""

from __future__ import annotations

from handschlag_bench.hearing.caller_id import decoded, wrong


def test_read_at_8_db() -> None:
    """At 8 dB S/N nearly every message is read (99.6 % in the whole count), at 15 dB every one."""
    at_8 = decoded(8.0, 150)
    assert at_8.right >= 147
    assert at_8.wrong == 0
    assert decoded(15.0, 40).right == 40


def test_no_wrong_number() -> None:
    """Bad exchanges on bad lines: numbers are missed, none is wrong, and enough are read for this to mean something."""
    tally = wrong(300)
    assert tally.wrong == 0
    assert tally.right >= 60
