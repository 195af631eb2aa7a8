"""After a restart: what becomes of each folder in the spool.

The rules stand in the design ("Recovery") and are tried in its order; the first that fits decides. Facts come from the
disk and from the folded ledger; nothing here opens a file.
"""

from __future__ import annotations

from handschlag.core.consent import destroy
from handschlag.core.draft import Draft
from handschlag.core.effects import SetAside
from handschlag.core.events import FolderFound
from handschlag.core.state import Destroying, Interrupted, Seizure


def recover(d: Draft, e: FolderFound) -> None:
    """Decide about one folder."""
    if any(i.recording == e.recording for i in d.state.interrupted):
        return  # told twice
    if e.ended_by_ledger:
        revoke = e.ended_by_ledger == "withdrawn" or (e.ended_by_ledger == "destroyed" and e.has_keys)
        destroy(d, e.recording, Destroying("", e.ended_by_ledger, revoke=revoke, ledger_seq=e.ended_seq))
    elif e.gone:
        kind = "withdrawn" if e.has_keys else "destroyed"
        destroy(d, e.recording, Destroying(kind, "finished-after-restart", revoke=e.has_keys))
    elif not e.has_keys and not e.has_manifest:
        destroy(d, e.recording, Destroying("destroyed", "unconfirmed", revoke=False))
    elif not e.has_keys or not e.consented:
        why = "manifest without keys" if not e.has_keys else "keys without consent in the ledger"
        d.put(set_aside=d.state.set_aside + 1)
        d.do(SetAside(e.recording, why))
        d.record("fault", what="recovery:set-aside", recording=e.recording)
    elif not e.has_manifest:
        d.put(interrupted=(*d.state.interrupted, Interrupted(e.recording, Seizure(e.boot, e.seizure))))
