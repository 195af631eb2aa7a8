"""The recordings on disk, sealed: `DiskSpool` behind `ports.Spool`."""

from handschlag.adapters.spool.closing import Identity
from handschlag.adapters.spool.disk import WAITING_CLIPS, DiskSpool, NotConfirmed

__all__ = ["WAITING_CLIPS", "DiskSpool", "Identity", "NotConfirmed"]
