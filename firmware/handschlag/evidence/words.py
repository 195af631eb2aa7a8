"""What an export says in words, in German and English, for people who have never seen the product.

A `Story` is what can be told of a recording; consent record, summary and README are made of it. Times are UTC, and each
says how far it is trusted (P11).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from handschlag.evidence.layout import AUDIO, CONSENT, DETAILS, KEY, LEDGER, SEALED, SUMS, TRUST, VCON, VERIFIER
from handschlag.sealing.encoding import from_base64url, sha256_hex
from handschlag.sealing.keys import fingerprint
from handschlag.sealing.manifest import Consent, Manifest
from handschlag.sealing.receipt import Stored
from handschlag.sealing.recording import Head
from handschlag.sealing.trust import Trust, TrustedKey

Language = Literal["de", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("de", "en")

Both = Mapping[Language, str]
Quality = Callable[[Sequence[Mapping[str, Any]]], tuple[str, str] | None]
"""How well it can be heard, of the details, in English and German; None where nothing is known."""


@dataclass(frozen=True, slots=True)
class Story:
    """All that an export tells. `announcements` are texts by their SHA-256; `signer` is None for an unsigned export."""

    head: Head
    manifest: Manifest
    manifest_hash: str
    receipt: Stored | None
    details: Sequence[Mapping[str, Any]]
    samples: int
    ledger: Mapping[int, Mapping[str, Any]] | None
    announcements: Mapping[str, str]
    quality: tuple[str, str] | None
    trust: Trust
    signer: str | None
    created_at: str

    @property
    def seconds(self) -> float:
        """How long the audio is."""
        return self.samples / self.head.sample_rate


def consent_record(story: Story) -> dict[str, Any]:
    """The consent as data: what the manifest says, the announcement's text, and the ledger's entries as they are."""
    manifest = story.manifest
    return {
        "box": manifest.box,
        "recording": manifest.recording,
        "manifest_sha256": story.manifest_hash,
        "consent": [
            {
                "way": consent.way,
                "at": consent.at,
                "clock": consent.clock,
                "leg": consent.leg,
                "seconds_after_mark": consent.mark_s,
                "text_version": consent.text_version,
                "text_sha256": consent.text_hash,
                "text": story.announcements.get(consent.text_hash),
                "ledger_seq": consent.ledger_seq,
            }
            for consent in manifest.consent
        ],
        "evidence": [part["evidence"] for part in story.details if "evidence" in part],
        "retention_class": manifest.retention_class,
        "retain_until": manifest.retain_until,
        "ledger": None if story.ledger is None else [dict(entry) for entry in story.ledger.values()],
    }


def consent_text(story: Story, language: Language) -> str:
    """The consent record in words."""
    paragraphs = [_CONSENT[language].format(recording=story.manifest.recording, box=story.manifest.box)]
    for consent in story.manifest.consent:
        paragraphs.append(_consent(consent, language))
        text = story.announcements.get(consent.text_hash)
        quoted = _TEXT_KNOWN[language].format(text=text) if text else _TEXT_UNKNOWN[language]
        paragraphs.append(f"{quoted} (SHA-256 {consent.text_hash})")
    paragraphs.append(_kept(story, language))
    if story.ledger is None:
        paragraphs.append(_NO_LEDGER[language])
    else:
        told = "\n".join(f"  {seq}: {entry['kind']}, {when(entry, language)}" for seq, entry in story.ledger.items())
        paragraphs.append(f"{_LEDGER[language]}\n{told}")
    return "\n\n".join(paragraphs) + "\n"


def summary(story: Story, language: Language) -> list[tuple[str, str]]:
    """Headings and what stands below them, for the page to read."""
    head, manifest = story.head, story.manifest
    n = 0 if language == "de" else 1
    call = _CALL[language].format(
        recording=head.recording,
        box=head.box,
        opened=_time(head.opened_at, head.clock, language),
        closed=_time(manifest.closed_at, manifest.clock, language),
        seconds=f"{story.seconds:.1f}".replace(".", "," if language == "de" else "."),
        direction=_direction(story.details, language),
        number=_number(story.details) or _UNKNOWN[language],
    )
    missing = [samples for first, samples in manifest.gaps if first]  # before the first clip nobody had agreed yet
    seconds = f"{sum(missing) / head.sample_rate:.1f}".replace(".", "," if language == "de" else ".")
    gaps = _GAPS[language].format(count=len(missing), seconds=seconds) if missing else _NO_GAPS[language]
    whole = _WHOLE[language].format(ended=manifest.ended, gaps=gaps, hash=story.manifest_hash)
    receipt = _NO_RECEIPT[language]
    if story.receipt is not None:
        receipt = _RECEIPT[language].format(at=_time(story.receipt.at, "", language), copies=story.receipt.copies)
    quality = "" if story.quality is None else f" {story.quality[1 - n]}."
    consents = "\n".join(_consent(consent, language) for consent in manifest.consent)
    return [
        (("Gespräch", "Call")[n], call + quality),
        (("Einwilligung", "Consent")[n], consents + "\n" + _kept(story, language)),
        (("Unversehrtheit", "Integrity")[n], f"{whole} {receipt}"),
        (("Unterschrift dieses Exports", "Signature of this export")[n], signature(story, language)),
        (("Schlüssel", "Keys")[n], keys(story.trust, language)),
        (("Prüfen", "How to check")[n], _CHECK[language]),
        (("Was das nicht beweist", "What this does not prove")[n], _LIMITS[language]),
    ]


def readme(story: Story) -> str:
    """The README, in both languages."""
    parts = []
    for language in LANGUAGES:
        text = _README[language].format(recording=story.manifest.recording, created=story.created_at)
        said = (signature(story, language), keys(story.trust, language), _LIMITS[language])
        parts.append("\n\n".join((text, *said)))
    return ("\n\n" + "-" * 78 + "\n\n").join(parts) + "\n"


def signature(story: Story, language: Language) -> str:
    """Who signed the export."""
    return _UNSIGNED[language] if story.signer is None else _SIGNED[language].format(kid=story.signer)


def keys(trust: Trust, language: Language) -> str:
    """Fingerprints, to be compared with those that the owner has on paper."""
    names = {"boxes": ("Box", "box"), "archive": ("Archiv", "archive"), "owner": ("Inhaber", "owner")}
    n = 0 if language == "de" else 1
    lines = [_KEYS[language]]
    for role, words in names.items():
        entries: tuple[TrustedKey, ...] = getattr(trust, role)
        lines += [f"  {entry.box or words[n]}: {_fingerprint(entry)}" for entry in entries]
    return "\n".join(lines)


def when(entry: Mapping[str, Any], language: Language) -> str:
    """An entry's time."""
    return _time(str(entry["at"]), str(entry["clock"]), language)


