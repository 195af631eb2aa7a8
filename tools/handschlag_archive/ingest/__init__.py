"""What happens to what the boxes send; no broker in here: messages in, receipts out.

Bytes go into the stores under their hash, then the index is committed, and only then receipts come out (P5). A
recording's files may come in any order, any number of times, through any number of workers: whether a recording is
complete is always asked of the index after the commit, so whichever commit completes the set answers `stored`.
What counts is what the box's signed manifest names by hash; everything else is garbage that stays beside it and goes
once the recording is stored, or when there is too much of it.

`messages` says what a message is; `intake` takes groups of them and hands them on by subject: `staging` (bytes become
durable), `completing` (a manifest and its files become a stored recording), `withdrawals`, `ledgers`. `shelves` are the
two stores as one; `names` what `progress` says without asking the index for every message; `loose` bounds what belongs
to no manifest.

Times given to `take` and `due` are seconds of one monotonic clock.
"""

from handschlag_archive.ingest.intake import Ingest
from handschlag_archive.ingest.loose import Bounds
from handschlag_archive.ingest.messages import Message
from handschlag_archive.ingest.shelves import is_key

__all__ = ["Bounds", "Ingest", "Message", "is_key"]
