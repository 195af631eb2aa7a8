"""Getting recordings to the archive: what is sent when, and what is done with the answers.

A broker's acknowledgement means nothing here; only the archive's receipt moves a recording on. During a call the head,
the first details and the clips are sent as they become durable; keys, lists and manifest follow when the recording is
closed and the ledger has it, so that a withdrawal during the call leaves no wrapped key anywhere but on the box.
Revocations go before everything. Nothing is ever given up: without a receipt the manifest is sent again, with
full-jitter back-off; a recording that the archive refuses five times is set aside and blocks nobody.

Only few recordings are `active` at a time; the rest waits in `queue`, and gets its turn in the order in which it is
due, at the same time by recording id, that is by age. What the archive had in an earlier epoch is offered again when
nothing else is due (see `epoch`). In quiet hours only revocations are sent.
"""

from handschlag.core.delivery.machine import RULES, forget, release, step_delivery
from handschlag.core.delivery.state import (
    BACK_OFF_S,
    HANDED_OUT,
    HANDED_OUT_CAPPED,
    LEDGER_ROW,
    MANIFEST,
    RECEIPT_TIMEOUT_S,
    REVOKE,
    SENDING_AT_MOST,
    WITHOUT_PROGRESS,
    DeliveryState,
    backlog,
    backlog_warning,
)

__all__ = [
    "BACK_OFF_S",
    "HANDED_OUT",
    "HANDED_OUT_CAPPED",
    "LEDGER_ROW",
    "MANIFEST",
    "RECEIPT_TIMEOUT_S",
    "REVOKE",
    "RULES",
    "SENDING_AT_MOST",
    "WITHOUT_PROGRESS",
    "DeliveryState",
    "backlog",
    "backlog_warning",
    "forget",
    "release",
    "step_delivery",
]
