"""How long the archive keeps a recording: the same as the box says, and never without an end."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.core.retention import Retention, keep_until
from handschlag_archive import periods

MADE = "2026-11-02T09:15:00.000Z"


MOMENTS = st.datetimes(timezones=st.just(UTC)).map(
    lambda at: at.replace(year=1971 + at.year % 1000, day=min(at.day, 28))
)


@given(made=MOMENTS, kept_for=...)
def test_archive_and_box_count_alike(made: datetime, kept_for: Retention) -> None:
    """The table stands twice, since the archive may not know the box's core; both must always say the same."""
    whole = made.replace(microsecond=0)  # seconds since 1970 are a float, which cannot tell every microsecond
    assert periods.keep_until(kept_for.value, whole) == keep_until(kept_for, whole.timestamp())


def test_archive_and_box_know_the_same_classes() -> None:
    """A class that only one of them knew would be kept for ever."""
    assert tuple(each.value for each in Retention) == periods.CLASSES


@pytest.mark.parametrize(
    ("kept_for", "said", "end"),
    [
        ("inquiry", None, "2027-01-31T09:15:00.000Z"),
        ("inquiry", "2027-01-10T00:00:00Z", "2027-01-10T00:00:00.000Z"),
        ("inquiry", "2999-01-10T00:00:00Z", "2027-01-31T09:15:00.000Z"),
        ("inquiry", "2027-02-31T00:00:00Z", "2027-01-31T09:15:00.000Z"),
        ("standard", "2027-01-10T00:00:00.5Z", "2027-01-10T00:00:00.500Z"),
        ("standard", "0000-01-01T00:00:00Z", None),
        ("standard", None, None),
    ],
    ids=["counted here", "as said", "said too late", "no such day", "class of others", "no such year", "unknown"],
)
def test_the_end_of_a_recording(kept_for: str, said: str | None, end: str | None) -> None:
    """What the manifest says counts, but never more than the class gives from the moment it was stored."""
    assert periods.end_of(kept_for, said=said, stored_at=MADE) == end


@given(MOMENTS)
def test_written_times_sort_as_times_do(at: datetime) -> None:
    """The database compares texts: one spelling for all, whatever the fraction of the second."""
    text = periods.written(at)
    assert len(text) == len(MADE)
    assert abs((periods.moment(text) - at).total_seconds()) < 0.001
