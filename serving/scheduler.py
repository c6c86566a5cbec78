"""One fair queue of chunks a model: requests share the engine evenly, batches form across them.

Each request owns a `Lane`. The engine thread takes one chunk from each lane, round robin, until
the batch is full: a short clip behind the songs of n − 1 other requests waits for n − 1 chunks,
not for the songs. The networks of a bag share one queue and one thread: they
would only take the cores and the memory from each other.

What runs is ended early when everyone who wanted some of it has left.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from stemline.arrays import Array
from stemline.engines import CancelToken, StoppableEngine
from stemline.engines.base import Engine
from stemline.errors import EngineError, EngineMemoryError, EngineStoppedError

_log = logging.getLogger(__name__)

Item = dict[str, Array]
"""The inputs or outputs of one chunk, each with a batch axis of length 1."""


@dataclass(eq=False)
class _Job:
    """One chunk that waits for its engine."""

    inputs: Mapping[str, Array]
    future: Future[Item]
    lane: "Lane"
    queued_at: float
    engine: Engine

    def fits(self, other: "_Job") -> bool:
        """Whether both can be in one batch."""
        return self.engine is other.engine and all(
            array.shape == other.inputs[name].shape for name, array in self.inputs.items()
        )


@dataclass(frozen=True)
class _Running:
    """The batch that was taken last; it may be over."""

    lanes: tuple["Lane", ...]
    """The lanes with a chunk in it."""
    cancel: CancelToken
    """Ends it early."""


@dataclass(eq=False)
class Lane:
    """The chunks of one request, in order."""

    _scheduler: "Scheduler"
    _jobs: deque[_Job] = field(default_factory=deque)
    engine_s: float = 0.0
    """This request's share of the engine's time, in seconds."""
    queue_s: float = 0.0
    """Seconds that its chunks waited for the engine, added up."""
    _closed: bool = False

    def submit(self, inputs: Mapping[str, Array], engine: Engine | None = None) -> Future[Item]:
        """Queue one chunk; the future holds its outputs.

        `engine` runs it, the scheduler's own when None. Each input has a batch axis of length 1.
        Cancelled already when the lane is closed. Raises EngineError once the scheduler is closed.
        """
        return self._scheduler._submit(self, inputs, engine)

    def close(self) -> None:
        """Drop the chunks still queued, at once; their futures are cancelled. Safe anywhere.

        A batch that runs is ended, if its engine can be, once no open lane has a chunk in it.
        """
        self._scheduler._drop(self)


class Scheduler:
    """The queue in front of an engine, or a bag's engines, and the one thread that runs them."""

    def __init__(self, engine: Engine, batch_size: int) -> None:
        """`engine` runs every chunk that is submitted without another."""
        if batch_size < 1:
            raise ValueError(f"a batch size of {batch_size}; it must be 1 or more")
        self._engine = engine
        self._batch_size = batch_size
        self._lanes: deque[Lane] = deque()  # those with chunks queued, the next one first
        self._wake = threading.Condition()
        self._closed = False
        self._running: _Running | None = None
        self._thread = threading.Thread(
            target=self._work, name=f"engine {engine.spec.name}", daemon=True
        )
        self._thread.start()

    @property
    def batch_size(self) -> int:
        """Chunks run at once at the most; halved when the device's memory did not hold them."""
        return self._batch_size

    @property
    def n_queued(self) -> int:
        """Chunks waiting for the engine, over all lanes."""
        with self._wake:
            return sum(len(lane._jobs) for lane in self._lanes)

    def open_lane(self) -> Lane:
        """A lane for a new request."""
        return Lane(self)

    def close(self, *, at_once: bool = False) -> None:
        """Cancel what is queued, let the running batch finish, stop the thread.

        `at_once` ends the running batch, if its engine can be, and cancels what was in it.
        """
        with self._wake:
            self._closed = True
            if at_once and self._running is not None:
                self._running.cancel.set()
            self._wake.notify_all()
        self._thread.join()
        for lane in list(self._lanes):
            self._drop(lane)

    def _submit(
        self, lane: Lane, inputs: Mapping[str, Array], engine: Engine | None
    ) -> Future[Item]:
        future: Future[Item] = Future()
        with self._wake:
            if self._closed:
                raise EngineError(f"{self._engine.spec.name} is closed")
            if lane._closed:
                future.cancel()
                return future
            if not lane._jobs:
                self._lanes.append(lane)
            job = _Job(inputs, future, lane, time.perf_counter(), engine or self._engine)
            lane._jobs.append(job)
            self._wake.notify()
        return future

    def _drop(self, lane: Lane) -> None:
        with self._wake:
            lane._closed = True
            dropped = list(lane._jobs)
            lane._jobs.clear()
            if lane in self._lanes:
                self._lanes.remove(lane)
            running = self._running
            if running is not None and all(one._closed for one in running.lanes):
                running.cancel.set()
        for job in dropped:
            job.future.cancel()

    def _take_batch(self) -> tuple[list[_Job], CancelToken] | None:
        """The next chunks to run, one of each lane, and the token that ends them; None when closed.

        From here on, before the engine has them, the batch counts as running.
        """
        with self._wake:
            self._running = None
            while not self._lanes and not self._closed:
                self._wake.wait()
            if self._closed:
                return None
            batch: list[_Job] = []
            skipped: list[Lane] = []
            while self._lanes and len(batch) < self._batch_size:
                lane = self._lanes.popleft()
                if batch and not lane._jobs[0].fits(batch[0]):
                    skipped.append(lane)
                    continue
                batch.append(lane._jobs.popleft())
                if lane._jobs:
                    self._lanes.append(lane)
            self._lanes.extendleft(reversed(skipped))  # they come first next time
            self._running = _Running(tuple(job.lane for job in batch), CancelToken())
            return batch, self._running.cancel

    def _put_back(self, jobs: list[_Job]) -> None:
        """Undo `_take_batch`: each chunk at the head of its lane, its lane at the head."""
        with self._wake:
            for job in reversed(jobs):
                if job.lane._closed:
                    job.future.cancel()
                    continue
                if job.lane in self._lanes:
                    self._lanes.remove(job.lane)
                self._lanes.appendleft(job.lane)
                job.lane._jobs.appendleft(job)

    def _work(self) -> None:
        while (taken := self._take_batch()) is not None:
            jobs, cancel = taken
            _drop_closed(jobs)
            if jobs:
                self._run(jobs, cancel)
            # An error that a run raised refers to the list: emptied, it keeps no inputs in memory.
            jobs.clear()
            del taken, jobs

    def _run(self, jobs: list[_Job], cancel: CancelToken) -> None:
        started = time.perf_counter()
        engine = jobs[0].engine
        names = [tensor.name for tensor in engine.spec.inputs]
        try:
            inputs = (
                dict(jobs[0].inputs)
                if len(jobs) == 1
                else {n: np.concatenate([job.inputs[n] for job in jobs]) for n in names}
            )
            outputs = _run_until(cancel, engine, inputs)
        except EngineStoppedError:
            for job in jobs:
                job.future.cancel()
            return
        except (EngineMemoryError, MemoryError) as error:
            if len(jobs) == 1:
                _resolve(jobs, error=error)
                return
            self._batch_size = (len(jobs) + 1) // 2
            _log.warning("%s; the batch size is %d from now on", error, self._batch_size)
            self._put_back(jobs)
            return
        except Exception as error:  # noqa: BLE001 - whatever it was, the requests raise it
            _resolve(jobs, error=error)
            return
        share_s = (time.perf_counter() - started) / len(jobs)
        for row, job in enumerate(jobs):
            job.lane.engine_s += share_s
            job.lane.queue_s += started - job.queued_at
            item = outputs if len(jobs) == 1 else {n: a[row : row + 1] for n, a in outputs.items()}
            _resolve([job], item=item)


def _drop_closed(jobs: list[_Job]) -> None:
    """Remove the chunks whose lanes were closed since they were taken."""
    for job in jobs:
        if job.lane._closed:
            job.future.cancel()
    jobs[:] = [job for job in jobs if not job.future.cancelled()]


def _run_until(cancel: CancelToken, engine: Engine, inputs: Item) -> Item:
    if cancel.is_set:
        raise EngineStoppedError(f"{engine.spec.name}: the run was ended before it began")
    if isinstance(engine, StoppableEngine):
        return engine.run_stoppable(inputs, cancel)
    return engine.run(inputs)


def _resolve(
    jobs: list[_Job], item: Item | None = None, error: BaseException | None = None
) -> None:
    for job in jobs:
        if not job.future.set_running_or_notify_cancel():
            continue
        if error is not None:
            job.future.set_exception(error)
        elif item is not None:
            job.future.set_result(item)
