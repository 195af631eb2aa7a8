"""The tap's firmware. Everything but `board` and `pins` is pure and runs on MicroPython and CPython alike."""
