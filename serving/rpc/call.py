"""A streaming call under way, of whichever method."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc

from .budget import CallHolding
from .idle import TimedMessages

RequestT = TypeVar("RequestT")


@dataclass(frozen=True)
class Call(Generic[RequestT]):
    """One call under way."""

    request_id: str
    """The call's name in the log."""
    requests: TimedMessages[RequestT]
    """The client's messages, as they come."""
    context: grpc.ServicerContext
    holding: CallHolding
    """What it may hold: memory, temporary files."""
    stack: ExitStack
    """Closes what the call holds when it ends, however it ends."""

    def ends_with(self, close: Callable[[], None]) -> bool:
        """Have `close` called as soon as the client leaves; False where it has left already.

        So a call that is cancelled or expires frees its work at once, whatever this thread waits
        for.
        """
        # The last callback runs first: what the stack closes after it may wait for a message.
        self.stack.callback(self.requests.close)
        return bool(self.context.add_callback(close))
