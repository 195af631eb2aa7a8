"""A minute of real-time audio, PortAudio on PulseAudio, beside a machine whose cores are all busy.

The processes beside it have niceness 19, for other tests run in the same minute; `tools/bench audio` has them compute
as eagerly as the box does, and for an hour. Where the machine keeps no time itself, so that the sender's sound device
runs dry, too, the box can only be asked to tell what it lost.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from handschlag_bench import audio
from handschlag_bench.known import KEPT_RATE
from tests.support.needs import need_mosquitto
from tests.support.pulse import running_pulse

MINUTES = 1.0


@pytest.mark.real_time
@pytest.mark.timeout(240)
def test_no_frame_of_a_minute_is_lost(tmp_path: Path) -> None:
    """Every sample of a sealed recording is the one that was sent: none lost, none twice, none out of order."""
    need_mosquitto()
    with running_pulse(tmp_path):
        pass  # skips where PulseAudio or PortAudio is absent
    heard = audio.hear(MINUTES, nice=19)
    assert heard.missing_s == 0.0
    assert heard.found.frames("doubled") == 0
    assert heard.gaps > 0 or heard.found.frames("lost") == 0
    if heard.sender_late and heard.lost_by_the_box:
        pytest.skip(f"the machine kept no time: the sender's device ran dry {heard.sender_late} times, too")
    assert heard.lost_by_the_box == 0
    assert heard.gaps == 0
    assert heard.found.frames("lost") == 0
    assert heard.found.compared + round(heard.masked_s * KEPT_RATE) > (60 * MINUTES - 1.0) * KEPT_RATE
    assert heard.drift_ppm is not None
