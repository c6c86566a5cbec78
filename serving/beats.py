"""From audio to beats and sections, as `pipeline.py` is from audio to stems.

audio blocks ─► [Separator] ─► mono stems ─► spectrograms ─► [engine] ─► beats, sections
                 stems never leave memory     (stems, frames, bands)      of the whole track
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stemline.engines import ArtifactError, BeatInfo, Engine
from stemline.engines.base import BATCH, FRAMES, Array
from stemline.postprocessing.dbn import DownbeatTracker
from stemline.postprocessing.metrical import downbeat_activations, sigmoid
from stemline.postprocessing.sections import Section, find_sections
from stemline.postprocessing.tempo import tempo_bpm
from stemline.preprocessing.audio import AudioFormat, checked
from stemline.preprocessing.spectrogram import (
    HOP_SAMPLES,
    N_BANDS,
    SAMPLE_RATE_HZ,
    log_spectrogram,
)

from .errors import RequestError
from .mono_stems import MonoStems, TrackAtRate
from .pipeline import SeparateOptions, Separator

SPECTROGRAM = "spectrogram"
BEAT, DOWNBEAT, SECTION, FUNCTION = "beat", "downbeat", "section", "function"
"""What beat networks take in and give: logits, of function (labels) too."""

STAGES = ("separate", "spectrogram", "engine", "decode")

_BLOCK_SAMPLES = 1 << 16

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Beat:
    """One beat."""

    time_s: float
    position: int
    """In its bar, from 1: the downbeat."""


@dataclass(frozen=True, eq=False)
class BeatActivations:
    """Probabilities of every frame, which beats and sections were found in."""

    beat: Array
    """Of a beat, a downbeat or not, (n_frames,)."""
    downbeat: Array
    section: Array
    """Of a section's beginning, (n_frames,)."""
    function: Array
    """Of each label, (n_labels, n_frames); over the labels they add up to 1."""
    labels: tuple[str, ...]
    frame_rate_hz: float
    """Frame i is at i / frame_rate_hz seconds."""


@dataclass(frozen=True)
class Beats:
    """What was found in a track; times are seconds from its beginning."""

    bpm: int | None
    """The most frequent tempo; None for fewer than two beats."""
    beats: tuple[Beat, ...]
    """Ascending."""
    segments: tuple[Section, ...]
    """At least one; they follow each other without a gap, and the last ends with the last frame,
    up to 10 ms after the last sample."""
    seconds: dict[str, float] = field(compare=False)
    """By stage: those in STAGES."""
    activations: BeatActivations | None = field(default=None, compare=False)
    """Where they were asked for."""

    @property
    def downbeats(self) -> tuple[float, ...]:
        """Times of the beats that begin a bar."""
        return tuple(beat.time_s for beat in self.beats if beat.position == 1)


