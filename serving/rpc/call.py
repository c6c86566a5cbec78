"""What every streaming call has, and what all of them do alike."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import grpc

from stemline.v1 import stemline_pb2 as pb

from .idle import TimedMessages

_PROGRESS_EVERY_S = 0.5

RequestT = TypeVar("RequestT")
MessageT = TypeVar("MessageT")


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


@dataclass
class Timed:
    """Adds up the time that messages take to make; not that of whoever they are given to."""

    seconds: float = 0.0

    def of(self, messages: Iterator[MessageT]) -> Iterator[MessageT]:
        """The same messages, made when asked for."""
        while True:
            started = time.monotonic()
            message = next(messages, None)
            self.seconds += time.monotonic() - started
            if message is None:
                return
            yield message


@dataclass
class Pace:
    """How far a call is, told at most so often."""

    n_samples: int | None
    """Of the whole recording; None while that is unknown."""
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._told = self.started

    @property
    def elapsed_s(self) -> float:
        """Since the call was accepted."""
        return time.monotonic() - self.started

    def after(self, n_done: int) -> Iterator[pb.Progress]:
        """What to tell of `n_done` samples that are final: nothing, if something was just told."""
        if time.monotonic() - self._told >= _PROGRESS_EVERY_S:
            yield self.now(n_done)

    def now(self, n_done: int) -> pb.Progress:
        """How far the call is."""
        self._told = time.monotonic()
        elapsed_s = self._told - self.started
        progress = pb.Progress(
            samples_done=n_done, samples_total=self.n_samples or 0, seconds_elapsed=elapsed_s
        )
        if self.n_samples and n_done:
            # Time goes with samples: left / elapsed = (total − done) / done.
            progress.seconds_left = elapsed_s * max(0, self.n_samples - n_done) / n_done
        return progress
