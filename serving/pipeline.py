"""From audio to stems: read this first.

    audio blocks ─► cuts ─► spectrograms ─► [engine] ─► stems of a cut ─► stem blocks
    `Separation._feed`, a thread              its queue    `Separation._stems`, the caller

Feeding, the engine and the caller work at the same time, each on another cut (of Demucs on a CPU
one is under way at a time); their number is bounded, whatever the length of the track. A model that
wants tracks at one level has them read twice: first for the level, then for the stems.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import numpy as np

from stemline.engines import Engine, EngineSpec, ModelInfo
from stemline.engines.base import Array
from stemline.engines.memory import auto_batch_size
from stemline.errors import (
    EngineError,
    MissingNetworkError,
    RequestError,
    SeparationClosedError,
    UnknownStemError,
)
from stemline.families.demucs.stft import Spectra
from stemline.postprocessing.level import restored
from stemline.postprocessing.stems import residual, residual_name
from stemline.preprocessing.audio import AudioFormat, checked
from stemline.preprocessing.channels import from_channels, output_channels, to_channels
from stemline.preprocessing.chunks import ChunkPlan, hop_samples_for
from stemline.preprocessing.level import Level, level_of, normalised
from stemline.preprocessing.rereadable import Rereadable
from stemline.preprocessing.resample import Resampler
from stemline.preprocessing.segments import SegmentPlan, segment_hop_samples

from .families import Family, check_engine, family_of
from .passes import ChunkPass, Cut, Passes, SegmentPasses, Shifts, state_bytes
from .scheduler import Item, Lane, Scheduler

_BLOCK_SAMPLES = 1 << 16
_FEED_ENDS_WITHIN_S = 5.0
MOST_SHIFTS = 100
"""Beyond, only the cost grows."""
MOST_STATE_BYTES = 1 << 30
"""Of what one track's shifts may hold: each has the overlap of one segment of every stem."""


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
    shifts: int = 0
    """Of Demucs: separate so many times, each begun elsewhere within half a second, and give the
    mean; 0 is once, as it is, without anything random."""
    seed: int = 0
    """Of the shifts; the same one, the same stems."""
    also: tuple[str, ...] = ()
    """Given besides those wanted, for another's use: the residual is what the wanted alone leave.
    """


def check_shifts(options: SeparateOptions) -> None:
    """Raise RequestError for shifts or a seed that no model takes."""
    if not 0 <= options.shifts <= MOST_SHIFTS:
        raise RequestError("shifts", f"shifts are 0 to {MOST_SHIFTS}; got {options.shifts}")
    if not -(2**63) <= options.seed < 2**63:
        raise RequestError("seed", f"a seed is a number of 64 bits; got {options.seed}")


@dataclass(frozen=True)
class SeparatedBlock:
    """A stretch of every stem that is final."""

    offset_samples: int
    """Where it begins in the track, at the input's sample rate."""
    stems: dict[str, Array]
    """Name → (channels, n_samples) float32."""


@dataclass(frozen=True)
class Member:
    """One network of a model: all of it, or one of a bag's."""

    name: str
    """The artifact's."""
    info: ModelInfo
    open: Callable[[], Engine]
    """Load its engine. Raises ArtifactError, DeviceError or MissingExtraError."""


