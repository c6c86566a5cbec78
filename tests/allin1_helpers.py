"""Small All-In-One networks, and the rule of neighbourhood attention as it is stated."""

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
