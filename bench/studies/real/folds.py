"""The eight trained folds of All-In-One as its authors' files, `.pth` of `config` and `state_dict`.

They are made of a folder with `fold0.npz` to `fold7.npz` and each fold's configuration as YAML (of
ssmall256/all-in-one-mlx, which converted them for MLX); where there is none, they are those that
the authors publish.
"""

import os
from pathlib import Path

import numpy as np
import torch

from stemline.arrays import Array
from stemline.errors import DownloadError
from stemline.export.weights import resolve_weights
from stemline.families.allin1.models import ALLIN1_FOLDS
from stemline.families.common.config_file import read_yaml

FOLDS_VARIABLE = "STEMLINE_FOLDS"
N_FOLDS = len(ALLIN1_FOLDS)
# MLX's convolutions have their input channels last: (O, kh, kw, I), and torch's (O, I, kh, kw).
_CHANNELS_LAST = "embeddings.conv"


def fold_files(folder: Path) -> list[Path]:
    """The folds' files in order, in `folder` where they had to be written.

    Raises DownloadError where they are not to be had, and what reading them raises.
    """
    converted = converted_folds()
    if converted is not None:
        return [write_fold(converted, fold, folder) for fold in range(N_FOLDS)]
    try:
        found = [resolve_weights(spec, "official").path for spec in ALLIN1_FOLDS]
    except DownloadError as error:
        raise DownloadError(
            f"{error}; {FOLDS_VARIABLE} may name a folder with fold0.npz, fold0.yaml and so on"
        ) from error
    return [path for path in found if path is not None]


def converted_folds() -> Path | None:
    """The folder of the variable, else the one that lies beside the repository; None: neither."""
    named = os.environ.get(FOLDS_VARIABLE)
    if named:
        return Path(named)
    beside = Path(__file__).parents[3].parent / "shared" / "data" / "allin1"
    return beside if beside.is_dir() else None


def write_fold(converted: Path, fold: int, folder: Path) -> Path:
    """One fold as allin1 saves it."""
    with np.load(converted / f"fold{fold}.npz") as arrays:
        state = {name: torch.from_numpy(_as_torch(name, arrays[name])) for name in arrays.files}
    config = dict(read_yaml(converted / f"fold{fold}.yaml"))
    path = folder / f"fold{fold}.pth"
    torch.save({"config": config, "state_dict": state}, path)
    return path


def _as_torch(name: str, value: Array) -> Array:
    is_kernel = name.startswith(_CHANNELS_LAST) and value.ndim == 4
    return np.ascontiguousarray(value.transpose(0, 3, 1, 2)) if is_kernel else value
