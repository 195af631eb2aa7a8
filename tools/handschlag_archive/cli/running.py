"""`handschlag-archive ingest`: a worker, or several, until told to stop."""

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from handschlag_archive.age import mark
from handschlag_archive.cli.options import Config, Json, say
from handschlag_archive.cli.parts import check_index, open_erasures, open_ingest, open_retention
from handschlag_archive.index import IndexBusy
from handschlag_archive.mqtt import Worker, WorkerDied
from handschlag_archive.settings import Settings, read_settings
from handschlag_archive.stores.port import StoreDown
from handschlag_archive.upkeep import Upkeep
from handschlag_archive.workers import Workers

_TRY_AGAIN: Final = 3


def ingest(  # noqa: PLR0917 - typer turns parameters into options
    config: Config,
    host: Annotated[str | None, typer.Option(help="statt broker.host / instead of broker.host")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="statt / instead of broker.port")] = None,
    settle: Annotated[float | None, typer.Option(min=0.05, max=3600, help="statt / instead of ingest.settle_s")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Prozesse, statt / processes, instead of ingest.workers")
    ] = None,
    as_child: Annotated[bool, typer.Option(hidden=True)] = False,
    as_json: Json = False,
) -> None:
    """Take in what the boxes send, until told to stop (SIGTERM)."""
    settings = _with_flags(read_settings(config), host=host, port=port, settle=settle)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    count = workers or settings.ingest.workers
    if count > 1 and not as_child:
        _run_workers(settings, config, count, as_json=as_json)
    else:
        try:
            _work(settings, as_child=as_child, as_json=as_json)
        except (WorkerDied, IndexBusy, StoreDown) as error:  # another start may help
            print(f"handschlag-archive: {error}", file=sys.stderr)
            raise typer.Exit(_TRY_AGAIN) from None


def _run_workers(settings: Settings, config: Path, count: int, *, as_json: bool) -> None:
    """Start so many of this very command, as children, and keep them running."""
    broker = settings.broker
    command = [sys.executable, "-m", "handschlag_archive", "ingest", "--config", str(config), "--as-child", "--json"]
    command += ["--host", broker.host, "--port", str(broker.port), "--settle", str(settings.ingest.settle_s)]

    def ready() -> None:
        where = f"{broker.host}:{broker.port}"
        say(as_json, f"ready: {count} workers", ready=True, broker=where, workers=count)

    running = Workers(command, count, on_ready=ready)
    stop_on_signal(running.stop)
    running.run()
    say(as_json, "stopped", stopped=True, **{subject: dict(counts) for subject, counts in running.counts.items()})


def _work(settings: Settings, *, as_child: bool, as_json: bool) -> None:
    index, core = open_ingest(settings)
    check_index(settings, index)
    said = threading.Event()

    def ready() -> None:
        if not said.is_set():
            said.set()
            say(as_json, "ready", ready=True, broker=f"{settings.broker.host}:{settings.broker.port}")

    worker = Worker(settings, core, on_ready=ready)
    stop_on_signal(worker.stop)
    if as_child:
        _stop_without_parent(worker.stop)
    upkeep = Upkeep([open_retention(settings, index).daily])
    try:
        mark(index, open_erasures(settings))
        core.recover(time.monotonic())
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


def _stop_without_parent(stop: Callable[[], None]) -> None:
    """Call `stop` when standard input ends: the parent, which holds its other end, is gone."""

    def wait() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        stop()

    threading.Thread(target=wait, name="parent", daemon=True).start()


def stop_on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` from a thread of its own: a handler in the working thread could meet it holding a lock."""
    wanted = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)

    def wait() -> None:
        signal.sigwait(wanted)
        stop()

    threading.Thread(target=wait, name="signals", daemon=True).start()
