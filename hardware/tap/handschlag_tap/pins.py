"""Which pin does what. Made from hardware/pinout.toml by hardware/make: change it there."""

UART_TX = 0
"""Serial to the box, 115200 8N1."""

UART_RX = 1
"""Serial from the box."""

RELAY_LINE = 10
"""High draws K1: the sense element is in the line; low: bypass."""

RELAY_PLAY = 11
"""High draws K2: the play transformer is on the line, if K1 is drawn, too."""

RING = 14
"""Low while ring current flows, on both half-waves."""

LINK = 22
"""Strap: open = USB-CDC, to ground = UART; read once at the start."""

LED = 25
"""The Pico's own lamp: lit while the sense element is in the line."""

VOLTAGE = 26
"""Line voltage / 102 around V_MID."""

CURRENT = 27
"""Loop current times 25.6 V/A around V_MID."""

MIDDLE = 28
"""1.65 V, the zero of both."""

VOLTAGE_MV_FACTOR, VOLTAGE_MV_SHIFT = 1315, 4
CURRENT_UA_FACTOR, CURRENT_UA_SHIFT = 63, 1
