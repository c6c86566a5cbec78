"""Sections against a plain loop over every frame, and where they are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stemline.postprocessing.sections import (
    HARMONIX_LABELS,
    Section,
    find_sections,
    section_boundaries,
)

FPS = 100


def boundaries_by_loop(activations: NDArray[np.float32], fps: int) -> list[int]:
    """The rule, a frame at a time."""
    n, side = len(activations), 12 * fps
    peaks = np.zeros(n, np.float32)
    for i, value in enumerate(activations):
        if value == max(activations[max(0, i - 48) : i + 49]):
            peaks[i] = value
    found = []
    for i, value in enumerate(peaks):
        if value <= 0 or value < max(peaks[max(0, i - side) : i + side + 1]):
            continue
        before, after = np.zeros(side, np.float32), np.zeros(side, np.float32)
        before[side - len(peaks[max(0, i - side) : i]) :] = peaks[max(0, i - side) : i]
        after[: len(peaks[i + 1 : i + 1 + side])] = peaks[i + 1 : i + 1 + side]
        if value - (before.mean() + after.mean()) / 2 > 0:
            found.append(i)
    return found


def logits_at(frames: dict[int, float], n_frames: int) -> NDArray[np.float32]:
    """These in these frames, and a probability of 0 in all others."""
    out = np.full(n_frames, -200, np.float32)
    for frame, value in frames.items():
        out[frame] = value
    return out


def labels_of(parts: list[tuple[int, str]]) -> NDArray[np.float32]:
    """(frames, label) after one another -> logits (10, n_frames)."""
    classes = np.concatenate([[HARMONIX_LABELS.index(label)] * n for n, label in parts])
    return np.asarray(4 * np.eye(10, dtype=np.float32)[classes].T)


@pytest.mark.parametrize("n_frames", [1, 2, 48, 49, 97, 1200, 1201, 2401, 5000])
@pytest.mark.parametrize("levels", [None, 3])
def test_it_is_the_loop_over_every_frame(n_frames: int, levels: int | None) -> None:
    random = np.random.default_rng(n_frames)
    activations = random.random(n_frames).astype(np.float32) ** 8
    if levels:  # many frames are equally high
        activations = np.round(activations * levels) / np.float32(levels)
    got = section_boundaries(activations, FPS)
    assert got.tolist() == boundaries_by_loop(activations, FPS)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0]), min_size=1, max_size=400))
def test_it_is_the_loop_for_short_windows_and_few_levels(values: list[float]) -> None:
    # At 2 frames a second the windows of 12 s are shorter than the near ones.
    activations = np.array(values, np.float32)
    for fps in (2, 10):
        got = section_boundaries(activations, fps)
        assert got.tolist() == boundaries_by_loop(activations, fps)


def test_a_constant_activation_is_a_boundary_at_its_ends_alone() -> None:
    # In the middle it is no higher than the means beside it.
    found = section_boundaries(np.full(6000, 0.5, np.float32), FPS)
    assert found.tolist() == [*range(1200), *range(4800, 6000)]


def test_sections_lie_between_the_boundaries_and_take_the_likeliest_label() -> None:
    parts = [(2000, "intro"), (3000, "verse"), (4000, "chorus")]
    # The one at 5300 is near a higher one, the one at 40 too.
    heard = logits_at({2000: 2.0, 5000: 3.0, 5300: 2.5}, 9000)
    assert find_sections(heard, labels_of(parts)) == [
        Section(0.0, 20.0, "intro"),
        Section(20.0, 50.0, "verse"),
        Section(50.0, 90.0, "chorus"),
    ]


def test_a_boundary_in_the_first_frame_is_where_the_track_begins_anyway() -> None:
    heard = logits_at({0: 2.0, 2000: 2.0}, 4000)
    sections = find_sections(heard, labels_of([(2000, "intro"), (2000, "outro")]))
    assert [(section.start, section.label) for section in sections] == [
        (0.0, "intro"),
        (20.0, "outro"),
    ]


@pytest.mark.parametrize("value", [-np.inf, -200.0])
def test_a_track_without_boundary_is_one_section(value: float) -> None:
    heard = np.full(3000, value, np.float32)  # probabilities of 0
    assert find_sections(heard, labels_of([(3000, "solo")])) == [Section(0.0, 30.0, "solo")]


def test_times_follow_the_hop_and_the_rate() -> None:
    heard = logits_at({2000: 2.0}, 4000)
    [first, second] = find_sections(
        heard, labels_of([(4000, "verse")]), sample_rate_hz=22050, hop_samples=220
    )
    assert (first.end, second.end) == (2000 * 220 / 22050, 4000 * 220 / 22050)


def test_a_label_wins_by_its_mean_probability_not_by_its_frames() -> None:
    label_logits = np.zeros((10, 1000), np.float32)
    label_logits[3, :600] = 0.5  # a little more likely, and more often
    label_logits[7, 600:] = 9.0
    [section] = find_sections(np.full(1000, -np.inf, np.float32), label_logits)
    assert section.label == HARMONIX_LABELS[7]


@pytest.mark.parametrize("offset", [-300.0, 0.0, 300.0])
def test_only_differences_of_label_logits_matter(offset: float) -> None:
    label_logits = labels_of([(600, "verse"), (400, "chorus")]) + np.float32(offset)
    [section] = find_sections(np.full(1000, -np.inf, np.float32), label_logits)
    assert section.label == "verse"


@pytest.mark.parametrize(
    ("boundaries", "labels"),
    [((100, 1), (10, 100)), ((100,), (10, 99)), ((100,), (9, 100)), ((0,), (10, 0))],
)
def test_shapes_that_do_not_agree_are_refused(
    boundaries: tuple[int, ...], labels: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="boundaries must be"):
        find_sections(np.zeros(boundaries), np.zeros(labels))
