"""Every field of every file spoilt: nothing crashes, no forgery is accepted, and the second verifier agrees.

Slices of what `./tools/bench crash --topic fuzz` counts; the figures stand in README.md.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handschlag.sealing.errors import BadKey
from handschlag.sealing.keys import OwnerSecret
from handschlag_bench.crash import guided
from handschlag_bench.crash.fuzz import Count
from handschlag_bench.crash.mutations import Case, forged, missigned, whole

SLOW = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def case() -> Case:
    """The committed vectors."""
    return whole()


def test_the_honest_one_is_accepted_by_all(case: Case) -> None:
    """What is spoilt below is in order before, or the counts would mean nothing."""
    count = Count()
    count.judge(case)
    assert count.accepted == [""]
    assert (count.stricter, count.laxer, count.crashed) == (0, [], [])


@SLOW
@given(st.randoms(use_true_random=False))
def test_no_forgery_is_accepted_by_anybody(case: Case, rng: Random) -> None:
    """Spoilt without a key: both verifiers refuse it, and opening it raises the product's own errors only."""
    count = Count()
    count.judge(forged(rng, case))
    assert not count.crashed
    assert not count.accepted
    assert count.stricter == 0


@SLOW
@given(st.randoms(use_true_random=False))
def test_behind_the_signatures_nothing_crashes_and_we_are_never_laxer(case: Case, rng: Random) -> None:
    """Spoilt with the box's key: what the second verifier refuses we do not accept."""
    count = Count()
    count.judge(missigned(rng, case))
    assert not count.crashed
    assert not count.laxer


@pytest.mark.parametrize(("make", "least"), [(forged, 0), (missigned, 20)])
def test_many_at_once(case: Case, make: object, least: int) -> None:
    """A seeded slice, in which some mis-signed ones are accepted: the spoiling does reach behind the signatures."""
    rng, count = Random(7), Count()
    for _ in range(200):
        count.judge(forged(rng, case) if make is forged else missigned(rng, case))
    assert not count.crashed
    assert not count.laxer
    assert least <= len(count.accepted) <= (0 if make is forged else 200)


def test_parsers_raise_their_own_errors_only() -> None:
    """Coverage-guided, on every parser of files, keys and tokens, also behind a trusted signature."""
    kept, edges, crashes = guided.run(Random(5), 400)
    assert crashes == []
    assert kept > len(guided.seeds())
    assert edges > 200


def test_the_fuzzer_finds_a_planted_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that stumbles over what no seed has is found: the fuzzer is no ornament."""

    def stumbles(data: bytes) -> None:
        if b"\0" in data:
            raise ZeroDivisionError

    monkeypatch.setattr(guided, "PARSERS", tuple((typ, stumbles) for typ, _ in guided.PARSERS))
    monkeypatch.setattr(guided, "seeds", lambda: [b"..{}"])
    _, _, crashes = guided.run(Random(1), 200)
    assert "ZeroDivisionError" in crashes[0]


def test_key_files_that_are_no_text_are_refused() -> None:
    """Found by the fuzzer: a key file with a byte that is no UTF-8 in a later field."""
    data = OwnerSecret.from_bytes(bytes(32)).to_file().replace(b'"secret":"A', b'"secret":"\xff')
    with pytest.raises(BadKey, match="not a key file"):
        OwnerSecret.from_file(data)
