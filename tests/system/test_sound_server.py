"""The sound device dies in the middle of a recording and comes back: the call goes on, and the box recovers by itself.

PulseAudio is killed, as a pulled plug would do; the box is the program itself, in real time.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handschlag.sim.demo.place import box_program
from handschlag.sim.demo.place import call as run_program
from handschlag_bench.rig import rig
from tests.support.needs import need_mosquitto
from tests.support.pulse import running_pulse


@pytest.mark.real_time
@pytest.mark.timeout(240)
def test_device_lost_while_recording_ends_the_recording_and_not_the_box(tmp_path: Path) -> None:
    """What was recorded before is kept, receipted and verified; the next call is recorded again."""
    need_mosquitto()
    with running_pulse(tmp_path):
        pass  # skips where PulseAudio or PortAudio is absent
    with rig(tmp_path) as box:
        box.record()
        box.wait("some clips are sealed", lambda said: said["clips_sealed"] >= 2)
        box.pull_plug()
        box.wait("the recording has ended", lambda said: said["phase"] == "open" and said["rec"] == "off")
        box.wait("the box says why it cannot record", lambda said: said["cannot"] == "audio")
        box.plug_in()
        box.hang_up()
        (first,) = box.recordings()
        box.wait("the box is ready again", lambda said: not said["cannot"])
        box.record()
        box.wait("the next call is being kept", lambda said: said["clips_sealed"] >= 4)
        box.hang_up()
        folder, trust = box.place.spool / first, str(box.place.trust)
        verdict = json.loads(run_program(box_program("verify", str(folder), "--trust", trust, "--json")))
        assert verdict["ok"], verdict
        assert len(box.recordings()) == 2
