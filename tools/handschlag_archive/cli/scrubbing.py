"""`handschlag-archive scrub`: reads again what is kept; to be run once a day."""

import dataclasses
import logging
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from handschlag_archive.cli.options import Config, Json, say
from handschlag_archive.cli.parts import check_index, open_index
from handschlag_archive.judge import Judge
from handschlag_archive.scrub import Finding, Scrub
from handschlag_archive.settings import read_settings
from handschlag_archive.stores.open import open_stores
from handschlag_archive.trusted import TrustFile


def scrub(
    config: Config,
    everything: Annotated[bool, typer.Option("--all", help="alles lesen / read everything")] = False,
    sample: Annotated[int, typer.Option(min=0, help="so viele zufällig dazu / so many more by chance")] = 20,
    rate: Annotated[float | None, typer.Option(min=0.01, help="höchstens MB/s / at most")] = None,
    as_json: Json = False,
) -> None:
    """Read again what is kept, compare the copies, repair them; exit code 1 when somebody must see to something."""
    settings = read_settings(config)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s")
    stores = open_stores(settings)

    def tell(finding: Finding) -> None:
        if as_json:
            say(as_json, "", **dataclasses.asdict(finding))

    with closing(open_index(settings)) as index:
        check_index(settings, index)  # an old index would take for garbage what it does not know yet
        report = Scrub(
            index=index,
            clips=stores.clips,
            keys=stores.keys,
            judge=Judge(TrustFile(Path(settings.trust))),
            say=tell,
            pause=(lambda _bytes: None) if rate is None else Rate(rate * 1e6),
        ).run(sample=sample, everything=everything)
    counts = ", ".join(f"{what}: {count}" for what, count in report.counts.items())
    say(
        as_json,
        f"{report.read} von / of {report.stored} gelesen / read, {report.bytes} bytes; "
        f"{'gut / good' if report.ok else 'ALARM'}{'; ' if counts else ''}{counts}",
        ok=report.ok,
        **dataclasses.asdict(report),
    )
    if not report.ok:
        raise typer.Exit(1)


class Rate:
    """Waits after each recording, so that in all no more bytes are read per second; idle time is saved for 1 s."""

    def __init__(
        self,
        bytes_per_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._sleep = sleep
        self._paid_until = clock()

    def __call__(self, count: int) -> None:
        """So many bytes were read."""
        self._paid_until = max(self._paid_until, self._clock() - 1.0) + count / self._bytes_per_s
        self._sleep(max(0.0, self._paid_until - self._clock()))
