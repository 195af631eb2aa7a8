"""The real box, killed during calls under a real broker and archive (`tools/bench crash --topic kills --full`)."""

from __future__ import annotations

import pytest

from handschlag_bench.crash import kills
from tests.support.needs import need_mosquitto


@pytest.mark.timeout(300)
def test_killed_box_goes_on_and_nothing_is_lost() -> None:
    """After each kill the box is ready by itself; in the end every recording is at the archive, once, and verifies."""
    need_mosquitto()
    tally = kills.run(kills=4, seed=5)
    assert tally.wrong == []
    assert tally.kills == 4
