"""From audio to beats and sections, as `pipeline.py` is from audio to stems.

audio blocks ─► [Separator] ─► mono stems ─► spectrograms ─► [engine] ─► beats, sections
                 stems never leave memory     (stems, frames, bands)      of the whole track
                └────────── `beat_analysis.py`: one track under way ───────┘

A network that takes the mixture has no separator before it. What a network takes and outputs
besides is in its family's `processing.py`.

The network takes whole tracks, one at a time: callers wait in one queue.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import replace
from typing import Self

import numpy as np

from stemline.arrays import Array
from stemline.engines import BeatInfo, Engine
from stemline.errors import ArtifactError, EngineError, EngineMemoryError, RequestError
from stemline.families import beat_family
from stemline.families.beats import BeatDecoder
from stemline.postprocessing.tempo import fitted_tempo
from stemline.preprocessing.audio import AudioFormat, checked

from .beat_analysis import BeatAnalysis
from .beat_features import MIXTURE, BeatFeatures
from .engine_check import check_engine
from .holding import Holding
from .jobs import STAGES, Beat, Beats, SeparateOptions
from .queue_ticket import QueueTicket
from .scheduler import Scheduler
from .separator import Separator

_BLOCK_SAMPLES = 1 << 16

Progress = Callable[[int, int | None], None]


class BeatTracker:
    """A beat network ready to run; any number of callers at once."""

    def __init__(
        self,
        engine: Engine,
        info: BeatInfo,
        separator: Separator | None = None,
        *,
        name: str = "",
        sha256: str = "",
    ) -> None:
        """Take an engine over; it is closed with the tracker, the separator is not.

        Parameters
        ----------
        engine
            The network's engine.
        info
            The network's description, from its artifact.
        separator
            What separates mixtures into the network's input stems; None where only stems will
            come, or the network takes the mixture.
        name, sha256
            The name and the digest of the artifact.

        Raises
        ------
        ArtifactError
            The engine is of another network than `info`, or the network wants an input that is
            not made here.
        RequestError
            The separator does not make the network's input stems.
        """
        family = beat_family(info.family, engine.spec.name)
        try:
            self._processing = family.processing(info)
        except ArtifactError as error:
            raise ArtifactError(f"{engine.spec.name}: {error}") from error
        check_engine(engine.spec.name, family.beat_tensors(info), engine.spec)
        if separator is not None:
            check_separator(separator.info.model, separator.stems, info)
        self.info = info
        self.name = name or engine.spec.name
        self.sha256 = sha256
        self.engine = engine
        self.separator = separator
        # A whole track may take gigabytes: two never run at once.
        self._scheduler = Scheduler(engine, 1)
        self._decode = BeatDecoder(info, self._processing)

    @property
    def needs_separator(self) -> bool:
        """Whether the network takes stems, not the mixture."""
        return bool(self.info.stems)

    @property
    def input_stems(self) -> tuple[str, ...]:
        """What the network takes, in its order: stems, or MIXTURE alone."""
        return self.info.stems or (MIXTURE,)

    @property
    def n_queued(self) -> int:
        """Tracks of all callers waiting for the network."""
        return self._scheduler.n_queued

    def with_separator(self, separator: Separator | None) -> Self:
        """A tracker of this network, engine and queue with another separator before it.

        Closing either closes both. Raises RequestError as the constructor does.
        """
        if separator is not None:
            check_separator(separator.info.model, separator.stems, self.info)
        other = copy(self)
        other.separator = separator
        return other

    def track(
        self,
        samples: Array,
        sample_rate_hz: int,
        *,
        with_activations: bool = False,
        on_progress: Progress | None = None,
    ) -> Beats:
        """A whole track (channels, n_samples) of any rate → its beats and sections.

        Raises as `track_blocks` does.
        """
        blocks = [
            samples[:, start : start + _BLOCK_SAMPLES]
            for start in range(0, samples.shape[1], _BLOCK_SAMPLES)
        ]
        return self.track_blocks(
            blocks,
            AudioFormat(sample_rate_hz, samples.shape[0], samples.shape[1]),
            with_activations=with_activations,
            on_progress=on_progress,
        )

    def track_blocks(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        *,
        with_activations: bool = False,
        on_progress: Progress | None = None,
    ) -> Beats:
        """A track that comes in blocks (channels, n) → its beats and sections.

        Parameters
        ----------
        blocks
            float32 of any lengths; read lazily, some models' twice.
        audio
            What the blocks are.
        with_activations
            Whether the network's probabilities are wanted, too.
        on_progress
            Called with the samples separated so far and the track's, None where not known.

        Raises
        ------
        RequestError
            There is no separator.
        AudioError, ArtifactError, EngineError
            And whatever `blocks` raises.
        """
        with self.stream(blocks, audio) as analysis:
            for _ in analysis:
                if on_progress is not None:
                    on_progress(analysis.n_samples_done, audio.n_samples)
            return analysis.find(with_activations=with_activations)

    def stream(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        options: SeparateOptions | None = None,
        holding: Holding | None = None,
    ) -> "BeatAnalysis":
        """A track that comes in blocks, as in `track_blocks`, under way.

        With `options` its stems are wanted too: they are those of `Separator.stream`, and the
        beats are found in these, at the rate of the track. Without, the track is brought to the
        network's rate before it is separated, so that no stem is resampled. `holding` is told what
        the track holds, its features too. Raises RequestError, UnknownStemError or OverlapError at
        once.
        """
        return BeatAnalysis(self, blocks, audio, options, holding)

    def track_stems(
        self,
        stems: Mapping[str, Array],
        sample_rate_hz: int,
        *,
        with_activations: bool = False,
    ) -> Beats:
        """Stems of a track, name → (channels, n_samples), of any rate → its beats and sections.

        Raises RequestError when one is missing or they differ in length, AudioError for bad
        samples, EngineMemoryError for a track that memory does not hold, EngineError.
        """
        for name, samples in stems.items():
            if name.lower() in {input_stems.lower() for input_stems in self.input_stems}:
                AudioFormat(sample_rate_hz, samples.shape[0], samples.shape[1])
                for _ in checked([samples], name):
                    pass
        mono = self.collect(sample_rate_hz)
        mono.push(stems)
        return self.find(mono, with_activations=with_activations)

    def collect(self, sample_rate_hz: int) -> BeatFeatures:
        """Features of stems at this rate, to be pushed block by block; then `find` the beats.

        A network that takes the mixture has one input stem, called MIXTURE.
        """
        inputs = self._processing.input_stream()
        return BeatFeatures(self.input_stems, sample_rate_hz, self.info.sample_rate_hz, inputs)

    def open_ticket(self) -> QueueTicket:
        """A place in the network's queue, for one track."""
        return QueueTicket(self._scheduler.open_lane())

    def find(
        self,
        stems: BeatFeatures,
        *,
        with_activations: bool = False,
        is_silent: bool = False,
        ticket: QueueTicket | None = None,
    ) -> Beats:
        """Beats and sections of stems that have been collected; `stems` cannot be used again.

        A silent track (as its stems are, or as the caller knows) has no beats, and one section
        where the network finds any. Closing the `ticket` from another thread ends the wait.
        Raises EngineMemoryError for a track that memory does not hold, EngineError, and
        SeparationClosedError for a ticket that was closed.
        """
        ticket = ticket or self.open_ticket()
        is_silent = is_silent or stems.is_silent
        try:
            return self._found(stems, ticket, is_silent, with_activations)
        except (MemoryError, EngineMemoryError):
            pass  # and all that ran is free before anything else is done
        raise stems.too_long()

    def close(self) -> None:
        """Drop what waits for the network, end what it runs if that can be, free the engine."""
        self._scheduler.close(at_once=True)
        self.engine.close()

    def _found(
        self, stems: BeatFeatures, ticket: QueueTicket, is_silent: bool, with_activations: bool
    ) -> Beats:
        started = time.perf_counter()
        inputs = stems.finish()
        made = time.perf_counter()
        outputs = self._run(ticket, inputs)
        inputs.clear()
        ran = time.perf_counter()
        found = self._decoded(outputs, is_silent)
        if with_activations:
            found = replace(found, activations=self._processing.activations(outputs))
        decode_s = time.perf_counter() - ran
        seconds = (0.0, made - started + stems.seconds, ticket.queue_s, ticket.engine_s, decode_s)
        return replace(found, seconds=dict(zip(STAGES, seconds, strict=True)))

    def _run(self, ticket: QueueTicket, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The network's outputs without the batch axis. Raises EngineError for no numbers."""
        outputs = {
            name: values[0].astype(np.float32, copy=False)
            for name, values in ticket.run(inputs).items()
        }
        for name, values in outputs.items():
            if not np.isfinite(values).all():
                raise EngineError(f"{self.name} computed a {name} that holds what is no number")
        return outputs

    def _decoded(self, outputs: Mapping[str, Array], is_silent: bool) -> Beats:
        decoded = self._decode(outputs, is_silent=is_silent)
        tempo = fitted_tempo(decoded.beats[:, 0])
        return Beats(
            bpm=tempo.bpm if tempo else None,
            bpm_range=tempo.range_bpm if tempo else None,
            beats=tuple(Beat(time_s, int(position)) for time_s, position in decoded.beats.tolist()),
            segments=decoded.sections,
            duration_s=decoded.n_frames / self.info.frame_rate_hz,
            seconds={},
        )


def check_separator(name: str, stems: Iterable[str], info: BeatInfo) -> None:
    """Raise RequestError unless `stems`, a separator's, have all that a beat network takes."""
    made = {stem.lower() for stem in stems}
    if not made.issuperset(stem.lower() for stem in info.stems):
        raise RequestError(
            "separator",
            f"beats are found in {', '.join(info.stems)}; {name} gives {', '.join(sorted(made))}",
        )
