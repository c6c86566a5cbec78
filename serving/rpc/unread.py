"""The wait for a client to read a response, with an end to it."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Self, TypeVar

import grpc

from stemline.errors import IdleError

from .status import rpc_status_of

_log = logging.getLogger(__name__)

ResponseT = TypeVar("ResponseT")

UNREAD_LIMITS = 4
"""A response may wait to be read for so many times the idle limit. A client's transport takes in
some megabytes that the client has not read, and reports by the megabyte what it has: to the server,
one that reads half a megabyte now and then seems to pause nine times as long as it does."""
_CHECKS = 8  # of how long the response waits, within that time


class TimedReading:
    """A call's responses; where one is not taken within `limit_s`, `end` is called, once.

    gRPC lets a call's thread go on when flow control has let the last byte of a response out,
    which it does only while the client reads. That wait has no limit and its thread cannot be
    woken, so a thread of ours looks at how long it has lasted. The limit does not run while the
    server has no response to send.
    """

    def __init__(self, limit_s: float, end: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._end = end
        self._sent_s: float | None = None  # when the response that now waits was sent
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stemline unread", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()

    def timed(self, responses: Iterator[ResponseT]) -> Iterator[ResponseT]:
        """The responses, unchanged, for gRPC to send."""
        for response in responses:
            self._sent_s = time.monotonic()
            yield response
            self._sent_s = None

    def _watch(self) -> None:
        while not self._closed.wait(self._limit_s / _CHECKS):
            sent_s = self._sent_s
            if sent_s is not None and time.monotonic() - sent_s >= self._limit_s:
                self._end()
                return


def timed_reading(context: grpc.ServicerContext, request_id: str, idle_s: float) -> TimedReading:
    """The TimedReading that ends this call, as DEADLINE_EXCEEDED and with a line in the log."""
    limit_s = UNREAD_LIMITS * idle_s
    return TimedReading(limit_s, partial(_end_unread, context, request_id, limit_s))


def _end_unread(context: grpc.ServicerContext, request_id: str, limit_s: float) -> None:
    error = IdleError(
        f"the client read none of the server's responses for {limit_s:g} s; read them while the "
        "audio is sent, in a thread of their own where need be"
    )
    status = rpc_status_of(error, request_id)
    _log.info("request %s: %s, %s", request_id, status.code.name, status.details)
    # `context.abort` is for the call's own thread, which waits, and `context.cancel` says no word.
    # The call below them sends a status past the responses that wait.
    call: Any = context._rpc_event.call  # type: ignore[attr-defined]
    call.cancel(status.code.value[0], status.details)
