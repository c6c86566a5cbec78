"""A network's beats and sections of songs, beside the truth.

`python -m stemline.training.mini_beats.measure --help` measures the weights on held-out songs, from
the mixture through `mini`.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.band import play
from stemline.evaluation.beat_scores import beat_f_measures, section_scores
from stemline.evaluation.held_out import FIRST_SEED
from stemline.families.allin1.activations import downbeat_activations
from stemline.families.allin1.config import AllInOneConfig, allin1_config_from_json
from stemline.families.allin1.network.all_in_one import AllInOne
from stemline.postprocessing.dbn import DownbeatTracker
from stemline.postprocessing.sections import find_sections

from .songs import Example, Separator, example_of, open_separator

HERE = Path(__file__).parent
_SHIPPED = HERE.parents[1] / "families" / "allin1" / "weights"
CONFIG = _SHIPPED / "mini_beats.json"
WEIGHTS = _SHIPPED / "mini_beats.safetensors"
SEPARATOR = Path("artifacts/mini.fp32")


@dataclass(frozen=True)
class Logits:
    """The network's logits of every frame."""

    beat: Array
    downbeat: Array
    section: Array
    """Logits of beat, downbeat and section, (n_frames,) each."""
    function: Array
    """Logits of the labels, (n_labels, n_frames)."""


@dataclass(frozen=True)
class Score:
    """The figures of one song; each 0 to 1."""

    beat: float
    """F-measure of beats within 70 ms."""
    downbeat: float
    """F-measure of downbeats within 70 ms."""
    boundary_half: float
    """F-measure of boundaries within 0.5 s, the song's beginning and end among them."""
    boundary_three: float
    """F-measure of boundaries within 3 s, the song's beginning and end among them."""
    inner_half: float
    """F-measure within 0.5 s without beginning and end; NaN for a song of one section."""
    inner_three: float
    """F-measure within 3 s without beginning and end; NaN for a song of one section."""
    label: float
    """Share of the time that has the right label."""


def load_network(config: AllInOneConfig, weights: Path) -> AllInOne:
    """The network as it ships, ready to run."""
    from safetensors.torch import load_file

    network = AllInOne(config)
    network.load_state_dict(load_file(weights))
    return network.float().eval()


def logits_of(network: AllInOne, spectrogram: Array) -> Logits:
    """Stems' spectrograms (4, n_frames, 81) -> the network's logits."""
    with torch.inference_mode():
        beat, downbeat, section, function = network(torch.from_numpy(spectrogram)[None])
    return Logits(beat[0].numpy(), downbeat[0].numpy(), section[0].numpy(), function[0].numpy())


def beats_of(found: Logits, threshold: float | None) -> NDArray[np.float64]:
    """Times in seconds and places in the bar from 1, (n_beats, 2)."""
    tracker = DownbeatTracker(beats_per_bar=(3, 4), threshold=threshold)
    return tracker(downbeat_activations(found.beat, found.downbeat))


def score(song: Example, network: AllInOne) -> Score:
    """The figures of a separated song, with the threshold of the network's configuration."""
    config = network.config
    found = logits_of(network, song.spectrogram.astype(np.float32))
    beat, downbeat = beat_f_measures(song.beats, beats_of(found, config.best_threshold_downbeat))
    sections = find_sections(found.section, found.function, labels=config.labels)
    return Score(
        beat,
        downbeat,
        *section_scores(
            (song.starts_s, song.labels),
            ([section.start for section in sections], [section.label for section in sections]),
            song.spectrogram.shape[1] / config.frame_rate_hz,
        ),
    )


def mean_score(scores: Sequence[Score]) -> Score:
    """Each figure's mean over the songs that have it."""
    return Score(
        *(float(np.nanmean([getattr(one, f.name) for one in scores])) for f in fields(Score))
    )


def held_out(
    separator: Separator, n_songs: int, seconds: float | None, first_seed: int = FIRST_SEED
) -> Iterator[tuple[int, Example]]:
    """Seeds and songs nobody trained on, separated with the separator's own overlap.

    `seconds` None leaves the length to the seed: 60 to 200 s, a song's whole form.
    """
    for seed in range(first_seed, first_seed + n_songs):
        yield seed, example_of(play(seed, seconds), separator, None)


def best_threshold(
    songs: Iterable[tuple[Logits, NDArray[np.float64]]], candidates: Sequence[float]
) -> float:
    """The threshold of the best downbeats, and of equal ones of the best beats, then the lowest."""
    pairs = list(songs)
    scores = []
    for threshold in candidates:
        each = [
            beat_f_measures(reference, beats_of(found, threshold)) for found, reference in pairs
        ]
        beat, downbeat = np.mean(each, axis=0)
        scores.append((round(float(downbeat), 6), round(float(beat), 6), -threshold))
    return -max(scores)[2]


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description="Measure mini-beats on held-out songs.")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--separator", type=Path, default=SEPARATOR, help="mini, exported")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--songs", type=int, default=12)
    parser.add_argument("--seconds", type=float, help="of each; 60 to 200 by the seed if unset")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    config = allin1_config_from_json(json.loads(chosen.config.read_text()))
    network = load_network(config, chosen.weights)
    scores = []
    separator = open_separator(chosen.separator)
    for seed, song in held_out(separator, chosen.songs, chosen.seconds, chosen.first_seed):
        scores.append(score(song, network))
        print(seed, _rounded(scores[-1]), flush=True)
    print("mean", _rounded(mean_score(scores)))


def _rounded(found: Score) -> str:
    return json.dumps({name: round(value, 3) for name, value in asdict(found).items()})


if __name__ == "__main__":
    main()
