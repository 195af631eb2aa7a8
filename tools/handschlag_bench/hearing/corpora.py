"""Hours of human speech and music in which no key was pressed, for counting false keys.

Human speech in telephone quality comes from Debian's `asterisk-core-sounds-*-wav` (one speaker per language), music
from `asterisk-moh-opsound-wav`, and what the repository itself holds: the voices of the simulated calls and the
prompts. A recording that is there twice (the packages share a few) counts once. German is spoken on the spot by eSpeak
NG in all its voices, by SVOX Pico and MBROLA where they are installed: synthetic, and counted apart.

Recordings are joined to reels of about a minute, so that a detector starts rarely and hears over the joints. A reel
is heard as it is, and then again in seeded variants: level, speed, band, and noise, as far as a telephone line gives
them. Variants multiply hours, not speakers; both are told.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import wave
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import soundfile
import soxr

import handschlag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Wave = NDArray[np.float32]

RATE: Final = 8_000
REEL_S: Final = 60.0
GAP_S: Final = 0.15
LEVELS_DBOV: Final = (-35.0, -10.0)
SPEEDS: Final = (0.85, 1.15)
SNRS_DB: Final = (3.0, 6.0, 10.0, 15.0, 20.0, 30.0)

Kind = Literal["speech", "music", "synthetic"]
Band = Literal["as it is", "300-3400", "200-3800", "tilt up", "tilt down"]
Noise = Literal["none", "white", "pink", "hum", "babble"]

_SHARE: Final = Path("/usr/share/asterisk")
PACKAGES: Final = {
    "asterisk-core-sounds-en-wav": "sounds/en_US_f_Allison",
    "asterisk-core-sounds-fr-wav": "sounds/fr_CA_f_June",
    "asterisk-core-sounds-es-wav": "sounds/es_MX_f_Allison",
    "asterisk-core-sounds-it-wav": "sounds/it_IT_m_Carlo",
    "asterisk-core-sounds-ru-wav": "sounds/ru_RU_f_IvrvoiceRU",
    "asterisk-moh-opsound-wav": "moh",
}
"""Debian packages and the folder of each below /usr/share/asterisk."""


@dataclass(frozen=True)
class Piece:
    """One recording, or a minute of it."""

    source: str
    kind: Kind
    path: Path
    first_s: float
    length_s: float

    @property
    def name(self) -> str:
        """Folder and file."""
        return f"{self.path.parent.name}/{self.path.name}"

    def load(self) -> Wave:
        """Its samples at 8 kHz, one channel."""
        with soundfile.SoundFile(self.path) as sound:
            rate = sound.samplerate
            sound.seek(round(self.first_s * rate))
            samples = sound.read(round(self.length_s * rate), dtype="float32", always_2d=True).mean(axis=1)
        if rate != RATE:
            samples = soxr.resample(samples, rate, RATE)
        return np.asarray(samples, np.float32)


@dataclass(frozen=True)
class Reel:
    """About a minute of pieces of one source."""

    source: str
    kind: Kind
    pieces: tuple[Piece, ...]

    @property
    def length_s(self) -> float:
        """Of the pieces, without the gaps."""
        return sum(piece.length_s for piece in self.pieces)

    def load(self) -> tuple[Wave, list[float]]:
        """All pieces with short gaps, and where each begins, in seconds."""
        gap = np.zeros(round(GAP_S * RATE), np.float32)
        parts: list[Wave] = []
        starts: list[float] = []
        at = 0
        for piece in self.pieces:
            samples = piece.load()
            starts.append(at / RATE)
            parts += [samples, gap]
            at += samples.size + gap.size
        return np.concatenate(parts), starts


@dataclass(frozen=True)
class Variant:
    """What happens to a reel on its way."""

    level_dbov: float | None
    speed: float
    band: Band
    noise: Noise
    snr_db: float
    seed: int

    def __str__(self) -> str:
        """As it is told with a hit."""
        level = "level as it is" if self.level_dbov is None else f"{self.level_dbov:.1f} dBov"
        noise = "no noise" if self.noise == "none" else f"{self.noise} {self.snr_db:g} dB below, seed {self.seed}"
        return f"{level}, speed {self.speed:.3f}, band {self.band}, {noise}"


AS_IT_IS: Final = Variant(None, 1.0, "as it is", "none", 0.0, 0)


def variant(reel: Reel, number: int) -> Variant:
    """The reel as it is for 0, and for each further number a variant drawn from reel and number."""
    if number == 0:
        return AS_IT_IS
    seed = zlib.crc32(f"{reel.pieces[0].path.name} {reel.pieces[0].first_s} {len(reel.pieces)}".encode())
    random = np.random.default_rng([seed, number])
    bands: tuple[Band, ...] = ("as it is", "300-3400", "200-3800", "tilt up", "tilt down")
    noises: tuple[Noise, ...] = ("none", "none", "white", "pink", "hum", "babble")
    return Variant(
        float(random.uniform(*LEVELS_DBOV)),
        float(random.uniform(*SPEEDS)),
        bands[int(random.integers(len(bands)))],
        noises[int(random.integers(len(noises)))],
        float(random.choice(SNRS_DB)),
        int(random.integers(2**31)),
    )


def vary(samples: Wave, how: Variant, babble: Sequence[Wave] = ()) -> Wave:
    """The reel in this variant; `babble` are other voices, of which four are mixed."""
    if how == AS_IT_IS:
        return samples
    wave_ = samples.astype(np.float64)
    if abs(how.speed - 1.0) > 1e-9:
        wave_ = soxr.resample(wave_, RATE * how.speed, RATE)
    wave_ = _band(wave_, how.band)
    power = float(np.mean(wave_**2))
    if how.noise != "none" and power > 0.0:
        noise = _noise(wave_.size, how, babble)
        wave_ = wave_ + noise * np.sqrt(power / max(float(np.mean(noise**2)), 1e-20)) * 10.0 ** (-how.snr_db / 20.0)
    if how.level_dbov is not None:
        wave_ = wave_ * 10.0 ** (how.level_dbov / 20.0) / np.sqrt(max(float(np.mean(wave_**2)), 1e-20))
    return np.clip(wave_, -1.0, 1.0).astype(np.float32)


def _band(samples: NDArray[np.float64], band: Band) -> NDArray[np.float64]:
    if band == "as it is":
        return samples
    padded = 2 ** int(samples.size - 1).bit_length()
    frequency = np.fft.rfftfreq(padded, 1.0 / RATE)
    match band:
        case "300-3400" | "200-3800":
            low, high = (float(edge) for edge in band.split("-"))
            shape = 1.0 / np.sqrt(1.0 + (low / np.maximum(frequency, 1.0)) ** 8 + (frequency / high) ** 24)
        case "tilt up" | "tilt down":  # 6 dB per octave around 1 kHz, at most 12 dB
            slope = 1.0 if band == "tilt up" else -1.0
            shape = np.clip((np.maximum(frequency, 50.0) / 1000.0) ** slope, 0.25, 4.0)
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, padded) * shape, padded)[: samples.size])


def _noise(count: int, how: Variant, babble: Sequence[Wave]) -> NDArray[np.float64]:
    random = np.random.default_rng(how.seed)
    match how.noise:
        case "pink":
            padded = 2 ** int(count - 1).bit_length()
            spectrum = np.fft.rfft(random.standard_normal(padded))
            spectrum /= np.sqrt(np.maximum(np.arange(spectrum.size), 1.0))
            return np.asarray(np.fft.irfft(spectrum, padded)[:count])
        case "hum":
            n = np.arange(count)
            harmonics = [random.uniform(0.2, 1.0) / k for k in range(1, 21)]
            phases = [random.uniform(0, 2 * np.pi) for _ in harmonics]
            parts = [
                a * np.sin(2 * np.pi * 50.0 * k * n / RATE + phase)
                for k, (a, phase) in enumerate(zip(harmonics, phases, strict=True), 1)
            ]
            return np.asarray(np.sum(parts, axis=0))
        case "babble" if babble:
            talk = np.zeros(count)
            for index in random.choice(len(babble), min(4, len(babble)), replace=False):
                voice = babble[int(index)]
                talk += np.resize(np.roll(voice, int(random.integers(voice.size))), count)
            return talk
        case _:
            return random.standard_normal(count)


@cache
def packages() -> tuple[str, ...]:
    """The Debian packages of PACKAGES that are installed."""
    return tuple(name for name, folder in PACKAGES.items() if any((_SHARE / folder).rglob("*.wav")))


def missing() -> list[str]:
    """Those that are not."""
    return [name for name in PACKAGES if name not in packages()]


def recordings(*, own: bool = True) -> list[Piece]:
    """What is installed, each recording once, and what the repository holds (`own`); silences are left out."""
    pieces: list[Piece] = []
    seen: set[bytes] = set()
    for name in packages():
        for path in sorted((_SHARE / PACKAGES[name]).rglob("*.wav")):
            digest = hashlib.sha256(path.read_bytes()).digest()
            if path.is_symlink() or path.parent.name == "silence" or digest in seen:
                continue
            seen.add(digest)
            kind: Kind = "music" if name.startswith("asterisk-moh") else "speech"
            pieces += _pieces(name, kind, path)
    return pieces + (repository() if own else [])


def repository() -> list[Piece]:
    """The voices of the simulated calls and the prompts: spoken by SVOX Pico and eSpeak NG."""
    root = Path(handschlag.__file__).parent
    found = [*sorted((root / "sim/voices").glob("*.flac")), *sorted((root / "prompts").glob("*/*.wav"))]
    return [piece for path in found for piece in _pieces("repository", "synthetic", path)]


def _pieces(source: str, kind: Kind, path: Path) -> Iterator[Piece]:
    length_s = float(soundfile.info(path).duration)
    first_s = 0.0
    while first_s < length_s:
        yield Piece(source, kind, path, first_s, min(REEL_S, length_s - first_s))
        first_s += REEL_S


def reels(pieces: Sequence[Piece], *, length_s: float = REEL_S) -> list[Reel]:
    """The pieces in their order, source by source, as reels of at least about `length_s`."""
    made: list[Reel] = []
    for source in dict.fromkeys(piece.source for piece in pieces):
        group: list[Piece] = []
        for piece in (piece for piece in pieces if piece.source == source):
            group.append(piece)
            if sum(each.length_s for each in group) >= length_s:
                made.append(Reel(source, group[0].kind, tuple(group)))
                group = []
        if group:
            made.append(Reel(source, group[0].kind, tuple(group)))
    return made


# --- German, spoken on the spot

_WHO: Final = (
    "Guten Tag, Schreinerei Brandt",
    "Hier ist Frau Öztürk",
    "Grüß Gott, Elektro Huber am Apparat",
    "Moin, Jansen hier",
    "Ja hallo, hier spricht Wiebke Schulze",
    "Sanitär Kowalski, was kann ich tun",
)
_WHAT: Final = (
    "die Heizung bleibt seit gestern kalt",
    "der Wasserhahn tropft ununterbrochen",
    "das Fenster im Flur schließt nicht mehr",
    "die Sicherung fliegt ständig heraus",
    "die Tür klemmt und die Zarge ist gerissen",
    "aus der Wand kommt ein zischendes Geräusch",
    "die Rechnung stimmt so nicht",
    "der Kessel pfeift und zeigt eine rote Leuchte",
)
_WHEN: Final = (
    "am Montag um acht",
    "übermorgen Nachmittag",
    "gleich in der Früh",
    "nächste Woche irgendwann",
    "am fünfzehnten um halb neun",
    "sobald das Ersatzteil da ist",
)
_WILL: Final = (
    "Das kostet etwa {price} Euro mit Anfahrt",
    "Wir brauchen dafür {count} Meter Kupferrohr",
    "Unter {price} Euro geht das leider nicht",
    "Notieren Sie bitte die Nummer {price}",
    "Ich schicke Ihnen {count} Stück davon, ist das recht",
)
_BYE: Final = (
    "Ja, genau, so machen wir das.",
    "Nein, nein, das war anders abgesprochen!",
    "Alles klar, tschüss.",
    "Hm, ich weiß nicht, ist das nicht zu teuer?",
    "Einverstanden, vielen Dank.",
    "Eieiei, oh je, oh je.",
)


def sentences(random: np.random.Generator) -> str:
    """What somebody says to a workshop; many millions of different ones."""

    def one(choices: Sequence[str]) -> str:
        return choices[int(random.integers(len(choices)))]

    will = one(_WILL).format(price=int(random.integers(20, 9999)), count=int(random.integers(2, 99)))
    return f"{one(_WHO)}, {one(_WHAT)}. Geht es {one(_WHEN)}? {will}. {one(_BYE)}"


def speakers() -> list[tuple[str, ...]]:
    """Commands that speak German; the text and `-w FILE` (Pico: `-w=FILE`) are added."""
    found: list[tuple[str, ...]] = []
    if shutil.which("espeak-ng") is not None:
        found += [("espeak-ng", "-v", f"de+{voice}") for voice in _espeak_variants()]
        if shutil.which("mbrola") is not None:
            found += [
                ("espeak-ng", "-v", f"mb-de{n}") for n in range(1, 8) if Path(f"/usr/share/mbrola/de{n}").exists()
            ]
    if shutil.which("pico2wave") is not None:
        found.append(("pico2wave", "-l", "de-DE"))
    return found


def _espeak_variants() -> list[str]:
    listed = subprocess.run(["espeak-ng", "--voices=variant"], check=True, capture_output=True, text=True).stdout
    names = [
        word.removeprefix("!v/") for line in listed.splitlines() for word in line.split() if word.startswith("!v/")
    ]
    return sorted(names)


def speak_german(folder: Path, hours: float, seed: int = 1) -> list[Piece]:
    """Have so many hours spoken into `folder`, by all voices in turn, each text new; [] where nothing speaks."""
    voices = speakers()
    random = np.random.default_rng(seed)
    pieces: list[Piece] = []
    spoken_s, number = 0.0, 0
    while voices and spoken_s < hours * 3600.0:
        voice = voices[number % len(voices)]
        path = folder / f"{number:05d}-{voice[2].replace('/', '-')}.wav"
        text = " ".join(sentences(random) for _ in range(4))
        if voice[0] == "espeak-ng":
            prosody = ("-s", str(int(random.integers(130, 200))), "-p", str(int(random.integers(20, 80))))
            command = [*voice, *prosody, "-w", str(path), text]
        else:
            command = [*voice, f"-w={path}", text]
        number += 1
        done = subprocess.run(command, check=False, capture_output=True)
        if done.returncode or not _is_sound(path):
            voices.remove(voice)  # a variant that this installation cannot speak
            continue
        made = list(_pieces("espeak-ng, pico, mbrola: German", "synthetic", path))
        spoken_s += sum(piece.length_s for piece in made)
        pieces += made
    return pieces


def _is_sound(path: Path) -> bool:
    try:
        with wave.open(str(path)) as sound:
            return bool(sound.getnframes())
    except (OSError, EOFError, wave.Error):
        return False
