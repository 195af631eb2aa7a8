"""Several stores behind one port: what one of them may do without harm, and what needs all."""

import logging
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest

from handschlag_archive.stores.copies import PAUSE_S, Copies
from handschlag_archive.stores.port import LostBytes, StoreDown, Unreached
from tests.archive.stores.faulty import FaultyStore
from tests.archive.stores.test_contract import BOX, RECORDING, an_object


class _Three:
    """Three stores of which two are needed, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.a, self.b, self.c = self.stores = [FaultyStore(name) for name in "abc"]
        self.copies = Copies(self.stores, required=2, clock=lambda: self.now)


@pytest.fixture
def three() -> _Three:
    """Fresh stores."""
    return _Three()


def test_a_copy_in_each(three: _Three) -> None:
    """All have it, and that many are said to."""
    place, content = an_object()
    assert three.copies.put([(place, content)]) == 3
    assert [store.kept for store in three.stores] == [{place: content}] * 3


def test_one_that_is_down_holds_nobody_up(three: _Three) -> None:
    """The count tells the truth, and a store that failed is not asked again for a while, then it is."""
    three.b.down = True
    assert three.copies.put([an_object()]) == 2
    assert three.copies.put([an_object()]) == 2
    assert three.b.calls == ["put"]
    three.b.down = False
    assert three.copies.put([an_object()]) == 2
    three.now += PAUSE_S
    assert three.copies.put([an_object()]) == 3
    assert three.copies.put([an_object()]) == 3


def test_fewer_than_required_is_an_error_and_all_are_tried_again(three: _Three) -> None:
    """Nothing may be acknowledged then; and as soon as one comes back it goes on, however short the time."""
    three.a.down = three.b.down = True
    with pytest.raises(StoreDown, match=r"1 of 2 copies could be kept: a: does not answer; b: does not answer"):
        three.copies.put([an_object()])
    three.a.down = False
    assert three.copies.put([an_object()]) == 2


def test_an_error_that_is_no_outage_is_not_swallowed(three: _Three) -> None:
    """A refused bucket is a fault of the settings: two good copies do not hide it."""
    three.b.put = Mock(side_effect=ValueError("versioned"))  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="versioned"):
        three.copies.put([an_object()])


def test_reading_takes_the_first_good_copy(three: _Three) -> None:
    """Lost in one, unreachable in another: the third one serves."""
    place, content = an_object()
    three.copies.put([(place, content)])
    three.a.kept.clear()
    three.b.down = True
    assert three.copies.get(place) == content


def test_lost_is_only_what_every_store_has_lost(three: _Three) -> None:
    """While a store is away nothing is called lost that it may have: the index would forget it."""
    place, content = an_object()
    three.copies.put([(place, content)])
    three.a.kept.clear()
    three.b.kept.clear()
    three.c.down = True
    with pytest.raises(StoreDown) as caught:
        three.copies.get(place)
    assert not isinstance(caught.value, LostBytes)
    three.c.down = False
    assert three.copies.get(place) == content
    three.c.kept.clear()
    with pytest.raises(LostBytes):
        three.copies.get(place)


@pytest.mark.parametrize("way", ["remove", "clear"])
def test_removing_reaches_all_or_says_that_it_has_not(three: _Three, way: str) -> None:
    """A key that may still lie somewhere is not destroyed: an error until every store has confirmed.

    Also a store that is left out of keeping is asked, at once.
    """
    place, content = an_object("keys.json")
    three.copies.put([(place, content)])
    three.b.down = True
    three.copies.put([an_object(recording="another")])

    def go() -> object:
        return three.copies.clear(BOX, RECORDING) if way == "clear" else three.copies.remove([place])

    with pytest.raises(Unreached, match=r"could not remove from all: b: does not answer"):
        go()
    assert [place in store.kept for store in three.stores] == [False, True, False]
    three.b.down = False
    assert go() == []
    assert not any(place in store.kept for store in three.stores)


def test_what_any_lock_keeps_is_named(three: _Three) -> None:
    """Each store may keep something else; together they say all of it, once."""
    objects = [an_object(f"{number:06}.clip") for number in range(3)]
    three.copies.put(objects)
    three.a.protect([objects[0][0]], datetime.now(UTC))
    three.b.protect([objects[0][0], objects[2][0]], datetime.now(UTC))
    assert three.copies.clear(BOX, RECORDING) == [objects[0][0], objects[2][0]]


def test_locks_need_as_many_copies_as_keeping(three: _Three) -> None:
    """One store that is away stops no receipt; with fewer locked copies than required it says so."""
    place, content = an_object()
    three.copies.put([(place, content)])
    three.b.down = True
    three.copies.protect([place], datetime.now(UTC))
    assert three.a.locked == three.c.locked == {place}
    three.c.down = True
    with pytest.raises(StoreDown, match="could not lock 2 copies: b: does not answer; c: does not answer"):
        three.copies.protect([place], datetime.now(UTC))


def test_listing_joins_what_can_be_asked(three: _Three) -> None:
    """Garbage in any store is found; with nobody there it is an error, not an empty list."""
    first, second = an_object(), an_object("000002.clip")
    three.a.put([first])
    three.b.put([first, second])
    three.c.down = True
    assert three.copies.places(BOX, RECORDING) == [first[0], second[0]]
    three.a.down = three.b.down = True
    with pytest.raises(StoreDown):
        three.copies.places(BOX, RECORDING)


def test_leaving_out_and_coming_back_are_said_once(three: _Three, caplog: pytest.LogCaptureFixture) -> None:
    """A server that is away for a day does not fill the log."""
    caplog.set_level(logging.WARNING)
    three.b.down = True
    for _ in range(5):
        three.copies.put([an_object()])
        three.now += PAUSE_S
    three.b.down = False
    three.copies.put([an_object()])
    assert [record.message for record in caplog.records] == [
        "a store is left out: b: does not answer",
        "a store is back: b",
    ]


@pytest.mark.parametrize("required", [0, 4])
def test_more_copies_than_stores_cannot_be_required(three: _Three, required: int) -> None:
    """Such a setting would never store anything, or promise nothing."""
    with pytest.raises(ValueError, match="allowed is 1 to 3"):
        Copies(three.stores, required=required)
