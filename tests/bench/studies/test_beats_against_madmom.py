"""The comparison with the originals, as far as it goes without them."""

import sys
from pathlib import Path

import numpy as np
import pytest

from stemline.bench.studies.after_separation import beats_of_stems
from stemline.bench.studies.beat_work import (
    AFTER_SEPARATION,
    COMPARISONS,
    write_activations,
    write_logits,
)
from stemline.bench.studies.beats_against_madmom import compared, largest_difference, side
from stemline.postprocessing.dbn import DownbeatTracker

SECONDS = 12
RATE = 44100


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a side is given, with noise for stems."""
    folder = tmp_path_factory.mktemp("song")
    write_activations(folder, SECONDS)
    write_logits(folder, SECONDS)
    noise = np.random.default_rng(0).normal(0, 0.1, (4, 2, SECONDS * RATE))
    np.save(folder / "stems.npy", noise.astype(np.float32))
    return folder


@pytest.mark.parametrize(
    ("ours", "wanted"),
    [([1.0, 2.5], 0.5), ([1.0, 2.0], 0.0), ([1.0], None), ([1.0, np.nan], None), ([[1, 2]], None)],
)
def test_the_largest_difference_is_none_of_other_shapes(
    ours: list[float], wanted: float | None
) -> None:
    assert largest_difference(np.array([1.0, 2.0]), np.array(ours)) == wanted


def test_two_empty_results_do_not_differ() -> None:
    assert largest_difference(np.empty((0, 2)), np.empty((0, 2))) == 0


def test_what_is_left_after_separation_is_the_whole_of_finding_beats(song: Path) -> None:
    given = [
        np.load(song / f"{name}.npy") for name in ("stems", "activations", "boundaries", "labels")
    ]
    found = beats_of_stems(*given)()
    # The logits are those of the activations, up to rounding, which moves no beat.
    wanted = DownbeatTracker(beats_per_bar=(3, 4), threshold=0.19)(given[1]).tolist()
    assert [[beat.time_s, beat.position] for beat in found.beats] == wanted
    assert len(found.beats) > 15
    assert found.seconds["spectrogram"] > found.seconds["engine"]
    with pytest.raises(ValueError, match="1200 frames, the stems of 600"):
        beats_of_stems(given[0][:, :, : RATE * 6], *given[1:])()


def test_a_side_says_what_a_call_cost_and_keeps_the_first_result(song: Path) -> None:
    with side(sys.executable, AFTER_SEPARATION, "ours", song) as ours:
        answers = [ours() for _ in range(2)]
    assert len(np.load(song / "ours.npy")) > 15
    # The spectrograms alone, of four stems, 1200 frames and 81 bands of 32 bits, are 1.55 MB.
    assert answers[0]["growth_mb"] > 1.5
    for answer in answers:
        assert answer["cpu_s"] > 0
        assert answer["stages"]["spectrogram"] > answer["stages"]["engine"]


def test_a_side_that_dies_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    # This Python has no madmom.
    with pytest.raises(RuntimeError, match="dbn, original: died with exit status 1"):
        compared(COMPARISONS[0], 5, 1, sys.executable)
    assert "No module named 'madmom'" in capfd.readouterr().err
