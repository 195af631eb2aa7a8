"""Why the board's values are what they are: levels, phase, noise, loop and insulation, as code that tests hold to.

`circuit` has every value once; the drawings and the bill of materials are checked against it.
"""
