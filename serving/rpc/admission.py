"""Admission of calls: how many run, and whether more are accepted."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from stemline.errors import DrainingError, LimitError

WAIT_S = 0.2
"""The longest single wait of the main thread, in seconds: it handles signals between two."""

T = TypeVar("T")


class Admission:
    """Refuses calls at first; `open` it when the server is ready, `drain` it when it is to stop."""

    def __init__(self, max_streams: int) -> None:
        self._max_streams = max_streams
        self._n_inside = 0
        self._refusal: str | None = "the server is starting; try again in a moment"
        self._changed = threading.Condition()
        self._moved_s = time.monotonic()
        self._is_abandoned = False

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

    def abandon(self) -> None:
        """Have whoever waits for calls to end wait no longer."""
        with self._changed:
            self._is_abandoned = True
            self._changed.notify_all()

    def moved(self, messages: Iterator[T]) -> Iterator[T]:
        """A call's messages, in either direction, unchanged: each shows that the call goes on."""
        for message in messages:
            self._moved_s = time.monotonic()
            yield message

    def wait_until_empty(
        self,
        timeout_s: float | None,
        still_s: float = math.inf,
        on_wait: Callable[[], None] = lambda: None,
    ) -> bool:
        """Wait for every call to end; whether they did within `timeout_s`, None for no limit.

        They did not, either, when none of them had a message for `still_s` seconds. `on_wait` is
        called several times a second.
        """
        started_s = time.monotonic()
        with self._changed:
            while self._n_inside > 0:
                on_wait()
                if self._is_abandoned:
                    return False
                now_s = time.monotonic()
                left_s = WAIT_S if timeout_s is None else started_s + timeout_s - now_s
                if left_s <= 0 or now_s - max(started_s, self._moved_s) > still_s:
                    return False
                self._changed.wait(min(WAIT_S, left_s))
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
