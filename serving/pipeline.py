"""From audio to stems: read this first.

    audio blocks ─► chunks ─► spectrograms ─► [engine] ─► stems of a chunk ─► stem blocks
    `Separation._feed`, a thread              its queue    `Separation._stems`, the caller

Feeding, the engine and the caller work at the same time, each on another chunk; a bounded
number of chunks is under way, whatever the length of the track.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import numpy as np

from stemline.engines import Engine, EngineError, EngineSpec, ModelInfo
from stemline.engines.base import Array
from stemline.engines.memory import auto_batch_size
from stemline.postprocessing.overlap_add import OverlapAdd
from stemline.postprocessing.stems import residual, residual_name
from stemline.preprocessing.audio import AudioFormat, checked
from stemline.preprocessing.channels import from_channels, output_channels, to_channels
from stemline.preprocessing.chunks import Chunk, ChunkPlan, hop_samples_for, iter_chunks
from stemline.preprocessing.resample import Resampler

from .errors import SeparationClosedError, UnknownStemError
from .families import Family, check_engine, family_of
from .scheduler import Item, Lane, Scheduler

_BLOCK_SAMPLES = 1 << 16
_FEED_ENDS_WITHIN_S = 5.0


@dataclass(frozen=True)
class SeparateOptions:
    """What a caller may choose."""

    stems: tuple[str, ...] = ()
    """Those wanted, in any case; all of them when empty."""
    residual: bool = False
    """Also give the mixture minus the wanted stems, as `no_<stem>` or `residual`."""
    overlap: float | None = None
    """N of 2 or more: hop = chunk // N; below 1: hop = chunk × (1 − fraction); the model's own
    when None."""


@dataclass(frozen=True)
class SeparatedBlock:
    """A stretch of every stem that is final."""

    offset_samples: int
    """Where it begins in the track, at the input's sample rate."""
    stems: dict[str, Array]
    """Name → (channels, n_samples) float32."""


