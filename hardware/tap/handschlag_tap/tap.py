"""The tap itself: what the box asks, what the line does, and which of the two relays is drawn.

Both relays fall when in doubt, and fallen means: telephone and exchange joined by copper, nothing of ours in the line.
The tap starts so, and returns to it when no PING came for 5 s. The play relay is drawn only while the bypass relay is,
and for at most as long as the box asked, by the tap's own clock.

`step` is called once per millisecond or so with what the converters say; `receive` and `take` carry the bytes. Neither
knows a pin or a port. What waits to be sent is bounded: nothing is kept for a box that does not listen.
"""

from handschlag_tap.line import Line
from handschlag_tap.protocol import SEQ_MODULUS, Parser, encode

SILENCE_MS = 5000
MAX_PLAY_MS = 60000
LINE_EACH_MS = 1000
UNSENT_BYTES = 1024
_LONG_MS = 1000000


class Tap:
    """A tap. Public to read: `line`, `to_line` (bypass relay drawn), `playing` (play relay drawn), `parser`."""

    def __init__(self, boot: str, serial: str, hw: str = "tap-1", fw: str = "1", audio: str = "vi") -> None:
        self._name = f"HELLO proto=1 boot={boot} serial={serial} hw={hw} fw={fw} audio={audio}"
        self.line = Line(self)
        self.parser = Parser(self._obey)
        self.to_line = False
        self.playing = False
        self.lines_lost = 0
        self._seq = 0
        self._out = b""
        self._begun = False  # a line is half sent
        self._heard = False  # a PING came, and less than 5 s ago
        self._since_ping = 0
        self._since_path = 0  # a PATH before the first PING is granted the same 5 s
        self._play_left = 0
        self._line_in = 0
        self._say(self._name)

    def step(self, dt: int, mv: int, ua: int, pulses: int) -> None:
        """`dt` ms have passed; now these are the line's voltage and current, and the ring detector pulsed so often."""
        self.pass_time(dt)
        self.line.step(dt, mv, ua, pulses, self.to_line)
        self._line_in -= dt
        if self._line_in <= 0 and self.line.known:
            self.changed()

    def pass_time(self, ms: int) -> None:
        """Timers run out: the play relay's, and the box's silence."""
        if self.playing:
            self._play_left -= ms
            if self._play_left <= 0:
                self.playing = False
        self._since_ping = min(self._since_ping + ms, _LONG_MS)
        self._since_path = min(self._since_path + ms, _LONG_MS)
        if self._since_ping >= SILENCE_MS:
            self._heard = False
            if self._since_path >= SILENCE_MS:
                self._fall_back()

    def receive(self, data: bytes | bytearray) -> None:
        """Bytes from the box."""
        self.parser.feed(data)

    def take(self, most: int = UNSENT_BYTES) -> bytes:
        """Up to `most` bytes for the box."""
        data = self._out[:most]
        if data:
            self._out = self._out[most:]
            self._begun = data[-1] != 0x0A
        return data

    def changed(self) -> None:
        """Tell the line's state."""
        line = self.line
        self._line_in = LINE_EACH_MS
        hook = "offhook" if line.off_hook else "onhook"
        ring = 1 if line.ring else 0
        pol = "+" if line.positive else "-"
        self._say(f"LINE hook={hook} ring={ring} seiz={line.seizures} mv={line.mv} ua={line.ua} pol={pol}")

    def flash(self, ms: int) -> None:
        """The own telephone flashed."""
        self._say(f"FLASH ms={ms}")

    def pulse(self, digit: int) -> None:
        """The own telephone dialled a digit by pulses."""
        self._say(f"PULSE digit={digit}")

    def broke(self, ms: int) -> None:
        """The line was dead for a moment."""
        self._say(f"BREAK ms={ms}")

    def _obey(self, seq: int, word: str, fields: dict[str, str]) -> None:
        if word == "PING":
            if not self._heard:
                # Nobody listened: what waits is old. A line that has begun is finished.
                self._out = self._out[: self._out.find(b"\n") + 1] if self._begun else b""
                self._say(self._name)
                if self.line.known:
                    self.changed()
            self._heard = True
            self._since_ping = 0
        elif word == "PATH":
            if fields["to"] == "bypass":
                self._fall_back()
            else:
                self.to_line = True
                self._since_path = 0
            self._say(f"OK re={seq}")
        else:
            self._play(seq, fields)

    def _play(self, seq: int, fields: dict[str, str]) -> None:
        ms = int(fields.get("ms", "0"))
        if fields["on"] == "0":
            self.playing = False
        elif not self.to_line:
            self._say(f"ERR re={seq} why=bypass")
            return
        elif not 0 < ms <= MAX_PLAY_MS:
            self._say(f"ERR re={seq} why=range")
            return
        else:
            self.playing = True
            self._play_left = ms
        self._say(f"OK re={seq}")

    def _fall_back(self) -> None:
        self.to_line = False
        self.playing = False

    def _say(self, body: str) -> None:
        line = encode(self._seq, body)
        self._seq = (self._seq + 1) % SEQ_MODULUS
        if len(self._out) + len(line) > UNSENT_BYTES:
            self.lines_lost = min(self.lines_lost + 1, 0x3FFFFFFF)
            return
        self._out += line
