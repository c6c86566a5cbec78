"""What every streaming call has, and what all of them do alike."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc

from .idle import TimedMessages

RequestT = TypeVar("RequestT")


@dataclass(frozen=True)
class Call(Generic[RequestT]):
    """One call under way."""

    request_id: str
    requests: TimedMessages[RequestT]
    context: grpc.ServicerContext
    stack: ExitStack
    """Closes what the call holds, whatever its end."""

    def ends_with(self, close: Callable[[], None]) -> bool:
        """Have `close` called, at once, when the client goes away; whether it is still there.

        A call that is cancelled or expires frees its work then, whatever this thread waits for.
        """
        # First when leaving, for what is left later may wait for a message.
        self.stack.callback(self.requests.close)
        return bool(self.context.add_callback(close))
