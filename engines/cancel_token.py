"""Ending a run of a network from another thread."""

import threading
from collections.abc import Callable


class RunStop:
    """Ends one run, from any thread, whether it has begun or not; make a fresh one for each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._end: Callable[[], None] | None = None

    @property
    def is_set(self) -> bool:
        """Whether the run is to end."""
        return self._is_set

    def set(self) -> None:
        """End the run; of one that is over, nothing."""
        with self._lock:
            self._is_set = True
            if self._end is not None:
                self._end()

    def on_set(self, end: Callable[[], None]) -> None:
        """Have `end` called when it is set, now if it is; the engine says so as a run begins."""
        with self._lock:
            self._end = end
            if self._is_set:
                end()