class Separator:
    """A model ready to separate; one fair queue, any number of callers at once."""

    def __init__(
        self,
        engine: Engine,
        info: ModelInfo,
        *,
        batch_size: int | None = None,
        name: str = "",
        sha256: str = "",
    ) -> None:
        """Take the engine of a model of one network over; it is closed with the separator.

        `name` and `sha256` are the artifact's. Raises ArtifactError when the engine is not one of
        a model with these facts.
        """
        name = name or f"{info.artifact_stem}.{info.precision}"
        bag = info.member
        row = bag.weights[bag.index] if bag else (1.0,) * len(info.stems)
        self._begin(info, (Member(name, info, lambda: engine),), (row,), batch_size, name, sha256)
        self._engine(0)

    @classmethod
    def of_members(
        cls,
        info: ModelInfo,
        members: Sequence[Member | None],
        weights: Sequence[Sequence[float]],
        *,
        batch_size: int | None = None,
        name: str,
        sha256: str = "",
    ) -> Self:
        """A bag of networks, each loaded when the first of its stems is asked for.

        `weights` (n_members, n_stems): stem s = Σ w[m][s]·y_m[s] / Σ w[m][s]; a member that is
        None is not at hand, and the stems that it counts for cannot be had.
        """
        separator = cls.__new__(cls)
        separator._begin(info, members, weights, batch_size, name, sha256)
        return separator

    def _begin(
        self,
        info: ModelInfo,
        members: Sequence[Member | None],
        weights: Sequence[Sequence[float]],
        batch_size: int | None,
        name: str,
        sha256: str,
    ) -> None:
        self.info = info
        self.name = name
        self.sha256 = sha256
        self._members = members
        self._weights = weights
        self._families = [None if m is None else family_of(m.info) for m in members]
        self._given_batch_size = batch_size
        self._engines: dict[int, Engine] = {}
        self._opening = threading.Lock()
        self._scheduler: Scheduler | None = None
        self._closed = False

    @property
    def stems(self) -> tuple[str, ...]:
        """The names that can be asked for, in the order of the network."""
        columns = zip(self.info.stems, zip(*self._weights, strict=True), strict=True)
        return tuple(stem for stem, column in columns if any(column))

    @property
    def engine_spec(self) -> EngineSpec:
        """Inputs and outputs of a loaded engine, and where it really runs."""
        if not self._engines:
            self._engine(next(i for i, member in enumerate(self._members) if member is not None))
        return next(iter(list(self._engines.values()))).spec

    @property
    def batch_size(self) -> int:
        """Chunks run at once at the most; halved when memory did not hold them."""
        return self._scheduler.batch_size if self._scheduler else self._given_batch_size or 1

    @property
    def n_queued(self) -> int:
        """Chunks of all callers waiting for an engine."""
        return self._scheduler.n_queued if self._scheduler else 0

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
            (channels, n_samples) float32 at `audio.sample_rate_hz`, of any lengths; read lazily. A
            Demucs model reads them twice: an iterator's are kept, in memory or a temporary file.
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
        wanted, members = self._checked(chosen)
        engines = {index: self._engine(index) for index in members}
        scheduler = self._scheduler
        assert scheduler is not None  # made with the first engine
        return Separation(
            blocks=blocks,
            audio=audio,
            info=self.info,
            networks={index: self._network(index, engine) for index, engine in engines.items()},
            passes=self._passes(chosen, wanted),
            wanted=wanted,
            residual_of=self._wanted(chosen.stems) if chosen.residual else (),
            lane=scheduler.open_lane(),
            n_under_way=self._n_under_way(scheduler.batch_size),
        )

    def separate(
        self, samples: Array, sample_rate_hz: int, options: SeparateOptions | None = None
    ) -> dict[str, Array]:
        """A whole track (channels, n_samples) → stem name → (channels, n_samples), same rate.

        Raises as `stream` does.
        """
        audio = AudioFormat(sample_rate_hz, samples.shape[0], samples.shape[1])
        blocks = [
            samples[:, start : start + _BLOCK_SAMPLES]
            for start in range(0, samples.shape[1], _BLOCK_SAMPLES)
        ]
        with self.stream(blocks, audio, options) as separation:
            shape = (output_channels(audio.channels), samples.shape[1])
            stems = {name: np.empty(shape, np.float32) for name in separation.stems}
            for block in separation:
                for name, part in block.stems.items():
                    end = block.offset_samples + part.shape[1]
                    stems[name][:, block.offset_samples : end] = part
        return stems

    def check(self, options: SeparateOptions) -> tuple[str, ...]:
        """Raise what `stream` would raise at once for these options; load the engines they need.

        Gives back the names of the networks that will run.
        """
        _, members = self._checked(options)
        for index in members:
            self._engine(index)
        return tuple(self._member(index).name for index in members)

    def load(self) -> None:
        """Load every engine at hand, which calls would else do as they need them."""
        for index, member in enumerate(self._members):
            if member is not None:
                self._engine(index)

    def close(self) -> None:
        """Stop the queue and free the engines."""
        with self._opening:
            self._closed = True
            if self._scheduler is not None:
                self._scheduler.close()
            for engine in self._engines.values():
                engine.close()

    def _engine(self, index: int) -> Engine:
        """A member's engine, loaded on first use and kept."""
        loaded = self._engines.get(index)
        if loaded is not None and not self._closed:  # without waiting for another that is loading
            return loaded
        with self._opening:
            if self._closed:
                raise EngineError(f"{self.name} is closed")
            if index not in self._engines:
                member, family = self._member(index), self._families[index]
                engine = member.open()
                try:
                    assert family is not None
                    check_engine(member.info, family, engine.spec)
                except BaseException:
                    engine.close()
                    raise
                self._engines[index] = engine
                if self._scheduler is None:
                    size = self._given_batch_size or auto_batch_size(engine.spec)
                    self._scheduler = Scheduler(engine, size)
            return self._engines[index]

    def _n_under_way(self, batch_size: int) -> int:
        """Cuts of one track between feeding and the stems."""
        if self._is_demucs and batch_size == 1 and self.engine_spec.device == "cpu":
            # Their outputs are large, and live in the runtime's memory: to make some while others
            # are held costs 150 MB, and on a CPU would save a hundredth of the time.
            return 1
        return 2 * batch_size + 1

    def _member(self, index: int) -> Member:
        member = self._members[index]
        if member is None:
            raise MissingNetworkError(
                f"{self.name} lacks network {index + 1} of {len(self._members)}, which counts for "
                f"these stems; export it again: stemline export {self.info.model}"
            )
        return member

    def _network(self, index: int, engine: Engine) -> "_Network":
        family = self._families[index]
        assert family is not None
        return _Network(self._member(index).name, family, engine)

    def _checked(self, options: SeparateOptions) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The indices of the wanted stems, and of the networks that count for them."""
        # All of them where none is named.
        wanted = self._wanted((*options.stems, *options.also) if options.stems else ())
        members = tuple(
            index for index, row in enumerate(self._weights) if any(row[stem] for stem in wanted)
        )
        for index in members:
            self._member(index)
        check_shifts(options)
        if options.shifts and not self._is_demucs:
            raise RequestError(
                "shifts", f"{self.info.model} is of family {self.info.family}, which has no shifts"
            )
        plan = self._plan(options.overlap)
        if isinstance(plan, SegmentPlan):
            per_shift = len(members) * state_bytes(plan, len(wanted), self.info.channels)
            most = max(1, MOST_STATE_BYTES // per_shift)
            if options.shifts > most:
                raise RequestError(
                    "shifts",
                    f"{options.shifts} shifts of {self.info.model} for {len(wanted)} stems would "
                    f"hold {options.shifts * per_shift / 1e9:.1f} GB; at most {most} are taken",
                )
        return wanted, members

    @property
    def _is_demucs(self) -> bool:
        return any(family is not None and family.is_demucs for family in self._families)

    def _plan(self, overlap: float | None) -> ChunkPlan | SegmentPlan:
        """How the track is cut. Raises OverlapError."""
        chosen = self.info.default_overlap if overlap is None else overlap
        length = self.info.chunk_samples
        if not self._is_demucs:
            return ChunkPlan(length, hop_samples_for(length, chosen))
        network_samples = None if self.info.any_length else length
        return SegmentPlan(length, segment_hop_samples(length, chosen), network_samples)

    def _passes(self, options: SeparateOptions, wanted: tuple[int, ...]) -> Passes:
        plan, channels = self._plan(options.overlap), self.info.channels
        if isinstance(plan, ChunkPlan):
            return ChunkPass(plan, len(wanted), channels)
        weights = [[row[stem] for stem in wanted] for row in self._weights]
        shifts = Shifts(options.shifts, options.seed)
        return SegmentPasses(plan, weights, shifts, channels, self.info.sample_rate_hz)

    def _wanted(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Indices into the network's stems, in the order of the network, without repeats."""
        stems = self.stems
        known = {stem.lower() for stem in stems}
        for name in names:
            if name.lower() not in known:
                raise UnknownStemError(
                    f"{self.info.model} has no stem {name!r}; it has {', '.join(stems)}"
                )
        chosen = {name.lower() for name in names} or known
        return tuple(i for i, stem in enumerate(self.info.stems) if stem.lower() in chosen)


