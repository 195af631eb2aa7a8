"""A recording's quality in words, German and English, from the details that were sealed with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_LEGS = {
    "far": ("caller", "Anrufer"),
    "near": ("workshop", "Werkstatt"),
    "uncertain": ("both", "beide"),
    "input": ("box's input", "Eingang der Box"),
    "all": ("", ""),
}
_CAUSES = {
    "silent": ("not heard (speech: {} s)", "nicht zu hören (Sprache: {} s)"),
    "quiet": ("quiet ({} dBov)", "leise ({} dBov)"),
    "noisy": ("noisy (only {} dB below the voice)", "verrauscht (nur {} dB unter der Stimme)"),
    "hum": ("hums ({} dBm0)", "brummt ({} dBm0)"),
    "clipped": ("overdriven ({} times)", "übersteuert ({} Mal)"),
    "crosstalk": ("holds the other voice, too ({} dB)", "enthält auch die andere Stimme ({} dB)"),
    "lost": ("audio was lost ({} %)", "Ton ging verloren ({} %)"),
    "pause": ("long silence ({} s)", "lange Stille ({} s)"),
}


def sentences(details: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """English and German, such as `Qualität 86/100: Anrufer leise (-38 dBov)`; None where nothing was sealed of it."""
    quality = next((part["quality"] for part in details if isinstance(part.get("quality"), Mapping)), None)
    if quality is None:
        return None
    english, german = (", ".join(_cause(cause, language) for cause in quality.get("causes", ())) for language in (0, 1))
    score = f"{quality.get('score')}/100"
    return (
        f"quality {score}" + (f": {english}" if english else ""),
        f"Qualität {score}" + (f": {german}" if german else ""),
    )


def _cause(cause: Mapping[str, Any], language: int) -> str:
    leg = _LEGS.get(cause["leg"], (cause["leg"],) * 2)[language]
    words = _CAUSES.get(cause["cause"], (f"{cause['cause']} ({{}} {cause['unit']})",) * 2)[language]
    return f"{leg} {words.format(format(cause['value'], 'g'))}".strip()
