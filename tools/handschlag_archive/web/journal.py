"""Writes the audit log: who did what, when, to which recording, and why.

Reasons are sealed with the server's secret, since people write names into them; ids say who. What a browser must not
be able to leave out (a playback, an administrative act) is written where it is done, before its answer goes out.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta

from handschlag.sealing.encoding import from_base64url, to_base64url
from handschlag_archive.index import Which
from handschlag_archive.web.asked import User
from handschlag_archive.web.books import Books
from handschlag_archive.web.books.audit import Entry
from handschlag_archive.web.vault import BadVault, Vault

CONSOLE: Final = "console"
"""Who acts by the command line: somebody who has the server anyway."""

Reason = Annotated[str, Meta(min_length=3, max_length=500)]

_REASON: Final = "reason"


class Journal:
    """Writes lines, and reads their reasons."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def write(
        self,
        books: Books,
        at: str,
        what: str,
        *,
        user: User | None = None,
        person: str | None = None,
        which: Which | None = None,
        subject: str | None = None,
        reason: str | None = None,
    ) -> Entry:
        """Append a line, in the transaction of what it tells of, as the last thing in it."""
        return books.append_audit(
            at=at,
            what=what,
            person=user.person.person if user else person,
            role=user.role.value if user else None,
            box=which.box if which else None,
            recording=which.recording if which else None,
            subject=subject,
            reason=to_base64url(self._vault.seal(reason, _REASON)) if reason else None,
        )

    def told(self, entry: Entry, names: Mapping[str, str]) -> dict[str, object]:
        """A line as people read it."""
        line = entry.read()
        return {
            "seq": entry.seq,
            "at": line.at,
            "person": line.person,
            "name": names.get(line.person or ""),
            "role": line.role,
            "what": line.what,
            "box": line.box,
            "recording": line.recording,
            "subject": line.subject,
            "reason": self._reason(line.reason),
            "line": entry.line.decode(),
            "sha256": entry.sha256,
        }

    def _reason(self, sealed: str | None) -> str | None:
        if sealed is None:
            return None
        try:
            return self._vault.open(from_base64url(sealed, _REASON), _REASON)
        except (BadVault, ValueError):
            return None
