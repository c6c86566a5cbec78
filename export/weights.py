"""Which weights an export takes: cached, downloaded, a file given, or seeded random ones."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from stemline.errors import DownloadError, IntegrityError, WeightsError
from stemline.families import find_family
from stemline.families.common.digest import file_sha256
from stemline.families.family import LoadedNetwork
from stemline.families.model_spec import ModelSpec, NetworkConfig

from .download import cached_checkpoint, fetch
from .model_info import RANDOM


@dataclass(frozen=True)
class Weights:
    """Where a network's weights come from."""

    kind: Literal["official", "bundled", "installed", "file", "random"]
    """Where they are from; `installed`: from a package that the user has."""
    path: Path | None
    """Their file, or the folder of networks that are several files; None when random."""
    sha256: str
    """Digest of the file, or of several files' digests; or `random:SEED`."""
    reason: str = ""
    """Why random weights were taken when they were not asked for."""
    parts: tuple["Weights", ...] = ()
    """The weights of each fold of one graph; `path` is None then."""

    @property
    def trained(self) -> bool:
        """Whether they are a trained model's, not random."""
        return self.kind != "random"


def resolve_weights(
    spec: ModelSpec, choice: str | Path = "auto", report: Callable[[str], None] = lambda _: None
) -> Weights:
    """The weights of a model, by what `--weights` says.

    `auto`: those that ship with stemline, else the cache, else a download, else (where no address
    answers) seeded random ones;
    `official`: as auto, but fails instead; `random`; or a checkpoint file, of several folds the
    folder of their files, of an installed package where that is.

    Raises WeightsError, DownloadError, or IntegrityError; a file that is not the right one is
    never answered by random weights.
    """
    if choice == "random":
        return Weights("random", None, random_digest(spec))
    if spec.folds:
        return _resolve_folds(spec, choice, report)
    if spec.installed_package:
        return _resolve_installed(spec, choice)
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
        choices = find_family(spec.family).fold_files(Path(choice))
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


def _resolve_installed(spec: ModelSpec, choice: str | Path) -> Weights:
    """Weights from an installed package, this environment's or that of the choice."""
    family, package = find_family(spec.family), spec.installed_package
    given = None if choice in ("auto", "official") else Path(choice)
    folder = family.find_installed(given)
    if folder is not None:
        return Weights("installed", folder, family.installed_digest(folder))
    if given is not None:
        raise WeightsError(
            f"--weights {given} holds no {package} with its models; give the folder of one, or of "
            "the virtual environment that has it"
        )
    reason = (
        f"{spec.name} is exported from a {package} that you installed, and none is installed "
        "beside stemline; give the virtual environment that has one: --weights PATH"
    )
    if choice == "official":
        raise WeightsError(reason)
    return Weights("random", None, random_digest(spec), reason)


def parts_digest(parts: Iterable[Weights]) -> str:
    """One digest for the files of several networks, in order."""
    return hashlib.sha256("\n".join(part.sha256 for part in parts).encode()).hexdigest()


def member_weights(spec: ModelSpec, network: ModelSpec, weights: str | Path) -> str | Path:
    """The value of `--weights` for one network of a model.

    Raises CheckpointError, or WeightsError for one file where a bag needs several.
    """
    has_parts = spec.text_encoder is not None
    if (network.member is None and not has_parts) or weights in ("auto", "official", "random"):
        return weights
    path = Path(weights)
    if network.member is None:  # one file may hold both parts
        family = find_family(spec.family)
        return family.part_file(path, network.encodes_text) if path.is_dir() else weights
    if not path.is_dir():
        raise WeightsError(
            f"{spec.name} is a bag of {len(spec.networks)} networks; --weights {weights} must be "
            "auto, official, random, or the folder of their files"
        )
    return find_family(spec.family).member_file(path, network.member.signature)


def load_network(spec: ModelSpec, weights: Weights) -> LoadedNetwork:
    """The network of a model with these weights.

    Raises CheckpointError when the file is no checkpoint or does not fit the configuration,
    ConfigError when a configuration in it is not one that is built here.
    """
    family = find_family(spec.family)
    if spec.folds:
        parts = weights.parts or (weights,) * len(spec.folds)
        loaded = [load_network(*one) for one in zip(spec.folds, parts, strict=True)]
        notes = tuple(dict.fromkeys(note for one in loaded for note in one.notes))
        return replace(family.average([one.network for one in loaded]), notes=notes)
    if weights.path is None:
        network = random_network(spec.config, spec.seed)
        return LoadedNetwork(network, spec.config)
    return family.load(spec, weights.path)


def random_network(config: NetworkConfig, seed: int = 0) -> nn.Module:
    """A network with seeded random weights; the caller's random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return find_family(config.family).build(config)


def random_digest(spec: ModelSpec) -> str:
    """The text that stands for the SHA-256 of a model's random weights."""
    return f"{RANDOM}{spec.seed}"
