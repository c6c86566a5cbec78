"""Small All-In-One networks and their inputs."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from stemline.families.allin1.config import AllInOneConfig
from stemline.families.allin1.network.all_in_one import AllInOne

# Three blocks: the last one works on 40 frames at least.
SMALL = AllInOneConfig(depth=3, dim_embed=8, mlp_ratio=2.0)


def small_allin1(seed: int = 0, **changes: Any) -> AllInOne:
    """Of random weights, norms and biases included; `changes` replace fields of `SMALL`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AllInOne(replace(SMALL, **changes)).eval()
        with torch.no_grad():
            for name, value in network.state_dict().items():
                if value.ndim == 1 or name.endswith("rpb"):
                    value.add_(0.5 * torch.randn(value.shape))
    return network


def spectrograms(batch: int, n_frames: int, n_stems: int = 4) -> Tensor:
    """Rows that differ, in level too; (batch, stems, frames, 81)."""
    generator = torch.Generator().manual_seed(n_frames)
    level = torch.linspace(0.3, 1.5, batch)[:, None, None, None]
    return level * torch.rand(batch, n_stems, n_frames, 81, generator=generator)
