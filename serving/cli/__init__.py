"""The `stemline` command: one file a verb. It alone knows export as well as serving."""

from .app import main

__all__ = ["main"]
