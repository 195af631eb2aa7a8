"""`handschlag run` and `handschlag check`: the box, put together from its settings."""

from __future__ import annotations

import dataclasses
import logging
import queue
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Annotated, get_args

import msgspec
import typer

from handschlag import __version__
from handschlag.adapters.absent import AbsentAudio, AbsentLine, AbsentPanel, AbsentUplink
from handschlag.adapters.audio import PortAudio
from handschlag.adapters.clock import SystemClock
from handschlag.adapters.files import RealFiles
from handschlag.adapters.flac import FlacCodec
from handschlag.adapters.fritz import FritzLine
from handschlag.adapters.gpio_line import GpioLine
from handschlag.adapters.modem import ModemLine
from handschlag.adapters.owner_files import OwnerFiles
from handschlag.adapters.panel import GpioPanel
from handschlag.adapters.registers import FileRegisters
from handschlag.adapters.sources import SourcesLine
from handschlag.adapters.spool import Identity
from handschlag.adapters.tap import SerialTap
from handschlag.adapters.uplink import MqttUplink, TlsFiles
from handschlag.adapters.vox import VoxLine
from handschlag.adapters.worker import WorkerThread
from handschlag.app import App, Ports
from handschlag.cli import process
from handschlag.cli.storage import open_storage
from handschlag.cli.written_time import utc_text
from handschlag.core.country import COUNTRIES
from handschlag.core.events import DiskFailed, Event
from handschlag.core.hours import Hours
from handschlag.core.policy import Policy, Shift
from handschlag.core.retention import keep_until, period
from handschlag.core.sources import Deciders
from handschlag.hearing import Ear
from handschlag.ports import (
    SOUND_RATE_HZ,
    Audio,
    Clock,
    Ledger,
    Line,
    LineSource,
    Panel,
    Post,
    Sound,
    Spool,
    Uplink,
)
from handschlag.prompts.catalog import Prompt, Prompts
from handschlag.prompts.catalog import load as load_prompts
from handschlag.prompts.check import Period
from handschlag.prompts.send_level import capped
from handschlag.sealing.keys import SigningKey
from handschlag.sealing.trust import Trust, read_trust
from handschlag.settings import BadSetting, Day, DutySection, Loaded, QuietSection, load
from handschlag.sim.audio import PipeAudio, StreamClock
from handschlag.sim.pipe_panel import PipePanel
from handschlag.status import status

STATUS_EACH_S = 0.1
START_AGAIN = 75
"""The exit status that asks whoever runs the box to start it again (EX_TEMPFAIL, sysexits.h)."""

Config = Annotated[Path, typer.Option("--config", help="The settings file. | Die Einstellungsdatei.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line. | Ein JSON-Objekt je Zeile.")]


def check(settings: Annotated[Path, typer.Argument(help="The settings file. | Die Einstellungsdatei.")]) -> None:
    """Check a settings file. | Eine Einstellungsdatei prüfen."""
    loaded = load(settings)
    _, notes = sounds_of(loaded, prompts_of(loaded))
    for note in [*line_notes(loaded), *notes]:
        print(note)
    print(f"{settings}: in order | in Ordnung (sha256 {loaded.sha256[:16]})")


def run(config: Config, as_json: Json = False) -> None:
    """Run the box. | Die Box betreiben."""
    loaded = load(config)
    for note in process.leave_no_traces():
        print(note, file=sys.stderr)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    report = Reporter() if as_json else None
    app = assemble(loaded, on_change=report.changed if report else lambda _app: None)
    _stop_on_signal(app.stop)
    process.take_precedence()
    app.start()
    process.give_memory_back()
    try:
        app.run()
    finally:
        app.close()
        if report:
            report.tell(app)
    if app.restarts:
        raise SystemExit(START_AGAIN)


class Reporter:
    """Tells the status on the standard output, at most ten times a second, and on every change of phase or lamps."""

    def __init__(self) -> None:
        self._next_at = 0.0
        self._last: tuple[object, ...] = ()

    def changed(self, app: App) -> None:
        """Something happened."""
        call = app.state.call
        essence = (call.phase, app.state.lamps, app.state.delivery.receipts, call.voice.playing, call.line.off_hook)
        now = time.monotonic()
        if essence != self._last or now >= self._next_at:
            self._last, self._next_at = essence, now + STATUS_EACH_S
            self.tell(app)

    def tell(self, app: App) -> None:
        """Print one line."""
        print(msgspec.json.encode(status(app)).decode(), flush=True)


def set_log_level(level: str) -> None:
    """What is logged of this program; "" as it was at the start."""
    logging.getLogger("handschlag").setLevel(level.upper() or logging.NOTSET)


def _stop_on_signal(stop: Callable[[], None]) -> None:
    def handler(_number: int, _frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)


