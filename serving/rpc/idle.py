"""The wait for a client's next message, with an end to it."""

import queue
import threading
from collections.abc import Iterator
from typing import Generic, Self, TypeVar

from stemline.errors import IdleError, SeparationClosedError

MessageT = TypeVar("MessageT")


class _End:
    """There are no more messages."""


class TimedMessages(Iterator[MessageT], Generic[MessageT]):
    """A call's messages; each has to come within `idle_s` of being asked for.

    gRPC's own wait has no time limit and cannot be ended early, so a thread of ours waits for it.
    That thread fetches a message only when one is asked for: no messages pile up in memory, and
    the limit does not run while the server is busy and asks for none.

    Raises
    ------
    IdleError
        While iterating, when a message does not come in time; SeparationClosedError after
        `close`; and whatever `messages` raises.
    """

    def __init__(self, messages: Iterator[MessageT], idle_s: float) -> None:
        self._messages = messages
        self._idle_s = idle_s
        self._asked = threading.Semaphore(0)
        self._answers: queue.SimpleQueue[MessageT | Exception | _End] = queue.SimpleQueue()
        self._closed = False
        # It ends with the call: gRPC wakes whoever waits for a message of a call that is over.
        self._thread = threading.Thread(target=self._receive, name="stemline receive", daemon=True)
        self._thread.start()

    def __next__(self) -> MessageT:
        self._asked.release()
        try:
            answer = self._answers.get(timeout=self._idle_s)
        except queue.Empty:
            raise IdleError(
                f"the client sent nothing for {self._idle_s:g} s while the server waited for it; "
                "send the audio without such pauses, or half-close the call after the last of it"
            ) from None
        if isinstance(answer, _End):
            self._answers.put(answer)  # for whoever asks again
            raise StopIteration
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wake whoever waits for a message; safe from any thread, and more than once."""
        self._closed = True
        self._answers.put(SeparationClosedError("the call is over"))
        self._asked.release()

    def _receive(self) -> None:
        while self._asked.acquire() and not self._closed:
            try:
                self._answers.put(next(self._messages))
            except StopIteration:
                self._answers.put(_End())
                return
            except Exception as error:  # noqa: BLE001 - the thread that asked raises it
                self._answers.put(error)
                return
