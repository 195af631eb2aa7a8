"""What the board runs at power-up: copy this file and the folder `handschlag_tap` to its root."""

import binascii
import os

from handschlag_tap import board as clock
from handschlag_tap.board import Board
from handschlag_tap.loop import Loop
from handschlag_tap.tap import Tap
from machine import unique_id


def run() -> None:
    """For ever, or until the watchdog bites."""
    board = Board()
    boot = binascii.hexlify(os.urandom(4)).decode()
    serial = binascii.hexlify(unique_id()).decode()
    loop = Loop(Tap(boot, serial), board, clock, board.watchdog())
    while True:
        loop.turn()


run()
