"""The owner's rewraps: a stored recording's key, wrapped for other people of the workshop.

`keys.N.jws` is kept beside the keys, where nothing is versioned or locked, and goes with them when the recording is
destroyed. The newest counter is in force: an older one is refused, and what it replaces is destroyed, since whoever
left the workshop may have been among its recipients. The original `keys.json` stays what the manifest names.
"""

from collections.abc import Callable, Sequence

from handschlag.sealing import jws
from handschlag.sealing.encoding import sha256_hex
from handschlag.sealing.errors import SealingError
from handschlag.sealing.manifest import rewrap_counter, rewrap_name
from handschlag.sealing.rewrap import Rewrap, read_rewrap
from handschlag.sealing.trust import Trust
from handschlag_archive.index import Index, State, Transaction, Which
from handschlag_archive.owner import Refused
from handschlag_archive.stores.port import Place, Store


class Rewraps:
    """Takes rewraps."""

    def __init__(self, *, index: Index, keys: Store, trust: Callable[[], Trust]) -> None:
        self._index = index
        self._keys = keys
        self._trust = trust

    def take(self, token: bytes) -> Place:
        """Keep a rewrap; where it lies. The same one again changes nothing.

        Raises:
            Refused: forged, for keys that are not the workshop's, not newer than what is here, or of nothing stored.
            OSError: the archive cannot write; give it again.

        """
        rewrap = self._read(token)
        which = Which(rewrap.box, rewrap.recording)
        place = Place(rewrap.box, rewrap.recording, rewrap_name(rewrap.counter), sha256_hex(token))
        with self._index.transaction() as transaction:
            self._older(transaction, which, place)
        copies = self._keys.put([(place, token)])
        try:
            with self._index.transaction() as transaction:
                older = self._older(transaction, which, place)
                transaction.add_files([(place, len(token))], copies=copies)
                transaction.remove_files(older)
        except Refused:
            self._keys.remove([place])  # destroyed, or replaced by a newer one, while it was written
            raise
        # What a cut left is found here, too: the stores are asked, not the index.
        lying = self._keys.places(which.box, which.recording)
        self._keys.remove([each for each in lying if _is_older(each, place)])
        return place

    def _read(self, token: bytes) -> Rewrap:
        trust = self._trust()
        try:
            name = rewrap_name(jws.peek(token, Rewrap, "rewrap").counter)
            rewrap = read_rewrap(token, trust.keys("owner"), name)
            for recipient in rewrap.recipients:
                trust.admit_recipient(recipient.kid)
        except SealingError as error:
            raise Refused(f"{error}; allowed is a rewrap (keys.N.jws) signed by the owner") from error
        return rewrap

    @staticmethod
    def _older(transaction: Transaction, which: Which, place: Place) -> Sequence[Place]:
        """The rewraps that this one replaces; raises Refused if it replaces none."""
        row = transaction.row(which)
        if row is None or row.state is not State.STORED:
            how = "not known here" if row is None else f"{row.state} here"
            raise Refused(f"recording {which.recording} of {which.box} is {how}; only stored ones can be rewrapped")
        here = [each for each in transaction.files(which) if rewrap_counter(each.name) is not None]
        counter = rewrap_counter(place.name) or 0
        newest = max((rewrap_counter(each.name) or 0 for each in here), default=0)
        if place not in here and counter <= newest:
            raise Refused(f"{place.name}: a rewrap with the counter {newest} is here; allowed are higher ones")
        return [each for each in here if _is_older(each, place)]


def _is_older(one: Place, other: Place) -> bool:
    counter = rewrap_counter(one.name)
    return counter is not None and counter < (rewrap_counter(other.name) or 0)
