"""One step each: `NNNN_<what>.py`, never changed once it has been released."""
