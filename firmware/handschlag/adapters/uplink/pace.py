"""The bandwidth cap: what is sent is followed by the pause that it costs, so that no burst ever goes out."""

from __future__ import annotations


class Pace:
    """At most `kbit_s` (1000 bits each second) of payloads; None: as fast as it goes. Times are monotonic seconds."""

    def __init__(self, kbit_s: float | None) -> None:
        self._bytes_s = None if kbit_s is None else kbit_s * 1000.0 / 8.0
        self._free_at = 0.0

    def wait_s(self, now: float) -> float:
        """How long the next one has to wait; 0.0: not at all."""
        return max(0.0, self._free_at - now)

    def sent(self, size: int, now: float) -> None:
        """So many bytes went out."""
        if self._bytes_s is not None:
            self._free_at = max(self._free_at, now) + size / self._bytes_s
