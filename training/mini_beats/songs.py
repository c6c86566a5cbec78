"""What `mini-beats` learns from: the band's songs as `mini` separates them, as spectrograms.

A song is composed whole and a window of it played, so that all parts of long forms occur.
Kept on disk, one file a song: playing and separating take far longer than a step of training.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import stemline.band
from stemline.arrays import Array
from stemline.atomic_files import replaced
from stemline.band import Score, Song, compose, excerpt, perform
from stemline.band.dice import Dice
from stemline.engines import Engine, ModelInfo, open_engine, read_artifact
from stemline.evaluation.separation import separate_whole
from stemline.families.allin1.config import STEMS
from stemline.preprocessing.spectrogram import log_spectrogram

FIRST_SEED = 10_000
"""Training's songs have the seeds from here up; `mini` learned from 1 to 600."""
VALIDATION_SEED = 3_000_000
"""Songs that the log's figures are of begin here; published figures' at a million."""
THRESHOLD_SEED = 3_001_000
"""Songs that choose the decoder's threshold begin here.

They are whole: the threshold separates the music from what comes before its first beat and after
its last.
"""
TRAINING_OVERLAP = 0.25
"""Overlap of the separator's chunks: a third of the time that `mini`'s own takes."""
_TRUE_STEMS_EVERY = 3  # every so manyth song is kept as it was played, too
_AT_START, _AT_END = 0.35, 0.25  # shares of windows that lie at either end of their song


@dataclass(frozen=True)
class Example:
    """A song's spectrograms and its truth."""

    spectrogram: NDArray[np.float16]
    """Spectrograms of the separated stems in All-In-One's order, (4, n_frames, 81)."""
    true_spectrogram: NDArray[np.float16] | None
    """Spectrograms of the stems as played, of the same shape; None where not kept."""
    beats: NDArray[np.float64]
    """Times in seconds and places in the bar from 1, (n_beats, 2)."""
    starts_s: NDArray[np.float64]
    """Starts of the sections in seconds, ascending, the first one 0."""
    labels: tuple[str, ...]
    """The band's own labels of the sections."""


def spectrogram_of(stems: dict[str, Array], sample_rate_hz: int) -> Array:
    """Stems (channels, n) by name -> (4, n_frames, 81) in All-In-One's order."""
    mono = np.stack([stems[name].mean(0) for name in STEMS])
    return log_spectrogram(mono, sample_rate_hz)


@dataclass(frozen=True)
class Separator:
    """The exported `mini`, which separates songs before their beats are sought."""

    engine: Engine
    info: ModelInfo
    digest: str
    """Digest of its engine's file."""

    def spectrogram(self, mixture: Array, overlap: float | None = None) -> Array:
        """A mixture (channels, n) -> its stems' spectrograms, (4, n_frames, 81)."""
        stems = separate_whole(self.engine, self.info, mixture, overlap)
        return spectrogram_of(stems, self.info.sample_rate_hz)


def open_separator(artifact: Path) -> Separator:
    """An exported separator on one core. Raises ArtifactError where there is none."""
    found = read_artifact(artifact)
    return Separator(open_engine(found.engine_path, "cpu", threads=1), found.info, found.sha256)


def training_window(seed: int, window_s: float) -> Score:
    """A window of one whole song; the seed decides where it lies: often at one of the ends."""
    score = compose(seed)
    last_s = max(0.0, score.duration_s - window_s)
    dice = Dice(seed, "beat window")
    place, between = dice.fraction(), dice.uniform(0.0, last_s)
    start_s = 0.0 if place < _AT_START else last_s if place < _AT_START + _AT_END else between
    return excerpt(score, round(start_s, 6), min(window_s, score.duration_s))


def render(
    folder: Path, seeds: Sequence[int], window_s: float, separator: Separator, whole: bool = False
) -> list[Path]:
    """Files of examples, one a seed: windows of songs, or whole songs of that length.

    What is not there yet is made; what is of another band, separator or window is made anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    info = {
        "band": _band_digest(),
        "separator": separator.digest,
        "overlap": TRAINING_OVERLAP,
        "window_s": window_s,
    }
    made_of = folder / "made_of.json"
    if not made_of.is_file() or json.loads(made_of.read_text()) != info:
        for path in folder.glob("*.npz"):
            path.unlink()
        made_of.write_text(json.dumps(info))
    paths = [folder / f"{seed}.npz" for seed in seeds]
    for seed, path in zip(seeds, paths, strict=True):
        if not path.is_file():
            score = compose(seed, window_s) if whole else training_window(seed, window_s)
            song = perform(score)
            made = example_of(song, separator, TRAINING_OVERLAP)
            if seed % _TRUE_STEMS_EVERY == 0:
                true = spectrogram_of(song.stems, stemline.band.SAMPLE_RATE_HZ)
                made = replace(made, true_spectrogram=true.astype(np.float16))
            save(path, made)
    return paths


def example_of(song: Song, separator: Separator, overlap: float | None) -> Example:
    """A song from its mixture; `overlap` None is the separator's own."""
    truth = song.truth
    return Example(
        separator.spectrogram(song.mixture, overlap).astype(np.float16),
        None,
        np.array([(beat.time_s, beat.position) for beat in truth.beats]).reshape(-1, 2),
        np.array([section.start_s for section in truth.sections]),
        tuple(section.label for section in truth.sections),
    )


def save(path: Path, made: Example) -> None:
    """Write an example to one file that is whole or not there."""
    arrays = {
        "spectrogram": made.spectrogram,
        "beats": made.beats,
        "starts_s": made.starts_s,
        "labels": np.array(made.labels),
    }
    if made.true_spectrogram is not None:
        arrays["true_spectrogram"] = made.true_spectrogram
    with replaced(path) as temporary, temporary.open("wb") as file:  # several may render together
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load(path: Path) -> Example:
    """Read the example that `save` wrote."""
    with np.load(path) as arrays:
        return Example(
            arrays["spectrogram"],
            arrays["true_spectrogram"] if "true_spectrogram" in arrays else None,
            arrays["beats"],
            arrays["starts_s"],
            tuple(arrays["labels"].tolist()),
        )


def _band_digest() -> str:
    """Digest of the band's sources: others would make other songs."""
    digest = hashlib.sha256()
    for path in sorted(Path(stemline.band.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
