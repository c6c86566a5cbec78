"""End a run of a network from another thread."""

import threading
from collections.abc import Callable


class CancelToken:
    """Cancels one run, from any thread, before or after it began; make a fresh one for each run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._end: Callable[[], None] | None = None

    @property
    def is_set(self) -> bool:
        """Whether the run is to end."""
        return self._is_set

    def set(self) -> None:
        """End the run; nothing happens to one that is over."""
        with self._lock:
            self._is_set = True
            if self._end is not None:
                self._end()

    def on_set(self, end: Callable[[], None]) -> None:
        """Call `end` when the token is set, at once if it is; an engine does so as a run begins."""
        with self._lock:
            self._end = end
            if self._is_set:
                end()
