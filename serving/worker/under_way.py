"""A request that was accepted and is not answered yet: it can be cancelled at any time."""

import threading
import time
from collections.abc import Callable

from stemline.errors import SeparationClosedError

from .protocol import Id, Request


class UnderWay:
    """One request from the line it came in to its answer."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.is_cancelled = False
        self._read_at = time.monotonic()
        self._has_begun = False
        self._close: Callable[[], None] | None = None
        self._lock = threading.Lock()

    @property
    def id(self) -> Id:
        """The request's."""
        return self.request.id

    @property
    def has_begun(self) -> bool:
        """Whether it waits no more."""
        return self._has_begun

    @property
    def elapsed_s(self) -> float:
        """Seconds since its line was read."""
        return time.monotonic() - self._read_at

    def begin(self) -> bool:
        """Wait no more; False where it was cancelled while it waited."""
        with self._lock:
            self._has_begun = not self.is_cancelled
            return self._has_begun

    def cancel(self) -> bool:
        """End it as soon as can be; True where it has not begun, and never will."""
        with self._lock:
            never_begins = not self._has_begun and not self.is_cancelled
            self.is_cancelled = True
            close = self._close
        if close is not None:
            close()
        return never_begins

    def ends_with(self, close: Callable[[], None]) -> None:
        """`close` ends its work, from any thread. Raises as `check` does."""
        with self._lock:
            self._close = close
        self.check()

    def check(self) -> None:
        """Raise SeparationClosedError where it was cancelled."""
        if self.is_cancelled:
            raise SeparationClosedError("cancelled")
