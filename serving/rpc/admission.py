"""Admission of calls: how many run, and whether more are accepted."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from stemline.errors import DrainingError, LimitError

WAIT_S = 0.2
"""The longest single wait of the main thread, in seconds: it handles signals between two."""


class Admission:
    """Refuses calls at first; `open` it when the server is ready, `drain` it when it is to stop."""

    def __init__(self, max_streams: int) -> None:
        self._max_streams = max_streams
        self._n_inside = 0
        self._refusal: str | None = "the server is starting; try again in a moment"
        self._changed = threading.Condition()

    def open(self) -> None:
        """Accept calls from now on."""
        with self._changed:
            self._refusal = None

    def drain(self) -> None:
        """Accept no more calls; those under way go on."""
        with self._changed:
            self._refusal = "the server is draining and takes no new calls; try another"

    @property
    def n_inside(self) -> int:
        """Calls that were accepted and have not ended."""
        with self._changed:
            return self._n_inside

    def wait_until_empty(self, timeout_s: float | None) -> bool:
        """Wait for every call to end; whether they did within `timeout_s`, None for no limit."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while self._n_inside > 0:
                left_s = WAIT_S if until is None else min(WAIT_S, until - time.monotonic())
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
        return True

    def check(self) -> None:
        """Raise DrainingError while no calls are accepted."""
        with self._changed:
            if self._refusal is not None:
                raise DrainingError(self._refusal)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Count as a call within the `with`. Raises DrainingError, or LimitError for too many."""
        with self._changed:
            self.check()
            if self._n_inside >= self._max_streams:
                raise LimitError(
                    f"the server runs {self._max_streams} calls at once and all are taken; "
                    "try again later"
                )
            self._n_inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_inside -= 1
                self._changed.notify_all()
