"""Train `mini-beats` from nothing but seeds: `python -m stemline.training.mini_beats.train --help`.

The band's songs are played, taken apart by `mini` as it was exported, and kept as spectrograms; the
network learns from crops of them. Its weights and its configuration, with the decoder's threshold,
are written beside the log.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from stemline.arrays import Array
from stemline.band.dice import Dice
from stemline.errors import ArtifactError, ResumeError
from stemline.evaluation.beat_scores import beat_f_measures
from stemline.families.allin1.config import AllInOneConfig, allin1_config_from_json
from stemline.families.allin1.network.all_in_one import AllInOne

from ..mini.checkpoint import keep
from .measure import CONFIG, SEPARATOR, WEIGHTS, Logits, beats_of, best_threshold, logits_of
from .recipe import Recipe
from .songs import (
    FIRST_SEED,
    THRESHOLD_SEED,
    VALIDATION_SEED,
    Example,
    Separator,
    load,
    open_separator,
    render,
)
from .targets import FRAME_RATE_HZ, Targets, loss_of, targets_of

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
_GAIN_DB, _STEM_GAIN_DB = 8.0, 4.0
_DROPPED = 0.06  # share of stems left out of an example
_TRUE_STEMS = 0.35  # share of examples of the stems as played, where the song has them kept
_OTHER_TEMPO, _LEAST_TEMPO = 0.4, 0.88  # share of examples in another tempo, and the slowest


def example(
    song: Example, crop_frames: int, known: Sequence[str], dice: Dice
) -> tuple[Array, Targets]:
    """A crop of a song, (4, crop_frames, 81), at other levels and perhaps in another tempo."""
    true = song.true_spectrogram
    whole = true if true is not None and dice.chance(_TRUE_STEMS) else song.spectrogram
    rate = 1.0
    if dice.chance(_OTHER_TEMPO):
        rate = dice.uniform(_LEAST_TEMPO, 1 / _LEAST_TEMPO)
    # Frames are left out or doubled: what sounds in each stays as it is.
    n_frames = int(whole.shape[1] / rate)
    length = min(crop_frames, n_frames)
    first = dice.integer(0, n_frames - length)
    frames = np.minimum(
        np.round(np.arange(first, first + length) * rate).astype(int), whole.shape[1] - 1
    )
    spectrogram = np.zeros((len(whole), crop_frames, whole.shape[2]), np.float32)
    gain_db = dice.uniform(-_GAIN_DB, _GAIN_DB)
    for stem in range(len(whole)):
        stem_db = gain_db + dice.uniform(-_STEM_GAIN_DB, _STEM_GAIN_DB)
        if dice.chance(_DROPPED):
            continue
        magnitude = 10 ** whole[stem, frames].astype(np.float32) - 1
        spectrogram[stem, :length] = np.log10(1 + 10 ** (stem_db / 20) * magnitude)
    start_s = first / FRAME_RATE_HZ
    beats = song.beats.copy()
    beats[:, 0] = beats[:, 0] / rate - start_s
    starts_s = song.starts_s / rate - start_s
    return spectrogram, targets_of(crop_frames, beats, starts_s, song.labels, known)


@dataclass(frozen=True)
class Songs:
    """The songs of a training."""

    learned: Sequence[Example]
    validation: Sequence[Example]
    """Songs that the log's figures are measured on."""
    whole: Sequence[Example]
    """Songs that the decoder's threshold is chosen on."""


def songs_of(recipe: Recipe, folder: Path, separator: Separator) -> Songs:
    """All songs of a recipe; rendered where they are not there yet."""

    def examples(first_seed: int, n_songs: int, whole: bool) -> list[Example]:
        seeds = range(first_seed, first_seed + n_songs)
        return [load(path) for path in render(folder, seeds, recipe.window_s, separator, whole)]

    return Songs(
        examples(FIRST_SEED, recipe.songs, False),
        examples(VALIDATION_SEED, recipe.validation_songs, False),
        examples(THRESHOLD_SEED, recipe.threshold_songs, True),
    )


def train(
    recipe: Recipe,
    config: AllInOneConfig,
    songs: Songs,
    folder: Path,
    every: int,
) -> None:
    """Train, choose the decoder's threshold, and write all that ships into `folder`.

    Goes on after the last cycle that was finished there. Raises ResumeError when that is of another
    recipe.
    """
    _check_resumable(recipe, folder)
    torch.manual_seed(recipe.seed)
    network = AllInOne(config).train()
    log = _Log(folder / "log.jsonl", recipe)
    for cycle in range(recipe.cycles):
        kept = folder / f"cycle-{cycle + 1}.safetensors"
        if not kept.is_file():
            _cycle(network, recipe, cycle, songs, log, every)
            keep(network, kept)
        # Rounded to half precision as they are kept: a stop between two cycles changes nothing.
        network.load_state_dict(load_file(kept))
    _cycle(network, recipe, recipe.cycles, songs, log, every)
    keep(network, folder / WEIGHTS.name)
    network.load_state_dict(load_file(folder / WEIGHTS.name))
    final = chosen_threshold(network.eval(), songs.whole)
    (folder / CONFIG.name).write_text(json.dumps(final.to_json(), indent=1) + "\n")


