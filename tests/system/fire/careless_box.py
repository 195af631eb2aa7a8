"""A box that must not pass, as `python -m tests.system.fire.careless_box run ...`: it forgets on the broker's word."""

from __future__ import annotations

import shutil

from handschlag.adapters.spool import DiskSpool
from handschlag.app import App
from handschlag.cli import main
from handschlag.core import events as ev


def be_careless() -> None:
    """What the broker has acknowledged is taken for stored."""
    handle = App.handle

    def forget(self: App, event: ev.Event) -> None:
        handle(self, event)
        if isinstance(event, ev.FileSent) and event.name == "manifest.jws":
            spool = self.ports.spool
            assert isinstance(spool, DiskSpool)
            shutil.rmtree(spool._folders.of(event.recording))

    App.handle = forget  # type: ignore[method-assign]


if __name__ == "__main__":
    be_careless()
    main()
