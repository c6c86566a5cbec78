"""Our beats by the trained folds, beside allin1's own code with the same stems, and the grid.

Both sides read the same files of stems, of 16 bits as demucs writes them. allin1's are the
spectrogram and the beats of madmom, by `madmom_side.py` in an environment of its own, and its
network with the attention of `allin1_original.py`.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.evaluation.beat_scores import f_measure
from stemline.evaluation.song_score import beat_rows
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.jobs import Beats

from . import madmom_side
from .allin1_original import loaded, original_folder, original_modules, to_decode

Rows = NDArray[np.float64]
"""Beats, (n, 2): time in seconds, and place in the bar."""

MEAN = "mean"
"""The name of the model that averages all folds."""


@dataclass(frozen=True)
class Clip:
    """A part of a song, separated."""

    title: str
    bpm: float
    grid_s: NDArray[np.float64]
    stems: dict[str, Array]
    """(2, n) each, of 44.1 kHz."""


@dataclass(frozen=True)
class BeatRow:
    """One clip by one network, the original's beats beside ours."""

    clip: str
    bpm: float
    """The song's."""
    model: str
    found_bpm: float | None
    grid_f: float
    """F-measure of our beats against the song's grid, 70 ms."""
    n_beats: int
    n_original: int | None
    """How many the original finds; None where it was not run."""
    moved_s: float | None
    """How far our beats lie from the original's at most; None where one is missing, or has another
    place in its bar."""


def write_clip(clip: Clip, folder: Path) -> dict[str, Array]:
    """Write a clip's stems as files of 16 bits -> what they hold, which is what both sides get."""
    folder.mkdir(parents=True)
    read = {}
    for name, samples in clip.stems.items():
        path = folder / f"{name}.wav"
        soundfile.write(path, np.clip(samples, -1, 1).T, 44100, "PCM_16")
        read[name] = np.ascontiguousarray(soundfile.read(path, dtype="float32")[0].T)
    return read


def original_beats(
    folders: Mapping[str, Path], models: Mapping[str, Sequence[Path]], madmom_python: Path
) -> dict[tuple[str, str], Rows]:
    """Beats of folders of stems by allin1's own code -> by clip and model.

    A model is one file of a fold, or several to be averaged. Raises ImportError where allin1 is not
    installed, CalledProcessError where madmom fails.
    """
    side = [str(madmom_python), "-P", madmom_side.__file__]
    module = str(original_folder() / "spectrogram.py")
    subprocess.run([*side, "spectrograms", module, *map(str, folders.values())], check=True)
    work = next(iter(folders.values())).parent / "to decode"
    work.mkdir()
    cases: dict[str, tuple[tuple[str, str], dict[str, Any]]] = {}
    with original_modules() as modules:
        networks = {name: loaded(modules, files) for name, files in models.items()}
        for clip, folder in folders.items():
            spectrogram = np.load(folder.parent / f"{folder.name}.npy")
            for model, network in networks.items():
                settings, activations = to_decode(modules, network, spectrogram)
                name = str(len(cases))
                np.save(work / f"{name}.npy", activations)
                cases[name] = (clip, model), settings
    (work / "cases.json").write_text(json.dumps({name: case[1] for name, case in cases.items()}))
    subprocess.run([*side, "beats", str(work)], check=True)
    return {case[0]: np.load(work / f"{name}.beats.npy") for name, case in cases.items()}


def our_beats(tracker: BeatTracker, stems: Mapping[str, Array]) -> Beats:
    """Ours of stems of 44.1 kHz."""
    return tracker.track_stems(stems, 44100)


def beat_row(clip: Clip, model: str, ours: Beats, original: Rows | None) -> BeatRow:
    """Ours beside the grid and, where it was run, the original's."""
    found = beat_rows(ours.beats)
    return BeatRow(
        clip.title,
        clip.bpm,
        model,
        ours.bpm,
        f_measure(clip.grid_s, found[:, 0]),
        len(found),
        None if original is None else len(original),
        None if original is None else moved_s(original, found),
    )


def moved_s(original: Rows, ours: Rows) -> float | None:
    """How far beats moved at most; None where there are more or fewer, or bars begin elsewhere."""
    if original.shape != ours.shape or not np.array_equal(original[:, 1], ours[:, 1]):
        return None
    return float(np.abs(original[:, 0] - ours[:, 0]).max(initial=0))
