"""Alarms in the index: one for one trouble, however often it is met."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from handschlag_archive.index import Index, Transaction


@pytest.fixture
def transaction(database: str) -> Iterator[Transaction]:
    """A transaction on an empty index."""
    with closing(Index(database)) as index, index.transaction() as begun:
        yield begun


def test_an_alarm_raised_again_is_the_same_alarm_with_the_newest_words(transaction: Transaction) -> None:
    """Only the first is new; `since` stays, the text is what was said last."""
    assert transaction.raise_alarm("fork", "b", "7", "first")
    (first,) = transaction.alarms()
    assert not transaction.raise_alarm("fork", "b", "7", "second")
    (again,) = transaction.alarms()
    assert (again.since, again.text, again.cleared) == (first.since, "second", None)


def test_a_cleared_alarm_is_history_until_it_is_raised_anew(transaction: Transaction) -> None:
    """Clearing tells whether it stood; raising it after that is new."""
    transaction.raise_alarm("gap", "b", "ledger", "a gap")
    assert transaction.clear_alarm("gap", "b", "ledger")
    assert not transaction.clear_alarm("gap", "b", "ledger")
    assert transaction.alarms() == []
    (past,) = transaction.alarms(cleared=True)
    assert past.cleared is not None
    assert transaction.raise_alarm("gap", "b", "ledger", "again")
    assert [alarm.text for alarm in transaction.alarms()] == ["again"]


def test_alarms_differ_by_kind_box_and_subject(transaction: Transaction) -> None:
    """Clearing one leaves those that differ in one of the three."""
    for kind, box, subject in [("a", "b", "c"), ("x", "b", "c"), ("a", "x", "c"), ("a", "b", "x")]:
        assert transaction.raise_alarm(kind, box, subject, "text")
    transaction.clear_alarm("a", "b", "c")
    assert len(transaction.alarms()) == 3


def test_a_text_without_end_is_cut_short(transaction: Transaction) -> None:
    """A database that counts characters would otherwise refuse the alarm itself."""
    transaction.raise_alarm("a", "", "", "x" * 10_000)
    assert len(transaction.alarms()[0].text) == 500
