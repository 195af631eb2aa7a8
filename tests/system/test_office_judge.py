"""The judge of the office is judged: the product is broken on purpose, and he must see it in one short call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handschlag.core import emergency, line
from handschlag.core import report as core_report
from handschlag.core.draft import Draft
from handschlag.core.events import Leg, LineTold
from handschlag.sim.world import Script
from tests.system.office import calls
from tests.system.office.cli import judged
from tests.system.office.office import Office
from tests.system.office.papers import Employee, Rule

Break = Callable[[pytest.MonkeyPatch], None]


def _asked(o: Office) -> Script:
    """A call of one's own, asked at once, up to the moment after the mark."""
    o.lift("key 1", incoming=False)
    yield o.after(1.2)
    yield from o.short_press()
    yield calls.within(o, o.box_speaks, 2.0)
    yield o.after(o.mark_s + 0.4)


def _agreed(o: Office) -> Script:
    yield from _asked(o)
    o.press_key("far", "1", 0.18)
    yield o.after(1.0)
    yield from calls.says(o, "far", 0)


def _ends(o: Office) -> Script:
    o.hang_up()
    yield o.after(0.9)


def yes(o: Office) -> Script:
    """A yes, and some talk."""
    yield from _agreed(o)
    yield from _ends(o)


def taken_back(o: Office) -> Script:
    """A yes, and a 9."""
    yield from _agreed(o)
    o.press_key("far", "9", 0.25)
    yield o.after(1.0)
    yield from _ends(o)


def pressed_by_the_employee(o: Office) -> Script:
    """The employee presses the caller's key."""
    yield from _asked(o)
    o.press_key("near", "1", 0.2)
    yield o.after(1.0)
    yield from calls.says(o, "far", 0)
    yield from _ends(o)


def flashed(o: Office) -> Script:
    """A yes, and somebody else is fetched into the call."""
    yield from _agreed(o)
    yield from o.flash()
    yield o.after(0.4)
    yield from calls.says(o, "far", 1)
    yield from _ends(o)


def again(o: Office) -> Script:
    """A yes, and the handset is lifted anew at once."""
    yield from _agreed(o)
    o.hang_up()
    yield o.after(0.1)
    o.lift("again", incoming=False)
    yield from calls.says(o, "far", 1)
    yield from _ends(o)


def emergency_call(o: Office) -> Script:
    """0112, and the button."""
    o.lift("emergency", incoming=False)
    yield o.after(0.3)
    yield from calls.dials(o, "0112", tone_first=False)
    yield o.after(0.5)
    yield from o.short_press()
    yield o.after(2.0)
    yield from _ends(o)


def without_staff(o: Office) -> Script:
    """Number 1 has withdrawn the consent."""
    o.change_staff(lambda book: book.staff.update({1: Employee(withdrawn_at=o.clock.wall()[0])}))
    yield o.after(2.0)
    yield from yes(o)
    o.change_staff(lambda book: book.staff.update({1: Employee()}))


def on_duty_alone(o: Office) -> Script:
    """Number 3 is on duty, who has never agreed."""
    o.change_rule(Rule(shifts=((0, 24, (3,), None),)))
    yield o.after(9.0)
    yield from yes(o)
    o.change_rule(Rule())


def _only_110(patch: pytest.MonkeyPatch) -> None:
    right = emergency.is_dialled
    patch.setattr(emergency, "is_dialled", lambda digits, numbers, _outside: right(digits, numbers, ""))


def _unbound(patch: pytest.MonkeyPatch) -> None:
    """While a call goes on, whatever the tap says of the line is about this call."""
    right = line.told

    def told(d: Draft, e: LineTold) -> None:
        if d.state.call is not None:
            e = replace(e, off_hook=True, ring=False, seizure=d.call.seizure.number)
        right(d, e)

    patch.setattr(line, "told", told)


def _dropping(patch: pytest.MonkeyPatch) -> None:
    right = core_report.report

    def report_of(entries: Iterable[Mapping[str, Any]], month: str) -> object:
        return right([each for each in entries if each["kind"] != "call"], month)

    patch.setattr("handschlag.cli.report.report_of", report_of)


def _put(where: str, instead: object) -> Break:
    return lambda patch: patch.setattr(f"handschlag.core.{where}", instead)


def _lived(folder: Path, *scripts: Callable[[Office], Script]) -> Office:
    o = Office(folder, 1, start_hour=9.0)
    o.switch_on()
    o.run(0.5)
    o.idle(8.0)
    for script in scripts:
        o.play_out(script(o))
        o.idle(5.0)
    o.switch_off()
    o.switch_on()
    o.idle(10.0)  # what could not be closed is closed now
    o.switch_off()
    return o


@pytest.mark.parametrize(
    ("broken", "script", "seen"),
    [
        pytest.param(_only_110, emergency_call, "samples of the box on call 0", id="a leading 0 hides 112"),
        pytest.param(
            _put("people.covers", lambda *_: True), without_staff, "outside of a yes", id="withdrawn staff ignored"
        ),
        pytest.param(_put("people.on_duty", lambda *_: None), on_duty_alone, "outside of a yes", id="rota ignored"),
        pytest.param(_put("line.flashed", lambda _: None), flashed, "outside of a yes", id="flash ignored"),
        pytest.param(_unbound, again, "is from no call", id="consent outlives its seizure"),
        pytest.param(_put("line.withdraw", lambda *_: None), taken_back, "was taken back", id="9 ignored"),
        pytest.param(
            _put("question.proven_leg", lambda *_: Leg.FAR),
            pressed_by_the_employee,
            "outside of a yes",
            id="anybody's key counts",
        ),
        pytest.param(_dropping, yes, "report: 0 calls", id="the report drops calls"),
    ],
)
def test_what_is_broken_is_seen(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: Break,
    script: Callable[[Office], Script],
    seen: str,
) -> None:
    """A broken product does not pass; what was seen names the promise that was broken."""
    broken(monkeypatch)
    wrong = judged(_lived(tmp_path, script)).wrong
    assert any(seen in each for each in wrong), wrong
    assert broken is not _only_110 or any("PLAY" in each for each in wrong), wrong


def test_the_same_calls_pass_when_nothing_is_broken(tmp_path: Path) -> None:
    """The judge does not cry wolf: what he sees above comes from what was broken."""
    verdict = judged(_lived(tmp_path, flashed, again, emergency_call))
    assert verdict.wrong == []
    assert verdict.tally["recordings expected that open"] >= 2


def test_a_number_in_a_log_or_in_the_status_is_seen(tmp_path: Path) -> None:
    """P9: nothing of who called may be said, with or without the leading 0."""
    o = _lived(tmp_path)
    o.truth.personal.add("03023125042")
    o.truth.said.add("handschlag.uplink call from +493023125042")
    assert any("status or log" in each for each in judged(o).wrong)
