"""A pool whose threads all run before the first call comes.

`ThreadPoolExecutor` starts a thread when it needs one. Where the system has no more (a limit on
processes), that raises in whoever submits, which for a gRPC server is the one thread that serves
all calls: it dies, and the server answers nobody again, though its process lives on.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from stemline.errors import ListenError

P = ParamSpec("P")
T = TypeVar("T")

_Work = Callable[[], None]


class ReadyThreads(ThreadPoolExecutor):
    """`n_threads` threads that are there from the start, and do not keep the process alive.

    gRPC insists on this class of executor; nothing of its own machinery is used. `submit` never
    raises: after `shutdown` it returns a future that is cancelled.
    """

    def __init__(self, n_threads: int, name: str) -> None:
        """Raises ListenError where the system has not so many threads."""
        super().__init__(n_threads)
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._is_over = False
        self._guard = threading.Lock()
        self._n_started = 0
        try:
            for number in range(n_threads):
                threading.Thread(target=self._run, name=f"{name} {number}", daemon=True).start()
                self._n_started += 1
        except RuntimeError as error:
            self.shutdown()
            raise ListenError(
                f"the system let {self._n_started} of {n_threads} threads start ({error}); raise "
                "its limit on processes and threads, or lower --max-streams"
            ) from error

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `work(*args, **kwargs)` done by the first thread that is free."""
        future: Future[T] = Future()

        def once() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - whoever waits for the future gets it
                future.set_exception(error)

        with self._guard:
            if self._is_over:
                future.cancel()
            else:
                self._work.put(once)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let each thread end after what was submitted; nobody is waited for."""
        with self._guard:
            if self._is_over:
                return
            self._is_over = True
            for _ in range(self._n_started):
                self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work  # what it holds must not live until the next comes
