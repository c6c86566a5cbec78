"""What takes too long is noticed: one thread looks after all of it.

A timer each would be a thread a call, and one that cannot start is a call that never ends.
"""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)

Look = Callable[[], float | None]
"""Looks at something; after so many seconds it wants to look again, or never where it is None."""


class Alarm:
    """Looks, when its time has come, at whatever is watched at the moment."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Look]] = []
        self._watched: set[int] = set()
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._is_over = False
        threading.Thread(target=self._run, name="stemline alarm", daemon=True).start()

    @property
    def n_watched(self) -> int:
        """How many things are watched."""
        with self._changed:
            return len(self._watched)

    def close(self) -> None:
        """Look at nothing any more, and end the thread; a second time nothing."""
        with self._changed:
            self._is_over = True
            self._changed.notify()

    @contextmanager
    def watching(self, seconds: float, look: Look) -> Iterator[None]:
        """Call `look()` after so many seconds, and as it says itself, while the `with` lasts.

        It is called from the alarm's own thread and must not wait for anything.
        """
        number = next(self._numbers)
        with self._changed:
            self._watched.add(number)
            self._add(seconds, number, look)
        try:
            yield
        finally:
            with self._changed:
                self._watched.discard(number)

    @contextmanager
    def after(self, seconds: float, ring: Callable[[], object]) -> Iterator[None]:
        """Call `ring()`, once, if the `with` takes longer than that."""

        def look() -> None:
            ring()

        with self.watching(seconds, look):
            yield

    def _add(self, seconds: float, number: int, look: Look) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, number, look))
        self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                due = self._next()
            if due is None:
                return
            number, look = due
            again_s = None
            try:
                again_s = look()
            except Exception:  # noqa: BLE001 - it is logged, and the others are looked at
                _log.exception("what was to be looked at failed")
            with self._changed:
                if again_s is None:
                    self._watched.discard(number)
                elif number in self._watched:
                    self._add(again_s, number, look)

    def _next(self) -> tuple[int, Look] | None:
        """Wait for the first that is due; None once it is over."""
        while not self._is_over:
            while self._due and self._due[0][1] not in self._watched:
                heapq.heappop(self._due)  # over in time
            left_s = self._due[0][0] - time.monotonic() if self._due else None
            if left_s is not None and left_s <= 0:
                _, number, look = heapq.heappop(self._due)
                return number, look
            self._changed.wait(left_s)
        return None
