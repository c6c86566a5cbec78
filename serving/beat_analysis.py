"""One track through a beat model: its stems become features while they are separated."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

from stemline.arrays import Array
from stemline.engines import BeatInfo
from stemline.errors import RequestError, SeparationClosedError
from stemline.preprocessing.audio import AudioFormat

from .beat_features import MIXTURE, BeatFeatures, TrackAtRate
from .holding import Holding, Unlimited
from .jobs import Beats, SeparatedBlock, SeparateOptions
from .queue_ticket import QueueTicket
from .separation import Separation
from .separator import Separator


class Tracker(Protocol):
    """The part of a BeatTracker that an analysis needs; see there."""

    info: BeatInfo
    name: str
    separator: Separator | None

    @property
    def needs_separator(self) -> bool:
        """Whether the network takes stems, not the mixture."""

    def collect(self, sample_rate_hz: int) -> BeatFeatures:
        """Features of stems at this rate, in Hz, to be pushed block by block."""

    def open_ticket(self) -> QueueTicket:
        """A place in the network's queue, for one track."""

    def find(
        self,
        stems: BeatFeatures,
        *,
        with_activations: bool = False,
        is_silent: bool = False,
        ticket: QueueTicket | None = None,
    ) -> Beats:
        """Beats and sections of stems that have been collected."""


class BeatAnalysis(Iterator[SeparatedBlock]):
    """One track through a beat model: iterate over it for the stems, then `find` the beats.

    Without `options` a block may hold no stems: it then only marks how far the track has come.
    `close` ends whatever is under way, from any thread.
    """

    def __init__(
        self,
        tracker: Tracker,
        blocks: Iterable[Array],
        audio: AudioFormat,
        options: SeparateOptions | None,
        holding: Holding | None = None,
    ) -> None:
        """Made by `BeatTracker.stream`."""
        info = tracker.info
        self.audio = audio
        self.separation: Separation | None = None
        """None where the network takes the mixture and no stems are wanted."""
        self._tracker = tracker
        self._rate_hz = info.sample_rate_hz if options is None else audio.sample_rate_hz
        self._mono = tracker.collect(self._rate_hz)
        self._holding = holding or Unlimited()
        self._ticket = tracker.open_ticket()
        self._started = time.perf_counter()
        self._track = TrackAtRate(blocks, audio, self._rate_hz)
        self._n_taken = 0
        self._closed = False
        if options is None and not tracker.needs_separator:
            self._output = self._mixture_alone()
            return
        if tracker.separator is None:
            raise RequestError(
                "separator", f"{tracker.name} hears stems, and was given no model that makes them"
            )
        # What can be read again from where it came need not be kept for a second reading.
        track: Iterable[Array] = self._track
        if not tracker.needs_separator:
            track = _Collecting(track, self._collect)
        if iter(blocks) is blocks:
            track = iter(track)
        wanted = (
            SeparateOptions(stems=info.stems)
            if options is None
            else replace(options, also=info.stems)
        )
        self.separation = tracker.separator.stream(track, self._track.format, wanted, holding)
        self._output = self._separated(self.separation)

    @property
    def stems(self) -> tuple[str, ...]:
        """The names in every block: those wanted, other input stems, the residual last."""
        return () if self.separation is None else self.separation.stems

    @property
    def n_samples_done(self) -> int:
        """Samples of the track that became features so far, at its own rate."""
        done = self._n_taken if self.separation is None else self.separation.n_samples_done
        return done * self.audio.sample_rate_hz // self._rate_hz

    @property
    def n_samples(self) -> int:
        """Samples of the whole track, once every block has come."""
        return self._track.n_samples_in

    def __next__(self) -> SeparatedBlock:
        return next(self._output)

    def find(self, *, with_activations: bool = False) -> Beats:
        """The beats, once every block has come.

        Raises EngineError, and SeparationClosedError after `close`.
        """
        separate_s = time.perf_counter() - self._started - self._mono.seconds
        # What a network outputs for silence is noise, no music.
        found = self._tracker.find(
            self._mono,
            with_activations=with_activations,
            is_silent=self._track.is_silent,
            ticket=self._ticket,
        )
        return replace(found, seconds={**found.seconds, "separate": separate_s})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ticket.close()
        if self.separation is not None:
            self.separation.__exit__(kind, error, traceback)

    def close(self) -> None:
        """Drop what is still under way, at once; safe from any thread, and more than once."""
        self._closed = True
        self._ticket.close()
        if self.separation is not None:
            self.separation.close()

    def _separated(self, separation: Separation) -> Iterator[SeparatedBlock]:
        for block in separation:
            if self._tracker.needs_separator:
                self._collect(block.stems)
            yield block

    def _mixture_alone(self) -> Iterator[SeparatedBlock]:
        for block in self._track:
            if self._closed:
                raise SeparationClosedError("closed before the track was heard")
            self._collect({MIXTURE: block})
            offset = self._n_taken
            self._n_taken += block.shape[1]
            yield SeparatedBlock(offset, {})

    def _collect(self, block: Mapping[str, Array]) -> None:
        self._mono.push(block)
        self._holding.memory("features", self._mono.n_bytes)


class _Collecting:
    """A track's blocks, whose first reading also becomes the features of the mixture."""

    def __init__(
        self, blocks: Iterable[Array], collect: Callable[[Mapping[str, Array]], None]
    ) -> None:
        self._blocks = blocks
        self._collect: Callable[[Mapping[str, Array]], None] | None = collect

    def __iter__(self) -> Iterator[Array]:
        collect, self._collect = self._collect, None
        for block in self._blocks:
            if collect is not None:
                collect({MIXTURE: block})
            yield block
