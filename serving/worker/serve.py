"""A worker from its first line to its end: end of input, `exit` or a signal.

Each drains: what was accepted is finished and answered. A second signal cancels what is under way,
and ends the process soon after whatever hangs.
"""

import os
import signal
import threading
from collections.abc import Callable
from enum import Enum
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Self

from stemline.errors import FAILED

from ..library import Library
from .answers import Answers
from .lines import lines_of
from .standard_streams import Streams
from .worker import Worker

_STOPS_WITHIN_S = 5.0
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
)


class _Why(Enum):
    """What the main thread is woken for."""

    NO_MORE_LINES = "standard input has ended"
    EXIT = "it was asked to"
    SIGNAL = "a signal came"
    UNREAD = "nobody reads the answers"
    DRAINED = "all is answered"


def serve_lines(
    library: Library, streams: Streams, *, n_jobs: int = 1, budget_bytes: float
) -> bool:
    """Work until there is no more to do; whether all that was accepted was finished.

    Call it in the main thread, which has the signals.
    """
    woken: SimpleQueue[_Why] = SimpleQueue()
    answers = Answers(streams.answers, lambda: woken.put(_Why.UNREAD))
    worker = Worker(
        library,
        answers,
        n_jobs=n_jobs,
        budget_bytes=budget_bytes,
        on_exit=lambda: woken.put(_Why.EXIT),
        on_drained=lambda: woken.put(_Why.DRAINED),
    )

    def read() -> None:
        try:
            for line in lines_of(streams.requests):
                worker.take(line)
        finally:
            woken.put(_Why.NO_MORE_LINES)

    with _Signals(lambda: woken.put(_Why.SIGNAL)):
        threading.Thread(target=read, name="stemline lines", daemon=True).start()
        is_whole = _drained(worker, woken)
        worker.end()
    return is_whole


def _drained(worker: Worker, woken: SimpleQueue[_Why]) -> bool:
    """Wait for a reason to end, and until all is answered; whether nothing was broken off."""
    is_draining, is_whole = False, True
    while (why := woken.get()) is not _Why.DRAINED:
        if is_whole and (why is _Why.UNREAD or (why is _Why.SIGNAL and is_draining)):
            is_whole = False
            # Not by this thread, which would wait for whoever does not read the answers.
            threading.Thread(target=worker.stop, name="stemline stop", daemon=True).start()
        if not is_draining:
            is_draining = True
            worker.drain()
    return is_whole


class _Signals:
    """Within it each signal that asks to end calls `on_signal`; after two the process ends soon."""

    def __init__(self, on_signal: Callable[[], None]) -> None:
        """`on_signal` is called between any two steps of the main thread."""
        self._on_signal = on_signal
        self._n_received = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if number not in (signal.SIGTERM, signal.SIGINT) and (
                signal.getsignal(number) is signal.SIG_IGN
            ):
                continue  # started with nohup, to outlive its terminal
            self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _received(self, number: int, frame: FrameType | None) -> None:
        self._n_received += 1
        self._on_signal()
        if self._n_received == 2:
            end = threading.Timer(_STOPS_WITHIN_S, os._exit, (FAILED,))
            end.daemon = True
            end.start()
