"""The box: hears a call, asks for consent, records only then, seals, and sends."""

__version__ = "0.1.0"