def _check_resumable(recipe: Recipe, folder: Path) -> None:
    path = folder / "recipe.json"
    if path.is_file():
        before = Recipe(**json.loads(path.read_text()))
        if not recipe.same_but_for_length(before):
            raise ResumeError(f"{folder} has a training by {before}; choose another --folder")
    path.write_text(json.dumps(asdict(recipe), indent=1) + "\n")


def _cycle(
    network: AllInOne,
    recipe: Recipe,
    cycle: int,
    songs: Songs,
    log: "_Log",
    every: int,
) -> None:
    """All steps of one cycle, with an optimizer of its own."""
    optimizer = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, (0.9, 0.98), weight_decay=recipe.weight_decay
    )
    labels = network.config.labels
    recent: dict[str, list[float]] = {}
    for step in range(recipe.steps_of(cycle)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate_at(cycle, step)
        total = cycle * recipe.steps + step
        chosen = [
            example(
                songs.learned[place],
                recipe.crop_frames,
                labels,
                Dice(recipe.seed, f"{total}.{item}"),
            )
            for item, place in enumerate(_places(recipe, total))
        ]
        spectrograms = torch.from_numpy(np.stack([spectrogram for spectrogram, _ in chosen]))
        losses = loss_of(network(spectrograms), [targets for _, targets in chosen])
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
        optimizer.step()
        for name, loss in losses.items():
            recent.setdefault(name, []).append(float(loss.detach()))
        if (step + 1) % every == 0 or step + 1 == recipe.steps_of(cycle):
            means = {name: float(np.mean(values)) for name, values in recent.items()}
            log.write(cycle, step, means, evaluate(network, songs.validation))
            recent = {}


def _places(recipe: Recipe, step: int) -> list[int]:
    """Which songs a step takes: each once before any comes again, in an order of the seed."""
    found = []
    for item in range(recipe.batch):
        epoch, place = divmod(step * recipe.batch + item, recipe.songs)
        dice = Dice(recipe.seed, f"order {epoch}")
        order = np.argsort([dice.fraction() for _ in range(recipe.songs)], kind="stable")
        found.append(int(order[place]))
    return found


def evaluate(network: AllInOne, songs: Sequence[Example]) -> dict[str, float]:
    """Mean over songs: F-measures of beats and downbeats, and the share of frames rightly named."""
    labels = network.config.labels
    network.eval()
    scores = []
    for song in songs:
        found = logits_of(network, song.spectrogram.astype(np.float32))
        beat, downbeat = beat_f_measures(song.beats, beats_of(found, THRESHOLDS[0]))
        targets = targets_of(len(found.beat), song.beats, song.starts_s, song.labels, labels)
        right = float(np.mean(found.function.argmax(0) == targets.function))
        scores.append((beat, downbeat, right))
    network.train()
    return dict(zip(("beat_f", "downbeat_f", "labels"), np.mean(scores, 0).tolist(), strict=True))


def chosen_threshold(network: AllInOne, songs: Sequence[Example]) -> AllInOneConfig:
    """The network's configuration with the decoder's threshold that serves these songs best."""
    found: list[tuple[Logits, NDArray[np.float64]]] = [
        (logits_of(network, song.spectrogram.astype(np.float32)), song.beats) for song in songs
    ]
    threshold = best_threshold(found, THRESHOLDS)
    return replace(network.config, best_threshold_beat=threshold, best_threshold_downbeat=threshold)


class _Log:
    """One JSON line each time, and the same on the terminal."""

    def __init__(self, path: Path, recipe: Recipe) -> None:
        self._path, self._recipe = path, recipe
        self._began = time.monotonic()

    def write(
        self, cycle: int, step: int, losses: dict[str, float], scores: dict[str, float]
    ) -> None:
        line = {
            "step": cycle * self._recipe.steps + step + 1,
            "seconds": round(time.monotonic() - self._began),
            "rate": round(self._recipe.rate_at(cycle, step), 6),
            **{f"loss_{name}": round(value, 4) for name, value in losses.items()},
            **{name: round(value, 3) for name, value in scores.items()},
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description="Train mini-beats on the synthetic band.")
    parser.add_argument("--folder", type=Path, default=Path("training"), help="songs, weights, log")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--separator", type=Path, default=SEPARATOR, help="mini, exported")
    parser.add_argument("--every", type=int, default=200, help="steps between two evaluations")
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    chosen = vars(parser.parse_args())
    folder, separator, every = (chosen.pop(name) for name in ("folder", "separator", "every"))
    config = allin1_config_from_json(json.loads(chosen.pop("config").read_text()))
    recipe = replace(Recipe(), **chosen)
    torch.set_num_threads(1)
    try:
        opened = open_separator(separator)
    except ArtifactError as error:
        sys.exit(f"{error}; this exports it: stemline export mini")
    songs = songs_of(recipe, folder / "songs", opened)
    try:
        train(recipe, config, songs, folder, every)
    except ResumeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
