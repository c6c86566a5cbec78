"""How well a song's beats and sections were found, beside the truth that the band wrote down."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from stemline.postprocessing.sections import Section

from .beat_scores import beat_f_measures, section_scores

if TYPE_CHECKING:
    from stemline.band import Truth

TEMPO_TOLERANCE = 0.04
"""How far a tempo may be off to be right: Gouyon et al., "An experimental comparison of audio tempo
induction algorithms" (2006), the first of its two measures."""


class NumberedBeat(Protocol):
    """A beat with its place in the bar; 1 is the downbeat."""

    @property
    def time_s(self) -> float:
        """Seconds from the song's beginning."""

    @property
    def position(self) -> int:
        """Place in the bar, from 1."""


class FoundInSong(Protocol):
    """The part of a tracker's result that is scored."""

    @property
    def bpm(self) -> float | None:
        """The tempo, if there is one."""

    @property
    def beats(self) -> Sequence[NumberedBeat]:
        """Beats in ascending order of time."""

    @property
    def segments(self) -> Sequence[Section]:
        """Sections without a gap."""


@dataclass(frozen=True)
class BeatScore:
    """The figures of one song, or the means of several; each 0 to 1."""

    beat: float
    """F-measure of beats within 70 ms; nothing is trimmed."""
    downbeat: float
    """F-measure of downbeats within 70 ms."""
    tempo: float
    """1 where it is within 4 % of the true one."""
    boundary_half: float
    """F-measure of boundaries within 0.5 s, the song's beginning and end among them."""
    boundary_three: float
    """F-measure of boundaries within 3 s, the song's beginning and end among them."""
    inner_half: float
    """F-measure within 0.5 s without beginning and end; NaN for a song of one section."""
    inner_three: float
    """F-measure within 3 s without beginning and end; NaN for a song of one section."""
    label: float
    """Share of the time that has the right label."""

    def to_json(self) -> dict[str, float | None]:
        """Plain values by name; JSON has no NaN: None."""
        return {
            name: None if np.isnan(value) else float(value) for name, value in asdict(self).items()
        }


def score_of(truth: "Truth", found: FoundInSong, duration_s: float) -> BeatScore:
    """The figures of one song of `duration_s`."""
    true = truth.sections
    return BeatScore(
        *beat_f_measures(beat_rows(truth.beats), beat_rows(found.beats)),
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


def beat_rows(beats: Iterable[NumberedBeat]) -> NDArray[np.float64]:
    """Beats as (n_beats, 2): time in seconds, position in the bar."""
    return np.array([(beat.time_s, beat.position) for beat in beats], np.float64).reshape(-1, 2)


def _is_tempo(true_bpm: float, found_bpm: float | None) -> bool:
    return found_bpm is not None and abs(found_bpm / true_bpm - 1) <= TEMPO_TOLERANCE
