"""`handschlag-archive ingest`: a worker, until told to stop."""

import logging
import signal
import sys
import threading
from collections.abc import Callable
from typing import Annotated

import msgspec
import typer

from handschlag_archive.cli.options import Config, Json, say
from handschlag_archive.cli.parts import open_ingest, open_retention
from handschlag_archive.mqtt import Worker
from handschlag_archive.settings import Settings, read_settings
from handschlag_archive.upkeep import Upkeep


def ingest(
    config: Config,
    host: Annotated[str | None, typer.Option(help="statt broker.host / instead of broker.host")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="statt / instead of broker.port")] = None,
    settle: Annotated[float | None, typer.Option(min=0.05, max=3600, help="statt / instead of ingest.settle_s")] = None,
    as_json: Json = False,
) -> None:
    """Take in what the boxes send, until told to stop (SIGTERM)."""
    settings = _with_flags(read_settings(config), host=host, port=port, settle=settle)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    index, core = open_ingest(settings)
    said = threading.Event()

    def ready() -> None:
        if not said.is_set():
            said.set()
            say(as_json, "ready", ready=True, broker=f"{settings.broker.host}:{settings.broker.port}")

    worker = Worker(settings, core, on_ready=ready)
    _stop_on_signal(worker.stop)
    upkeep = Upkeep([open_retention(settings, index).daily])
    try:
        core.recover()
        upkeep.start()
        worker.run()
    finally:
        upkeep.stop()
        index.close()
    say(as_json, "stopped", stopped=True, dropped=dict(core.counts), uplink=dict(worker.counts))


def _with_flags(settings: Settings, *, host: str | None, port: int | None, settle: float | None) -> Settings:
    broker, taking = settings.broker, settings.ingest
    return msgspec.structs.replace(
        settings,
        broker=msgspec.structs.replace(broker, host=host or broker.host, port=port or broker.port),
        ingest=msgspec.structs.replace(taking, settle_s=settle or taking.settle_s),
    )


def _stop_on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` from a thread of its own: a handler in the working thread could meet it holding a lock."""
    wanted = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)

    def wait() -> None:
        signal.sigwait(wanted)
        stop()

    threading.Thread(target=wait, name="signals", daemon=True).start()
