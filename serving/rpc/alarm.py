"""Things to be done if something takes too long: one thread watches them all."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)


class Alarm:
    """Calls a function when its time has come, unless what it waits for has ended before.

    A timer each would be a thread a call, and one that cannot start is a call that never ends.
    """

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._wanted: set[int] = set()
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        threading.Thread(target=self._watch, name="stemline alarm", daemon=True).start()

    @contextmanager
    def after(self, seconds: float, ring: Callable[[], object]) -> Iterator[None]:
        """Call `ring()`, once and from another thread, if the `with` takes longer than that."""
        number = next(self._numbers)
        with self._changed:
            self._wanted.add(number)
            heapq.heappush(self._due, (time.monotonic() + seconds, number, ring))
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._wanted.discard(number)

    def _watch(self) -> None:
        while True:
            with self._changed:
                ring = self._next()
            if ring is not None:
                try:
                    ring()
                except Exception:  # noqa: BLE001 - it is logged, and the next must ring
                    _log.exception("what was to be done in time failed")

    def _next(self) -> Callable[[], object] | None:
        """Wait for the first that is due, or for a change, which is nothing to do."""
        while self._due and self._due[0][1] not in self._wanted:
            heapq.heappop(self._due)  # over in time
        if not self._due:
            self._changed.wait()
            return None
        due, number, ring = self._due[0]
        left_s = due - time.monotonic()
        if left_s > 0:
            self._changed.wait(left_s)
            return None
        heapq.heappop(self._due)
        self._wanted.discard(number)
        return ring
