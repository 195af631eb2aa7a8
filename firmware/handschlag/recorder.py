"""What is kept of calls: the legs between the core's `StartCapture` and `StopCapture`, and nothing beside (P1).

A recording is known from its opening until it is closed or destroyed. While it is captured, the cutter takes the legs,
every key is silenced in them but the one that gave consent, and each clip is weighed for its quality as it is sealed;
then its samples are overwritten. When to begin and to end is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from handschlag.hearing import Capture, Clip, Ear, Event, Heard, KeyHeard, Quality, QualityMeter, SpeechHeard
from handschlag.hearing.quality import clipped_runs
from handschlag.ports import Frames, Spool


@dataclass(slots=True)
class _Recording:
    """What must be kept in mind of a recording until it is closed or gone."""

    consent_key_at: float | None
    capture: Capture | None = None
    meter: QualityMeter | None = None
    quality: Quality | None = None
    drift_ppm: float | None = None
    first_at: float = 0.0
    dropped: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is to say of a recording in the end.

    `first_at` is when its first sample was heard (monotonic seconds); `gaps` are (first sample, samples) and `masked`
    half open spans, both in samples.
    """

    first_at: float = 0.0
    gaps: tuple[tuple[int, int], ...] = ()
    masked: tuple[tuple[int, int], ...] = ()
    drift_ppm: float | None = None
    quality: Quality | None = None


class Recorder:
    """Keeps what `ear` hears, in `spool`. Counts what was sealed and what was dropped."""

    def __init__(self, ear: Ear, spool: Spool) -> None:
        self._ear = ear
        self._spool = spool
        self._recordings: dict[str, _Recording] = {}
        self._capturing: str | None = None
        self.clips_sealed = 0
        self.clips_dropped = 0

    @property
    def recordings(self) -> tuple[str, ...]:
        """Those that are neither closed nor gone."""
        return tuple(self._recordings)

    # --- what the core decided

    def open(self, recording: str, consent_key_at: float | None) -> None:
        """A recording may be captured soon; `consent_key_at` is when its yes was pressed, None if it was spoken."""
        self._recordings[recording] = _Recording(consent_key_at)

    def start(self, recording: str, at: float) -> None:
        """Keep the legs from the ear's position on, which is at the monotonic time `at`."""
        ear, kept = self._ear, self._recordings[recording]
        kept.capture = Capture(ear.position, ear.leg_count)
        kept.meter = QualityMeter(ear.leg_count, ear.position, ear.speaking, separated=ear.separated)
        kept.first_at = at
        self._capturing = recording

    def stop(self, recording: str, drift_ppm: float | None) -> None:
        """Keep no further sample, and seal what there is; nothing, if it is not this one that is captured."""
        kept = self._running
        if kept is None or kept.capture is None or self._capturing != recording:
            return
        self._seal(kept.capture.finish(self._ear.undecided_since))
        kept.capture.wipe()
        kept.drift_ppm = drift_ppm
        if kept.meter is not None:
            kept.quality, kept.meter = kept.meter.finish(kept.capture.position), None
        self._capturing = None

    def close(self, recording: str) -> Kept:
        """Let go of a recording that is to be closed, and say what there is to say of it."""
        kept = self._recordings.pop(recording, None)
        if kept is None:
            return Kept()
        capture = kept.capture
        return Kept(
            kept.first_at,
            tuple(sorted([*(capture.gaps if capture is not None else ()), *kept.dropped])),
            tuple(capture.masked) if capture is not None else (),
            kept.drift_ppm,
            kept.quality,
        )

    def destroy(self, recording: str) -> None:
        """Let go of a recording that is to be destroyed, and of what was measured of it."""
        gone = self._recordings.pop(recording, None)
        if gone is not None and gone.meter is not None:
            gone.meter.wipe()

    # --- what the ear heard

    def input(self, frames: Frames) -> None:
        """What the converter delivered, before the legs were parted: was it driven too hard?"""
        if (kept := self._running) is not None and kept.meter is not None:
            kept.meter.clip_input(clipped_runs(frames))

    def heard(self, heard: Heard) -> None:
        """Legs to be kept."""
        if (kept := self._running) is not None and kept.capture is not None:
            kept.capture.feed(heard.legs, heard.position)

    def lost(self, samples: int) -> None:
        """So many samples are missing."""
        if (kept := self._running) is not None and kept.capture is not None:
            kept.capture.gap(samples)

    def noticed(self, event: Event, began_at: float) -> None:
        """Silence a key on both legs, but not the one that gave consent, before the capture; note who speaks."""
        kept = self._running
        if kept is None or kept.capture is None:
            return
        if isinstance(event, KeyHeard):
            if kept.consent_key_at is not None and began_at <= kept.consent_key_at:
                kept.capture.spare_key(event.end)
            else:
                kept.capture.mask_key(event.start, event.end)
        elif isinstance(event, SpeechHeard) and kept.meter is not None:
            kept.meter.hear(event)

    def cut(self, undecided_since: int | None) -> None:
        """Seal the clips that are complete; none reaches into a key that is not decided yet."""
        if (kept := self._running) is not None and kept.capture is not None:
            self._seal(kept.capture.ready(undecided_since))

    @property
    def _running(self) -> _Recording | None:
        return None if self._capturing is None else self._recordings.get(self._capturing)

    def _seal(self, clips: list[Clip]) -> None:
        recording = self._capturing
        if recording is None:
            return
        kept = self._recordings[recording]
        for clip in clips:
            sealed = self._spool.add_clip(recording, clip.index, clip.first_sample, clip.samples)
            if sealed:
                _weigh(kept, clip)
            else:
                kept.dropped.append((clip.first_sample, len(clip.samples)))
            clip.samples.fill(0)
            self.clips_sealed += sealed
            self.clips_dropped += not sealed


def _weigh(kept: _Recording, clip: Clip) -> None:
    """Measure the quality of what is kept, as it is kept."""
    if kept.meter is None or kept.capture is None:
        return
    for start, end in kept.capture.masked:
        if end > clip.first_sample:
            kept.meter.mask(start, end)
    kept.meter.feed(clip.samples, clip.first_sample)
