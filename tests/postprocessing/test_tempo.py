import numpy as np
import pytest
from numpy.typing import NDArray

from stemline.postprocessing.tempo import Tempo, fitted_tempo, tempo_bpm


@pytest.mark.parametrize("bpm", [55, 90, 128, 215])
def test_steady_beats_have_their_tempo(bpm: int) -> None:
    assert tempo_bpm(3.0 + 60 / bpm * np.arange(30)) == bpm


def test_the_most_frequent_tempo_wins_not_the_mean() -> None:
    intervals = [0.5] * 6 + [1.0] * 5 + [0.3] * 3
    assert tempo_bpm(np.cumsum([0.0, *intervals])) == 120


def test_tempi_are_rounded_before_they_are_counted() -> None:
    # 119.8, 120.0 and 120.2 are one tempo, 100 twice another.
    assert tempo_bpm(np.cumsum([0.0, 60 / 119.8, 0.5, 60 / 120.2, 0.6, 0.6])) == 120


@pytest.mark.parametrize("beats", [[], [1.0]])
def test_fewer_than_two_beats_have_none(beats: list[float]) -> None:
    assert tempo_bpm(beats) is None


def test_a_tie_is_one_of_the_tied() -> None:
    assert tempo_bpm(np.cumsum([0.0, 0.5, 0.5, 0.6, 0.6])) in (100, 120)


@pytest.mark.parametrize("beats", [[1.0, 1.0], [2.0, 1.0]])
def test_times_that_do_not_ascend_are_refused(beats: list[float]) -> None:
    with pytest.raises(ValueError, match="must ascend"):
        tempo_bpm(beats)
    with pytest.raises(ValueError, match="must ascend"):
        fitted_tempo(beats)


# The fitted tempo ---------------------------------------------------------------------------------


def on_frames(beats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Times as a decoder of 100 frames a second reports them."""
    return np.round(beats * 100) / 100


@pytest.mark.parametrize("bpm", [*range(55, 216, 7), 124, 174, 190, 119.5, 92.3])
@pytest.mark.parametrize("first_s", [0.0, 3.0071])
def test_even_beats_on_frames_have_their_tempo_to_a_tenth(bpm: float, first_s: float) -> None:
    beats = on_frames(first_s + 60 / bpm * np.arange(60))
    assert fitted_tempo(beats) == Tempo(pytest.approx(bpm, abs=0.101), None)


def test_the_most_frequent_one_is_off_where_the_fitted_one_is_not() -> None:
    for bpm, mode in ((124, 125), (174, 176), (190, 194)):
        beats = on_frames(60 / bpm * np.arange(100))
        assert (fitted_tempo(beats), tempo_bpm(beats)) == (Tempo(bpm, None), mode)


def test_missing_late_and_superfluous_beats_do_not_matter() -> None:
    beats = on_frames(60 / 124 * np.arange(100))
    odd = np.delete(beats, [10, 33, 34, 60])
    odd[50] += 0.06
    assert fitted_tempo(odd) == Tempo(124.0, None)
    assert fitted_tempo(np.sort([*odd, beats[20] + 0.2])) == Tempo(124.0, None)


def test_one_beat_a_frame_late_does_not_turn_the_line() -> None:
    assert fitted_tempo([0.51, *(0.5 * np.arange(2, 13))]) == Tempo(120.0, None)


def test_beats_after_a_break_begin_anew() -> None:
    beats = 60 / 97 * np.arange(30)
    assert fitted_tempo([*beats, *(beats + beats[-1] + 5.33)]) == Tempo(97.0, None)


@pytest.mark.parametrize(("slow", "fast"), [(100, 110), (118, 122), (120, 140)])
def test_a_tempo_that_drifts_has_its_range(slow: float, fast: float) -> None:
    for first, last in ((slow, fast), (fast, slow)):
        found = fitted_tempo(on_frames(np.cumsum(60 / np.linspace(first, last, 120))))
        assert found is not None and found.range_bpm is not None
        assert found.bpm == pytest.approx((slow + fast) / 2, rel=0.002)
        # The ends are those of sixteen beats.
        inside = (fast - slow) * 8 / 120
        assert found.range_bpm == pytest.approx((slow + inside, fast - inside), rel=0.002)


def test_of_two_tempi_it_is_that_of_more_beats_and_the_range_has_both() -> None:
    found = fitted_tempo(np.cumsum([0.0, *[0.5] * 30, *[0.4] * 60]))
    assert found == Tempo(150.0, (120.0, 150.0))


@pytest.mark.parametrize("deviation_s", [0.005, 0.01])
def test_uneven_hands_are_no_drift(deviation_s: float) -> None:
    generator = np.random.default_rng(1)
    for bpm in range(60, 210, 30):
        beats = 1.0 + 60 / bpm * np.arange(200) + generator.normal(0, deviation_s, 200)
        assert fitted_tempo(beats) == Tempo(pytest.approx(bpm, abs=0.101), None)


@pytest.mark.parametrize(
    ("beats", "bpm"),
    [([0.0, 0.48], 125.0), ([1.0, 1.5, 2.0], 120.0), (np.cumsum([0.4, 0.6] * 20), 120.0)],
)
def test_few_and_limping_beats_have_a_tempo(beats: list[float], bpm: float) -> None:
    assert fitted_tempo(beats) == Tempo(bpm, None)


@pytest.mark.parametrize("beats", [[], [1.0]])
def test_fewer_than_two_beats_cannot_be_fitted(beats: list[float]) -> None:
    assert fitted_tempo(beats) is None