class Separator:
    """A model ready to separate; one engine, one fair queue, any number of callers at once."""

    def __init__(
        self,
        engine: Engine,
        info: ModelInfo,
        *,
        batch_size: int | None = None,
        name: str = "",
        sha256: str = "",
    ) -> None:
        """Take an engine over; it is closed with the separator.

        `name` and `sha256` are the artifact's. Raises ArtifactError when the engine is not one of
        a model with these facts.
        """
        self.info = info
        self.name = name or f"{info.model}.{info.precision}"
        self.sha256 = sha256
        self._engine = engine
        self._family = family_of(info)
        check_engine(info, self._family, engine.spec)
        self._scheduler = Scheduler(engine, batch_size or auto_batch_size(engine.spec))

    @property
    def engine_spec(self) -> EngineSpec:
        """The engine's inputs and outputs, and where it really runs."""
        return self._engine.spec

    @property
    def batch_size(self) -> int:
        """Chunks run at once at the most; halved when memory did not hold them."""
        return self._scheduler.batch_size

    @property
    def n_queued(self) -> int:
        """Chunks of all callers waiting for the engine."""
        return self._scheduler.n_queued

    def stream(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        options: SeparateOptions | None = None,
    ) -> "Separation":
        """Separate a track that comes in blocks, giving stems as they become final.

        Parameters
        ----------
        blocks
            (channels, n_samples) float32 at `audio.sample_rate_hz`, of any lengths; read lazily.
        audio
            What the blocks are.
        options
            The stems wanted and the overlap.

        Raises
        ------
        UnknownStemError, OverlapError
            At once. While iterating: AudioError for bad samples, EngineError, and whatever
            `blocks` raises.
        """
        chosen = options or SeparateOptions()
        plan, wanted = self._checked(chosen)
        return Separation(
            blocks=blocks,
            audio=audio,
            info=self.info,
            family=self._family,
            plan=plan,
            wanted=wanted,
            with_residual=chosen.residual,
            lane=self._scheduler.open_lane(),
            n_under_way=2 * self._scheduler.batch_size + 1,
        )

    def separate(
        self, samples: Array, sample_rate_hz: int, options: SeparateOptions | None = None
    ) -> dict[str, Array]:
        """A whole track (channels, n_samples) → stem name → (channels, n_samples), same rate.

        Raises as `stream` does.
        """
        audio = AudioFormat(sample_rate_hz, samples.shape[0], samples.shape[1])
        blocks = (
            samples[:, start : start + _BLOCK_SAMPLES]
            for start in range(0, samples.shape[1], _BLOCK_SAMPLES)
        )
        with self.stream(blocks, audio, options) as separation:
            shape = (output_channels(audio.channels), samples.shape[1])
            stems = {name: np.empty(shape, np.float32) for name in separation.stems}
            for block in separation:
                for name, part in block.stems.items():
                    end = block.offset_samples + part.shape[1]
                    stems[name][:, block.offset_samples : end] = part
        return stems

    def check(self, options: SeparateOptions) -> None:
        """Raise what `stream` would raise at once for these options."""
        self._checked(options)

    def close(self) -> None:
        """Stop the queue and free the engine."""
        self._scheduler.close()
        self._engine.close()

    def _checked(self, options: SeparateOptions) -> tuple[ChunkPlan, tuple[int, ...]]:
        """How the track is cut, and the indices of the wanted stems."""
        overlap = self.info.default_overlap if options.overlap is None else options.overlap
        chunk_samples = self.info.chunk_samples
        plan = ChunkPlan(chunk_samples, hop_samples_for(chunk_samples, overlap))
        return plan, self._wanted(options.stems)

    def _wanted(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Indices into the network's stems, in the order of the network, without repeats."""
        known = [stem.lower() for stem in self.info.stems]
        for name in names:
            if name.lower() not in known:
                raise UnknownStemError(
                    f"{self.info.model} has no stem {name!r}; it has {', '.join(self.info.stems)}"
                )
        chosen = {name.lower() for name in names} or set(known)
        return tuple(index for index, stem in enumerate(known) if stem in chosen)


class Separation(Iterator[SeparatedBlock]):
    """One track on its way through a Separator: iterate over it for the stems.

    It frees what it holds when it ends, when it fails, and on `close`.
    """

    def __init__(
        self,
        *,
        blocks: Iterable[Array],
        audio: AudioFormat,
        info: ModelInfo,
        family: Family,
        plan: ChunkPlan,
        wanted: tuple[int, ...],
        with_residual: bool,
        lane: Lane,
        n_under_way: int,
    ) -> None:
        self.audio = audio
        self.chunks_done = 0
        self.n_samples_done = 0
        """Samples of every stem given so far, at the input's sample rate."""
        self._info = info
        self._family = family
        self._plan = plan
        self._wanted = wanted
        self._names = [info.stems[index] for index in wanted]
        self._residual_name = residual_name(self._names) if with_residual else None
        self._lane = lane
        self._seconds = {"input": 0.0, "preprocess": 0.0, "postprocess": 0.0}
        self._channels = output_channels(audio.channels)
        self._mixture: deque[Array] = deque()  # kept for the residual only
        self._n_samples_in = 0
        self._blocks = self._tapped(checked(blocks))
        self._slots = threading.Semaphore(n_under_way)
        self._under_way: SimpleQueue[tuple[Chunk, Future[Item]] | None] = SimpleQueue()
        self._waiting: Future[Item] | None = None
        self._closed = False
        self._fed: Future[None] = Future()
        self._started = time.perf_counter()
        self._output = self._stems()
        self._feeding = threading.Thread(target=self._run_feed, name="stemline feed", daemon=True)
        self._feeding.start()

    @property
    def stems(self) -> tuple[str, ...]:
        """The names in every block, the residual last."""
        return (*self._names, *([self._residual_name] if self._residual_name else []))

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage so far; stages overlap, so they may add up to more than `wall`."""
        return {
            **self._seconds,
            "queue": self._lane.queue_s,
            "engine": self._lane.engine_s,
            "wall": time.perf_counter() - self._started,
        }

    def __next__(self) -> SeparatedBlock:
        return next(self._output)

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
        # a library then. One that waits for a caller's blocks is given up.
        self._feeding.join(_FEED_ENDS_WITHIN_S)

    def close(self) -> None:
        """Drop what is still under way, at once; safe from any thread, and more than once."""
        self._closed = True
        self._lane.close()
        waiting = self._waiting
        if waiting is not None:
            waiting.cancel()
        self._slots.release()
        self._under_way.put(None)

    # The feeding side ------------------------------------------------------------------------

    def _feed(self) -> None:
        """Audio blocks → chunks → the engine's queue."""
        chunks = iter_chunks(self._at_model_rate(self._blocks), self._plan)
        while True:
            started, waited = time.perf_counter(), self._seconds["input"]
            chunk = next(chunks, None)  # samples (channels, chunk_samples)
            if chunk is None:
                return
            inputs = self._family.encode(chunk.samples[np.newaxis])  # name → (1, ...)
            input_s = self._seconds["input"] - waited
            self._seconds["preprocess"] += time.perf_counter() - started - input_s
            self._slots.acquire()
            if self._closed:
                return
            self._under_way.put((chunk, self._lane.submit(inputs)))

    def _run_feed(self) -> None:
        try:
            self._feed()
        except BaseException as error:  # noqa: BLE001 - the caller's thread raises it
            self._fed.set_exception(error)
        else:
            self._fed.set_result(None)
        self._under_way.put(None)

    def _tapped(self, blocks: Iterator[Array]) -> Iterator[Array]:
        """The input's blocks, timed and counted, and kept where a residual needs them."""
        while True:
            started = time.perf_counter()
            block = next(blocks, None)  # (input channels, n)
            self._seconds["input"] += time.perf_counter() - started
            if block is None or self._closed:
                return
            self._n_samples_in += block.shape[1]
            if self._residual_name:
                self._mixture.append(to_channels(block, self._channels))
            yield block

    def _at_model_rate(self, blocks: Iterator[Array]) -> Iterator[Array]:
        """Blocks at the input's rate and channels → the network's, (channels, n)."""
        channels = self._info.channels
        resampler = Resampler(self.audio.sample_rate_hz, self._info.sample_rate_hz, channels)
        for block in blocks:
            yield resampler.push(to_channels(block, channels))
        yield resampler.flush()

    # The caller's side -----------------------------------------------------------------------

    def _stems(self) -> Iterator[SeparatedBlock]:
        """Outputs of the engine, in order → blocks of stems."""
        plan, n_stems = self._plan, len(self._wanted)
        overlap_add = OverlapAdd(n_stems, self._info.channels, plan.chunk_samples, plan.hop_samples)
        resampler = Resampler(
            self._info.sample_rate_hz, self.audio.sample_rate_hz, n_stems * self._channels
        )
        try:
            for chunk, outputs in self._outputs():
                started = time.perf_counter()
                stems = self._family.decode(outputs, self._wanted)[0]
                # (n_stems, channels, chunk_samples)
                final = overlap_add.add(
                    stems, chunk.start, chunk.valid, chunk.first, chunk.last, chunk.final_until
                )  # (n_stems, channels, n)
                final = from_channels(final, self._channels)  # (n_stems, output channels, n)
                block = resampler.push(final.reshape(n_stems * self._channels, final.shape[-1]))
                self._seconds["postprocess"] += time.perf_counter() - started
                self.chunks_done += 1
                yield from self._given(block)
            yield from self._given(self._tail(resampler.flush()))
        finally:
            self.close()

    def _outputs(self) -> Iterator[tuple[Chunk, Item]]:
        """Chunks with what the engine made of them, in the order of the track."""
        while (pair := self._under_way.get()) is not None and not self._closed:
            chunk, self._waiting = pair
            try:
                outputs = self._waiting.result()
            except CancelledError as error:
                if self._closed:
                    raise SeparationClosedError("closed before the last stem was given") from error
                raise EngineError("the engine was closed") from error
            self._waiting = None
            yield chunk, outputs
            self._slots.release()
        if self._closed:
            raise SeparationClosedError("closed before the last stem was given")
        self._fed.result()  # raises what went wrong while feeding

    def _tail(self, block: Array) -> Array:
        """Cut or zero-fill, so that the stems have exactly the input's number of samples.

        Two resamplings may round to one sample more or less.
        """
        missing = self._n_samples_in - self.n_samples_done
        return np.pad(block[:, :missing], ((0, 0), (0, max(0, missing - block.shape[1]))))

    def _given(self, block: Array) -> Iterator[SeparatedBlock]:
        """(n_stems × channels, n) → one SeparatedBlock, or none when nothing is final."""
        n_samples = block.shape[1]
        if n_samples == 0:
            return
        parts = block.reshape(len(self._wanted), self._channels, n_samples)
        stems = dict(zip(self._names, parts, strict=True))
        if self._residual_name:
            stems[self._residual_name] = residual(self._take_mixture(n_samples), parts)
        offset = self.n_samples_done
        self.n_samples_done += n_samples
        yield SeparatedBlock(offset, stems)

    def _take_mixture(self, n_samples: int) -> Array:
        """The next samples of the mixture, (output channels, n_samples)."""
        parts: list[Array] = []
        while n_samples > 0:
            block = self._mixture.popleft()
            parts.append(block[:, :n_samples])
            if block.shape[1] > n_samples:
                self._mixture.appendleft(block[:, n_samples:])
            n_samples -= parts[-1].shape[1]
        return np.concatenate(parts, axis=1)
