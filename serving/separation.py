"""One track under way through a model: reading, the engine and the caller work at the same time.

    audio blocks ─► TrackInput ─► pieces      ─► [engine] ─► stems of a piece ─► TrackOutput
    `Separation._feed`, a thread                 its queue   `Separation._stems`, the caller

It is `pipeline.separate_track` in three threads, each at work on a piece of its own. How many
pieces are under way is bounded, so memory does not grow with the length of the track.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from stemline.engines import Engine
from stemline.errors import EngineError, SeparationClosedError
from stemline.families.separation import Piece, TrackProcessing
from stemline.preprocessing.audio import AudioFormat

from .holding import Holding, Unlimited
from .jobs import SeparatedBlock
from .scheduler import Item, Lane
from .track_input import TrackInput
from .track_output import TrackOutput

_FEED_ENDS_WITHIN_S = 5.0


@dataclass(frozen=True)
class RunningNetwork:
    """A network of the model, loaded."""

    name: str
    """The name of its artifact."""
    engine: Engine


@dataclass(frozen=True)
class _UnderWay:
    """A piece that waits for an engine or runs in it, and its outputs once they are there."""

    piece: Piece
    outputs: Future[Item]


class Separation(Iterator[SeparatedBlock]):
    """One track on its way through a Separator: iterate over it for the stems.

    It frees what it holds when it ends, when it fails, and on `close`.
    """

    def __init__(
        self,
        *,
        track: TrackInput,
        processing: TrackProcessing,
        networks: Mapping[int, RunningNetwork],
        output: TrackOutput,
        lane: Lane,
        n_under_way: int,
        holding: Holding | None = None,
    ) -> None:
        """Made by `Separator.stream`.

        `n_under_way` is how many pieces may be fed whose stems the caller has not yet taken;
        `holding` is told what they hold, and ends the track with LimitError where that is too much.
        """
        self.chunks_done = 0
        self._track = track
        self._processing = processing
        self._networks = networks
        self._output = output
        self._lane = lane
        self._holding = holding or Unlimited()
        self._n_under_way = n_under_way
        self._largest = {"inputs": 0, "outputs": 0}
        self._seconds = {"preprocess": 0.0, "postprocess": 0.0}
        self._slots = threading.Semaphore(n_under_way)
        self._under_way: SimpleQueue[_UnderWay | None] = SimpleQueue()
        self._waiting: Future[Item] | None = None
        self._closed = False
        self._fed: Future[None] = Future()
        self._started = time.perf_counter()
        self._blocks = self._stems()
        self._feeding = threading.Thread(target=self._run_feed, name="stemline feed", daemon=True)
        self._feeding.start()

    @property
    def audio(self) -> AudioFormat:
        """The sample rate, channels and length of the track."""
        return self._track.audio

    @property
    def n_samples_done(self) -> int:
        """Samples of every stem returned so far, at the input's sample rate."""
        return self._output.n_samples

    @property
    def stems(self) -> tuple[str, ...]:
        """The names in every block, the residual last."""
        return self._output.stems

    @property
    def networks(self) -> tuple[str, ...]:
        """The artifacts that run for this track."""
        return tuple(network.name for network in self._networks.values())

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage so far; stages overlap, so they may add up to more than `wall`."""
        return {
            "input": self._track.input_s,
            **self._seconds,
            "queue": self._lane.queue_s,
            "engine": self._lane.engine_s,
            "wall": time.perf_counter() - self._started,
        }

    def __next__(self) -> SeparatedBlock:
        return next(self._blocks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        # Whoever leaves may close the reader next, or end the process: no thread may be inside
        # a library then. One that still waits for a caller's blocks is left behind.
        self._feeding.join(_FEED_ENDS_WITHIN_S)

    def close(self) -> None:
        """Drop what is still under way, at once; safe from any thread, and more than once."""
        self._closed = True
        self._track.stop()
        self._lane.close()
        waiting = self._waiting
        if waiting is not None:
            waiting.cancel()
        self._slots.release()
        self._under_way.put(None)

    # The feeding side ------------------------------------------------------------------------

    def _feed(self) -> None:
        """Audio blocks → pieces → the queue."""
        track = self._track
        if track.reads_twice:
            with self._preprocessing():
                self._processing.prepare(track.first_reading())
        pieces = self._processing.pieces(track.last_reading())
        while True:
            with self._preprocessing():
                piece = next(pieces, None)
            if piece is None:
                return
            self._hold("inputs", piece.inputs)
            self._slots.acquire()
            if self._closed:
                return
            outputs = self._lane.submit(piece.inputs, self._networks[piece.network].engine)
            # What is remembered of it is all that its stems need: the inputs are the engine's.
            self._under_way.put(_UnderWay(replace(piece, inputs={}), outputs))

    def _run_feed(self) -> None:
        try:
            self._feed()
        except BaseException as error:  # noqa: BLE001 - the caller's thread raises it
            self._fed.set_exception(error)
        else:
            self._fed.set_result(None)
        finally:
            try:
                self._track.close()
            finally:
                self._under_way.put(None)  # whatever happened, the caller must not wait for more

    def _preprocessing(self) -> "_Stage":
        """Add the time within to `preprocess`, less the time spent waiting for input."""
        return _Stage(self._seconds, "preprocess", self._track)

    # The caller's side -----------------------------------------------------------------------

    def _stems(self) -> Iterator[SeparatedBlock]:
        """The engines' outputs, in order → blocks of stems at the track's rate."""
        try:
            for piece, outputs in self._outputs():
                started = time.perf_counter()
                final = self._processing.add(piece, outputs)  # (n_stems, channels, n)
                del piece, outputs
                blocks = list(self._output.add(final))
                self._seconds["postprocess"] += time.perf_counter() - started
                self.chunks_done += 1
                yield from blocks
            yield from self._output.finish(self._track.n_samples)
        finally:
            self.close()

    def _outputs(self) -> Iterator[tuple[Piece, Item]]:
        """Every piece with its outputs, name → (1, ...), in the order in which they were fed."""
        while (under_way := self._under_way.get()) is not None and not self._closed:
            self._waiting = under_way.outputs
            try:
                outputs = [self._waiting.result()]
            except CancelledError as error:
                if self._closed:
                    raise SeparationClosedError("closed before the last stem was given") from error
                raise EngineError("the engine was closed") from error
            self._waiting = None
            piece = under_way.piece
            del under_way  # outputs are large: none is held here while the next one is made
            self._hold("outputs", outputs[0])
            yield piece, outputs.pop()
            self._slots.release()
        if self._closed:
            raise SeparationClosedError("closed before the last stem was given")
        self._fed.result()  # raises what went wrong while feeding

    def _hold(self, part: str, arrays: Item) -> None:
        """Say what all pieces under way hold if each is as large as this one."""
        n_bytes = sum(array.nbytes for array in arrays.values())
        if n_bytes > self._largest[part]:
            self._largest[part] = n_bytes
            self._holding.memory(part, n_bytes * self._n_under_way)


class _Stage:
    """Adds the time within a `with` to a stage, less the time spent waiting for input."""

    def __init__(self, seconds: dict[str, float], stage: str, track: TrackInput) -> None:
        self._seconds = seconds
        self._stage = stage
        self._track = track

    def __enter__(self) -> None:
        self._started = time.perf_counter()
        self._waited = self._track.input_s

    def __exit__(self, *_: object) -> None:
        input_s = self._track.input_s - self._waited
        self._seconds[self._stage] += time.perf_counter() - self._started - input_s
