"""What was counted; and a log that whoever sends much rubbish cannot fill."""

import logging
from collections import Counter
from typing import Final

_log: Final = logging.getLogger(__name__)


class Counts(Counter[str]):
    """How often what happened."""

    def drop(self, what: str) -> None:
        """Count something that was dropped, and log the 1st, 2nd, 4th, 8th, ..."""
        self[what] += 1
        number = self[what]
        if number & (number - 1) == 0:
            _log.info("dropped: %s (%d so far)", what, number)
