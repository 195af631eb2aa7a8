"""The board's pins, converters and serial link. The only module that touches the controller; kept thin for that.

Readings are whole numbers made with a factor and a shift: a float would take memory each time.
"""

import sys
import time

import micropython
import select
from machine import ADC, UART, WDT, Pin

from handschlag_tap import pins

WATCHDOG_MS = 1000
READ_BYTES = 64


class Board:
    """The pins. Both relays are fallen until told otherwise, and after a reset."""

    def __init__(self) -> None:
        self._line = Pin(pins.RELAY_LINE, Pin.OUT, value=0)
        self._play = Pin(pins.RELAY_PLAY, Pin.OUT, value=0)
        self._led = Pin(pins.LED, Pin.OUT, value=0)
        self._pulses = 0
        self._pulses_told = 0
        self._ring = Pin(pins.RING, Pin.IN, Pin.PULL_UP)
        self._ring.irq(self._pulse, Pin.IRQ_FALLING)
        self._voltage = ADC(pins.VOLTAGE)
        self._current = ADC(pins.CURRENT)
        self._middle = ADC(pins.MIDDLE)
        self._zero = self._middle.read_u16() >> 4
        strap = Pin(pins.LINK, Pin.IN, Pin.PULL_UP)
        self.link = UsbLink() if strap.value() else UartLink()

    def watchdog(self) -> WDT:
        """A watchdog that resets the controller, and so drops the relays, when the loop stands still."""
        return WDT(timeout=WATCHDOG_MS)

    def millivolts(self) -> int:
        """Line voltage, positive when wire a is."""
        self._zero += ((self._middle.read_u16() >> 4) - self._zero) // 16
        return ((self._voltage.read_u16() >> 4) - self._zero) * pins.VOLTAGE_MV_FACTOR >> pins.VOLTAGE_MV_SHIFT

    def microamperes(self) -> int:
        """Loop current, positive towards the telephone on wire a."""
        return ((self._current.read_u16() >> 4) - self._zero) * pins.CURRENT_UA_FACTOR >> pins.CURRENT_UA_SHIFT

    def ring_pulses(self) -> int:
        """How often the ring detector pulsed since the last call.

        Counted by interrupt: between two half-waves of a strong ring it rests for a millisecond only.
        """
        count = self._pulses
        pulses = (count - self._pulses_told) & 0xFFFF
        self._pulses_told = count
        return pulses

    def _pulse(self, _pin: Pin) -> None:
        self._pulses = (self._pulses + 1) & 0xFFFF

    def relays(self, to_line: bool, playing: bool) -> None:  # noqa: FBT001 - called each millisecond
        """Draw the relays, or let them fall."""
        self._line.value(to_line)
        self._play.value(to_line and playing)
        self._led.value(to_line)


class UartLink:
    """UART0, with buffers of its own that its interrupt serves."""

    def __init__(self) -> None:
        self._uart = UART(0, 115200, tx=Pin(pins.UART_TX), rx=Pin(pins.UART_RX), rxbuf=512, txbuf=512)

    def read(self) -> bytes | None:
        """What came; None when nothing did."""
        return self._uart.read(READ_BYTES) if self._uart.any() else None

    def write(self, data: bytes) -> None:
        """Send; at most 64 bytes, which the buffer takes, for it is emptied faster than the tap talks."""
        self._uart.write(data)

    def writable(self) -> bool:
        """Whether the buffer takes more."""
        return True


class UsbLink:
    """USB-CDC: the port that otherwise carries MicroPython's prompt. Ctrl-C is a byte like any other here."""

    def __init__(self) -> None:
        micropython.kbd_intr(-1)
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(sys.stdout, select.POLLOUT)

    def read(self) -> bytes | None:
        """What came; None when nothing did."""
        data = None
        while _ready(self._poll) and (data is None or len(data) < READ_BYTES):
            byte = sys.stdin.buffer.read(1)
            data = byte if data is None else data + byte
        return data

    def write(self, data: bytes) -> None:
        """Send; only when `writable`, or it would wait for the box."""
        sys.stdout.buffer.write(data)

    def writable(self) -> bool:
        """Whether the box takes more; a host that does not read must not stop the sampling."""
        return _ready(self._writable)


def _ready(poll: select.poll) -> bool:
    """Whether its stream is ready; `ipoll` takes no memory, `poll` would make a list each millisecond."""
    for _ in poll.ipoll(0):
        return True
    return False


def ticks() -> int:
    """Milliseconds that wrap; compare with `elapsed` only."""
    return time.ticks_ms()


def elapsed(since: int, now: int) -> int:
    """Milliseconds between two `ticks`."""
    return time.ticks_diff(now, since)
