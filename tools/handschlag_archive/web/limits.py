"""How often somebody may try: by name, and by address.

By name: after five wrong passwords in a row each further one locks the name, for 30 s, 60 s, ... at most 15 minutes;
that is kept in the database, also for names that nobody has, and a day without a try forgets it. Whoever knows a name
can lock it; they cannot do so for longer than a quarter of an hour after their last try.

By address: a bucket of tries that fills again by and by; kept in memory, since it only keeps the machine from being
busy with one caller.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Final

from handschlag_archive.periods import moment, written
from handschlag_archive.web.books.people import Failures

FREE_TRIES: Final = 5
FIRST_LOCK_S: Final = 30
LONGEST_LOCK_S: Final = 900
FORGOTTEN_AFTER: Final = timedelta(days=1)

TRIES: Final = 20
SECONDS_PER_TRY: Final = 3.0
_MOST_ADDRESSES: Final = 10_000


def one_more(before: Failures | None, now: datetime) -> Failures:
    """The failures with one more, and until when the name is locked thereby."""
    forgotten = before is None or now - moment(before.last_at) > FORGOTTEN_AFTER
    count = 1 if forgotten or before is None else before.count + 1
    locked = None
    if count >= FREE_TRIES:
        seconds = min(FIRST_LOCK_S * 2 ** min(count - FREE_TRIES, 16), LONGEST_LOCK_S)
        locked = written(now + timedelta(seconds=seconds))
    return Failures(count, written(now), locked)


def one_less(before: Failures) -> Failures | None:
    """The failures as before a try that was none."""
    count = before.count - 1
    if count <= 0:
        return None
    return Failures(count, before.last_at, before.locked_until if count >= FREE_TRIES else None)


def locked_for_s(failures: Failures | None, now: datetime) -> int:
    """For how many seconds a name is locked; 0: it is not."""
    if failures is None or failures.locked_until is None:
        return 0
    left = (moment(failures.locked_until) - now).total_seconds()
    return math.ceil(left) if left > 0 else 0


@dataclass
class _Bucket:
    left: float
    at: datetime


class Throttle:
    """Tries by address. An IPv6 address counts as its /64 network, since whoever has one address of it has all."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, address: str, now: datetime) -> int:
        """Take one try; 0, or for how many seconds there is none."""
        key = _network(address)
        bucket = self._buckets.pop(key, None) or _Bucket(TRIES, now)
        self._buckets[key] = bucket
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)  # the one that has been quiet for longest
        passed = max((now - bucket.at).total_seconds(), 0.0)
        bucket.left = min(bucket.left + passed / SECONDS_PER_TRY, float(TRIES))
        bucket.at = now
        if bucket.left < 1:
            return math.ceil((1 - bucket.left) * SECONDS_PER_TRY)
        bucket.left -= 1
        return 0


def _network(address: str) -> str:
    try:
        known = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped) if known.ipv4_mapped else known.exploded[:19]
    return str(known)