def prompts_of(loaded: Loaded) -> Prompts:
    """The announcements that the settings name, checked; they must say the period for which recordings are kept."""
    consent = loaded.settings.consent
    folder = loaded.path(consent.prompts) if consent.prompts else None
    return load_prompts(consent.language, folder, kept=Period.parse(period(consent.retention)))


def by_name(said: Prompts) -> dict[str, Prompt]:
    """All sounds of the catalog by their names."""
    return {prompt.name: prompt for prompt in said.every()}


def sounds_of(loaded: Loaded, said: Prompts) -> tuple[dict[str, Sound], list[str]]:
    """What is played, no louder than the settings allow, and a note on each sound that was made quieter for that."""
    cap_dbm0 = loaded.settings.audio.cap_dbm0
    sounds, notes = {}, []
    for name, prompt in by_name(said).items():
        samples, quieter_db = capped(prompt.samples, cap_dbm0)
        sounds[name] = Sound(name, samples, prompt.mark_s)
        if quieter_db:
            notes.append(
                f"{name}: {quieter_db:.1f} dB quieter than recorded, to keep {cap_dbm0:g} dBm0 (audio.cap_dbm0) | "
                f"{quieter_db:.1f} dB leiser als aufgenommen"
            )
    return sounds, notes


def line_notes(loaded: Loaded) -> list[str]:
    """What has to be said of the line that the settings describe."""
    if _knows_by_wire(loaded):
        return []
    return [
        (
            "line: cannot record: the line's state is not known by wire | kann nicht aufzeichnen: der Zustand der "
            "Leitung ist nicht durch einen Draht bekannt"
        )
    ]


def _knows_by_wire(loaded: Loaded) -> bool:
    line = loaded.settings.line
    return line.kind == "tap" or (line.kind == "sources" and bool(line.hook))


def assemble(loaded: Loaded, *, on_change: Callable[[App], None]) -> App:
    """Choose an adapter for each port and put the box together; nothing is started yet."""
    settings = loaded.settings
    said = prompts_of(loaded)
    sounds, notes = sounds_of(loaded, said)
    for note in [*line_notes(loaded), *notes]:
        print(note, file=sys.stderr)
    inbox: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    post: Post = inbox.put
    stream = StreamClock(time.time()) if settings.audio.kind == "pipe" else None
    clock: Clock = stream or SystemClock()
    boot = secrets.token_hex(8)
    data = loaded.path(settings.box.data)
    trust = read_trust(loaded.path(settings.box.trust).read_bytes(), settings.box.trust)

    def worker(name: str) -> WorkerThread:
        def failed(error: Exception) -> None:
            post(DiskFailed(clock.mono(), f"{name}: {type(error).__name__}"))

        return WorkerThread(name, on_error=failed)

    files = RealFiles()
    kept = open_storage(
        data,
        identity=identity_of(loaded, trust),
        boot=boot,
        files=files,
        worker=worker,
        codec=FlacCodec(),
        clock=clock,
        post=post,
        reserve_bytes=settings.box.reserve_mib * 1024 * 1024,
    )
    held = loaded.calibration()
    vox = VoxLine() if settings.line.hint else None
    ports = Ports(
        clock=clock,
        line=_line(loaded, clock, vox),
        audio=_audio(loaded, clock, stream, sounds),
        panel=_panel(loaded, clock),
        spool=kept.spool,
        ledger=kept.ledger,
        catalog=kept.catalog,
        uplink=_uplink(loaded, clock, kept.spool, kept.ledger, trust),
        registers=FileRegisters(
            data,
            worker=worker("registers"),
            clock=clock,
            country=COUNTRIES[settings.consent.country],
            area_code=settings.consent.area_code,
        ),
        owner=OwnerFiles(
            data / "owner",
            box=settings.box.name,
            keys=trust.keys("owner"),
            files=files,
            worker=worker("owner"),
            clock=clock,
        ),
    )
    return App(
        policy_of(loaded, said),
        ports,
        Ear(
            SOUND_RATE_HZ,
            "vi" if _inputs(loaded) == 2 else "mix",
            calibration=held.calibration() if held is not None else None,
        ),
        boot=boot,
        facts=kept.facts,
        inbox=inbox,
        sample_rate_in=SOUND_RATE_HZ,
        on_change=on_change,
        report=lambda app: dataclasses.asdict(status(app)),
        set_log_level=set_log_level,
        on_heard=(lambda _at, _events: None) if vox is None else vox.heard,
    )


def policy_of(loaded: Loaded, said: Prompts) -> Policy:
    """What the workshop has settled."""
    settings = loaded.settings
    country = COUNTRIES[settings.consent.country]
    return Policy(
        accepted=settings.box.accepted,
        line_users=settings.consent.line_users,
        shifts=tuple(_shift(duty) for duty in settings.duty),
        emergency=country.emergency,
        outside=country.outside,
        proven_tap=settings.line.proven,
        bench=loaded.bench(),
        by_wire=_knows_by_wire(loaded),
        by_sound=bool(settings.line.hint),
        text_version=f"{said.language}-{said.version}",
        text_hash=said.announcement.text_sha256,
        sound_s={name: prompt.length_s for name, prompt in by_name(said).items()},
        way=settings.consent.way,
        ask_when=settings.consent.ask,
        quiet=tuple(_hours(quiet) for quiet in settings.uplink.quiet),
        capped=settings.uplink.cap_kbit_s is not None,
        settings_hash=loaded.sha256,
        version=__version__,
    )


