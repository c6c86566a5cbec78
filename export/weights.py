"""Which weights an export takes: cached, downloaded, a file given, or seeded random ones."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import torch
from torch import nn

from stemline.errors import (
    CheckpointError,
    ConfigError,
    DownloadError,
    IntegrityError,
    WeightsError,
)
from stemline.families.allin1.checkpoint.fold import read_fold
from stemline.families.allin1.config import AllInOneConfig
from stemline.families.allin1.network.all_in_one import AllInOne, FoldMean
from stemline.families.common.checkpoint import load_strictly, read_checkpoint
from stemline.families.common.digest import file_sha256
from stemline.families.demucs.checkpoint.package import DemucsPackage, read_package
from stemline.families.demucs.config import DemucsConfig
from stemline.families.demucs.kwargs import config_from_kwargs
from stemline.families.madmom.checkpoint.installed import find_madmom, madmom_digest, read_madmom
from stemline.families.madmom.config import MadmomConfig

from .download import cached_checkpoint, fetch
from .families import NetworkConfig
from .models import ModelSpec
from .networks import build_network, random_network

_RANDOM = "random:"
_FOLD_SUFFIXES = (".pth", ".safetensors")


@dataclass(frozen=True)
class Weights:
    """Where a network's weights come from."""

    kind: Literal["official", "bundled", "installed", "file", "random"]
    """`installed`: with a package of others that the user has."""
    path: Path | None
    """A file; a folder, of networks that are several files; None when random."""
    sha256: str
    """Of the file; `random:SEED`; of several files that of their digests."""
    reason: str = ""
    """Why random weights were taken when they were not asked for."""
    parts: tuple["Weights", ...] = ()
    """Of each of the folds that one graph has; `path` is None then."""

    @property
    def trained(self) -> bool:
        """Whether these are a trained model's."""
        return self.kind != "random"


def resolve_weights(
    spec: ModelSpec, choice: str | Path = "auto", report: Callable[[str], None] = lambda _: None
) -> Weights:
    """The weights of a model, by what `--weights` says.

    `auto`: those that ship with stemline, else the cache, else a download, else (where no address
    answers) seeded random ones;
    `official`: as auto, but fails instead; `random`; or a checkpoint file, of several folds the
    folder of their files, of madmom where it is installed.

    Raises WeightsError, DownloadError, or IntegrityError; a file that is not the right one is
    never answered by random weights.
    """
    if choice == "random":
        return Weights("random", None, random_digest(spec))
    if spec.folds:
        return _resolve_folds(spec, choice, report)
    if isinstance(spec.config, MadmomConfig):
        return _resolve_madmom(spec, choice)
    if choice not in ("auto", "official"):
        path = Path(choice)
        if not path.is_file():
            raise WeightsError(
                f"--weights {choice}: no such file; give auto, official, random or a checkpoint"
            )
        return Weights("file", path, file_sha256(path))
    if spec.bundled is not None:
        digest = file_sha256(spec.bundled)
        if digest != spec.sha256:
            raise IntegrityError(
                f"{spec.bundled} has SHA-256 {digest}, not {spec.sha256}: these are not the "
                f"weights of {spec.name} that ship with stemline; install it again"
            )
        return Weights("bundled", spec.bundled, digest)
    if not spec.files:
        raise WeightsError(f"{spec.name} is not in the table; give its checkpoint: --weights PATH")
    found = cached_checkpoint(spec)
    if found is None:
        try:
            found = fetch(spec, report)
        except DownloadError as error:
            if choice == "official":
                raise
            return Weights("random", None, random_digest(spec), reason=str(error))
    return Weights("official", *found)


def _resolve_folds(spec: ModelSpec, choice: str | Path, report: Callable[[str], None]) -> Weights:
    """The weights of every fold; random ones for all where one is not to be had."""
    choices: Sequence[str | Path] = [choice] * len(spec.folds)
    if choice not in ("auto", "official"):
        choices = fold_files(Path(choice))
        if len(choices) != len(spec.folds):
            raise WeightsError(
                f"{spec.name} has {len(spec.folds)} folds; --weights {choice} holds "
                f"{len(choices)} files of networks"
            )
    parts = []
    for fold, chosen in zip(spec.folds, choices, strict=True):
        part = resolve_weights(fold, chosen, report)
        if not part.trained:
            return Weights("random", None, random_digest(spec), part.reason)
        parts.append(part)
    return Weights(parts[0].kind, None, parts_digest(parts), parts=tuple(parts))


