"""One track on its way to its beats: in steps, in its turn, and given up from another thread."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from beat_helpers import (
    FACTS,
    RATE,
    STEMS,
    ClickEngine,
    click_mixture,
    click_separator,
    click_stems,
    click_times,
)
from helpers import gain_separator

from stemline.engines import EngineError
from stemline.engines.base import Array, Arrays
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.beats import BeatTracker
from stemline.serving.errors import RequestError, SeparationClosedError
from stemline.serving.pipeline import SeparateOptions

BEATS = click_times(6, 120, 4)
SONG = click_mixture(BEATS, (), (), 6)
STEREO = AudioFormat(RATE, 2, SONG.shape[1])


class GatedEngine(ClickEngine):
    """Holds every run until `gate` is set; `begun` tells that one has begun."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__()
        self._gate = gate
        self.begun = threading.Event()

    def run(self, inputs: Arrays) -> dict[str, Array]:
        self.begun.set()
        self._gate.wait(30)
        return super().run(inputs)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.002)


def found_in_steps(tracker: BeatTracker, options: SeparateOptions | None = None) -> list[float]:
    with tracker.stream([SONG], STEREO, options) as tracking:
        for block in tracking:
            assert tracking.n_samples_done == block.offset_samples + block.stems["bass"].shape[1]
        return [beat.time_s for beat in tracking.find().beats]


def test_in_steps_is_as_at_once() -> None:
    separator = click_separator()
    tracker = BeatTracker(ClickEngine(), FACTS, separator)
    at_once = [beat.time_s for beat in tracker.track(SONG, RATE).beats]
    assert at_once == [time_s for time_s, _ in BEATS]
    assert found_in_steps(tracker) == at_once
    assert found_in_steps(tracker, SeparateOptions(stems=("vocals",))) == at_once
    tracker.close()
    separator.close()


def test_stems_that_are_wanted_come_as_from_the_separator() -> None:
    separator = click_separator()
    tracker = BeatTracker(ClickEngine(), FACTS, separator)
    options = SeparateOptions(stems=("vocals",), residual=True)
    with tracker.stream([SONG], STEREO, options) as tracking:
        blocks = list(tracking)
    for name, wanted in separator.separate(SONG, RATE, options).items():
        got = np.concatenate([block.stems[name] for block in blocks], axis=1)
        np.testing.assert_array_equal(got, wanted)
    tracker.close()
    separator.close()


@pytest.mark.parametrize("is_running", [False, True])
def test_a_turn_is_given_up_while_the_network_is_still_busy(is_running: bool) -> None:
    gate = threading.Event()
    engine, separator = GatedEngine(gate), click_separator()
    tracker = BeatTracker(engine, FACTS, separator)
    with ThreadPoolExecutor(2) as pool:
        first = tracker.stream([SONG], STEREO)
        finding = pool.submit(lambda: (list(first), first.find())[1])
        assert engine.begun.wait(20)
        behind = tracker.stream([SONG], STEREO)
        waiting = pool.submit(lambda: (list(behind), behind.find())[1])
        wait_for(lambda: tracker.n_queued == 1)
        given_up, going_on = (finding, waiting) if is_running else (waiting, finding)
        (first if is_running else behind).close()
        with pytest.raises(SeparationClosedError):
            given_up.result(timeout=5)  # the network is busy for as long as the gate is shut
        assert tracker.n_queued == (1 if is_running else 0)
        gate.set()
        found = going_on.result()
    assert len(found.beats) == len(BEATS)
    if is_running:
        assert found.seconds["queue"] > 0
    tracker.close()
    separator.close()


def test_a_track_that_is_closed_while_it_is_separated_ends_there() -> None:
    separator = click_separator()
    tracker = BeatTracker(ClickEngine(), FACTS, separator)
    tracking = tracker.stream([SONG], STEREO)
    next(tracking)
    tracking.close()
    with pytest.raises(SeparationClosedError):
        list(tracking)
    with pytest.raises(SeparationClosedError):
        tracking.find()
    tracker.close()
    separator.close()


def test_who_waits_when_the_network_is_closed_hears_of_it() -> None:
    gate = threading.Event()
    engine = GatedEngine(gate)
    tracker = BeatTracker(engine, FACTS)
    stems = click_stems(BEATS, (), (), 6)
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(tracker.track_stems, stems, RATE) for _ in range(2)]
        assert engine.begun.wait(20)  # the one runs, and then the other is what waits
        wait_for(lambda: tracker.n_queued == 1)
        closing = pool.submit(tracker.close)
        time.sleep(0.05)  # it waits for the run that has begun
        gate.set()
        closing.result()
        ends = [call.exception() for call in calls]
    assert sorted(str(end) for end in ends) == ["None", "the engine was closed"]
    assert engine.is_closed
    with pytest.raises(EngineError, match="closed"):
        tracker.track_stems(stems, RATE)


def test_an_error_of_the_network_reaches_its_caller_and_no_other() -> None:
    class OnceBroken(ClickEngine):
        is_broken = True

        def run(self, inputs: Arrays) -> dict[str, Array]:
            if self.is_broken:
                self.is_broken = False
                raise EngineError("out of order")
            return super().run(inputs)

    tracker = BeatTracker(OnceBroken(), FACTS)
    stems = click_stems(BEATS, (), (), 6)
    with pytest.raises(EngineError, match="out of order"):
        tracker.track_stems(stems, RATE)
    assert len(tracker.track_stems(stems, RATE).beats) == len(BEATS)
    tracker.close()


def test_trackers_of_one_network_share_its_engine_and_queue() -> None:
    engine, separator = ClickEngine(), click_separator()
    tracker = BeatTracker(engine, FACTS)
    hearing = tracker.with_separator(separator)
    assert (tracker.separator, hearing.separator) == (None, separator)
    assert len(hearing.track(SONG, RATE).beats) == len(BEATS)
    with pytest.raises(RequestError, match="no model that makes them"):
        tracker.track(SONG, RATE)
    other = gain_separator()
    with pytest.raises(RequestError, match="tiny gives instrumental, vocals"):
        tracker.with_separator(other)
    hearing.close()
    assert engine.is_closed
    with pytest.raises(EngineError, match="closed"):
        tracker.track_stems(dict.fromkeys(STEMS, SONG), RATE)
    separator.close()
    other.close()
