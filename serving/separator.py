"""A model ready to separate: its networks, one fair queue, any number of callers at once."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from stemline.arrays import Array
from stemline.engines import Engine, EngineSpec, ModelInfo
from stemline.engines.memory import auto_batch_size
from stemline.errors import EngineError, MissingNetworkError, RequestError, UnknownStemError
from stemline.families import separator_family
from stemline.families.separation import ProcessingOptions
from stemline.postprocessing.stems import residual_name
from stemline.preprocessing.audio import AudioFormat
from stemline.preprocessing.channels import output_channels

from .engine_check import check_engine
from .holding import Holding, Unlimited
from .jobs import SeparateOptions, check_shifts
from .scheduler import Scheduler
from .separation import RunningNetwork, Separation
from .text_embeddings import TextEmbeddings, checked_texts
from .track_input import Mixture, TrackInput, in_mono
from .track_output import TrackOutput

_BLOCK_SAMPLES = 1 << 16
_STEMS_HELD = 3
"""Chunks of every stem: what overlaps with the next, what is added to it, and what is final."""


@dataclass(frozen=True)
class Member:
    """One network of a model: its only one, or one of a bag's."""

    name: str
    """The name of its artifact."""
    info: ModelInfo
    open: Callable[[], Engine]
    """Load its engine. Raises ArtifactError, DeviceError or MissingExtraError."""


