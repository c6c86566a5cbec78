"""Training `mini-beats` and how it is scored, on a network and songs small enough for a test."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from export_helpers import tensors_of
from safetensors.torch import load_file

from stemline.band import compose
from stemline.band.dice import Dice
from stemline.errors import ResumeError
from stemline.evaluation.beat_scores import (
    boundary_f_measure,
    f_measure,
    inner_boundary_f_measure,
    label_accuracy,
    n_matched,
)
from stemline.export.model_info import model_info
from stemline.export.models import find_model
from stemline.export.reference import torch_engine
from stemline.export.weights import load_network as load_separator
from stemline.export.weights import resolve_weights
from stemline.families.allin1.config import AllInOneConfig, allin1_config_from_json
from stemline.training.mini.songs import FIRST_SEED as MINI_SEED
from stemline.training.mini_beats.measure import (
    CONFIG,
    HERE,
    WEIGHTS,
    Logits,
    best_threshold,
    held_out,
    load_network,
    mean_score,
    score,
)
from stemline.training.mini_beats.recipe import Recipe
from stemline.training.mini_beats.songs import (
    FIRST_SEED,
    THRESHOLD_SEED,
    VALIDATION_SEED,
    Example,
    Separator,
    load,
    save,
    training_window,
)
from stemline.training.mini_beats.targets import targets_of, widened
from stemline.training.mini_beats.train import THRESHOLDS, Songs, example, train

KNOWN = ("intro", "verse", "chorus")
TINY = AllInOneConfig(dim_embed=4, depth=2)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """As in a training: threads that wait for each other cost more than these networks."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def song(n_frames: int = 1200, beat_frames: int = 50) -> Example:
    """Silence, and a click of all bands and stems at each beat; bars of three."""
    clicks = np.arange(10, n_frames, beat_frames)
    spectrogram = np.zeros((4, n_frames, 81), np.float16)
    spectrogram[:, clicks] = 1.0
    places = np.arange(len(clicks)) % 3 + 1
    return Example(
        spectrogram,
        None,
        np.stack([clicks / 100, places], 1),
        np.array([0.0, 2.1]),
        ("verse", "chorus"),
    )


def most_matched(reference: np.ndarray, found: np.ndarray, window_s: float) -> int:
    """By trying every way to pair the smaller side's events with the other side's."""
    small, large = sorted((reference, found), key=len)
    for n in range(len(small), 0, -1):
        for some in combinations(small, n):
            for others in permutations(large, n):
                if all(abs(a - b) <= window_s for a, b in zip(some, others, strict=True)):
                    return n
    return 0


@pytest.mark.parametrize("seed", range(40))
def test_as_many_events_are_matched_as_can_be(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, found = (np.sort(rng.uniform(0, 0.5, int(rng.integers(0, 6)))) for _ in range(2))
    assert n_matched(reference, found, 0.07) == most_matched(reference, found, 0.07)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ([1.0, 2.0, 3.0], 1.0),
        ([], 0.0),
        ([1.069, 1.931, 3.0], 1.0),
        ([1.071, 2.0, 3.0], 2 / 3),
        ([0.96, 1.04, 2.0, 3.0], 6 / 7),  # a reference is matched once
        ([1.0, 1.5, 2.0, 2.5, 3.0], 6 / 8),
    ],
)
def test_beats_within_70_ms_are_found(found: list[float], wanted: float) -> None:
    reference = np.array([1.0, 2.0, 3.0])
    assert f_measure(reference, np.array(found)) == pytest.approx(wanted, abs=1e-12)


def test_the_ends_of_a_song_are_boundaries_unless_they_are_left_out() -> None:
    reference, found = [0.0, 10.0, 20.0], [0.0, 12.0]
    assert boundary_f_measure(reference, found, 30.0, 0.5) == pytest.approx(2 * 2 / 7)
    assert boundary_f_measure(reference, found, 30.0, 3.0) == pytest.approx(2 * 3 / 7)
    assert inner_boundary_f_measure(reference, found, 0.5) == 0.0
    assert inner_boundary_f_measure(reference, found, 3.0) == pytest.approx(2 * 1 / 3)


