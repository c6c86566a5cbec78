"""The wait for a client to read a response, with an end to it."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

ResponseT = TypeVar("ResponseT")

UNREAD_LIMITS = 4
"""A response may wait to be read for so many times the idle limit. A client's transport takes in
some megabytes that the client has not read, and reports by the megabyte what it has: to the server,
one that reads half a megabyte now and then seems to pause nine times as long as it does."""
CHECKS = 8
"""How often, in the time that a response may wait, it is looked at how long one does."""


class TimedReading:
    """A call's responses; where one is not taken within `limit_s`, `end` is called, once.

    gRPC lets a call's thread go on when flow control has let the last byte of a response out,
    which it does only while the client reads. That wait has no limit and its thread cannot be
    woken, so somebody else has to `look` now and then at how long it has lasted. The limit does
    not run while the server has no response to send.
    """

    def __init__(self, limit_s: float, end: Callable[[], None]) -> None:
        self.interval_s = limit_s / CHECKS
        """After so many seconds somebody should look."""
        self._limit_s = limit_s
        self._end = end
        self._sent_s: float | None = None  # when the response that now waits was sent

    def timed(self, responses: Iterator[ResponseT]) -> Iterator[ResponseT]:
        """The responses, unchanged, for gRPC to send."""
        for response in responses:
            self._sent_s = time.monotonic()
            yield response
            self._sent_s = None

    def look(self) -> float | None:
        """End the call if a response has waited too long; else when to look again, in seconds."""
        sent_s = self._sent_s
        if sent_s is None or time.monotonic() - sent_s < self._limit_s:
            return self.interval_s
        self._end()
        return None
