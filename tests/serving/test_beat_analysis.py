"""One track on its way to its beats: in steps, in its turn, and given up from another thread."""

import gc
import signal
import threading
import time
import weakref
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
from mixture_beat_helpers import MIXTURE_FACTS, MixtureClickEngine

from stemline.arrays import Array, Arrays
from stemline.engines import CancelToken
from stemline.errors import (
    FAILED,
    EngineError,
    EngineMemoryError,
    EngineStoppedError,
    RequestError,
    SeparationClosedError,
)
from stemline.preprocessing.audio import AudioFormat
from stemline.preprocessing.spectrogram_stream import SpectrogramStream
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.jobs import SeparateOptions

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


class EndlessEngine(ClickEngine):
    """Its first run goes on until it is stopped; `when_begun` is called from within."""

    def __init__(self, when_begun: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._when_begun = when_begun
        self.begun = threading.Event()
        self.was_ended = False

    def run_stoppable(self, inputs: Arrays, cancel: CancelToken) -> dict[str, Array]:
        if self.begun.is_set():
            return self.run(inputs)
        ended = threading.Event()
        cancel.on_set(ended.set)
        self.begun.set()
        self._when_begun()
        assert ended.wait(20)
        self.was_ended = True
        raise EngineStoppedError("ended")


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


def test_a_track_that_is_closed_ends_its_run_and_the_next_has_the_network() -> None:
    engine = EndlessEngine()
    tracker = BeatTracker(engine, FACTS)
    stems = click_stems(BEATS, (), (), 6)
    with ThreadPoolExecutor(2) as pool:
        ticket, mono = tracker.open_ticket(), tracker.collect(RATE)
        mono.push(stems)
        finding = pool.submit(tracker.find, mono, ticket=ticket)
        assert engine.begun.wait(20)
        waiting = pool.submit(tracker.track_stems, stems, RATE)
        wait_for(lambda: tracker.n_queued == 1)
        ticket.close()
        with pytest.raises(SeparationClosedError):
            finding.result(10)
        assert len(waiting.result(10).beats) == len(BEATS)
    assert engine.was_ended
    tracker.close()


def test_closing_the_network_ends_what_it_runs() -> None:
    engine = EndlessEngine()
    tracker = BeatTracker(engine, FACTS)
    with ThreadPoolExecutor(1) as pool:
        finding = pool.submit(tracker.track_stems, click_stems(BEATS, (), (), 6), RATE)
        assert engine.begun.wait(20)
        tracker.close()
        with pytest.raises(EngineError, match="closed"):
            finding.result(10)
    assert engine.was_ended
    assert engine.is_closed


def test_a_key_that_interrupts_ends_the_run_of_whoever_waits_for_it() -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        time.sleep(0.2)  # a signal just before the main thread begins to wait would not wake it
        signal.pthread_kill(main, signal.SIGINT)

    engine = EndlessEngine(interrupt)
    tracker = BeatTracker(engine, FACTS)
    stems = click_stems(BEATS, (), (), 6)
    with pytest.raises(KeyboardInterrupt):
        tracker.track_stems(stems, RATE)
    wait_for(lambda: engine.was_ended)
    assert len(tracker.track_stems(stems, RATE).beats) == len(BEATS)
    tracker.close()


def test_a_mixture_that_is_closed_while_it_is_heard_ends_there() -> None:
    tracker = BeatTracker(MixtureClickEngine(), MIXTURE_FACTS)
    tracking = tracker.stream([SONG[:, :RATE], SONG[:, RATE:]], STEREO)
    next(tracking)
    tracking.close()
    with pytest.raises(SeparationClosedError):
        list(tracking)
    tracker.close()


class FullEngine(ClickEngine):
    """Has no memory for its first run, of which it keeps no more than a weak reference."""

    def __init__(self, error: type[Exception]) -> None:
        super().__init__()
        self._error = error
        self.given: weakref.ref[Array] | None = None

    def run(self, inputs: Arrays) -> dict[str, Array]:
        if self.given is None:
            self.given = weakref.ref(inputs["spectrogram"])
            raise self._error("3.2 GiB")
        return super().run(inputs)


TOO_LONG = "^a track of 0.1 minutes needs more memory than there is; give shorter parts, or a"


@pytest.mark.parametrize("error", [EngineMemoryError, MemoryError])
def test_a_track_that_the_network_has_no_memory_for_is_told_so_and_freed(
    error: type[Exception],
) -> None:
    engine = FullEngine(error)
    tracker = BeatTracker(engine, FACTS)
    stems = click_stems(BEATS, (), (), 6)
    gc.disable()  # freed at once, not some time later
    try:
        with pytest.raises(EngineMemoryError, match=TOO_LONG) as raised:
            tracker.track_stems(stems, RATE)
        given = engine.given
        assert given is not None
        wait_for(lambda: given() is None)  # the engine's thread may be a step behind
    finally:
        gc.enable()
    assert raised.value.grpc_status == "RESOURCE_EXHAUSTED"
    assert raised.value.exit_code == FAILED
    assert len(tracker.track_stems(stems, RATE).beats) == len(BEATS)
    tracker.close()


@pytest.mark.parametrize(
    ("step", "says"), [("push", "^a track of more than 0.0 minutes needs"), ("finish", TOO_LONG)]
)
def test_a_track_whose_spectrogram_memory_does_not_hold_is_told_so(
    monkeypatch: pytest.MonkeyPatch, step: str, says: str
) -> None:
    def full(*_: object) -> None:
        raise MemoryError("Unable to allocate 1.3 GiB")

    separator = click_separator()
    tracker = BeatTracker(ClickEngine(), FACTS, separator)
    with monkeypatch.context() as patched:
        patched.setattr(SpectrogramStream, step, full)
        with pytest.raises(EngineMemoryError, match=says):
            tracker.track(SONG, RATE)
        with pytest.raises(EngineMemoryError, match=says):
            tracker.track_stems(click_stems(BEATS, (), (), 6), RATE)
    assert len(tracker.track(SONG, RATE).beats) == len(BEATS)
    tracker.close()
    separator.close()
