"""The words of quick card and label, in German and English.

Figures in braces come from the box's own code when the card is made, so that the card cannot say another time than the
box keeps. Allowed are `{short}`, `{held}`, `{stuck}`, `{twice}`, `{confirm_from}`, `{confirm_until}` and `{window}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from handschlag.core.effects import StatusLamp
from handschlag.core.lamp_patterns import Colour


@dataclass(frozen=True)
class Words:
    """One language."""

    language: str
    decimal: str
    title: str
    subtitle: str
    lamps: str
    rec: str
    rec_on: str
    status: str
    meanings: dict[StatusLamp, str]
    colours: dict[Colour, str]
    steady: str
    dark: str
    blinks: str
    flash_one: str
    flash_many: str
    gap: str
    button: str
    columns: tuple[str, str, str]
    presses: tuple[tuple[str, str, str], ...]
    button_note: str
    back: tuple[tuple[str, tuple[str, ...]], ...]
    carer: str
    label_exchange: str
    label_phone: str
    label_power: str
    label_note: str
    label_without: str


GERMAN: Final = Words(
    language="de",
    decimal=",",
    title="Handschlag",
    subtitle="Kurzanleitung · neben das Telefon legen",
    lamps="Die zwei Lampen",
    rec="REC",
    rec_on="rot: es wird aufgenommen. Aus: nicht.",
    status="STATUS",
    meanings={
        StatusLamp.READY: "bereit",
        StatusLamp.READY_ALONE: "bereit, Archiv gerade nicht erreichbar",
        StatusLamp.YOUR_TURN: "Sie sind dran: fragen oder bestätigen",
        StatusLamp.ASKING: "Ansage läuft, Taste wird erwartet",
        StatusLamp.PRIVATE: "privat: keine Aufnahme",
        StatusLamp.WARNING: "Warnung: Speicher, Uhr oder Rückstau",
        StatusLamp.CANNOT_RECORD: "kann nicht aufnehmen, Telefon geht",
        StatusLamp.IDENTIFY: "das ist die Box (auf Anfrage)",
        StatusLamp.OFF: "aus, oder startet gerade",
    },
    colours={Colour.GREEN: "grün", Colour.BLUE: "blau", Colour.WHITE: "weiß", Colour.YELLOW: "gelb"},
    steady="Dauerlicht",
    dark="aus",
    blinks="blinkt {rate}-mal je s",
    flash_one="1 Blitz alle {cycle} s",
    flash_many="{count} Blitze alle {cycle} s",
    gap="an, Lücke alle {cycle} s",
    button="Der Knopf",
    columns=("wann", "kurz drücken", "{held} s halten"),
    presses=(
        ("Ruhe", "nichts", "Privat ein / aus"),
        ("im Gespräch", "fragen", "dieses Gespräch nie aufnehmen"),
        ("Ansage läuft", "Frage zurücknehmen", "dieses Gespräch nie aufnehmen"),
        ("vorläufig (mündlich)", "bestätigen", "alles löschen"),
        ("Aufnahme", "Stelle markieren", "stoppen; vor {stuck} s loslassen: löschen"),
    ),
    button_note="Aufnahme beenden und behalten: zweimal kurz, innerhalb von {twice} s.",
    back=(
        (
            "Nie ohne Ja",
            (
                (
                    "Heimlich aufzunehmen ist strafbar (§ 201 StGB). Erst die Ansage oder Ihre Frage, dann ein klares "
                    "Ja, dann die Aufnahme. Das gilt für jedes Gespräch neu. Ein Nein hat keine Nachteile."
                ),
                (
                    "Auch wer hier telefoniert, muss vorher schriftlich eingewilligt haben, und darf jedes Gespräch "
                    "ohne Grund auslassen."
                ),
            ),
        ),
        (
            "Tasten des Anrufers (nur seine zählen)",
            (
                "1 = Ja, ab dem Ende der Ansage, {window} s lang.  2 = Näheres.",
                "9 = Widerruf: die Aufnahme stoppt sofort und wird gelöscht.",
            ),
        ),
        (
            "Mündlich statt Taste",
            (
                (
                    "Fragen, Ja abwarten, Knopf kurz. Nach dem Ton die Frage wiederholen, Ja abwarten, Knopf kurz "
                    "({confirm_from} bis {confirm_until} s nach dem Ton). Sonst wird nichts behalten."
                ),
            ),
        ),
        (
            "Notruf 110 und 112",
            ("Geht immer: kein Ton, keine Frage, keine Aufnahme. Auch wenn die Box keinen Strom hat.",),
        ),
        (
            "Gelb blinkt schnell? Telefonieren geht weiter.",
            (
                "1. Auflegen und eine Minute warten.",
                "2. Stecker an Kasten, TAE-Dose und USB prüfen.",
                "3. Netzteil der Box ziehen, nach 10 s wieder stecken.",
                "4. Betreuer anrufen.",
                "Drei gelbe Blitze: es wird weiter aufgenommen; dem Betreuer noch heute sagen.",
            ),
        ),
        (
            "Rufumleitung",
            ("Umgeleitete Anrufe (aufs Handy, im Netz) gehen an der Box vorbei: keine Frage, keine Aufnahme.",),
        ),
    ),
    carer="Betreuer, Telefon:",
    label_exchange="zur TAE-Dose",
    label_phone="zum Telefon / zur DECT-Basis",
    label_power="5 V, nur USB-Netzteil",
    label_note="Baumuster, nicht zugelassen. Vor dem Öffnen: TAE-Stecker ziehen.",
    label_without="Ohne Strom: Leitung durchverbunden.",
)

ENGLISH: Final = Words(
    language="en",
    decimal=".",
    title="Handschlag",
    subtitle="Quick card · keep it beside the telephone",
    lamps="The two lamps",
    rec="REC",
    rec_on="red: recording. Off: not recording.",
    status="STATUS",
    meanings={
        StatusLamp.READY: "ready",
        StatusLamp.READY_ALONE: "ready, archive not reachable just now",
        StatusLamp.YOUR_TURN: "your turn: ask, or confirm",
        StatusLamp.ASKING: "question playing, key awaited",
        StatusLamp.PRIVATE: "private: no recording",
        StatusLamp.WARNING: "warning: storage, clock or backlog",
        StatusLamp.CANNOT_RECORD: "cannot record; the telephone works",
        StatusLamp.IDENTIFY: "this is the box (when asked)",
        StatusLamp.OFF: "off, or starting",
    },
    colours={Colour.GREEN: "green", Colour.BLUE: "blue", Colour.WHITE: "white", Colour.YELLOW: "yellow"},
    steady="steady",
    dark="off",
    blinks="blinks {rate} times a second",
    flash_one="1 flash each {cycle} s",
    flash_many="{count} flashes each {cycle} s",
    gap="on, gap each {cycle} s",
    button="The button",
    columns=("when", "press briefly", "hold {held} s"),
    presses=(
        ("idle", "nothing", "private on / off"),
        ("in a call", "ask", "never record this call"),
        ("question playing", "take the question back", "never record this call"),
        ("pending (oral)", "confirm", "destroy all of it"),
        ("recording", "mark this moment", "stop; let go before {stuck} s: destroyed"),
    ),
    button_note="To stop and keep: two short presses within {twice} s.",
    back=(
        (
            "Never without a yes",
            (
                (
                    "Recording in secret is a crime in Germany (§ 201 StGB). First the announcement or your question, "
                    "then a clear yes, then the recording; anew for each call. A no has no disadvantages."
                ),
                (
                    "Whoever telephones here must have consented in writing before, and may leave out any call "
                    "without giving a reason."
                ),
            ),
        ),
        (
            "Keys of the caller (only the caller's count)",
            (
                "1 = yes, from the end of the announcement, for {window} s.  2 = details.",
                "9 = withdraw: the recording stops at once and is destroyed.",
            ),
        ),
        (
            "By word instead of a key",
            (
                (
                    "Ask, wait for the yes, press briefly. After the tone repeat the question, wait for the yes, press "
                    "briefly ({confirm_from} to {confirm_until} s after the tone). Else nothing is kept."
                ),
            ),
        ),
        (
            "Emergency calls 110 and 112",
            ("Always work: no sound, no question, no recording. Also when the box has no power.",),
        ),
        (
            "Yellow, blinking fast? The telephone still works.",
            (
                "1. Hang up and wait a minute.",
                "2. Check the plugs at the box, the TAE socket and USB.",
                "3. Unplug the box's power supply, and plug it in again after 10 s.",
                "4. Call whoever looks after the box.",
                "Three yellow flashes: recording goes on; tell them today.",
            ),
        ),
        (
            "Call forwarding",
            ("Forwarded calls (to a mobile, in the network) bypass the box: no question, no recording.",),
        ),
    ),
    carer="Looked after by, telephone:",
    label_exchange="to the TAE socket",
    label_phone="to the telephone / DECT base",
    label_power="5 V, USB supply only",
    label_note="Prototype, not approved. Before opening: pull the TAE plug.",
    label_without="Without power: line passed through.",
)

LANGUAGES: Final = (GERMAN, ENGLISH)