def announcement_hash(text: str) -> str:
    """What consent records call an announcement by: SHA-256 of its text in UTF-8."""
    return sha256_hex(text.encode())


def _fingerprint(entry: TrustedKey) -> str:

    return fingerprint(from_base64url(entry.public, "public"))


def _consent(consent: Consent, language: Language) -> str:
    at = _time(consent.at, consent.clock, language)
    leg = _LEG[language].get(consent.leg, consent.leg)
    return _WAY[language][consent.way].format(at=at, leg=leg, version=consent.text_version, seq=consent.ledger_seq)


def _kept(story: Story, language: Language) -> str:
    until = story.manifest.retain_until
    day = _NO_END[language] if until is None else until[:10]
    return _KEPT[language].format(retention=story.manifest.retention_class, until=day)


def _time(at: str, clock: str, language: Language) -> str:
    day, clock_time = at[:10], at[11:19]
    if language == "de":
        day = ".".join(reversed(day.split("-")))
    trusted = {
        "synced": ("Uhr gestellt", "clock synchronised"),
        "unsynced": ("Uhr ungestellt", "clock not synchronised"),
    }
    n = 0 if language == "de" else 1
    return f"{day} {clock_time} UTC" + (f" ({trusted[clock][n]})" if clock in trusted else "")


def _direction(details: Sequence[Mapping[str, Any]], language: Language) -> str:
    direction = next((part["direction"] for part in details if isinstance(part.get("direction"), str)), "")
    return _DIRECTION[language].get(direction, _DIRECTION[language][""])


def _number(details: Sequence[Mapping[str, Any]]) -> str:
    for part in details:
        numbers = part.get("numbers")
        if isinstance(numbers, Mapping):
            caller = numbers.get("caller")
            said = caller.get("number") if isinstance(caller, Mapping) else numbers.get("dialled")
            if isinstance(said, str):
                return "".join(filter(str.isprintable, said))[:40]
    return ""


