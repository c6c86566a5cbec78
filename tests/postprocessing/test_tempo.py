import numpy as np
import pytest

from stemline.postprocessing.tempo import tempo_bpm


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