def _shift(duty: DutySection) -> Shift:
    hours = _hours(duty)
    return Shift(hours.days, hours.begin, hours.end, duty.staff, duty.ask)


def _hours(section: DutySection | QuietSection) -> Hours:
    days = get_args(Day)
    return Hours(frozenset(days.index(day) for day in section.days), _minutes(section.begin), _minutes(section.end))


def _minutes(hour: str) -> int:
    hours, minutes = hour.split(":")
    return int(hours) * 60 + int(minutes)


def identity_of(loaded: Loaded, trust: Trust) -> Identity:
    """Who seals and signs here, and for whom."""
    settings = loaded.settings
    recipients = trust.recipients()
    if not recipients:
        raise BadSetting(f"box.trust = {settings.box.trust!r}: names no workshop key to seal recordings for")
    kept_for = settings.consent.retention

    def until(wall: float, synced: bool) -> str | None:
        """Nothing is dated by a clock that nobody has set (P11)."""
        if not synced:
            return None
        return utc_text(keep_until(kept_for, wall))

    return Identity(
        box=settings.box.name,
        key=SigningKey.from_file(loaded.path(settings.box.key).read_bytes(), settings.box.key),
        recipients=recipients,
        firmware=__version__,
        retention=kept_for.value,
        keep_until=until,
    )


def _line(loaded: Loaded, clock: Clock, vox: VoxLine | None) -> Line:
    settings = loaded.settings.line
    match settings.kind:
        case "tap":
            tap = SerialTap(str(loaded.path(settings.port)), now=clock.mono)
            if not settings.number:
                return tap
            deciders = Deciders(number=settings.number)
            return SourcesLine(_sources(loaded, clock), deciders, tap=tap, now=clock.mono)
        case "sources":
            deciders = Deciders(settings.hook, settings.ring, settings.number, settings.hint)
            sources = _sources(loaded, clock) | ({} if vox is None else {"vox": vox})
            return SourcesLine(sources, deciders, now=clock.mono)
        case "absent":
            return AbsentLine(clock.mono)


def _sources(loaded: Loaded, clock: Clock) -> dict[str, LineSource]:
    """The parts that the settings wire, by the names that they have there."""
    line = loaded.settings.line
    found: dict[str, LineSource] = {}
    if line.hook_pin is not None or line.ring_pin is not None:
        found["gpio"] = GpioLine(line.hook_pin, line.ring_pin, now=clock.mono)
    if line.modem:
        found["modem"] = ModemLine(str(loaded.path(line.modem)), now=clock.mono)
    if line.fritz:
        found["fritz"] = FritzLine(line.fritz, line.fritz_port, extension=line.extension, now=clock.mono)
    return found


def _inputs(loaded: Loaded) -> int:
    """A tap gives voltage and current; without one there is the mix of both parties, on one channel."""
    return 1 if loaded.settings.line.kind == "sources" else 2


def _audio(loaded: Loaded, clock: Clock, stream: StreamClock | None, sounds: Mapping[str, Sound]) -> Audio:
    settings = loaded.settings.audio
    if stream is not None:
        return PipeAudio(loaded.path(settings.socket), stream, sounds, channels=_inputs(loaded))
    if settings.kind == "portaudio":
        return PortAudio(settings.device, sounds, channels=_inputs(loaded), now=clock.mono)
    return AbsentAudio(clock.mono)


def _panel(loaded: Loaded, clock: Clock) -> Panel:
    settings = loaded.settings.panel
    match settings.kind:
        case "gpio":
            return GpioPanel(
                settings.rec, (settings.red, settings.green, settings.blue), settings.button, now=clock.mono
            )
        case "pipe":
            return PipePanel(loaded.path(settings.socket), clock.mono)
        case "absent":
            return AbsentPanel(clock.mono)


def _uplink(loaded: Loaded, clock: Clock, spool: Spool, ledger: Ledger, trust: Trust) -> Uplink:
    settings = loaded.settings.uplink
    if settings.kind == "absent":
        return AbsentUplink(clock.mono)
    tls = None
    if settings.ca:
        tls = TlsFiles(loaded.path(settings.ca), loaded.path(settings.certificate), loaded.path(settings.key))
    return MqttUplink(
        settings.host,
        settings.port,
        loaded.settings.box.name,
        tls=tls,
        read=spool.read,
        ledger_lines=ledger.lines,
        trust=trust,
        in_flight=settings.in_flight,
        cap_kbit_s=settings.cap_kbit_s,
        now=clock.mono,
    )
