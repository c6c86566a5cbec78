"""So many calls of one kind at once, and no more."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stemline.errors import LimitError


class Places:
    """`most` places, each of which a call takes and frees."""

    def __init__(self, most: int, what: str) -> None:
        """`what` is what the calls do: "use reflection"."""
        self._places = threading.BoundedSemaphore(most)
        self._refusal = f"{most} calls {what} at once and all are taken; try again later"

    def take(self) -> Callable[[], None]:
        """Take a place; what is returned frees it. Raises LimitError where there is none."""
        if not self._places.acquire(blocking=False):
            raise LimitError(self._refusal)
        return self._places.release

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Take a place for the `with`. Raises LimitError where there is none."""
        free = self.take()
        try:
            yield
        finally:
            free()
