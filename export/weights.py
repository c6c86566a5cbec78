"""Which weights an export takes: cached, downloaded, a file given, or seeded random ones."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from .checkpoints import load_strictly, read_checkpoint
from .digest import file_sha256
from .download import DownloadError, IntegrityError, cached_checkpoint, fetch
from .models import ModelSpec
from .networks import build_network, random_network

SEED = 0
RANDOM_DIGEST = f"random:{SEED}"


class WeightsError(LookupError):
    """The weights asked for are not to be had."""


@dataclass(frozen=True)
class Weights:
    """Where a network's weights come from."""

    kind: Literal["official", "bundled", "file", "random"]
    path: Path | None
    """None when random."""
    sha256: str
    """Of the file; `random:SEED`."""
    reason: str = ""
    """Why random weights were taken when they were not asked for."""

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
    `official`: as auto, but fails instead; `random`; or a checkpoint file.

    Raises WeightsError, DownloadError, or IntegrityError; a file that is not the right one is
    never answered by random weights.
    """
    if choice == "random":
        return Weights("random", None, RANDOM_DIGEST)
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
    if not spec.urls:
        raise WeightsError(f"{spec.name} is not in the table; give its checkpoint: --weights PATH")
    found = cached_checkpoint(spec)
    if found is None:
        try:
            found = fetch(spec, report)
        except DownloadError as error:
            if choice == "official":
                raise
            return Weights("random", None, RANDOM_DIGEST, reason=str(error))
    return Weights("official", *found)


def load_network(spec: ModelSpec, weights: Weights) -> nn.Module:
    """The network of a model with these weights, in evaluation mode.

    Raises CheckpointError when the file is no checkpoint or does not fit the configuration.
    """
    if weights.path is None:
        return random_network(spec.config, SEED)
    state = read_checkpoint(weights.path)
    with torch.device("meta"):  # shapes only: the file brings the numbers
        network = build_network(spec.config)
    load_strictly(network, state, str(weights.path))
    return network
