"""The wait for a client's next message, with an end to it."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, Self, TypeVar

from stemline.errors import IdleError, SeparationClosedError

MessageT = TypeVar("MessageT")


Start = Callable[[Callable[[], None]], object]
"""Has something done in another thread."""


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="stemline receive", daemon=True).start()


class _End:
    """There are no more messages."""


class TimedMessages(Iterator[MessageT], Generic[MessageT]):
    """A call's messages; each has to come within `idle_s` of being asked for.

    And they have to bring `min_bytes_s` bytes a second while they are waited for: what a client may
    still let the server wait grows back to `idle_s` by what it sends, not by that it sends. Empty
    messages, or a byte now and then, would keep a call open for ever.

    gRPC's own wait has no time limit and cannot be ended early, so a thread of ours waits for it,
    which `start` starts. It fetches a message only when one is asked for: no messages pile up in
    memory, and the limit does not run while the server is busy and asks for none.

    Raises
    ------
    IdleError
        While iterating, when a message does not come in time; SeparationClosedError after
        `close`; and whatever `messages` raises.
    """

    def __init__(
        self,
        messages: Iterator[MessageT],
        idle_s: float,
        min_bytes_s: float = 0,
        start: Start = _in_a_thread,
    ) -> None:
        """`messages` are of protobuf where `min_bytes_s` is not 0."""
        self._messages = messages
        self._idle_s = idle_s
        self._min_bytes_s = min_bytes_s
        self._left_s = idle_s  # how long the client may still let the server wait
        self._asked = threading.Semaphore(0)
        self._answers: queue.SimpleQueue[MessageT | Exception | _End] = queue.SimpleQueue()
        self._closed = False
        # It ends with the call: gRPC wakes whoever waits for a message of a call that is over.
        start(self._receive)

    def __next__(self) -> MessageT:
        self._asked.release()
        asked_s = time.monotonic()
        try:
            answer = self._answers.get(timeout=max(self._left_s, 0.0))
        except queue.Empty:
            raise self._too_slow() from None
        if self._min_bytes_s and not isinstance(answer, _End | Exception):
            n_bytes = answer.ByteSize()  # type: ignore[attr-defined]
            left_s = self._left_s - (time.monotonic() - asked_s) + n_bytes / self._min_bytes_s
            self._left_s = min(left_s, self._idle_s)
        if isinstance(answer, _End):
            self._answers.put(answer)  # for whoever asks again
            raise StopIteration
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _too_slow(self) -> IdleError:
        if self._left_s == self._idle_s:
            return IdleError(
                f"the client sent nothing for {self._idle_s:g} s while the server waited for it; "
                "send the audio without such pauses, or half-close the call after the last of it"
            )
        return IdleError(
            f"the client sent less than {self._min_bytes_s:g} bytes a second while the server "
            f"waited for it, for {self._idle_s:g} s and more; send the audio faster"
        )

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