def _resolve_madmom(spec: ModelSpec, choice: str | Path) -> Weights:
    """Of the madmom that is installed, here or where the choice says."""
    given = None if choice in ("auto", "official") else Path(choice)
    folder = find_madmom(given)
    if folder is not None:
        return Weights("installed", folder, madmom_digest(folder))
    if given is not None:
        raise WeightsError(
            f"--weights {given} holds no madmom with its models; give the folder of one, or of the "
            "virtual environment that has it"
        )
    reason = (
        f"{spec.name} is exported from a madmom that you installed, and none is installed beside "
        "stemline; give the virtual environment that has one: --weights PATH"
    )
    if choice == "official":
        raise WeightsError(reason)
    return Weights("random", None, random_digest(spec), reason)


def fold_files(folder: Path) -> list[Path]:
    """The files of networks in a folder, by name. Raises WeightsError where there are none."""
    found = sorted(path for path in folder.glob("*") if path.suffix in _FOLD_SUFFIXES)
    if not found:
        raise WeightsError(
            f"--weights {folder}: no folder with files of networks ({', '.join(_FOLD_SUFFIXES)})"
        )
    return found


def parts_digest(parts: Iterable[Weights]) -> str:
    """One digest for the files of several networks, in order."""
    return hashlib.sha256("\n".join(part.sha256 for part in parts).encode()).hexdigest()


@dataclass(frozen=True)
class Loaded:
    """A network with its weights."""

    network: nn.Module
    """In evaluation mode."""
    config: NetworkConfig
    """What it was built by: the checkpoint's own, where it has one."""


def load_network(spec: ModelSpec, weights: Weights) -> Loaded:
    """The network of a model with these weights.

    Raises CheckpointError when the file is no checkpoint or does not fit the configuration,
    ConfigError when a configuration in it is not one that is built here.
    """
    if spec.folds:
        parts = weights.parts or (weights,) * len(spec.folds)
        loaded = [load_network(*one) for one in zip(spec.folds, parts, strict=True)]
        mean = FoldMean(cast("AllInOne", one.network) for one in loaded)
        return Loaded(mean, mean.config)
    if weights.path is None:
        return Loaded(random_network(spec.config, spec.seed), spec.config)
    if isinstance(spec.config, DemucsConfig):
        return _load_package(spec, spec.config, weights.path)
    if isinstance(spec.config, MadmomConfig):
        madmom = read_madmom(weights.path)
        return Loaded(madmom.network(), madmom.config)
    if isinstance(spec.config, AllInOneConfig):
        fold = read_fold(weights.path, spec.config)
        return Loaded(fold.network(), fold.config)
    state = read_checkpoint(weights.path)
    with torch.device("meta"):  # shapes only: the file brings the numbers
        network = build_network(spec.config)
    load_strictly(network, state, str(weights.path))
    return Loaded(network, spec.config)


def _load_package(spec: ModelSpec, wanted: DemucsConfig, path: Path) -> Loaded:
    """A network as its package describes it, which must be one of the model's kind."""
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
        network = build_network(config)
    shapes = [(name, tuple(value.shape)) for name, value in network.named_parameters()]
    load_strictly(network, package.state_dict(shapes), str(path))
    return Loaded(network, config)


def package_config(package: DemucsPackage) -> DemucsConfig:
    """The configuration that a package's arguments mean. Raises ConfigError that names the file."""
    try:
        return config_from_kwargs(package.klass, package.kwargs)
    except ConfigError as error:
        raise ConfigError(f"{package.path}: {error}") from error


def random_digest(spec: ModelSpec) -> str:
    """What stands for the SHA-256 of a model's random weights."""
    return f"{_RANDOM}{spec.seed}"


def is_random(digest: str) -> bool:
    """Whether a digest is that of random weights."""
    return digest.startswith(_RANDOM)