def test_labels_count_by_the_time_they_are_right() -> None:
    right = label_accuracy(
        [0.0, 10.0], ["verse", "chorus"], [0.0, 12.0, 18.0], ["verse", "chorus", "verse"], 20.0
    )
    assert right == pytest.approx((10 + 6) / 20)


def test_targets_lie_around_their_events() -> None:
    beats = np.array([(0.0, 1.0), (0.5, 2.0), (0.998, 1.0)])
    targets = targets_of(101, beats, np.array([0.0, 0.6]), ("verse", "intro"), KNOWN)
    np.testing.assert_array_equal(targets.beat[:4], [1.0, 0.5, 0.25, 0.0])
    np.testing.assert_array_equal(targets.beat[47:54], [0, 0.25, 0.5, 1, 0.5, 0.25, 0])
    np.testing.assert_array_equal(np.flatnonzero(targets.downbeat), [0, 1, 2, 98, 99, 100])
    assert targets.section.argmax() == 60
    assert targets.section[19] == targets.section[20] == 0 < targets.section[21]
    assert targets.function.tolist() == [1] * 60 + [0] * 41


def test_where_two_events_meet_the_nearer_one_counts() -> None:
    np.testing.assert_array_equal(
        widened(np.array([0.01, 0.03]), (1.0, 0.5, 0.25), 5), [0.5, 1.0, 0.5, 1.0, 0.5]
    )


@pytest.mark.parametrize("seed", range(8))
def test_beats_stay_on_their_clicks_in_every_tempo_and_crop(seed: int) -> None:
    spectrogram, targets = example(song(), 700, KNOWN, Dice(seed, "crop"))
    level = spectrogram.max(0).max(-1)
    clicks = np.flatnonzero(level > 0)
    assert len(clicks) > 8
    # A frame may be left out or doubled: what is heard may lie one frame beside the target.
    assert (targets.beat[clicks] >= 0.5).all()
    near = np.maximum.reduce([level[:-2], level[1:-1], level[2:]])
    beats = np.flatnonzero(targets.beat[1:-1] == 1)
    assert (near[beats] > 0).mean() > 0.8


def test_a_crop_that_keeps_the_tempo_is_of_the_song() -> None:
    wanted = list(range(10, 1200, 50))
    crops = [example(song(), 1200, KNOWN, Dice(seed, "crop"))[0] for seed in range(8)]
    found = [np.flatnonzero(crop.any((0, 2))).tolist() for crop in crops]
    assert 0 < sum(frames == wanted for frames in found) < len(crops)


def test_an_example_comes_back_from_its_file(tmp_path: Path) -> None:
    made = replace(song(), true_spectrogram=np.full((4, 1200, 81), 0.5, np.float16))
    save(tmp_path / "7.npz", made)
    found = load(tmp_path / "7.npz")
    for name, value in vars(made).items():
        np.testing.assert_array_equal(getattr(found, name), value)
    assert [path.name for path in tmp_path.iterdir()] == ["7.npz"]


def test_windows_lie_inside_their_songs_and_often_at_an_end() -> None:
    windows = [training_window(seed, 60.0) for seed in range(FIRST_SEED, FIRST_SEED + 8)]
    assert all(window.duration_s == 60.0 for window in windows)
    whole = [compose(window.seed) for window in windows]
    at_start = sum(
        window.truth.beats[0].time_s == song.truth.beats[0].time_s
        for window, song in zip(windows, whole, strict=True)
    )
    assert 1 <= at_start < 8


def test_songs_are_not_those_of_others() -> None:
    recipe = Recipe()
    first, last = FIRST_SEED, FIRST_SEED + recipe.songs
    assert MINI_SEED + 9000 <= first < last < 1_000_000
    assert 2_001_000 <= VALIDATION_SEED <= VALIDATION_SEED + recipe.validation_songs
    assert VALIDATION_SEED + recipe.validation_songs <= THRESHOLD_SEED < 4_000_000 - 1000


