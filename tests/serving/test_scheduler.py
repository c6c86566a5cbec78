import threading
from collections.abc import Callable
from concurrent.futures import CancelledError

import numpy as np
import pytest
from helpers import GainEngine, tiny_info

from stemline.arrays import Array, Arrays
from stemline.engines import CancelToken
from stemline.errors import EngineError, EngineStoppedError
from stemline.serving.scheduler import Lane, Scheduler

INFO = tiny_info()


def chunk(value: float) -> dict[str, np.ndarray]:
    shape = (1, 4, 256, 32)
    return {"mixture": np.full(shape, value, np.float32)}


def values(lane: Lane, *wanted: float) -> list[float]:
    futures = [lane.submit(chunk(value)) for value in wanted]
    return [float(future.result(10)["stems"][0, 0, 0, 0, 0]) for future in futures]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_every_chunk_gets_its_own_answer_at_any_batch_size(batch_size: int) -> None:
    scheduler = Scheduler(GainEngine(INFO, (0.5,)), batch_size)
    assert values(scheduler.open_lane(), *range(7)) == [0.5 * value for value in range(7)]
    scheduler.close()


def test_lanes_take_turns_so_a_short_one_is_not_behind_a_long_one() -> None:
    gate = threading.Event()
    scheduler = Scheduler(GainEngine(INFO, gate=gate), 1)
    order: list[str] = []
    long, short = scheduler.open_lane(), scheduler.open_lane()
    for index in range(10):
        future = long.submit(chunk(index))
        future.add_done_callback(lambda _, index=index: order.append(f"long {index}"))
    for index in range(2):
        future = short.submit(chunk(index))
        future.add_done_callback(lambda _, index=index: order.append(f"short {index}"))
    last = future
    gate.set()
    last.result(10)
    scheduler.close()
    # "long 0" may be running when the short one arrives; after that they alternate.
    assert order.index("short 1") <= 4


def test_a_batch_takes_one_chunk_of_each_lane_before_a_second_of_any() -> None:
    gate = threading.Event()
    engine = GainEngine(INFO, (1.0,), gate=gate)
    scheduler = Scheduler(engine, 3)
    first = scheduler.open_lane().submit(chunk(99))
    while scheduler.n_queued:  # until the engine holds it at the gate
        threading.Event().wait(0.001)
    lanes = [scheduler.open_lane() for _ in range(3)]
    futures = [lane.submit(chunk(10 * n + k)) for n, lane in enumerate(lanes) for k in range(2)]
    gate.set()
    for future in (first, *futures):
        future.result(10)
    scheduler.close()
    assert engine.values == [[99], [0, 10, 20], [1, 11, 21]]


def test_a_chunk_of_a_closed_lane_never_runs() -> None:
    engine = GainEngine(INFO, (1.0,))
    scheduler = Scheduler(engine, 1)
    lane = scheduler.open_lane()
    lane.close()
    assert lane.submit(chunk(1)).cancelled()
    assert values(scheduler.open_lane(), 2.0) == [2.0]
    scheduler.close()
    assert engine.values == [[2]]


