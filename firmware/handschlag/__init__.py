"""The box: hears a call, asks for consent, records only then, seals, and sends."""

import os

__version__ = "0.1.0"

# Matrix products here are small: a second BLAS thread was measured to cost three times what it brings.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
