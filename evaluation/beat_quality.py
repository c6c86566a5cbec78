"""How well a beat network finds beats and sections of held-out songs, before any separation."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.engines import BeatInfo, Engine, ModelInfo
from stemline.errors import BeatQualityError
from stemline.families import beat_decoder, beat_family
from stemline.families.beats import Decoded

from .beat_scores import beat_f_measures, section_scores
from .held_out import HeldOut, Recording, held_out, knows_stems

if TYPE_CHECKING:
    from stemline.band import Song

Beats = NDArray[np.float64]

CARD_BEAT_SONGS = held_out(6, 30.0)
"""The songs of a card's beats; shorter ones have too few bars for their metre to be found."""
LOSS = 0.01
"""How far a mean F-measure may lie below export's: logits within the fp32 budget of 80 dB move a
beat only where two paths are as good as each other."""


@dataclass(frozen=True)
class BeatQuality:
    """Means over songs, each 0 to 1; `beat_quality` on an artifact's card."""

    seeds: tuple[int, ...]
    """Seeds of the songs that the band played."""
    seconds_each: float
    inputs: str
    """What the network took in: `true stems`, which no separator made, or `mixtures`."""
    n_beats: int
    """True beats in all songs together: where it differs, the songs are others."""
    beat: float
    """F-measure of beats within 70 ms."""
    downbeat: float
    """F-measure of downbeats within 70 ms."""
    boundary: float | None
    """F-measure of the sections' boundaries within 3 s, beginning and end among them; None for a
    network without sections."""
    label: float | None
    """Share of the time with the right label; None for a network without sections."""

    @property
    def songs(self) -> HeldOut:
        """The songs it was measured on."""
        return HeldOut(self.seeds, self.seconds_each)

    def check(self, stored: "BeatQuality", name: str) -> None:
        """Raise BeatQualityError when beats or downbeats are below `stored` by more than LOSS.

        A measurement on other songs says nothing, and is accepted.
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
        return {"measured_on": "held-out songs of the synthetic band", **asdict(self)}


def beat_quality_from_json(values: Mapping[str, Any]) -> BeatQuality:
    """A BeatQuality from `to_json`'s values. Raises KeyError, TypeError or ValueError."""
    kept = {name: values[name] for name in BeatQuality.__dataclass_fields__}
    found = BeatQuality(**{**kept, "seeds": tuple(int(seed) for seed in kept["seeds"])})
    for name in ("beat", "downbeat", "boundary", "label"):
        value = getattr(found, name)
        if not (value is None and name in ("boundary", "label")) and not 0 <= value <= 1:
            raise ValueError(f"{name} is 0 to 1; got {getattr(found, name)!r}")
    return found


def can_measure_beats(info: ModelInfo) -> bool:
    """Whether the band has a model's input stems, and its weights are trained."""
    beats = info.beats
    return info.trained and beats is not None and (not beats.stems or knows_stems(beats.stems))


def measure_beats(engine: Engine, info: BeatInfo, songs: HeldOut = CARD_BEAT_SONGS) -> BeatQuality:
    """Find beats and sections in every song, as its true stems or its mixture.

    Raises EngineError.
    """
    found: list[tuple[float, float]] = []
    sections: list[tuple[float, float]] = []
    n_beats = 0
    decode = beat_decoder(info)
    for song in songs.play():
        outputs = engine.run(network_inputs_of(song, info))
        decoded = decode({name: values[0] for name, values in outputs.items()})
        truth = np.array([(beat.time_s, beat.position) for beat in song.truth.beats])
        truth = truth.reshape(-1, 2)
        n_beats += len(truth)
        found.append(beat_f_measures(truth, decoded.beats))
        if info.labels:
            sections.append(_section_scores(song, decoded, info))
    beat, downbeat = np.mean(found, axis=0).tolist()
    boundary, label = np.mean(sections, axis=0).tolist() if sections else (None, None)
    return BeatQuality(
        seeds=songs.seeds,
        seconds_each=songs.seconds_each,
        inputs="true stems" if info.stems else "mixtures",
        n_beats=n_beats,
        beat=beat,
        downbeat=downbeat,
        boundary=boundary,
        label=label,
    )


def _section_scores(song: "Song", decoded: Decoded, info: BeatInfo) -> tuple[float, float]:
    """F-measure of the boundaries, and share of the time that has the right label."""
    true = song.truth.sections
    _, boundary, _, _, label = section_scores(
        ([one.start_s for one in true], [one.label for one in true]),
        ([one.start for one in decoded.sections], [one.label for one in decoded.sections]),
        song.mixture.shape[1] / info.sample_rate_hz,
    )
    return boundary, label


def network_inputs_of(song: Recording, info: BeatInfo) -> dict[str, Array]:
    """The inputs of a network for a song, at batch 1: of its true stems, or of the mixture."""
    stream = beat_family(info.family, "a beat network").processing(info).input_stream()
    parts = [song.stems[stem] for stem in info.stems] or [song.mixture]
    stream.push(np.stack([part.mean(0) for part in parts]))
    return stream.finish()


def agreement(reference: Beats, found: Beats) -> float:
    """The lower of both F-measures of what two runtimes found; 1 where neither found any."""
    if not len(reference) and not len(found):
        return 1.0
    beat, downbeat = beat_f_measures(reference, found)
    if not (reference[:, 1] == 1).any() and not (found[:, 1] == 1).any():
        return beat
    return min(beat, downbeat)
