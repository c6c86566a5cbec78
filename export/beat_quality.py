"""How well a beat network hears: beats and sections of held-out songs, from their true stems."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemline.engines import BeatInfo, Engine, ModelInfo
from stemline.postprocessing.dbn import DownbeatTracker
from stemline.postprocessing.metrical import downbeat_activations
from stemline.postprocessing.sections import find_sections
from stemline.preprocessing.spectrogram import log_spectrogram

from .allin1_config import BEAT, DOWNBEAT, FUNCTION, SECTION, SPECTROGRAM
from .beat_scores import boundary_f_measure, f_measure, label_accuracy
from .held_out import HeldOut, Recording, held_out, knows_stems

Array = NDArray[np.float32]
Beats = NDArray[np.float64]

CARD_BEAT_SONGS = held_out(6, 30.0)
"""What a card's beats are measured on; shorter songs have too few bars to tell a metre."""
LOSS = 0.01
"""How far a mean F-measure may lie below export's: logits within the fp32 budget of 80 dB move a
beat only where two paths are as good as each other."""
_BOUNDARY_S = 3.0


class BeatQualityError(RuntimeError):
    """An artifact hears worse than it did when it was exported."""


@dataclass(frozen=True)
class BeatQuality:
    """Means over songs, each 0 to 1; `beat_quality` on an artifact's card."""

    seeds: tuple[int, ...]
    """Of the songs the band played."""
    seconds_each: float
    n_beats: int
    """In all songs together: they are other songs where it differs."""
    beat: float
    """F-measure, 70 ms."""
    downbeat: float
    """The same."""
    boundary: float
    """F-measure of the sections' boundaries, 3 s, beginning and end among them."""
    label: float
    """Share of the time that has the right label."""

    @property
    def songs(self) -> HeldOut:
        """What it was measured on."""
        return HeldOut(self.seeds, self.seconds_each)

    def check(self, stored: "BeatQuality", name: str) -> None:
        """Raise BeatQualityError when beats or downbeats are below `stored` by more than LOSS.

        What was measured on other songs says nothing, and is let pass.
        """
        if (self.songs, self.n_beats) != (stored.songs, stored.n_beats):
            return
        for what in ("beat", "downbeat"):
            now, before = getattr(self, what), getattr(stored, what)
            if now < before - LOSS:
                raise BeatQualityError(
                    f"{name}: finds {what}s with an F-measure of {now:.3f}, export measured "
                    f"{before:.3f} on the same songs; it may lose {LOSS}"
                )

    def to_json(self) -> dict[str, Any]:
        """Plain values; `beat_quality_from_json` reads them back."""
        return {"measured_on": "true stems of held-out songs of the synthetic band", **asdict(self)}


def beat_quality_from_json(values: Mapping[str, Any]) -> BeatQuality:
    """What `to_json` gave. Raises KeyError, TypeError or ValueError when it is none."""
    kept = {name: values[name] for name in BeatQuality.__dataclass_fields__}
    found = BeatQuality(**{**kept, "seeds": tuple(int(seed) for seed in kept["seeds"])})
    for name in ("beat", "downbeat", "boundary", "label"):
        if not 0 <= getattr(found, name) <= 1:
            raise ValueError(f"{name} is 0 to 1; got {getattr(found, name)!r}")
    return found


def can_measure_beats(info: ModelInfo) -> bool:
    """Whether the band has what a model hears, and what it says is more than noise."""
    return info.trained and info.beats is not None and knows_stems(info.beats.stems)


def measure_beats(engine: Engine, info: BeatInfo, songs: HeldOut = CARD_BEAT_SONGS) -> BeatQuality:
    """Find beats and sections in the true stems of every song. Raises EngineError."""
    scores = []
    n_beats = 0
    for song in songs.play():
        outputs = engine.run(network_inputs_of(song, info))
        row = {name: values[0] for name, values in outputs.items()}
        truth = np.array([(beat.time_s, beat.position) for beat in song.truth.beats])
        truth = truth.reshape(-1, 2)
        found = beats_of(row, info)
        sections = find_sections(row[SECTION], row[FUNCTION], labels=info.labels)
        starts_s = [section.start for section in sections]
        true_starts_s = [section.start_s for section in song.truth.sections]
        duration_s = song.mixture.shape[1] / info.sample_rate_hz
        n_beats += len(truth)
        scores.append(
            (
                *f_measures(truth, found),
                boundary_f_measure(true_starts_s, starts_s, duration_s, _BOUNDARY_S),
                label_accuracy(
                    true_starts_s,
                    [section.label for section in song.truth.sections],
                    starts_s,
                    [section.label for section in sections],
                    duration_s,
                ),
            )
        )
    means = (float(value) for value in np.mean(scores, axis=0))
    return BeatQuality(songs.seeds, songs.seconds_each, n_beats, *means)


def network_inputs_of(song: Recording, info: BeatInfo) -> dict[str, Array]:
    """A song's true stems as the network's input, at batch 1."""
    mono = np.stack([song.stems[stem].mean(0) for stem in info.stems])
    return {SPECTROGRAM: log_spectrogram(mono, info.sample_rate_hz)[np.newaxis]}


def beats_of(outputs: Mapping[str, Array], info: BeatInfo) -> Beats:
    """One track's outputs → times in seconds and positions in the bar, (n_beats, 2)."""
    tracker = DownbeatTracker(
        info.beats_per_bar,
        min_bpm=info.min_bpm,
        max_bpm=info.max_bpm,
        threshold=info.best_threshold_downbeat,
        fps=info.frame_rate_hz,
    )
    return tracker(downbeat_activations(outputs[BEAT], outputs[DOWNBEAT]))


def f_measures(reference: Beats, found: Beats) -> tuple[float, float]:
    """F-measures of the beats and of the downbeats, 70 ms; both (n_beats, 2)."""
    return (
        f_measure(reference[:, 0], found[:, 0]),
        f_measure(reference[reference[:, 1] == 1, 0], found[found[:, 1] == 1, 0]),
    )


def agreement(reference: Beats, found: Beats) -> float:
    """The lower of both F-measures of what two runtimes found; 1 where neither found any."""
    if not len(reference) and not len(found):
        return 1.0
    beat, downbeat = f_measures(reference, found)
    if not (reference[:, 1] == 1).any() and not (found[:, 1] == 1).any():
        return beat
    return min(beat, downbeat)
