"""Training `mini`, on a network and songs small enough for a test."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from export_helpers import tiny_config
from safetensors.torch import load_file

from stemline.band.dice import Dice
from stemline.errors import ResumeError
from stemline.export.models import MODELS
from stemline.families.mdx23c.config import Mdx23cConfig
from stemline.families.mdx23c.processing import network_input, stem_chunks
from stemline.postprocessing.istft import Istft
from stemline.preprocessing.stft import Stft
from stemline.training.mini import recipe as recipes
from stemline.training.mini.recipe import Recipe
from stemline.training.mini.songs import example
from stemline.training.mini.spectrogram import Spectrogram
from stemline.training.mini.train import train

STEMS = ("drums", "bass", "other", "vocals")


def recipe(**changes: int) -> Recipe:
    sizes = {"steps": 4, "decay_steps": 2, "batch": 1, "workers": 1, "songs": 2}
    sizes["held_out_songs"] = 1
    return Recipe(**{**sizes, **changes}, excerpt_s=1.0)  # type: ignore[arg-type]


def test_training_sees_the_spectrograms_that_separation_sees() -> None:
    config = MODELS["mini"].config
    assert isinstance(config, Mdx23cConfig)
    samples = Dice(0, "signal").noise(2 * 2 * config.chunk_samples)
    chunks = samples.reshape(2, 2, config.chunk_samples)
    stft = Stft(config.n_fft, config.hop_samples, config.n_bins)
    wanted = network_input(chunks, stft)
    got = Spectrogram(config).encode(torch.from_numpy(chunks)).numpy()
    # Two float32 FFTs of 2048 samples below 1: their sums differ in the last digits.
    np.testing.assert_allclose(got, wanted, atol=1e-3)


def test_training_hears_what_separation_gives() -> None:
    config = MODELS["mini"].config
    assert isinstance(config, Mdx23cConfig)
    shape = (1, *config.output_shape)
    output = Dice(0, "output").noise(int(np.prod(shape))).reshape(shape)
    wanted = stem_chunks(output, Istft(config.n_fft, config.hop_samples, config.n_bins))
    got = Spectrogram(config).decode(torch.from_numpy(output)).numpy()
    np.testing.assert_allclose(got, wanted, atol=1e-5)  # float32 again, values below 1


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_recipe_gives_the_same_weights_even_when_interrupted(
    workers: int, tmp_path: Path
) -> None:
    config = tiny_config(stems=STEMS)
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    for folder in (whole, halved):
        folder.mkdir()
    train(recipe(workers=workers), config, whole, every=4)
    (whole / "songs.npy").rename(halved / "songs.npy")
    (whole / "songs.json").rename(halved / "songs.json")
    # Three steps at the rates of the whole's first three, which falls over the last two only.
    train(recipe(workers=workers, steps=3, decay_steps=1), config, halved, every=2)
    train(recipe(workers=workers), config, halved, every=2)
    first, second = (load_file(folder / "mini.safetensors") for folder in (whole, halved))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert [json.loads(line)["step"] for line in (halved / "log.jsonl").open()] == [2, 3, 4]


def test_another_recipe_does_not_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    config = tiny_config(stems=STEMS)
    train(recipe(steps=3, decay_steps=1), config, tmp_path, every=1)
    done = (tmp_path / "recipe.json").read_text()
    for other in (recipe(seed=1), recipe(steps=9, decay_steps=8), recipe(batch=2)):
        with pytest.raises(ResumeError, match="another recipe"):
            train(other, config, tmp_path, every=1)
    with pytest.raises(ResumeError, match="another configuration"):
        train(recipe(steps=3, decay_steps=1), tiny_config(stems=STEMS, growth=4), tmp_path, every=1)
    assert (tmp_path / "recipe.json").read_text() == done


@pytest.mark.parametrize(
    "wrong", [{"decay_steps": 0}, {"steps": 3, "decay_steps": 4}, {"workers": 0}, {"songs": 0}]
)
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be 1"):
        recipe(**wrong)


def test_the_recipe_is_that_of_the_weights_that_ship() -> None:
    folder = Path(recipes.__file__).parent
    assert json.loads((folder / "recipe.json").read_text()) == asdict(Recipe())
    last = (folder / "log.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["step"] == Recipe().steps


def test_the_learning_rate_rises_stays_and_falls() -> None:
    plan = Recipe(steps=1000, decay_steps=200, warm_up_steps=10, learning_rate=1.0)
    assert plan.rate_at(0) == pytest.approx(0.1)
    assert {plan.rate_at(step) for step in (9, 10, 500, 800)} == {1.0}
    assert plan.rate_at(900) == pytest.approx(0.51)
    assert plan.rate_at(1000) == pytest.approx(0.02)


def test_an_example_keeps_the_stems_apart() -> None:
    # Song s, stem k is the constant 100 · s + k + 1: what comes out tells where it came from.
    songs = np.zeros((3, 4, 2, 1000), np.int16)
    for song in range(3):
        for stem in range(4):
            songs[song, stem] = 100 * song + stem + 1
    dropped = mixed = 0
    for number in range(400):
        stems = example(songs, 64, Dice(7, str(number)))
        assert stems.shape == (4, 2, 64)
        dropped += sum(not stem.any() for stem in stems)
        levels = [float(np.abs(stem).max()) * 16384 for stem in stems]
        owners = set()
        for index, level in enumerate(levels):
            if level == 0:
                continue
            near = [
                song for song in range(3) if 10**-0.3 <= level / (100 * song + index + 1) <= 10**0.3
            ]
            assert near, f"stem {index} at {level}"
            if len(near) == 1:
                owners.add(near[0])
        mixed += len(owners) > 1
    # 8 % of 1600 stems, and a quarter of the examples less those that drew one song: 4 sigma.
    assert 85 < dropped < 171
    assert 40 < mixed < 130
