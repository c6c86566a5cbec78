import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest
from helpers import GainEngine, tiny_info

from stemline.engines import EngineError
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
