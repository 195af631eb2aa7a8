"""`handschlag demo`."""


def demo() -> None:
    """Show it."""
