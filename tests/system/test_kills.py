"""The real box, killed during calls under a real broker and archive (`tools/bench crash --topic kills --full`)."""

from __future__ import annotations

import shutil

import pytest

from handschlag_bench.crash import kills

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@pytest.mark.timeout(300)
@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is absent; get it with: apt-get install mosquitto")
def test_killed_box_goes_on_and_nothing_is_lost() -> None:
    """After each kill the box is ready by itself; in the end every recording is at the archive, once, and verifies."""
    tally = kills.run(kills=4, seed=5)
    assert tally.wrong == []
    assert tally.kills == 4
