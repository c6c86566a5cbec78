"""How well a model separates: SI-SDR of its stems, and its improvement over the mixture's."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stemline.arrays import Array
from stemline.engines import Engine, ModelInfo
from stemline.errors import QualityError
from stemline.families import FAMILIES, find_family, separator_family
from stemline.preprocessing.channels import to_channels
from stemline.preprocessing.chunks import MAX_OVERLAP

from .held_out import (
    BENCH_SONGS,
    CARD_SONGS,
    LONGEST_S,
    MOST_SONGS,
    SHORTEST_S,
    HeldOut,
    held_out,
    knows_stems,
    truth_for,
)
from .si_sdr import is_silent, si_sdr_db

__all__ = [
    "BENCH_SONGS",
    "CARD_SONGS",
    "HeldOut",
    "Quality",
    "QualityError",
    "StemQuality",
    "StemScore",
    "can_measure",
    "estimated_seconds",
    "held_out",
    "mean_over",
    "measure_quality",
    "scores_of",
    "truth_for",
]


SAMPLE_RATE_HZ = 44100
"""Sample rate of the songs; a model of another rate is not measured."""
ALONE_DB = 30.0
"""Where the mixture is a stem's to this SI-SDR, nothing sounds beside it: nothing to separate."""
LIMIT_DB = 100.0
"""The limit of figures: a stem that is missing, −∞ dB, must not swallow the mean of all songs."""
LOSS_DB = 0.1
"""How far a mean may lie below export's. A runtime within the fp32 budget is off by −70 dB of a
stem, which moves an SI-SDR of 10 dB by no more than 0.01 dB, and one of 30 dB by 0.09 dB."""
_SAME_SONGS_DB = 0.01


@dataclass(frozen=True)
class StemScore:
    """One stem of one song."""

    stem: str
    si_sdr_db: float
    improvement_db: float
    """SI-SDR less that of the mixture taken for the stem."""


@dataclass(frozen=True)
class StemQuality:
    """One stem: means over the songs it can be measured in."""

    stem: str
    si_sdr_db: float
    improvement_db: float
    """SI-SDR less that of the mixture taken for the stem."""
    n_songs: int
    """Number of songs in which the stem sounds, and not alone."""