def test_too_little_memory_halves_the_batch_and_loses_no_chunk(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = threading.Event()
    engine = GainEngine(INFO, (1.0,), gate=gate, max_batch=2)
    scheduler = Scheduler(engine, 8)
    lane = scheduler.open_lane()
    futures = [lane.submit(chunk(0))]
    while scheduler.n_queued:  # until the engine holds it at the gate
        threading.Event().wait(0.001)
    futures += [lane.submit(chunk(index)) for index in range(1, 10)]
    gate.set()
    got = [float(future.result(10)["stems"][0, 0, 0, 0, 0]) for future in futures]
    assert got == list(range(10))
    assert scheduler.batch_size == 2
    assert "the batch size is 4" in caplog.text
    assert "the batch size is 2" in caplog.text
    scheduler.close()


def test_memory_that_does_not_hold_one_chunk_is_an_error_and_the_queue_goes_on() -> None:
    scheduler = Scheduler(GainEngine(INFO, max_batch=0), 1)
    lane = scheduler.open_lane()
    for _ in range(2):
        with pytest.raises(EngineError, match="no memory for a batch of 1"):
            lane.submit(chunk(1)).result(10)
    scheduler.close()


def test_a_closed_lane_leaves_nothing_queued_and_others_untouched() -> None:
    gate = threading.Event()
    scheduler = Scheduler(GainEngine(INFO, (1.0,), gate=gate), 1)
    other = scheduler.open_lane()
    running = other.submit(chunk(0))
    lane = scheduler.open_lane()
    dropped = [lane.submit(chunk(index)) for index in range(5)]
    kept = other.submit(chunk(3))
    lane.close()
    assert scheduler.n_queued <= 2  # the other lane's, one of which may be running
    assert all(future.cancelled() for future in dropped)
    gate.set()
    assert float(kept.result(10)["stems"][0, 0, 0, 0, 0]) == 3
    running.result(10)
    scheduler.close()


def test_closing_cancels_what_is_queued_and_refuses_more() -> None:
    gate = threading.Event()
    scheduler = Scheduler(GainEngine(INFO, gate=gate), 1)
    lane = scheduler.open_lane()
    futures = [lane.submit(chunk(index)) for index in range(4)]
    closing = threading.Thread(target=scheduler.close)
    closing.start()
    gate.set()
    closing.join(10)
    with pytest.raises(CancelledError):
        futures[-1].result(10)
    with pytest.raises(EngineError, match="closed"):
        lane.submit(chunk(1))


def test_wrong_input_fails_its_own_chunk_only() -> None:
    scheduler = Scheduler(GainEngine(INFO, (1.0,)), 1)
    lane = scheduler.open_lane()
    bad = lane.submit({"mixture": np.zeros((1, 4, 256, 31), np.float32)})
    with pytest.raises(EngineError, match=r"mixture must be float32 of shape"):
        bad.result(10)
    assert values(lane, 2.0) == [2.0]
    scheduler.close()


class StoppableGainEngine(GainEngine):
    """Its runs end when they are stopped or `gate` is set; `n_ended` counts the first kind."""

    def __init__(self, gate: threading.Event, before: Callable[[], None] | None = None) -> None:
        super().__init__(INFO, (1.0,))
        self._opened = gate
        self._before = before
        self.begun = threading.Semaphore(0)
        self.n_ended = 0

    def run_stoppable(self, inputs: Arrays, cancel: CancelToken) -> dict[str, Array]:
        self.begun.release()
        if self._before is not None:
            self._before()
        go_on = threading.Event()
        cancel.on_set(go_on.set)
        while not (go_on.is_set() or self._opened.is_set()):
            go_on.wait(0.001)
        if cancel.is_set:
            self.n_ended += 1
            raise EngineStoppedError("ended")
        return self.run(inputs)


def test_a_run_is_ended_when_its_lane_closes_and_the_next_is_not() -> None:
    gate = threading.Event()
    engine = StoppableGainEngine(gate)
    scheduler = Scheduler(engine, 1)
    left, staying = scheduler.open_lane(), scheduler.open_lane()
    futures = [left.submit(chunk(1)), staying.submit(chunk(2))]
    assert engine.begun.acquire(timeout=10)
    left.close()
    with pytest.raises(CancelledError):
        futures[0].result(10)
    assert engine.begun.acquire(timeout=10)
    left.close()  # again, now that another's chunk runs
    gate.set()
    assert float(futures[1].result(10)["stems"][0, 0, 0, 0, 0]) == 2
    assert engine.n_ended == 1
    scheduler.close()


def test_a_batch_is_ended_by_its_last_lane_to_close_and_by_none_before() -> None:
    gate = threading.Event()
    engine = StoppableGainEngine(gate)
    scheduler = Scheduler(engine, 2)
    first = scheduler.open_lane()
    held = first.submit(chunk(0))
    assert engine.begun.acquire(timeout=10)
    lanes = [scheduler.open_lane() for _ in range(4)]
    futures = [lane.submit(chunk(index)) for index, lane in enumerate(lanes)]
    first.close()
    assert engine.begun.acquire(timeout=10)  # lanes 0 and 1
    lanes[0].close()
    assert not futures[1].done()
    lanes[1].close()
    assert engine.begun.acquire(timeout=10)  # lanes 2 and 3
    lanes[2].close()
    gate.set()
    assert float(futures[3].result(10)["stems"][0, 0, 0, 0, 0]) == 3
    assert held.cancelled()
    assert futures[0].cancelled()
    assert futures[1].cancelled()
    assert engine.n_ended == 2
    assert engine.values == [[2, 3]]
    scheduler.close()


def test_a_lane_that_closes_before_the_engine_listens_ends_its_run() -> None:
    closed = threading.Event()
    engine = StoppableGainEngine(threading.Event(), lambda: closed.wait(10) and None)
    scheduler = Scheduler(engine, 1)
    lane = scheduler.open_lane()
    future = lane.submit(chunk(1))
    assert engine.begun.acquire(timeout=10)
    lane.close()
    closed.set()
    with pytest.raises(CancelledError):
        future.result(10)
    scheduler.close()


def test_closing_at_once_ends_what_runs() -> None:
    engine = StoppableGainEngine(threading.Event())
    scheduler = Scheduler(engine, 1)
    futures = [scheduler.open_lane().submit(chunk(index)) for index in range(2)]
    assert engine.begun.acquire(timeout=10)
    scheduler.close(at_once=True)
    assert [future.cancelled() for future in futures] == [True, True]
    assert (engine.n_ended, engine.values) == (1, [])


@pytest.mark.parametrize("batch_size", [1, 2])
def test_lanes_that_come_and_go_never_take_a_chunk_of_one_that_stays(batch_size: int) -> None:
    gate = threading.Event()
    gate.set()
    scheduler = Scheduler(StoppableGainEngine(gate), batch_size)
    staying, over = scheduler.open_lane(), threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            lane = scheduler.open_lane()
            lane.submit(chunk(-1))
            lane.close()

    leaving = [threading.Thread(target=come_and_go) for _ in range(2)]
    for thread in leaving:
        thread.start()
    try:
        assert values(staying, *range(200)) == list(range(200))
    finally:
        over.set()
        for thread in leaving:
            thread.join()
        scheduler.close()
