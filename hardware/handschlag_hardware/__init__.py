"""What the hardware's files are made from: pins, drawings, parts, cards and the calculations behind them.

`python -m handschlag_hardware` writes every generated file of the room `hardware/`; with `--check` it only says which
are not as they would be written.
"""
