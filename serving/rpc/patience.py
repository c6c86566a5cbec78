"""How long a server waits for its clients: for their messages, and for them to read its own."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import grpc

from stemline.errors import IdleError

from .alarm import Alarm
from .idle import Start, TimedMessages
from .status import rpc_status_of
from .unread import UNREAD_LIMITS, TimedReading

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """The waits of one server."""

    alarm: Alarm
    """Looks at what lasts too long."""
    start: Start
    """Starts what waits for a call's messages."""
    idle_s: float = 60
    """The longest wait for a client's next message, in seconds."""
    unread_s: float | None = None
    """The longest wait for a client to read a response; None for `UNREAD_LIMITS` times `idle_s`."""
    min_bytes_s: float = 0
    """The least that a client has to send, in bytes a second, while it is waited for."""

    def messages(self, messages: Iterator[T]) -> TimedMessages[T]:
        """A call's messages, of which each comes in time, or IdleError."""
        return TimedMessages(messages, self.idle_s, self.min_bytes_s, self.start)

    @contextmanager
    def reading(self, context: grpc.ServicerContext, request_id: str) -> Iterator[TimedReading]:
        """A call's responses, while the `with` lasts: where one is not read in time, the call ends.

        It does as DEADLINE_EXCEEDED, and with a line in the log.
        """
        limit_s = self.unread_s or UNREAD_LIMITS * self.idle_s
        error = IdleError(
            f"the client read none of the server's responses for {limit_s:g} s; read them while "
            "the audio is sent, in a thread of their own where need be"
        )
        reading = TimedReading(limit_s, partial(end_call, context, request_id, error))
        with self.alarm.watching(reading.interval_s, reading.look):
            yield reading


def end_call(context: grpc.ServicerContext, request_id: str, error: IdleError) -> None:
    """End a call with the status of an error, from whichever thread.

    `context.abort` is for the call's own thread, which waits, and `context.cancel` says no word.
    The call below them sends a status past the responses that wait.
    """
    status = rpc_status_of(error, request_id)
    _log.info("request %s: %s, %s", request_id, status.code.name, status.details)
    call: Any = context._rpc_event.call  # type: ignore[attr-defined]
    call.cancel(status.code.value[0], status.details)