@dataclass(frozen=True)
class Quality:
    """A model's stems on held-out songs; `quality` on an artifact's card."""

    seeds: tuple[int, ...]
    """Seeds of the songs that the band played."""
    seconds_each: float
    overlap: float
    stems: tuple[StemQuality, ...]
    """The stems measured, at least one, in the order of the network's output."""

    @property
    def mean_si_sdr_db(self) -> float:
        """Mean SI-SDR over the stems."""
        return float(np.mean([stem.si_sdr_db for stem in self.stems]))

    @property
    def mean_improvement_db(self) -> float:
        """Mean improvement of SI-SDR over the stems."""
        return float(np.mean([stem.improvement_db for stem in self.stems]))

    @property
    def songs(self) -> HeldOut:
        """The songs it was measured on."""
        return HeldOut(self.seeds, self.seconds_each)

    def has_songs_of(self, other: "Quality") -> bool:
        """Whether both were measured on the same sound: the mixture is as far from each stem.

        Seeds do not show it: the band of another version plays another song.
        """
        return [stem.stem for stem in self.stems] == [stem.stem for stem in other.stems] and all(
            abs(_of_mixture(own) - _of_mixture(its)) < _SAME_SONGS_DB
            for own, its in zip(self.stems, other.stems, strict=True)
        )

    def check(self, stored: "Quality", name: str) -> None:
        """Raise QualityError when the mean is below `stored` by more than LOSS_DB.

        A measurement on other songs says nothing, and is accepted.
        """
        lost_db = stored.mean_improvement_db - self.mean_improvement_db
        if self.has_songs_of(stored) and lost_db > LOSS_DB:
            raise QualityError(
                f"{name}: improves SI-SDR by {self.mean_improvement_db:.2f} dB, export measured "
                f"{stored.mean_improvement_db:.2f} dB on the same songs; it may lose {LOSS_DB} dB"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values, all of them finite; `quality_from_json` reads them back."""
        return {
            "measured_on": "held-out songs of the synthetic band",
            **asdict(self),
            "mean_si_sdr_db": self.mean_si_sdr_db,
            "mean_improvement_db": self.mean_improvement_db,
        }


def quality_from_json(values: Mapping[str, Any]) -> Quality:
    """A Quality from `to_json`'s values. Raises KeyError, TypeError or ValueError."""
    seeds, stems = values["seeds"], values["stems"]
    if not isinstance(seeds, list | tuple) or not isinstance(stems, list | tuple):
        raise TypeError("seeds and stems are lists")
    if not stems or not 1 <= len(seeds) <= MOST_SONGS:
        raise ValueError(f"{len(seeds)} songs with {len(stems)} stems tell nothing")
    return Quality(
        seeds=tuple(_whole("seed", seed, 0) for seed in seeds),
        seconds_each=_number("seconds_each", values["seconds_each"], SHORTEST_S, LONGEST_S),
        overlap=_number("overlap", values["overlap"], 0, MAX_OVERLAP),
        stems=tuple(_stem_from_json(stem) for stem in stems),
    )


def _stem_from_json(values: Mapping[str, Any]) -> StemQuality:
    if not isinstance(values["stem"], str):
        raise TypeError(f"a stem's name is text; got {values['stem']!r}")
    return StemQuality(
        values["stem"],
        _number("si_sdr_db", values["si_sdr_db"], -LIMIT_DB, LIMIT_DB),
        _number("improvement_db", values["improvement_db"], -2 * LIMIT_DB, 2 * LIMIT_DB),
        _whole("n_songs", values["n_songs"], 1),
    )


def _number(name: str, value: object, least: float, most: float) -> float:
    """Check a number, which is returned unchanged; NaN and the infinities are in no range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number; got {value!r}")
    if not least <= value <= most:
        raise ValueError(f"{name} is {least:g} to {most:g}; got {value!r}")
    return value


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number; got {value!r}")
    if value < least:
        raise ValueError(f"{name} is {least} or more; got {value}")
    return value


def can_measure(info: ModelInfo) -> bool:
    """Whether the band has the truth for a model's stems, and its weights are trained."""
    return (
        info.trained
        and info.family in FAMILIES
        and find_family(info.family).task == "separate"
        and info.sample_rate_hz == SAMPLE_RATE_HZ
        and knows_stems(info.stems)
    )


def measure_quality(
    engine: Engine,
    info: ModelInfo,
    songs: HeldOut = CARD_SONGS,
    overlap: float | None = None,
    batch: int = 1,
) -> Quality | None:
    """Separate every song and compare each stem with the truth.

    None where no stem can be measured. `overlap` None is the model's own. Raises EngineError and
    OverlapError.
    """
    # Not where a quality that was measured is only read, as by `stemline models`.
    from .separation import separate_whole

    scores = []
    for song in songs.play():
        truth = truth_for(info.stems, song)
        if truth is None:
            return None
        mixture = to_channels(truth[0], info.channels)
        separated = separate_whole(engine, info, mixture, overlap, batch)
        scores.append(scores_of(separated, mixture, truth[1]))
    stems = mean_over(info.stems, scores)
    if not stems:
        return None
    chosen = info.default_overlap if overlap is None else overlap
    return Quality(songs.seeds, songs.seconds_each, chosen, stems)


def estimated_seconds(
    info: ModelInfo,
    seconds_per_chunk: float,
    songs: HeldOut = CARD_SONGS,
    overlap: float | None = None,
) -> float:
    """Seconds that the engine takes to separate these songs."""
    family = separator_family(info.family, info.model)
    if info.dynamic_length:  # those seconds are a test chunk's, and go with the length
        test_s = family.test_chunk(info).n_samples / info.sample_rate_hz
        return len(songs.seeds) * songs.seconds_each / test_s * seconds_per_chunk
    n_samples = round(songs.seconds_each * info.sample_rate_hz)
    return len(songs.seeds) * family.layout(info, overlap).n_pieces(n_samples) * seconds_per_chunk


def scores_of(
    separated: Mapping[str, Array], mixture: Array, truth: Mapping[str, Array]
) -> list[StemScore]:
    """Scores of the stems of one song (channels, n) that sound in it, and not alone.

    The truth may have more or fewer channels than the network; it is brought to the network's.
    """
    scores = []
    for stem, given in truth.items():
        reference = to_channels(given, mixture.shape[0])
        if is_silent(reference):
            continue
        before_db = si_sdr_db(mixture, reference)
        if before_db > ALONE_DB:
            continue
        after_db = _limited(si_sdr_db(separated[stem], reference))
        scores.append(StemScore(stem, after_db, after_db - _limited(before_db)))
    return scores


def mean_over(
    stems: Sequence[str], songs: Iterable[Sequence[StemScore]]
) -> tuple[StemQuality, ...]:
    """The mean of each stem over the songs that have it; a stem that none has is left out."""
    by_stem: dict[str, list[StemScore]] = {stem: [] for stem in stems}
    for song in songs:
        for score in song:
            by_stem[score.stem].append(score)
    return tuple(
        StemQuality(
            stem,
            float(np.mean([score.si_sdr_db for score in scores])),
            float(np.mean([score.improvement_db for score in scores])),
            len(scores),
        )
        for stem, scores in by_stem.items()
        if scores
    )


def _of_mixture(stem: StemQuality) -> float:
    return stem.si_sdr_db - stem.improvement_db


def _limited(value_db: float) -> float:
    """The value within ±LIMIT_DB; NaN, from an estimate that is not finite, is the lowest."""
    return -LIMIT_DB if np.isnan(value_db) else float(np.clip(value_db, -LIMIT_DB, LIMIT_DB))
