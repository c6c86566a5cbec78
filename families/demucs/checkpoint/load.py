"""A package of demucs to its network."""

from dataclasses import replace
from pathlib import Path

import torch

from stemline.errors import CheckpointError, ConfigError

from ...common.checkpoint import load_strictly
from ...family import LoadedNetwork
from ...model_spec import ModelSpec
from ..config import DemucsConfig
from ..kwargs import config_from_kwargs
from ..network import build_demucs
from .package import DemucsPackage, read_weights


def load(spec: ModelSpec, path: Path) -> LoadedNetwork:
    """A network as its package describes it, which must be one of the model's kind.

    Weights that describe no network are the model's. Raises CheckpointError or ConfigError.
    """
    wanted = spec.config
    assert isinstance(wanted, DemucsConfig)
    found = read_weights(path)
    config = wanted if isinstance(found, dict) else _own_config(spec.name, wanted, found)
    with torch.device("meta"):
        network = build_demucs(config)
    shapes = [(name, tuple(value.shape)) for name, value in network.named_parameters()]
    state = found if isinstance(found, dict) else found.state_dict(shapes)
    return LoadedNetwork(network, config, load_strictly(network, state, str(path)))


def _own_config(model: str, wanted: DemucsConfig, package: DemucsPackage) -> DemucsConfig:
    config = package_config(package)
    if (config.architecture, config.stems) != (wanted.architecture, wanted.stems):
        raise CheckpointError(
            f"{package.path} is a network of class {package.klass} for {', '.join(config.stems)}; "
            f"{model} is of {wanted.architecture} for {', '.join(wanted.stems)}"
        )
    if config.architecture == "hdemucs":  # any length will do: the model's, not the training's
        return replace(config, segment=wanted.segment)
    return config


def package_config(package: DemucsPackage) -> DemucsConfig:
    """The configuration that a package's arguments mean. Raises ConfigError that names the file."""
    try:
        return config_from_kwargs(package.klass, package.kwargs)
    except ConfigError as error:
        raise ConfigError(f"{package.path}: {error}") from error
