"""Read a fold of All-In-One: how its network is made, and its weights.

Two forms hold the same: the `.pth` of allin1 (a pickle of `config` and `state_dict`), and
safetensors with our configuration as JSON under `config` in the header's metadata.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from stemline.errors import CheckpointError, ConfigError, WeightsError

from ...common.checkpoint import load_strictly, read_file, state_dict_in
from ...family import LoadedNetwork
from ..config import AllInOneConfig, allin1_config_from_json, config_from_fold
from ..network.all_in_one import AllInOne

SUFFIXES = (".pth", ".safetensors")


def fold_files(folder: Path) -> list[Path]:
    """The files of networks in a folder, by name. Raises WeightsError where there are none."""
    found = sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES)
    if not found:
        raise WeightsError(
            f"--weights {folder}: no folder with files of networks ({', '.join(SUFFIXES)})"
        )
    return found


@dataclass(frozen=True)
class Fold:
    """One network, as its file describes it."""

    path: Path
    config: AllInOneConfig
    state: dict[str, Tensor]
    """Its weights by name, float32."""

    def network(self) -> LoadedNetwork:
        """The network with these weights, in evaluation mode; the tensors are taken over.

        Raises CheckpointError when they do not fit the configuration.
        """
        with torch.device("meta"):
            network = AllInOne(self.config)
        notes = load_strictly(network, self.state, str(self.path))
        return LoadedNetwork(network.eval(), self.config, notes)


def read_fold(path: Path, usual: AllInOneConfig | None = None) -> Fold:
    """The fold in a `.pth` or `.safetensors` file; nothing in the file is ever run.

    `usual` is the configuration of a safetensors file that names none of its own. Raises
    CheckpointError: no such file, no fold, cut short, refused, or of a network that is not known
    here.
    """
    found = read_file(path)
    state = state_dict_in(found, path)
    try:
        if path.suffix == ".safetensors":
            header = _header(path)
            found = usual if header is None else allin1_config_from_json(header)
            if found is None:
                raise CheckpointError(
                    f"{path} holds no fold of All-In-One: it has no config in its header's metadata"
                )
            config = found
        else:
            config = config_from_fold(_config_in(found, path))
    except ConfigError as error:
        raise CheckpointError(f"{path}: config: {error}") from error
    return Fold(path, config, state)


def _config_in(found: object, path: Path) -> Mapping[str, Any]:
    config = found.get("config") if isinstance(found, Mapping) else None
    if not isinstance(config, Mapping):
        raise CheckpointError(f"{path} holds no fold of All-In-One: it has no config")
    return config


def _header(path: Path) -> Mapping[str, Any] | None:
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
    if "config" not in header:
        return None
    try:
        config = json.loads(header["config"])
    except ValueError as error:
        raise CheckpointError(f"{path}: its header's config is no JSON") from error
    if not isinstance(config, Mapping):
        raise CheckpointError(f"{path}: its header's config is no object")
    return config
