"""Runs on MicroPython, without pytest: the pure firmware through a call, and whether the hot path takes memory.

    micropython on_micropython.py FOLDER_WITH_handschlag_tap

Prints what the tap said, then `bytes in 800 steps <n>`.
"""

import gc
import sys

sys.path.insert(0, sys.argv[1])

from handschlag_tap.protocol import encode
from handschlag_tap.tap import Tap

tap = Tap("0a1b2c3d", "e66118c4e3593c2b")


def run(milliseconds, mv, ua, ring=False):
    """Let the line be so for a while; the ring detector works at 25 Hz."""
    for at in range(milliseconds):
        tap.step(1, mv, ua, 1 if ring and at % 20 == 0 else 0)


def say(seq, body):
    """A line from the box."""
    tap.receive(encode(seq, body))


run(200, 48000, 0)
say(1, "PING")
say(2, "PATH to=line")
run(500, 48000, 0, ring=True)
run(200, 10500, 25000)
say(3, "PLAY on=1 ms=60000")
say(4, "PLAY on=1 ms=0")
say(5, "MOON")
tap.receive(bytes(range(256)) + b"\n")
for _ in range(3):
    run(60, 48000, 0)
    run(40, 10500, 25000)
run(300, 10500, 25000)
run(100, 0, 0)
run(50, 10500, 25000)
run(200, 48000, 0)
run(200, -10500, -25000)
sys.stdout.write(tap.take().decode())
run(600, -48000, 0)
sys.stdout.write(tap.take().decode())
print("relays", tap.to_line, tap.playing, tap.parser.good, tap.parser.unknown_word, tap.parser.malformed)

gc.collect()
gc.disable()
step = tap.step
before = gc.mem_alloc()
for _ in range(800):  # within one second, so that no LINE falls into it
    step(1, -47000, 150, 0)
print("bytes in 800 steps", gc.mem_alloc() - before)