_UNKNOWN: Final[Both] = {"de": "nicht bekannt", "en": "not known"}
_DIRECTION: Final[Mapping[Language, Mapping[str, str]]] = {
    "de": {"incoming": "Eingehender Anruf", "outgoing": "Ausgehender Anruf", "": "Anruf"},
    "en": {"incoming": "Incoming call", "outgoing": "Outgoing call", "": "Call"},
}
_CALL: Final[Both] = {
    "de": "{direction}, Rufnummer der Gegenseite: {number}. Aufnahme {recording} der Box {box}, begonnen {opened}, "
    "abgeschlossen {closed}, Dauer {seconds} s.",
    "en": "{direction}, number of the other party: {number}. Recording {recording} of box {box}, begun {opened}, "
    "closed {closed}, length {seconds} s.",
}
_WHOLE: Final[Both] = {
    "de": "Die Box hat das Verzeichnis aller Dateien unterschrieben (manifest.jws, SHA-256 {hash}). Ende: {ended}. "
    "{gaps}",
    "en": "The box signed the list of all files (manifest.jws, SHA-256 {hash}). Ended: {ended}. {gaps}",
}
_GAPS: Final[Both] = {
    "de": "Verzeichnete Lücken: {count}, zusammen {seconds} s.",
    "en": "Gaps, which it lists: {count}, {seconds} s together.",
}
_NO_GAPS: Final[Both] = {"de": "Es fehlt nichts.", "en": "Nothing is missing."}
_RECEIPT: Final[Both] = {
    "de": "Das Archiv hat die Aufnahme am {at} quittiert ({copies} Kopien).",
    "en": "The archive receipted the recording at {at} ({copies} copies).",
}
_NO_RECEIPT: Final[Both] = {
    "de": "Eine Quittung des Archivs liegt nicht bei.",
    "en": "There is no receipt by the archive.",
}
_LEG: Final[Mapping[Language, Mapping[str, str]]] = {
    "de": {"far": "Gegenseite", "near": "eigener Apparat", "uncertain": "ungewiss"},
    "en": {"far": "other party", "near": "own telephone", "uncertain": "uncertain"},
}
_WAY: Final[Mapping[Language, Mapping[str, str]]] = {
    "de": {
        "key": "{at}: Nach der Ansage {version} wurde die Taste 1 gedrückt (Seite: {leg}); Protokolleintrag {seq}.",
        "oral": "{at}: Nach der Frage {version} wurde mündlich zugestimmt, bestätigt durch Tastendruck in der "
        "Werkstatt; "
        "Protokolleintrag {seq}.",
    },
    "en": {
        "key": "{at}: after announcement {version}, key 1 was pressed (side: {leg}); ledger entry {seq}.",
        "oral": "{at}: after question {version}, a yes was spoken, attested by a press in the workshop; ledger entry "
        "{seq}.",
    },
}
_KEPT: Final[Both] = {
    "de": "Aufbewahrung: Klasse {retention}, bis {until}.",
    "en": "Retention: class {retention}, until {until}.",
}
_NO_END: Final[Both] = {"de": "nach der Klasse", "en": "as the class says"}
_CONSENT: Final[Both] = {
    "de": "Einwilligung in die Aufnahme {recording} der Box {box}.",
    "en": "Consent to recording {recording} of box {box}.",
}
_TEXT_KNOWN: Final[Both] = {"de": "Angesagt wurde: „{text}“", "en": "The announcement said: “{text}”"}
_TEXT_UNKNOWN: Final[Both] = {
    "de": "Der Wortlaut der Ansage lag beim Export nicht vor; er ist an seinem Hash zu erkennen",
    "en": "The announcement's text was not at hand when this was exported; it can be told by its hash",
}
_LEDGER: Final[Both] = {
    "de": "Einträge im Protokoll der Box, die diese Aufnahme nennen (Auszug in ledger/):",
    "en": "Entries of the box's ledger that name this recording (extract in ledger/):",
}
_NO_LEDGER: Final[Both] = {
    "de": "Ein Auszug aus dem Protokoll der Box liegt nicht bei; die Einwilligung steht nur im unterschriebenen "
    "Verzeichnis.",
    "en": "There is no extract of the box's ledger; the consent is told by the signed manifest only.",
}
_SIGNED: Final[Both] = {
    "de": "Unterschrieben mit dem Schlüssel des Inhabers ({kid}); die Unterschrift deckt über SHA256SUMS alle Dateien.",
    "en": "Signed with the owner's key ({kid}); by way of SHA256SUMS the signature covers every file.",
}
_UNSIGNED: Final[Both] = {
    "de": "Dieser Export ist NICHT unterschrieben: Er wurde ohne den Schlüssel des Inhabers gemacht. Die versiegelte "
    "Aufnahme darin ist von der Box unterschrieben; was um sie herum liegt, hat niemand bezeugt.",
    "en": "This export is NOT signed: it was made without the owner's key. The sealed recording in it is signed by the "
    "box; nobody vouches for what lies around it.",
}
_KEYS: Final[Both] = {
    "de": "Fingerabdrücke der Schlüssel, zu vergleichen mit den Angaben des Inhabers auf Papier:",
    "en": "Fingerprints of the keys, to be compared with what the owner has on paper:",
}
_CHECK: Final[Both] = {
    "de": "python3 verify.py prüft alles mit Python und dem Paket cryptography allein; mit dem Programm: "
    "handschlag verify ORDNER (auch die ZIP-Datei).",
    "en": "python3 verify.py checks everything with Python and the package cryptography alone; with the program: "
    "handschlag verify FOLDER (or the zip file).",
}
_LIMITS: Final[Both] = {
    "de": "Bewiesen wird, dass die Aufnahme seit ihrem Abschluss unverändert ist und auf welcher Einwilligung sie "
    "nach den "
    "Aufzeichnungen der Box beruht. Nicht bewiesen wird, wer sprach, ob stimmt, was gesagt wurde, noch ob ein Gericht "
    "es "
    "würdigt (§ 286 ZPO). Wer den Schlüssel der Box besitzt, kann Aufnahmen in ihrem Namen erzeugen. Protokollzeilen "
    "hinter "
    "der letzten Unterschrift sind verkettet, aber noch von niemandem bezeugt. Diese Dateien sind Klartext: Sie "
    "unterliegen "
    "denselben Löschfristen wie die Aufnahme.",
    "en": "Proven is that the recording is unaltered since it was closed, and on what consent it rests by the box's "
    "records. "
    "Not proven is who spoke, whether what was said is true, nor how a court weighs it. Whoever holds the box's key "
    "can make "
    "recordings in its name. Ledger lines behind the last signature are chained, but nobody vouches for them yet. "
    "These files "
    "are in clear: the same periods of deletion hold for them as for the recording.",
}
_README: Final[Both] = {
    "de": f"""Handschlag: Beweisexport der Aufnahme {{recording}}, erstellt {{created}}

  {AUDIO}    das Gespräch: links die Gegenseite, rechts die Werkstatt, wo getrennt wurde
  zusammenfassung.pdf   eine Seite zum Lesen
  einwilligung.txt  wer wann worin eingewilligt hat; als Daten in {CONSENT}
  {DETAILS}      was mit der Aufnahme versiegelt war (Rufnummern, Belege)
  {VCON}         dasselbe als vCon (IETF), mit Rechtsgrundlage; unterschrieben, wo es unten steht
  {SEALED}           die versiegelte Aufnahme, wie Box und Archiv sie haben, mit der Quittung
  {KEY}  der Schlüssel dieser einen Aufnahme: öffnet {SEALED}, so dass jeder {AUDIO} daran prüfen kann
  {LEDGER}           Auszug aus dem Protokoll der Box, Zeile für Zeile verkettet
  {TRUST}        die öffentlichen Schlüssel, mit denen geprüft wird
  {SUMS}        Hashes aller Dateien (sha256sum -c {SUMS})
  {VERIFIER}         prüft das alles:  python3 {VERIFIER}""",
    "en": f"""Handschlag: evidence export of recording {{recording}}, made {{created}}

  {AUDIO}    the call: the other party left, the workshop right, where they were told apart
  summary.pdf       one page to read
  consent.txt       who agreed to what and when; as data in {CONSENT}
  {DETAILS}      what was sealed with the recording (numbers, evidence)
  {VCON}         the same as a vCon (IETF), with its lawful basis; signed, where it says so below
  {SEALED}           the sealed recording as box and archive have it, with the receipt
  {KEY}  the key of this one recording: opens {SEALED}, so that anybody can check {AUDIO} against it
  {LEDGER}           an extract of the box's ledger, chained line by line
  {TRUST}        the public keys that all is checked with
  {SUMS}        hashes of all files (sha256sum -c {SUMS})
  {VERIFIER}         checks all of this:  python3 {VERIFIER}""",
}
