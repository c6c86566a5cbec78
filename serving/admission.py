"""The door of a server: how many calls are inside, and whether more are let in."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import DrainingError, LimitError


class Admission:
    """Closed at first; `open` when the server is ready, `drain` when it is to stop."""

    def __init__(self, max_streams: int) -> None:
        self._max_streams = max_streams
        self._n_inside = 0
        self._refusal: str | None = "the server is starting; try again in a moment"
        self._changed = threading.Condition()

    def open(self) -> None:
        """Let calls in from now on."""
        with self._changed:
            self._refusal = None

    def drain(self) -> None:
        """Let no more calls in; those inside go on."""
        with self._changed:
            self._refusal = "the server is draining and takes no new calls; try another"

    @property
    def n_inside(self) -> int:
        """Calls that were let in and have not ended."""
        with self._changed:
            return self._n_inside

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Whether every call inside has ended before the time is up."""
        with self._changed:
            return self._changed.wait_for(lambda: self._n_inside == 0, timeout_s)

    def check(self) -> None:
        """Raise DrainingError while no calls are let in."""
        with self._changed:
            if self._refusal is not None:
                raise DrainingError(self._refusal)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Be counted as a call. Raises DrainingError, or LimitError when the house is full."""
        with self._changed:
            self.check()
            if self._n_inside >= self._max_streams:
                raise LimitError(
                    f"the server runs {self._max_streams} separations at once and all are taken; "
                    "try again later"
                )
            self._n_inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_inside -= 1
                self._changed.notify_all()
