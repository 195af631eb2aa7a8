"""The tap's half of the serial language: `<seq> <WORD> <key=value ...> *<crc>` (design/wire.md).

The same grammar as the box's `handschlag.core.tap_protocol`, written for a small heap: no regular expressions, one
buffer of 120 bytes that is used again for every line, and counters that stop instead of growing. Nothing that comes in
can raise: what is torn, garbled, overlong or unknown is counted and dropped.
"""

MAX_LINE = 120
SEQ_MODULUS = 65536
_COUNT_CAP = 0x3FFFFFFF  # the largest number that takes no memory on a 32-bit MicroPython

_CRC_NIBBLES = (
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50A5, 0x60C6, 0x70E7,
    0x8108, 0x9129, 0xA14A, 0xB16B, 0xC18C, 0xD1AD, 0xE1CE, 0xF1EF,
)  # fmt: skip

_DIGITS = "0123456789"
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SMALL = "abcdefghijklmnopqrstuvwxyz"
_HEX = "0123456789ABCDEF"


def crc(data: bytes | bytearray, length: int) -> int:
    """CRC-16/CCITT-FALSE over the first `length` bytes: polynomial 0x1021, start 0xFFFF, not reflected."""
    value = 0xFFFF
    for at in range(length):
        byte = data[at]
        value = ((value << 4) & 0xFFFF) ^ _CRC_NIBBLES[(value >> 12) ^ (byte >> 4)]
        value = ((value << 4) & 0xFFFF) ^ _CRC_NIBBLES[(value >> 12) ^ (byte & 15)]
    return value


def encode(seq: int, body: str) -> bytes:
    """A line with its newline. `body` is the word and its fields; the caller's own, so not checked."""
    line = f"{seq} {body}".encode()
    return line + f" *{crc(line, len(line)):04X}\n".encode()


class Parser:
    """Takes bytes as they come; hands each good line to `take(seq, word, fields)`."""

    def __init__(self, take) -> None:  # type: ignore[no-untyped-def]  # MicroPython has no Callable to name
        self._take = take
        self._line = bytearray(MAX_LINE)
        self._length = 0
        self._skipping = False
        self.good = 0
        self.bad_crc = 0
        self.too_long = 0
        self.unknown_word = 0
        self.malformed = 0

    def feed(self, data: bytes | bytearray) -> None:
        """Bytes from the box."""
        for byte in data:
            if byte == 0x0A:
                self._end()
            elif self._length < MAX_LINE:
                self._line[self._length] = byte
                self._length += 1
            else:
                self._skipping = True

    def _end(self) -> None:
        length = self._length
        self._length = 0
        if self._skipping:
            self._skipping = False
            self.too_long = min(self.too_long + 1, _COUNT_CAP)
            return
        told = _told_crc(self._line, length)
        if told < 0:
            self.malformed = min(self.malformed + 1, _COUNT_CAP)
        elif told != crc(self._line, length - 6):
            self.bad_crc = min(self.bad_crc + 1, _COUNT_CAP)
        else:
            self._parse(bytes(self._line[: length - 6]).decode())

    def _parse(self, body: str) -> None:
        seq, _, rest = body.partition(" ")
        word, _, text = rest.partition(" ")
        if not _made_of(seq, _DIGITS, 5) or int(seq) >= SEQ_MODULUS or not _made_of(word, _CAPITALS, 16):
            self.malformed = min(self.malformed + 1, _COUNT_CAP)
        elif word not in {"PING", "PATH", "PLAY"}:
            self.unknown_word = min(self.unknown_word + 1, _COUNT_CAP)
        else:
            fields = _fields(word, text)
            if fields is None:
                self.malformed = min(self.malformed + 1, _COUNT_CAP)
            else:
                self.good = min(self.good + 1, _COUNT_CAP)
                self._take(int(seq), word, fields)


def _told_crc(line: bytearray, length: int) -> int:
    """The checksum at the line's end; -1 where the frame is none: printable ASCII, ` *`, four upper-case digits."""
    if length < 7 or line[length - 6] != 0x20 or line[length - 5] != 0x2A:
        return -1
    for at in range(length):
        if not 0x20 <= line[at] <= 0x7E:
            return -1
    value = 0
    for at in range(length - 4, length):
        digit = _HEX.find(chr(line[at]))
        if digit < 0:
            return -1
        value = value * 16 + digit
    return value


def _made_of(text: str, allowed: str, longest: int) -> bool:
    if not 0 < len(text) <= longest:
        return False
    for letter in text:  # noqa: SIM110 - a generator would take memory per line
        if letter not in allowed:
            return False
    return True


def _fields(word: str, text: str) -> dict[str, str] | None:
    """The fields that the word knows; None when one is missing, twice there or not as it must be."""
    values: dict[str, str] = {}
    for part in text.split(" ") if text else ():
        name, equals, value = part.partition("=")
        if not equals or name in values or not _made_of(name, _SMALL, 16):
            return None
        good = _is_good(word, name, value)
        if good is None:
            continue
        if not good:
            return None
        values[name] = value
    if (word == "PATH" and "to" not in values) or (word == "PLAY" and "on" not in values):
        return None
    return values


def _is_good(word: str, name: str, value: str) -> bool | None:
    """Whether a field's value is allowed; None where the word knows no such field."""
    if word == "PATH" and name == "to":
        return value in {"line", "bypass"}
    if word == "PLAY" and name == "on":
        return value in {"0", "1"}
    if word == "PLAY" and name == "ms":
        return _made_of(value, _DIGITS, 6)
    return None
