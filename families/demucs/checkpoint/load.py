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
from .package import DemucsPackage, read_package


def load(spec: ModelSpec, path: Path) -> LoadedNetwork:
    """A network as its package describes it, which must be one of the model's kind.

    Raises CheckpointError or ConfigError.
    """
    wanted = spec.config
    assert isinstance(wanted, DemucsConfig)
    package = read_package(path)
    config = package_config(package)
    if (config.architecture, config.stems) != (wanted.architecture, wanted.stems):
        raise CheckpointError(
            f"{path} is a network of class {package.klass} for {', '.join(config.stems)}; "
            f"{spec.name} is of {wanted.architecture} for {', '.join(wanted.stems)}"
        )
    if config.architecture == "hdemucs":  # any length will do: the model's, not the training's
        config = replace(config, segment=wanted.segment)
    with torch.device("meta"):
        network = build_demucs(config)
    shapes = [(name, tuple(value.shape)) for name, value in network.named_parameters()]
    notes = load_strictly(network, package.state_dict(shapes), str(path))
    return LoadedNetwork(network, config, notes)


def package_config(package: DemucsPackage) -> DemucsConfig:
    """The configuration that a package's arguments mean. Raises ConfigError that names the file."""
    try:
        return config_from_kwargs(package.klass, package.kwargs)
    except ConfigError as error:
        raise ConfigError(f"{package.path}: {error}") from error
