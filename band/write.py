"""A song on disk: every stem as a WAV file, and the truth beside them."""

import json
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from .song import SAMPLE_RATE_HZ, STEMS, Song
from .truth import truth_json


def write_song(song: Song, folder: Path, *, layers: bool = False) -> None:
    """Write `mixture.wav`, a file for each stem and `truth.json`; 32-bit float samples.

    Parameters
    ----------
    song
        What to write.
    folder
        Made where it is missing; files of the same names are replaced.
    layers
        Also write the drums' layers, as `drums/kick.wav` and so on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "mixture.wav", song.mixture)
    for name in STEMS:
        _write(folder / f"{name}.wav", song.stems[name])
    if layers:
        (folder / "drums").mkdir(exist_ok=True)
        for name, sound in song.drums.items():
            _write(folder / "drums" / f"{name}.wav", sound)
    truth = json.dumps(truth_json(song), indent=1, sort_keys=True, ensure_ascii=False)
    (folder / "truth.json").write_text(truth + "\n", encoding="utf-8")


def _write(path: Path, stereo: NDArray[np.float32]) -> None:
    soundfile.write(path, stereo.T, SAMPLE_RATE_HZ, subtype="FLOAT")
