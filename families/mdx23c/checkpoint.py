"""Checkpoints of MDX23C: a state dict, flat or wrapped, that fits the YAML's network strictly."""

from pathlib import Path

import torch

from ..common.checkpoint import load_strictly, read_checkpoint
from ..family import LoadedNetwork
from ..model_spec import ModelSpec
from .config import Mdx23cConfig
from .network import Mdx23c


def load(spec: ModelSpec, path: Path) -> LoadedNetwork:
    """The network of a model with the weights in a file. Raises CheckpointError."""
    config = spec.config
    assert isinstance(config, Mdx23cConfig)
    state = read_checkpoint(path)
    with torch.device("meta"):  # shapes only: the file brings the numbers
        network = Mdx23c(config).eval()
    notes = load_strictly(network, state, str(path))
    return LoadedNetwork(network, config, notes)
