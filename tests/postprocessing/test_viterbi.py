"""The structured Viterbi finds what the dense one finds: the same path and the same number."""

from itertools import product

import numpy as np
import pytest
from dense_viterbi import State, dense_viterbi, every_path, log_probability
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stemline.postprocessing.beat_states import BeatStates, beat_intervals, beat_states
from stemline.postprocessing.viterbi import BeatPath, BeatViterbi, instruction_sets

WAYS = list(product(instruction_sets(), (False, True)))


def as_states(path: BeatPath, states: BeatStates, n_frames: int) -> list[State]:
    """A state for each frame."""
    if not len(path.starts):
        return []
    ends = np.append(path.starts[1:], n_frames)
    return [
        (int(beat), int(k), int(t - start))
        for start, end, beat, k in zip(path.starts, ends, path.beats, path.intervals, strict=True)
        for t in range(max(start, 0), end)
    ]


def check(states: BeatStates, log_densities: NDArray[np.float64]) -> list[BeatPath]:
    """Compare every way with the dense one; the paths found."""
    wanted, states_wanted = dense_viterbi(states, log_densities)
    paths = []
    for name, exact in WAYS:
        viterbi = BeatViterbi([states], instruction_set=name, exact=exact)
        [path] = viterbi.best_paths(log_densities)
        assert path.log_probability == wanted, name
        assert as_states(path, states, log_densities.shape[1]) == states_wanted, name
        assert not (exact and path.by_sums)
        paths.append(path)
    return paths


@st.composite
def spaces(draw: st.DrawFn) -> BeatStates:
    intervals = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True))
    return beat_states(
        draw(st.integers(1, 6)),
        np.array(sorted(intervals), np.int32),
        draw(st.sampled_from([None, 0.0, 1.0, 5.0, 100.0])),
        draw(st.sampled_from([1, 2, 3, 16])),
    )


@st.composite
def densities(draw: st.DrawFn) -> NDArray[np.float64]:
    """Few values, so that paths are often equal, or any; some impossible."""
    values = draw(
        st.sampled_from(
            [
                st.sampled_from([-1.0, -2.0]),
                st.sampled_from([-0.1, -0.2, -0.3, -0.7, -18.4]),
                st.sampled_from([-1.0, -2.0, -np.inf]),
                st.floats(-30, 1),
            ]
        )
    )
    n_frames = draw(st.integers(1, 40))
    flat = draw(st.lists(values, min_size=3 * n_frames, max_size=3 * n_frames))
    return np.array(flat).reshape(3, n_frames)


@settings(max_examples=150, deadline=None)
@given(spaces(), densities())
def test_it_is_the_dense_viterbi(states: BeatStates, log_densities: NDArray[np.float64]) -> None:
    check(states, log_densities)


@pytest.mark.parametrize("seed", range(8))
def test_the_dense_viterbi_is_the_best_of_all_paths(seed: int) -> None:
    random = np.random.default_rng(seed)
    intervals = np.array([2, 3] if seed % 2 else [1, 2, 4], np.int32)
    states = beat_states(1 + seed % 3, intervals, 2.0, 3)
    log_densities = np.log(random.random((3, 7)))
    best, path = dense_viterbi(states, log_densities)
    of_all = max(log_probability(states, log_densities, path) for path in every_path(states, 7))
    # The same few numbers in another order.
    assert best == pytest.approx(of_all, rel=1e-12)
    assert log_probability(states, log_densities, path) == pytest.approx(of_all, rel=1e-12)


@pytest.mark.parametrize("n_frames", [1, 2, 7, 8, 9, 23, 24, 25, 47, 48, 49, 95, 96, 97, 130])
def test_every_length_around_the_blocks_and_the_intervals(n_frames: int) -> None:
    # The shortest interval lies below, at and above the frames that are done at once.
    for shortest in (3, 8, 24, 25):
        states = beat_states(2, np.array([shortest, shortest + 1, 31], np.int32), 20.0, 4)
        log_densities = np.log(np.random.default_rng(n_frames).random((3, n_frames)))
        check(states, log_densities)


@pytest.mark.parametrize("n_beats", range(1, 10))
def test_bars_of_any_length(n_beats: int) -> None:
    states = beat_states(n_beats, np.array([4, 5, 6], np.int32), 10.0, 4)
    check(states, np.log(np.random.default_rng(n_beats).random((3, 60))))


def test_equal_paths_are_left_to_the_exact_way_and_others_are_not() -> None:
    states = beat_states(2, np.array([4, 5], np.int32), 10.0, 4)
    assert not any(path.by_sums for path in check(states, np.full((3, 50), -1.0)))
    distinct = np.log(np.random.default_rng(0).random((3, 50)))
    by_sums = [path.by_sums for path in check(states, distinct)]
    assert by_sums == [not exact for _, exact in WAYS]


def test_an_impossible_track_has_no_path() -> None:
    states = beat_states(3, np.array([4, 5], np.int32), 10.0, 4)
    log_densities = np.full((3, 30), -1.0)
    log_densities[:, 12] = -np.inf
    for path in check(states, log_densities):
        assert len(path.starts) == 0 and path.log_probability == -np.inf


def test_one_instance_keeps_the_bar_lengths_apart() -> None:
    both = [beat_states(n, np.array([28, 40], np.int32), 10.0, 4) for n in (3, 4)]
    log_densities = np.log(np.random.default_rng(3).random((3, 300)))
    together = BeatViterbi(both).best_paths(log_densities)
    for states, path in zip(both, together, strict=True):
        [alone] = BeatViterbi([states]).best_paths(log_densities)
        assert path.log_probability == alone.log_probability
        np.testing.assert_array_equal(path.starts, alone.starts)


@pytest.mark.parametrize("shape", [(3, 0), (2, 10)])
def test_other_densities_are_refused(shape: tuple[int, int]) -> None:
    states = beat_states(2, np.array([4, 5], np.int32), 10.0, 4)
    with pytest.raises(ValueError, match="must be"):
        BeatViterbi([states]).best_paths(np.zeros(shape))


def test_an_instruction_set_of_another_processor_is_refused() -> None:
    states = beat_states(2, np.array([4, 5], np.int32), 10.0, 4)
    with pytest.raises(ValueError, match="no instruction set 'abacus'"):
        BeatViterbi([states], instruction_set="abacus").best_paths(np.zeros((3, 9)))


def test_the_state_space_of_the_defaults() -> None:
    # Counted in madmom's own objects at its defaults.
    intervals = beat_intervals(55, 215, 60, 100)
    assert len(intervals) == 60 and (intervals[0], intervals[-1]) == (28, 109)
    states = beat_states(3, intervals, 100, 16)
    assert states.n_states == 11157
    assert states.n_states - 3 * 60 + 3 * len(states.weights) == 16236  # transitions
    assert beat_states(4, intervals, 100, 16).n_states == 14876


def test_changes_of_tempo_are_probabilities() -> None:
    states = beat_states(1, beat_intervals(55, 215, 60, 100), 100, 16)
    out = np.zeros(60)
    for (first, end), offset in zip(states.sources, states.offsets, strict=True):
        out[first:end] += np.exp(states.weights[offset : offset + end - first])
    # From each interval they sum to 1, but for a few roundings.
    np.testing.assert_allclose(out, 1, rtol=1e-14)


def test_num_tempi_none_takes_every_interval() -> None:
    np.testing.assert_array_equal(beat_intervals(55, 215, None, 100), np.arange(28, 110))
    np.testing.assert_array_equal(beat_intervals(55, 215, 500, 100), np.arange(28, 110))
