"""What is remembered for `progress`: bounded, and never more than was said."""

from handschlag_archive.index import Which
from handschlag_archive.ingest.names import Names


def _which(number: int) -> Which:
    return Which("box", f"{number}")


def test_what_was_busy_longest_ago_is_forgotten_first() -> None:
    """Room is made by whole recordings, so that what is remembered of one is all that was known."""
    names = Names(most=10)
    names.learn({_which(number): [f"{name}" for name in range(4)] for number in range(2)})
    names.add(_which(0), ["more"])
    names.learn({_which(2): ["a", "b"]})
    assert names.unknown(map(_which, range(3))) == [_which(1)]
    assert names.of(_which(0)) == {"0", "1", "2", "3", "more"}


def test_nothing_is_remembered_of_what_was_never_asked_for() -> None:
    """A part of a recording would be taken for all of it."""
    names = Names()
    names.add(_which(1), ["a"])
    assert names.unknown([_which(1)]) == [_which(1)]


def test_one_recording_larger_than_all_room_is_remembered_alone() -> None:
    """The longest call is answered too; everything else is forgotten for it."""
    names = Names(most=10)
    names.learn({_which(1): ["a"], _which(2): [f"{name}" for name in range(1000)]})
    assert names.unknown([_which(1), _which(2)]) == [_which(1)]


def test_what_is_held_is_counted_rightly_through_every_change() -> None:
    """Learning twice, adding what is there, forgetting what is not: the room never leaks."""
    names = Names(most=100)
    for turn in range(50):
        names.learn({_which(1): ["a", "b"], _which(2): ["c"]})
        names.add(_which(1), ["b", "d"])
        names.forget(_which(turn % 4))
    names.learn({_which(1): [], _which(2): [], _which(3): []})
    assert names._held == 0