@dataclass(frozen=True)
class _Network:
    """A loaded member."""

    name: str
    family: Family
    engine: Engine


@dataclass(frozen=True)
class _UnderWay:
    """A cut on its way through an engine."""

    cut: Cut
    spectra: Spectra | None
    outputs: Future[Item]


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
        networks: dict[int, _Network],
        passes: Passes,
        wanted: tuple[int, ...],
        residual_of: tuple[int, ...],
        lane: Lane,
        n_under_way: int,
    ) -> None:
        self.audio = audio
        self.chunks_done = 0
        self.n_samples_done = 0
        """Samples of every stem given so far, at the input's sample rate."""
        self._info = info
        self._networks = networks
        self._passes = passes
        self._wanted = wanted
        self._names = [info.stems[index] for index in wanted]
        self._residual_name = (
            residual_name([info.stems[index] for index in residual_of]) if residual_of else None
        )
        self._residual_of = [wanted.index(index) for index in residual_of]
        self._lane = lane
        self._seconds = {"input": 0.0, "preprocess": 0.0, "postprocess": 0.0}
        self._channels = output_channels(audio.channels)
        self._mixture: deque[Array] = deque()  # kept for the residual only
        self._n_samples_in = 0
        self._level: Level | None = None
        """Of the whole track, where the model wants it taken out."""
        self._blocks: Iterable[Array] = blocks
        self._spool: Rereadable | None = None
        if any(network.family.is_demucs for network in networks.values()):
            self._blocks = self._spool = Rereadable(blocks)
        self._slots = threading.Semaphore(n_under_way)
        self._under_way: SimpleQueue[_UnderWay | None] = SimpleQueue()
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
    def networks(self) -> tuple[str, ...]:
        """The artifacts that run for this track."""
        return tuple(network.name for network in self._networks.values())

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
        """Audio blocks → cuts → the queue."""
        if self._spool is not None:
            started, waited = time.perf_counter(), self._seconds["input"]
            self._level = level_of(self._at_model_rate(self._timed()))
            input_s = self._seconds["input"] - waited
            self._seconds["preprocess"] += time.perf_counter() - started - input_s
        cuts = self._passes.cut(self._at_model_rate(self._tapped()))
        while True:
            started, waited = time.perf_counter(), self._seconds["input"]
            found = next(cuts, None)
            if found is None:
                return
            samples, cut = found  # (channels, n)
            network = self._networks[cut.member]
            encoded = network.family.encode(samples[np.newaxis])  # name → (1, ...)
            input_s = self._seconds["input"] - waited
            self._seconds["preprocess"] += time.perf_counter() - started - input_s
            self._slots.acquire()
            if self._closed:
                return
            outputs = self._lane.submit(encoded.inputs, network.engine)
            self._under_way.put(_UnderWay(cut, encoded.spectra, outputs))

    def _run_feed(self) -> None:
        try:
            self._feed()
        except BaseException as error:  # noqa: BLE001 - the caller's thread raises it
            self._fed.set_exception(error)
        else:
            self._fed.set_result(None)
        finally:
            try:
                if self._spool is not None:
                    self._spool.close()
            finally:
                self._under_way.put(None)  # whatever happened, the caller must not wait for more

    def _timed(self) -> Iterator[Array]:
        """The input's blocks, from the first, and the time that they take to come."""
        blocks = checked(self._blocks)
        while True:
            started = time.perf_counter()
            block = next(blocks, None)  # (input channels, n)
            self._seconds["input"] += time.perf_counter() - started
            if block is None or self._closed:
                return
            yield block

    def _tapped(self) -> Iterator[Array]:
        """The same, counted, and kept where a residual needs them."""
        for block in self._timed():
            self._n_samples_in += block.shape[1]
            if self._residual_name:
                self._mixture.append(to_channels(block, self._channels))
            yield block

    def _at_model_rate(self, blocks: Iterator[Array]) -> Iterator[Array]:
        """Blocks at the input's rate and channels → the network's, (channels, n)."""
        channels, level = self._info.channels, self._level
        resampler = Resampler(self.audio.sample_rate_hz, self._info.sample_rate_hz, channels)
        for block in blocks:
            ours = resampler.push(to_channels(block, channels))
            yield ours if level is None else normalised(ours, level)
        last = resampler.flush()
        yield last if level is None else normalised(last, level)

    # The caller's side -----------------------------------------------------------------------

    def _stems(self) -> Iterator[SeparatedBlock]:
        """Outputs of the engines, in order → blocks of stems."""
        n_stems = len(self._wanted)
        resampler = Resampler(
            self._info.sample_rate_hz, self.audio.sample_rate_hz, n_stems * self._channels
        )
        try:
            for cut, spectra, outputs in self._outputs():
                started = time.perf_counter()
                family = self._networks[cut.member].family
                counted = (
                    self._wanted if cut.stems is None else [self._wanted[i] for i in cut.stems]
                )
                stems = family.decode(outputs, counted, spectra)[0]
                del outputs
                # (n_stems, channels, length of the cut)
                final = self._passes.add(cut, stems)  # (n_stems, channels, n)
                if self._level is not None:
                    final = restored(final, self._level.mean, self._level.scale)
                final = from_channels(final, self._channels)  # (n_stems, output channels, n)
                block = resampler.push(final.reshape(n_stems * self._channels, final.shape[-1]))
                self._seconds["postprocess"] += time.perf_counter() - started
                self.chunks_done += 1
                yield from self._given(block)
            yield from self._given(self._tail(resampler.flush()))
        finally:
            self.close()

    def _outputs(self) -> Iterator[tuple[Cut, Spectra | None, Item]]:
        """Cuts with what the engines made of them, in the order in which they were cut."""
        while (under_way := self._under_way.get()) is not None and not self._closed:
            self._waiting = under_way.outputs
            try:
                outputs = [self._waiting.result()]
            except CancelledError as error:
                if self._closed:
                    raise SeparationClosedError("closed before the last stem was given") from error
                raise EngineError("the engine was closed") from error
            self._waiting = None
            cut, spectra = under_way.cut, under_way.spectra
            del under_way  # outputs are large: none is held here while the next one is made
            yield cut, spectra, outputs.pop()
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
            counted = parts[self._residual_of]
            stems[self._residual_name] = residual(self._take_mixture(n_samples), counted)
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