def test_the_lowest_of_equally_good_thresholds_is_taken() -> None:
    n_frames = 1000
    beat = np.full(n_frames, -6.0, np.float32)
    beat[::50] = 1.0
    downbeat = np.where(np.arange(n_frames) % 150 == 0, 0.5, -6.0).astype(np.float32)
    nothing = np.zeros(n_frames, np.float32)
    frames = np.arange(0, n_frames, 50)
    truth = np.stack([frames / 100, np.arange(len(frames)) % 3 + 1], 1)
    found = Logits(beat, downbeat, nothing, np.zeros((3, n_frames), np.float32))
    assert best_threshold([(found, truth)], (0.99, 0.2, 0.1)) == 0.1


def small_recipe(**changes: int) -> Recipe:
    sizes = {"songs": 2, "cycles": 2, "steps": 2, "last_steps": 1, "crop_frames": 100}
    return Recipe(**{**sizes, **changes}, window_s=4.0)


def trained(recipe: Recipe, folder: Path) -> dict[str, torch.Tensor]:
    folder.mkdir(exist_ok=True)
    songs = Songs([song(400), song(400, 40)], [song(300)], [song(300)])
    train(recipe, TINY, songs, folder, every=2)
    return load_file(folder / WEIGHTS.name)


def test_the_same_recipe_gives_the_same_weights_even_when_interrupted(tmp_path: Path) -> None:
    whole = trained(small_recipe(), tmp_path / "whole")
    trained(small_recipe(cycles=1), tmp_path / "halved")
    halved = trained(small_recipe(), tmp_path / "halved")
    assert all(torch.equal(whole[key], halved[key]) for key in whole)
    written = allin1_config_from_json(json.loads((tmp_path / "halved" / CONFIG.name).read_text()))
    assert written.best_threshold_downbeat in THRESHOLDS
    assert replace(written, best_threshold_beat=None, best_threshold_downbeat=None) == TINY
    lines = [json.loads(line) for line in (tmp_path / "halved" / "log.jsonl").open()]
    # Both times there was a last cycle, which is not gone on from.
    assert [line["step"] for line in lines] == [2, 3, 4, 5]


def test_another_recipe_does_not_go_on_where_one_ended(tmp_path: Path) -> None:
    trained(small_recipe(cycles=1), tmp_path)
    for other in (small_recipe(seed=1), small_recipe(steps=3), small_recipe(songs=1)):
        with pytest.raises(ResumeError, match="another --folder"):
            trained(other, tmp_path)


def test_the_rate_rises_and_falls_in_every_cycle() -> None:
    recipe = Recipe(steps=100, last_steps=60, warm_up_steps=10, learning_rate=1.0, last_rate=0.5)
    for cycle, highest in ((0, 1.0), (recipe.cycles - 1, 1.0), (recipe.cycles, 0.5)):
        rates = [recipe.rate_at(cycle, step) for step in range(recipe.steps_of(cycle))]
        assert rates[0] == highest / 10 and max(rates) == highest and rates[-1] < highest / 30
        assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)


def test_what_ships_is_what_the_recipe_made() -> None:
    assert json.loads((HERE / "recipe.json").read_text()) == asdict(Recipe())
    last = [json.loads(line) for line in (HERE / "log.jsonl").open()][-1]
    assert last["step"] == Recipe().cycles * Recipe().steps + Recipe().last_steps
    assert WEIGHTS.stat().st_size <= 1_000_000
    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert digest in (HERE / "README.md").read_text()


SEEDS_FROM = 1_000_200
FLOOR = {"beat": 0.9, "downbeat": 0.8}


def test_beats_of_songs_nobody_trained_on_are_found_through_the_separator() -> None:
    spec = find_model("mini")
    weights = resolve_weights(spec, "auto")
    loaded = load_separator(spec, weights)
    engine = torch_engine(loaded.network, tensors_of(loaded.config), threads=1)
    separator = Separator(engine, model_info(spec, "fp32", weights.sha256), weights.sha256)
    config = allin1_config_from_json(json.loads(CONFIG.read_text()))
    network = load_network(config, WEIGHTS)
    songs = held_out(separator, 3, 20.0, SEEDS_FROM)
    mean = mean_score([score(song, network) for _, song in songs])
    engine.close()
    found = asdict(mean)
    assert {name: found[name] for name, least in FLOOR.items() if not found[name] >= least} == {}
