"""How a song's beats and sections were understood, beside the truth that the band wrote down."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stemline.evaluation.beat_scores import f_measure, section_scores
from stemline.serving.beat_tracker import Beats

if TYPE_CHECKING:
    from stemline.band import Truth

TEMPO_TOLERANCE = 0.04
"""How far a tempo may be off to be right: Gouyon et al., "An experimental comparison of audio tempo
induction algorithms" (2006), the first of its two measures."""


@dataclass(frozen=True)
class BeatScore:
    """One song's, or the mean of several; each 0 to 1."""

    beat: float
    """F-measure, 70 ms; nothing is trimmed."""
    downbeat: float
    """The same."""
    tempo: float
    """1 where it is within 4 % of the true one."""
    boundary_half: float
    """F-measure of the sections' boundaries, 0.5 s, the song's beginning and end among them."""
    boundary_three: float
    """The same within 3 s."""
    inner_half: float
    """Without beginning and end, 0.5 s; NaN for a song of one section."""
    inner_three: float
    """The same within 3 s."""
    label: float
    """Share of the time that has the right label."""


def score_of(truth: "Truth", found: Beats, duration_s: float) -> BeatScore:
    """How one song of `duration_s` was understood."""
    reference_s, found_s = true_times(truth), found_times(found)
    true = truth.sections
    return BeatScore(
        f_measure(reference_s[0], found_s[0]),
        f_measure(reference_s[1], found_s[1]),
        float(_is_tempo(truth.tempo_bpm, found.bpm)),
        *section_scores(
            ([one.start_s for one in true], [one.label for one in true]),
            ([one.start for one in found.segments], [one.label for one in found.segments]),
            duration_s,
        ),
    )


def mean_score(scores: Sequence[BeatScore]) -> BeatScore:
    """Each figure's mean over the songs that have it."""
    return BeatScore(
        *(float(np.nanmean([getattr(one, f.name) for one in scores])) for f in fields(BeatScore))
    )


def true_times(truth: "Truth") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times of the beats and of the downbeats, in seconds."""
    return _times([(beat.time_s, beat.position) for beat in truth.beats])


def found_times(found: Beats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same of what was found."""
    return _times([(beat.time_s, beat.position) for beat in found.beats])


def _times(beats: list[tuple[float, int]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    both = np.array(beats, np.float64).reshape(-1, 2)
    return both[:, 0], both[both[:, 1] == 1, 0]


def _is_tempo(true_bpm: float, found_bpm: float | None) -> bool:
    return found_bpm is not None and abs(found_bpm / true_bpm - 1) <= TEMPO_TOLERANCE
