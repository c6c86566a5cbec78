"""Beats from activations whose beats are known; tests/oracles compares with madmom itself."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from activation_helpers import FPS, Activations, activations, music
from numpy.typing import NDArray

from stemline.postprocessing.dbn import DownbeatTracker, PlainBeatTracker


def clicks(
    frames: list[int], numbers: list[int], n_frames: int, *, floor: float = 0.01
) -> NDArray[np.float32]:
    """Activations (n_frames, 2) that hear a beat in these frames, and a downbeat where it is 1."""
    out = np.full((n_frames, 2), floor, np.float32)
    out[frames, [int(number == 1) for number in numbers]] = 0.9
    return out


def click_track(meter: int, first: int, interval: int, n_beats: int) -> tuple[Any, Any, Any]:
    """Frames, numbers and activations of a steady track, which begins at number 2."""
    frames = [first + interval * i for i in range(n_beats)]
    numbers = [(i + 1) % meter + 1 for i in range(n_beats)]
    return frames, numbers, clicks(frames, numbers, frames[-1] + interval // 2)


@pytest.mark.parametrize("meter", [3, 4])
@pytest.mark.parametrize("interval", [30, 50, 100])
def test_a_click_track_gives_back_its_clicks_and_its_meter(meter: int, interval: int) -> None:
    frames, numbers, heard = click_track(meter, 17, interval, 24)
    beats = DownbeatTracker()(heard)
    np.testing.assert_array_equal(beats[:, 0], np.array(frames) / FPS)
    np.testing.assert_array_equal(beats[:, 1], numbers)


def test_beats_that_are_not_heard_are_filled_in() -> None:
    frames, numbers, heard = click_track(4, 20, 50, 40)
    heard[frames[17] - 2 : frames[21] + 3] = 0.01
    beats = DownbeatTracker()(heard)
    np.testing.assert_array_equal(beats[:, 1], numbers)
    # Where nothing is heard a beat is somewhere in the part of the interval that sounds.
    np.testing.assert_allclose(beats[:, 0], np.array(frames) / FPS, atol=0.04)


def test_a_beat_moves_to_the_loudest_frame_unless_told_not_to() -> None:
    frames, numbers, heard = click_track(4, 20, 64, 24)  # 4 frames of each sound
    late = heard.copy()
    late[frames[10]] = 0.01
    late[frames[10] + 1, int(numbers[10] == 1)] = 0.9
    moved = DownbeatTracker()(late)
    assert moved[10, 0] == (frames[10] + 1) / FPS
    unmoved = DownbeatTracker(correct=False)(late)
    assert set(np.diff(np.rint(unmoved[:, 0] * FPS))) == {64}


def test_time_counts_from_the_start_of_the_track_though_it_is_cut() -> None:
    _, _, heard = click_track(4, 20, 50, 24)
    silence = np.full((500, 2), 0.001, np.float32)
    alone = DownbeatTracker()(heard)
    beats = DownbeatTracker()(np.concatenate([silence, heard, silence]))
    np.testing.assert_array_equal(beats[:, 1], alone[:, 1])
    # Equal frames, divided anew.
    np.testing.assert_array_equal(beats[:, 0], (np.rint(alone[:, 0] * FPS) + 500) / FPS)


@pytest.mark.parametrize(
    "heard",
    [
        np.empty((0, 2), np.float32),
        np.zeros((100, 2)),
        np.full((100, 2), 0.04),  # below the threshold
        clicks([0], [1], 100),  # madmom drops a track of which the first frame alone reaches it
        clicks([50], [1], 100, floor=0.6),  # no beat is nowhere possible
    ],
    ids=["empty", "zeros", "below", "first frame", "impossible"],
)
def test_what_has_no_beats_gives_none(heard: Activations) -> None:
    beats = DownbeatTracker()(heard)
    assert beats.shape == (0, 2) and beats.dtype == np.float64
    if len(heard) and heard.max() < 0.5:
        assert PlainBeatTracker(threshold=0.05)(heard[:, 0]).shape == (0,)


def test_each_bar_length_may_have_its_own_parameters() -> None:
    _, _, heard = click_track(3, 17, 60, 24)
    # The second length cannot be as fast: it loses though its bars would fit.
    tracker = DownbeatTracker(
        beats_per_bar=[3, 6],
        min_bpm=[80, 20],
        max_bpm=[120, 40],
        num_tempi=[None, 20],
        transition_lambda=[100, 50],
    )
    assert set(tracker(heard)[:, 1]) == {1, 2, 3}
    assert len(tracker(heard)) == 24


def test_one_bar_length_may_be_given_alone() -> None:
    _, _, heard = click_track(3, 17, 60, 24)
    np.testing.assert_array_equal(DownbeatTracker(3)(heard), DownbeatTracker([3])(heard))
    assert DownbeatTracker(4)(heard)[:, 1].max() == 4


def test_other_frame_rates_give_the_same_beats_in_seconds() -> None:
    frames, numbers, heard = click_track(4, 20, 50, 24)
    beats = DownbeatTracker(fps=50)(heard)
    np.testing.assert_array_equal(beats[:, 0], np.array(frames) / 50)
    np.testing.assert_array_equal(beats[:, 1], numbers)


def test_columns_of_a_wider_array_and_any_order_in_memory_are_the_same() -> None:
    heard = activations(music, 4, 3000)
    wide = np.concatenate([heard, heard], axis=1)
    wanted = DownbeatTracker()(heard)
    np.testing.assert_array_equal(DownbeatTracker()(wide[:, :2]), wanted)
    np.testing.assert_array_equal(DownbeatTracker().process(np.asfortranarray(heard)), wanted)


def test_activations_are_left_as_they_were_and_threads_may_share_a_tracker() -> None:
    tracker = DownbeatTracker()
    tracks = [activations(music, seed, 2000 + 100 * seed) for seed in range(6)]
    before = [track.copy() for track in tracks]
    alone = [tracker(track) for track in tracks]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(tracker, tracks))
    for one, other, track, copy in zip(alone, together, tracks, before, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(track, copy)


@pytest.mark.parametrize("correct", [True, False])
def test_plain_beats_of_a_click_track(correct: bool) -> None:
    frames, _, heard = click_track(4, 20, 50, 24)
    beats = PlainBeatTracker(correct=correct)(heard.max(axis=1))
    np.testing.assert_array_equal(beats, np.array(frames) / FPS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beats_per_bar": [3, 0]}, "beats_per_bar must be 1 or more"),
        ({"beats_per_bar": []}, "beats_per_bar must be 1 or more"),
        ({"min_bpm": 0}, "0 < min_bpm <= max_bpm"),
        ({"min_bpm": 120, "max_bpm": 100}, "0 < min_bpm <= max_bpm"),
        ({"min_bpm": [50, 60, 70]}, "min_bpm has 3 values for 2 bar lengths"),
        ({"num_tempi": 0}, "num_tempi must be 1 or more"),
        ({"transition_lambda": -1}, "transition_lambda must be 0 or more"),
        ({"observation_lambda": 0.5}, "observation_lambda must be 1 or more"),
        ({"fps": 0}, "fps must be above 0"),
        ({"fps": 0.5}, "leave no whole interval"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DownbeatTracker(**options)


@pytest.mark.parametrize(
    "heard",
    [
        np.zeros(100),
        np.zeros((100, 3)),
        np.zeros((100, 2), complex),
        np.full((100, 2), np.nan),
        np.full((100, 2), np.inf),
    ],
)
def test_what_is_no_activations_is_refused(heard: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="activations must be"):
        DownbeatTracker()(heard)
    with pytest.raises(ValueError, match="activations must be"):
        PlainBeatTracker()(heard[..., np.newaxis] if heard.ndim == 1 else heard)
