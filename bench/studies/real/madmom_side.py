"""Run by madmom's own Python, by its path: what All-In-One has madmom do, before and after.

    python madmom_side.py spectrograms SPECTROGRAM_PY FOLDER...
    python madmom_side.py beats FOLDER

The first runs allin1's `spectrogram.py` on folders of stems, into FOLDER.npy. The second decodes
FOLDER/NAME.npy, activations, by the settings in FOLDER/cases.json, into FOLDER/NAME.beats.npy.
"""

import importlib.util
import json
import sys
import types
import warnings
from pathlib import Path

import numpy as np


def spectrograms(module: str, *folders: str) -> None:
    """Bands of all four stems, (4, n_frames, 81)."""
    # It draws its progress with tqdm, which madmom's environment does not have.
    sys.modules["tqdm"] = types.ModuleType("tqdm")
    vars(sys.modules["tqdm"])["tqdm"] = lambda items, **_: items
    spec = importlib.util.spec_from_file_location("spectrogram", module)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    for folder in map(Path, folders):
        found.extract_spectrograms([folder], folder.parent, multiprocess=False)


def beats(folder: str) -> None:
    """Beats of every case, (n, 2): time in seconds, and place in the bar."""
    from madmom.features.downbeats import DBNDownBeatTrackingProcessor

    for name, settings in json.loads((Path(folder) / "cases.json").read_text()).items():
        activations = np.load(Path(folder) / f"{name}.npy")
        np.save(
            Path(folder) / f"{name}.beats.npy",
            DBNDownBeatTrackingProcessor(**settings)(activations),
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1] == "spectrograms":
        spectrograms(*sys.argv[2:])
    else:
        beats(sys.argv[2])
