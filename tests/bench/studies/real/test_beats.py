"""How beats are compared: with the grid of a song, and with the original's."""

from pathlib import Path

import numpy as np
import pytest

from stemline.bench.studies.real.beats import Clip, beat_row, moved_s, write_clip
from stemline.bench.studies.real.songs import GridSong
from stemline.serving.jobs import Beat, Beats

BEATS = np.array([[0.5, 1], [1.0, 2], [1.5, 3]])


@pytest.mark.parametrize(
    ("ours", "wanted"),
    [
        ([[0.5, 1], [1.0, 2], [1.5, 3]], 0.0),
        ([[0.5, 1], [1.01, 2], [1.5, 3]], 0.01),
        ([[0.5, 1], [1.0, 2]], None),
        ([[0.5, 2], [1.0, 3], [1.5, 1]], None),
    ],
)
def test_beats_that_are_others_did_not_just_move(
    ours: list[list[float]], wanted: float | None
) -> None:
    assert moved_s(BEATS, np.array(ours)) == (None if wanted is None else pytest.approx(wanted))


def test_no_beats_on_both_sides_are_the_same() -> None:
    assert moved_s(np.zeros((0, 2)), np.zeros((0, 2))) == 0


@pytest.mark.parametrize(
    ("start_s", "seconds", "wanted"),
    [(0, 1.4, [0, 0.5, 1.0]), (1.1, 1.0, [0.4, 0.9]), (1.0, 0.5, [0.0])],
)
def test_a_songs_grid_begins_with_its_first_note(
    start_s: float, seconds: float, wanted: list[float]
) -> None:
    grid = GridSong("a song", 120.0, Path()).grid_s(start_s, seconds)
    assert grid == pytest.approx(np.array(wanted))


def test_a_row_compares_with_the_grid_and_the_original() -> None:
    clip = Clip("a song", 120.0, np.array([0.5, 1.0, 1.5, 2.0]), {})
    beats = tuple(Beat(time_s, int(place)) for time_s, place in BEATS)
    ours = Beats(bpm=119.0, bpm_range=None, beats=beats, segments=(), duration_s=2.0, seconds={})
    row = beat_row(clip, "fold 0", ours, BEATS)
    assert row.grid_f == pytest.approx(2 * 3 / 7)
    assert (row.found_bpm, row.n_beats, row.n_original, row.moved_s) == (119.0, 3, 3, 0.0)
    alone = beat_row(clip, "fold 0", ours, None)
    assert (alone.n_original, alone.moved_s) == (None, None)


def test_stems_are_files_of_16_bits_that_are_read_back(tmp_path: Path) -> None:
    stems = {"bass": np.array([[0.25, 2.0], [-0.1, -2.0]], np.float32)}
    read = write_clip(Clip("a song", 120.0, np.zeros(0), stems), tmp_path / "clip")
    steps = np.array([[8192, 32767], [-3277, -32768]], np.float32) / 32768
    np.testing.assert_array_equal(read["bass"], steps)