@dataclass(frozen=True)
class _Asked:
    """What a call asks of a model."""

    names: tuple[str, ...]
    """The stems, in the order in which they come."""
    residual_of: tuple[str, ...]
    """Those that a residual is the rest of."""
    wanted: tuple[int, ...]
    """The stems among the network's own; none where texts name them."""
    members: tuple[int, ...]
    """The networks that count for them."""
    processing: ProcessingOptions


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
        a model with this info.
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
        texts: TextEmbeddings | None = None,
        batch_size: int | None = None,
        name: str,
        sha256: str = "",
    ) -> Self:
        """A bag of networks, each loaded when the first of its stems is asked for.

        `weights` (n_members, n_stems): stem s = Σ w[m][s]·y_m[s] / Σ w[m][s]; a member that is
        None is missing, and the stems that it has a weight for cannot be made. `texts` are for a
        model that separates by them, and are closed with the separator.
        """
        separator = cls.__new__(cls)
        separator._begin(info, members, weights, batch_size, name, sha256, texts)
        return separator

    def _begin(
        self,
        info: ModelInfo,
        members: Sequence[Member | None],
        weights: Sequence[Sequence[float]],
        batch_size: int | None,
        name: str,
        sha256: str,
        texts: TextEmbeddings | None = None,
    ) -> None:
        self._texts = texts
        self.info = info
        self.name = name
        self.sha256 = sha256
        self._members = members
        self._weights = weights
        networks = [None if member is None else member.info for member in members]
        self._family = separator_family(info.family, info.model)
        self._processing = self._family.processing(info, networks, weights)
        self._wanted_batch_size = batch_size
        self._engines: dict[int, Engine] = {}
        self._opening = threading.Lock()
        self._scheduler: Scheduler | None = None
        self._closed = False

    @property
    def stems(self) -> tuple[str, ...]:
        """The names that can be asked for, in the order of the network; none where texts are."""
        if self.info.text is not None:
            return ()
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
        return self._scheduler.batch_size if self._scheduler else self._wanted_batch_size or 1

    @property
    def n_queued(self) -> int:
        """Chunks of all callers waiting for an engine."""
        return self._scheduler.n_queued if self._scheduler else 0

    def stream(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        options: SeparateOptions | None = None,
        holding: Holding | None = None,
    ) -> Separation:
        """Separate a track that comes in blocks; its stems come as they become final.

        Parameters
        ----------
        blocks
            (channels, n_samples) float32 at `audio.sample_rate_hz`, of any lengths; read lazily.
            Some models read them twice: an iterator's are kept, in memory or a temporary file.
        audio
            What the blocks are.
        options
            The stems wanted and the overlap.
        holding
            Where the track says what it holds; None where nobody limits that.

        Raises
        ------
        UnknownStemError, OverlapError, RequestError
            At once. While iterating: AudioError for bad samples, EngineError, LimitError of
            `holding`, and whatever `blocks` raises.
        """
        chosen = options or SeparateOptions()
        info, asked = self.info, self._asked(chosen)
        engines = {index: self._engine(index) for index in asked.members}
        scheduler = self._scheduler
        assert scheduler is not None  # made with the first engine
        if chosen.mono:
            blocks, audio = in_mono(blocks, audio)
        mixture, rest_of = (Mixture(), asked.residual_of) if chosen.residual else (None, ())
        batch_size = scheduler.batch_size
        (holding or Unlimited()).memory("stems", _held_by_stems(info, asked, audio))
        return Separation(
            track=TrackInput(
                blocks,
                audio,
                info.sample_rate_hz,
                # What texts describe is separated in every channel by itself.
                info.channels if info.text is None else output_channels(audio.channels),
                reads_twice=self._processing.reads_twice,
                mixture=mixture,
                holding=holding,
            ),
            processing=self._processing.track(asked.wanted, asked.processing),
            networks={
                index: RunningNetwork(self._member(index).name, engine)
                for index, engine in engines.items()
            },
            output=TrackOutput(
                asked.names, audio, info.sample_rate_hz, residual_of=rest_of, mixture=mixture
            ),
            lane=scheduler.open_lane(),
            n_under_way=self._processing.pieces_under_way(batch_size, self.engine_spec.device),
            holding=holding,
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
            channels = (options or SeparateOptions()).n_channels(audio.channels)
            shape = (channels, samples.shape[1])
            stems = {name: np.empty(shape, np.float32) for name in separation.stems}
            for block in separation:
                for name, part in block.stems.items():
                    end = block.offset_samples + part.shape[1]
                    stems[name][:, block.offset_samples : end] = part
        return stems

    def check(self, options: SeparateOptions) -> tuple[str, ...]:
        """Raise what `stream` would raise at once for these options; load the engines they need.

        Returns the names of the networks that will run.
        """
        members = self._asked(options).members
        for index in members:
            self._engine(index)
        return tuple(self._member(index).name for index in members)

    def load(self) -> None:
        """Load the engine of every network that is there, which calls would else do as needed.

        A text encoder's too.
        """
        if self._texts is not None:
            self._texts.load()
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
            if self._texts is not None:
                self._texts.close()

    def _engine(self, index: int) -> Engine:
        """A member's engine, loaded on first use and kept."""
        loaded = self._engines.get(index)
        if loaded is not None and not self._closed:  # without waiting for another that is loading
            return loaded
        with self._opening:
            if self._closed:
                raise EngineError(f"{self.name} is closed")
            if index not in self._engines:
                member = self._member(index)
                info = member.info
                engine = member.open()
                try:
                    check_engine(info.model, self._family.tensors(info), engine.spec)
                except BaseException:
                    engine.close()
                    raise
                self._engines[index] = engine
                if self._scheduler is None:
                    size = self._wanted_batch_size or auto_batch_size(engine.spec)
                    self._scheduler = Scheduler(engine, size)
            return self._engines[index]

    def _member(self, index: int) -> Member:
        member = self._members[index]
        if member is None:
            raise MissingNetworkError(
                f"{self.name} lacks network {index + 1} of {len(self._members)}, which counts for "
                f"these stems; export it again: stemline export {self.info.model}"
            )
        return member

    def _asked(self, options: SeparateOptions) -> "_Asked":
        """What the options mean for this model. Raises as `stream` does at once."""
        texts = self._checked_texts(options)
        check_shifts(options)
        processing = replace(options.processing, embeddings=self._embeddings(texts))
        wanted: tuple[int, ...] = ()
        members: tuple[int, ...] = (0,)
        if not texts:
            # All of them where none is named.
            wanted = self._wanted((*options.stems, *options.also) if options.stems else ())
            members = tuple(
                index
                for index, row in enumerate(self._weights)
                if any(row[stem] for stem in wanted)
            )
        for index in members:
            self._member(index)
        self._processing.check(wanted, processing)
        of_model = self.info.stems
        if options.residual and residual_name(texts) in texts:
            raise RequestError(
                "text",
                f"a text is {residual_name(texts)!r}, which is what the residual is called; say it "
                "in other words, or leave the residual out",
            )
        return _Asked(
            names=texts or tuple(of_model[index] for index in wanted),
            residual_of=texts or tuple(of_model[index] for index in self._wanted(options.stems)),
            wanted=wanted,
            members=members,
            processing=processing,
        )

    def _checked_texts(self, options: SeparateOptions) -> tuple[str, ...]:
        """The texts to separate by, each once; none for a model that separates stems.

        Raises RequestError for what such a model does not take, and the other way round.
        """
        if self.info.text is None:
            if options.text:
                raise RequestError(
                    "text",
                    f"{self.info.model} separates {', '.join(self.stems)} and takes no text; "
                    "stemline models shows which do",
                )
            if options.mono:
                raise RequestError("mono", f"{self.info.model} is of stereo and is not run in mono")
            return ()
        if options.stems:
            raise RequestError(
                "stems",
                f"{self.info.model} has no stems of its own; say in words what to separate, with "
                f"text, such as {options.stems[0]!r}",
            )
        if not options.text:
            raise RequestError(
                "text",
                f"{self.info.model} separates what a text describes, and none was given; such as "
                "'a dog barking'",
            )
        return checked_texts(options.text)

    def _embeddings(self, texts: Sequence[str]) -> tuple[Array, ...]:
        """Of each text. Raises MissingNetworkError where the text encoder is not there."""
        if not texts:
            return ()
        if self._texts is None:
            raise MissingNetworkError(
                f"{self.name} lacks its text encoder; export it again: stemline export "
                f"{self.info.model}"
            )
        return self._texts.of(texts)

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


def _held_by_stems(info: ModelInfo, asked: _Asked, audio: AudioFormat) -> int:
    """Bytes that stems on their way hold besides what the network takes in and puts out."""
    channels = output_channels(audio.channels)
    return 4 * _STEMS_HELD * len(asked.names) * channels * info.chunk_samples
