"""`stemline bench` (being written)."""


def bench() -> None:
    """Measure."""
