"""All-In-One's own code, `allin1` 1.1.0, without the packages that it imports and does not need.

It takes neighbourhood attention from natten, which has no wheel for the torch used here. In its
place stands the rule it follows, one neighbour at a time; ours works by blocks and another order.
madmom's decoder is replaced by one that keeps what it is given: madmom lives in an environment of
its own, where `madmom_side.py` runs it.
"""

import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stemline.arrays import Array

STAND_INS = ("allin1", "natten", "hydra", "madmom")


def neighbours(length: int, kernel: int, dilation: int) -> tuple[Tensor, Tensor]:
    """Positions of each frame's neighbours, and which relative bias each has; (length, kernel).

    Of the n frames congruent to frame i modulo the dilation, the kernel's window around frame i,
    moved inside (NATTEN 0.14.6).
    """
    frame = torch.arange(length)
    residue, place = frame % dilation, frame // dilation
    n_places = (length - residue + dilation - 1) // dilation
    start = torch.minimum((place - (kernel - 1) // 2).clamp(min=0), n_places - kernel)
    places = start[:, None] + torch.arange(kernel)
    return residue[:, None] + dilation * places, places - place[:, None] + kernel - 1


def qk_1d(q: Tensor, k: Tensor, rpb: Tensor, kernel: int, dilation: int) -> Tensor:
    """natten1dqkrpb: (batch, heads, length, head) twice -> logits (batch, heads, length, kernel).

    `rpb` (heads, 2 · kernel − 1) is the relative bias.
    """
    at, relative = neighbours(q.shape[2], kernel, dilation)
    return torch.stack(
        [(q * k[:, :, at[:, j]]).sum(-1) + rpb[:, relative[:, j]] for j in range(kernel)], -1
    )


def av_1d(weights: Tensor, v: Tensor, kernel: int, dilation: int) -> Tensor:
    """natten1dav: weights (batch, heads, length, kernel), values -> (…, length, head)."""
    at, _ = neighbours(v.shape[2], kernel, dilation)
    return torch.stack([weights[..., j, None] * v[:, :, at[:, j]] for j in range(kernel)]).sum(0)


def qk_2d(q: Tensor, k: Tensor, rpb: Tensor, kernel: int, dilation: int) -> Tensor:
    """natten2dqkrpb: (batch, heads, rows, columns, head) twice -> logits (…, kernel · kernel)."""
    rows, row_bias = neighbours(q.shape[2], kernel, dilation)
    columns, column_bias = neighbours(q.shape[3], kernel, dilation)
    near = [k[:, :, :, columns[:, j]] for j in range(kernel)]
    logits = []
    for i in range(kernel):
        for j in range(kernel):
            product = (q * near[j][:, :, rows[:, i]]).sum(-1)
            logits.append(product + rpb[:, row_bias[:, i]][:, :, column_bias[:, j]])
    return torch.stack(logits, -1)


def av_2d(weights: Tensor, v: Tensor, kernel: int, dilation: int) -> Tensor:
    """natten2dav: weights (…, kernel · kernel), values -> (batch, heads, rows, columns, head)."""
    rows, _ = neighbours(v.shape[2], kernel, dilation)
    columns, _ = neighbours(v.shape[3], kernel, dilation)
    near = [v[:, :, :, columns[:, j]] for j in range(kernel)]
    out = torch.zeros_like(v)
    for i in range(kernel):
        for j in range(kernel):
            out += weights[..., i * kernel + j, None] * near[j][:, :, rows[:, i]]
    return out


class KeptActivations:
    """In the place of madmom's decoder: keeps its settings and what it is to decode."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def __call__(self, activations: Array) -> Array:
        """Activations (n_frames, 2) -> no beats."""
        _kept.append((self.settings, activations))
        return np.zeros((0, 2), np.float32)


_kept: list[tuple[dict[str, Any], Array]] = []


class _ConfigStore:
    """Takes allin1's registrations and forgets them."""

    @classmethod
    def instance(cls) -> "_ConfigStore":
        return cls()

    def store(self, **_: Any) -> None:
        pass


def original_folder() -> Path:
    """Where allin1 is installed. Raises ImportError."""
    found = find_spec("allin1")
    if found is None or found.submodule_search_locations is None:
        raise ImportError("allin1 is not installed; make test-oracles installs it")
    return Path(next(iter(found.submodule_search_locations)))


@contextmanager
def original_modules() -> Iterator[Any]:
    """Its `config`, `network`, `ensemble` and `metrical`, forgotten afterwards.

    Raises ImportError where allin1 is not installed.
    """
    folder = original_folder()
    stubs: dict[str, dict[str, Any]] = {
        "natten": {},
        "natten.functional": {
            "natten1dqkrpb": qk_1d,
            "natten1dav": av_1d,
            "natten2dqkrpb": qk_2d,
            "natten2dav": av_2d,
        },
        "hydra": {},
        "hydra.core": {},
        "hydra.core.config_store": {"ConfigStore": _ConfigStore},
        "madmom": {},
        "madmom.features": {},
        "madmom.features.downbeats": {"DBNDownBeatTrackingProcessor": KeptActivations},
        "allin1": {"__path__": [str(folder)]},
        "allin1.models": {"__path__": [str(folder / "models")]},
        "allin1.postprocessing": {"__path__": [str(folder / "postprocessing")]},
    }
    before = dict(sys.modules)
    for name, members in stubs.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(members)
    try:
        from allin1 import config
        from allin1.models import allinone, ensemble
        from allin1.postprocessing import metrical

        yield types.SimpleNamespace(
            config=config,
            network=allinone.AllInOne,
            ensemble=ensemble.Ensemble,
            metrical=metrical,
        )
    finally:
        for name in set(sys.modules) - set(before):
            if name.split(".")[0] in STAND_INS:
                del sys.modules[name]
        sys.modules.update({name: before[name] for name in stubs if name in before})


def loaded(modules: Any, files: Sequence[Path]) -> Any:
    """The network of a fold's file, or the mean of several, as allin1's loader makes them."""
    from omegaconf import OmegaConf

    networks = []
    for file in files:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
        network = modules.network(OmegaConf.create(checkpoint["config"]))
        network.load_state_dict(checkpoint["state_dict"])
        networks.append(network.eval())
    return networks[0] if len(networks) == 1 else modules.ensemble(networks)


def to_decode(modules: Any, network: Any, spectrogram: Array) -> tuple[dict[str, Any], Array]:
    """What allin1 has madmom decode: the decoder's settings, and activations (n_frames, 2).

    `spectrogram` (stems, n_frames, bands) is that of allin1.
    """
    _kept.clear()
    with torch.inference_mode():
        logits = network(torch.from_numpy(spectrogram)[None])
    modules.metrical.postprocess_metrical_structure(logits, network.cfg)
    (kept,) = _kept
    return kept