class BeatTracker:
    """A beat network ready to run; any number of callers at once."""

    def __init__(
        self,
        engine: Engine,
        facts: BeatInfo,
        separator: Separator | None = None,
        *,
        name: str = "",
        sha256: str = "",
    ) -> None:
        """Take an engine over; it is closed with the tracker, the separator is not.

        Parameters
        ----------
        engine
            Of the network.
        facts
            Of the network, as its artifact has them.
        separator
            What takes mixtures apart; None where only stems will be given.
        name, sha256
            The artifact's.

        Raises
        ------
        ArtifactError
            The engine is of another network than the facts, or the network wants spectrograms
            that are not made here.
        RequestError
            The separator does not give the stems that the network hears.
        """
        _check_engine(engine, facts)
        if separator is not None:
            check_separator(separator.info.model, separator.stems, facts)
        self.facts = facts
        self.name = name or engine.spec.name
        self.sha256 = sha256
        self.engine = engine
        self.separator = separator
        # Its tables depend on nothing but the facts.
        self._tracker = DownbeatTracker(
            facts.beats_per_bar,
            min_bpm=facts.min_bpm,
            max_bpm=facts.max_bpm,
            threshold=facts.best_threshold_downbeat,
            fps=facts.frame_rate_hz,
        )

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
            Give the network's probabilities, too.
        on_progress
            Called with the samples separated so far and the track's, None where not known.

        Raises
        ------
        RequestError
            There is no separator.
        AudioError, ArtifactError, EngineError
            And whatever `blocks` raises.
        """
        if self.separator is None:
            raise RequestError(
                "separator", f"{self.name} hears stems, and was given no model that makes them"
            )
        started = time.perf_counter()
        rate_hz = self.facts.sample_rate_hz
        track = TrackAtRate(blocks, audio, rate_hz)
        mono = self.collect(rate_hz)
        options = SeparateOptions(stems=self.facts.stems)
        # What can be read again from where it came need not be kept for a second pass.
        comes_once = iter(blocks) is blocks
        once_or_more: Iterable[Array] = iter(track) if comes_once else track
        with self.separator.stream(once_or_more, track.format, options) as separation:
            for block in separation:
                mono.push(block.stems)
                if on_progress is not None:
                    done = separation.n_samples_done * audio.sample_rate_hz // rate_hz
                    on_progress(done, audio.n_samples)
        separate_s = time.perf_counter() - started - mono.seconds
        # A network's noise where it was given silence is no music.
        found = self.find(mono, with_activations=with_activations, is_silent=track.is_silent)
        return replace(found, seconds={**found.seconds, "separate": separate_s})

    def track_stems(
        self,
        stems: Mapping[str, Array],
        sample_rate_hz: int,
        *,
        with_activations: bool = False,
    ) -> Beats:
        """Stems of a track, name → (channels, n_samples), of any rate → its beats and sections.

        Raises RequestError when one is missing or they differ in length, AudioError for bad
        samples, EngineError.
        """
        for name, samples in stems.items():
            if name.lower() in {stem.lower() for stem in self.facts.stems}:
                AudioFormat(sample_rate_hz, samples.shape[0], samples.shape[1])
                for _ in checked([samples], name):
                    pass
        mono = self.collect(sample_rate_hz)
        mono.push(stems)
        return self.find(mono, with_activations=with_activations)

    def collect(self, sample_rate_hz: int) -> MonoStems:
        """What stems of this rate are pushed into, block by block, to `find` the beats at last."""
        return MonoStems(self.facts.stems, sample_rate_hz, self.facts.sample_rate_hz)

    def find(
        self, stems: MonoStems, *, with_activations: bool = False, is_silent: bool = False
    ) -> Beats:
        """Beats and sections of stems that have been collected; `stems` is spent then.

        A silent track (as its stems are, or as the caller knows) has no beats and one section.
        Raises EngineError.
        """
        times = [time.perf_counter()]
        logits = self._run(self._spectrogram(stems), times)
        found = self._decoded(logits, is_silent or stems.is_silent)
        if with_activations:
            found = replace(found, activations=self._activations(logits))
        times.append(time.perf_counter())
        spectrogram_s, engine_s, decode_s = np.diff(times).tolist()
        seconds = (0.0, spectrogram_s + stems.seconds, engine_s, decode_s)
        return replace(found, seconds=dict(zip(STAGES, seconds, strict=True)))

    def close(self) -> None:
        """Free the engine."""
        self.engine.close()

    def _spectrogram(self, stems: MonoStems) -> Array:
        """Stems → (1, n_stems, n_frames, n_bins)."""
        spectrograms = [
            log_spectrogram(samples, self.facts.sample_rate_hz) for samples in stems.finish()
        ]
        return np.concatenate(spectrograms)[np.newaxis]

    def _run(self, spectrogram: Array, times: list[float]) -> dict[str, Array]:
        """The network's logits, the batch's axis gone."""
        times.append(time.perf_counter())
        outputs = self.engine.run({SPECTROGRAM: spectrogram})
        times.append(time.perf_counter())
        return {
            name: outputs[name][0].astype(np.float32, copy=False)
            for name in (BEAT, DOWNBEAT, SECTION, FUNCTION)
        }

    def _decoded(self, logits: dict[str, Array], is_silent: bool) -> Beats:
        facts = self.facts
        # (n_beats, 2): times in seconds, positions in the bar
        found: NDArray[np.float64] = np.empty((0, 2))
        # Where all frames are alike, as in silence, the peaks of sections are everywhere.
        boundaries = np.full_like(logits[SECTION], -np.inf) if is_silent else logits[SECTION]
        if not is_silent:
            found = self._tracker(downbeat_activations(logits[BEAT], logits[DOWNBEAT]))
        segments = find_sections(
            boundaries,
            logits[FUNCTION],
            labels=facts.labels,
            sample_rate_hz=facts.sample_rate_hz,
            hop_samples=facts.hop_samples,
        )
        return Beats(
            bpm=tempo_bpm(found[:, 0]),
            beats=tuple(Beat(time_s, int(position)) for time_s, position in found.tolist()),
            segments=tuple(segments),
            seconds={},
        )

    def _activations(self, logits: dict[str, Array]) -> BeatActivations:
        powers = np.exp(logits[FUNCTION] - logits[FUNCTION].max(axis=0))
        return BeatActivations(
            beat=sigmoid(logits[BEAT]),
            downbeat=sigmoid(logits[DOWNBEAT]),
            section=sigmoid(logits[SECTION]),
            function=powers / powers.sum(axis=0),
            labels=self.facts.labels,
            frame_rate_hz=self.facts.frame_rate_hz,
        )


def check_separator(name: str, stems: Iterable[str], facts: BeatInfo) -> None:
    """Raise RequestError unless a separator gives the stems that a beat network hears."""
    given = {stem.lower() for stem in stems}
    if not given.issuperset(stem.lower() for stem in facts.stems):
        raise RequestError(
            "separator",
            f"beats are found in {', '.join(facts.stems)}; {name} gives {', '.join(sorted(given))}",
        )


def _check_engine(engine: Engine, facts: BeatInfo) -> None:
    made = (SAMPLE_RATE_HZ, HOP_SAMPLES, N_BANDS)
    wanted = (facts.sample_rate_hz, facts.hop_samples, facts.n_bins)
    if wanted != made:
        raise ArtifactError(
            f"{engine.spec.name} wants spectrograms of (Hz, samples a hop, bands) {wanted}; this "
            f"stemline makes {made}"
        )
    shapes: dict[str, tuple[int | str, ...]] = {
        SPECTROGRAM: (BATCH, len(facts.stems), FRAMES, facts.n_bins),
        **{name: (BATCH, FRAMES) for name in (BEAT, DOWNBEAT, SECTION)},
        FUNCTION: (BATCH, len(facts.labels), FRAMES),
    }
    given = {tensor.name: tensor.shape for tensor in (*engine.spec.inputs, *engine.spec.outputs)}
    if given != shapes:
        raise ArtifactError(
            f"{engine.spec.name}: the graph and its description do not belong together: it has "
            f"{given}, a model of these facts has {shapes}; export it again"
        )
