"""Neighbourhood attention over time, dilated, as dense attention of small blocks.

Hassani et al., "Neighborhood Attention Transformer" (CVPR 2023) and "Dilated Neighborhood Attention
Transformer" (2022). With kernel K = 2h + 1 and dilation d, frame i of L is place p = ⌊i / d⌋ of the
n frames that are congruent to it modulo d. Its neighbours are the K places from
s = clamp(p − h, 0, n − K), and neighbour j has the learnt bias rpb[s + j − p + K − 1].

Here neighbour j is place p + j − h instead, where a place below 0 means that plus K, and one from n
on that minus K: near an end the same K places in a rotated order, which does not change
the softmax. So all queries have their keys at the same distances, a block of m queries of one
residue class has m + K − 1 keys in a row, and attention is a batch of small dense products under
one mask of bands.

Of L frames the last may be padding, zeros before the projections: they are all one row, a last one
that callers append. All indices are computed from the number of frames, so that it can be free;
graph/neighbourhood.py writes the same computation into a graph.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# What a key outside the band has in place of a bias: exp of it is 0 beside any real logit, and
# unlike −inf it stays a number in half precision.
MASKED = -1e4


@dataclass(frozen=True)
class Band:
    """How frames are laid out in blocks of queries and keys."""

    kernel_size: int
    """K, the neighbours a frame attends to; odd."""
    dilation: int
    """d, the frames from one neighbour to the next."""
    window: int
    """The least L, K · d or more; missing frames are padding."""
    block: int
    """m, the queries of a block; at least K // 2."""

    @property
    def half(self) -> int:
        """h, the neighbours on either side."""
        return self.kernel_size // 2

    @property
    def n_keys(self) -> int:
        """The number of keys of a block."""
        return self.block + self.kernel_size - 1

    def n_blocks(self, n_frames: int) -> int:
        """N, the number of blocks of each residue class."""
        return (n_frames + self.block * self.dilation - 1) // (self.block * self.dilation)

    def length(self, n_frames: int) -> int:
        """L, the number of frames with padding."""
        return max(n_frames, self.window)

    def queries(self, n_frames: int, device: torch.device) -> Tensor:
        """The frame of each query, (N, d, m); n_frames, the row of padding, where there is none."""
        frames = self._frames(self.n_blocks(n_frames), self.block, 0, device)
        return frames.clamp(max=n_frames)

    def keys(self, n_frames: int, device: torch.device) -> Tensor:
        """The frame of each key, (N, d, m + K − 1); n_frames where it is padding."""
        length, rotation = self.length(n_frames), self.kernel_size * self.dilation
        frames = self._frames(self.n_blocks(n_frames), self.n_keys, -self.half, device)
        frames = frames + rotation * (frames < 0) - rotation * (frames >= length)
        return frames.clamp(max=n_frames)

    def places(self, n_frames: int, device: torch.device) -> Tensor:
        """Where each frame lies among the flattened queries, (n_frames,)."""
        frames = torch.arange(n_frames, device=device)
        place, residue = frames // self.dilation, frames % self.dilation
        block, within = place // self.block, place % self.block
        return (block * self.dilation + residue) * self.block + within

    def _frames(self, n_blocks: int, n_places: int, first: int, device: torch.device) -> Tensor:
        """Frame (b · m + first + c) · d + r at [b, r, c], (n_blocks, d, n_places)."""
        block = torch.arange(n_blocks, device=device)[:, None, None] * self.block
        residue = torch.arange(self.dilation, device=device)[:, None]
        place = torch.arange(n_places, device=device) + first
        return (block + place) * self.dilation + residue

    @property
    def n_cases(self) -> int:
        """The number of kinds of blocks: by the places left, and again for the first block."""
        return 2 * (self.block + self.half)

    def cases(self, n_frames: int, device: torch.device) -> Tensor:
        """Which kind each block is, (N, d).

        n − b·m places are left from the beginning of block b to the end; from m + h on, the end is
        out of sight. Kinds 0 … m + h − 1 are of the blocks b = 0, the rest of the others.
        """
        length, d = self.length(n_frames), self.dilation
        block = torch.arange(self.n_blocks(n_frames), device=device)[:, None]
        n_places = (length - torch.arange(d, device=device) + d - 1) // d
        left = (n_places - block * self.block).clamp(1, self.block + self.half)
        return left - 1 + (block > 0) * (self.block + self.half)

    def biases(self, device: torch.device) -> Tensor:
        """Indices of the 2K − 1 relative biases, (n_cases, m, m + K − 1); 2K − 1 where masked."""
        h, kernel, far = self.half, self.kernel_size, self.block + self.half
        case = torch.arange(self.n_cases, device=device)[:, None, None]
        left = case % far + 1
        query = torch.arange(self.block, device=device)[:, None]
        key = torch.arange(self.n_keys, device=device) - h  # places from the block's beginning
        offset = key - query
        rotated = (
            offset + kernel * ((key < 0) & (case < far)) - kernel * ((key >= left) & (left < far))
        )
        inside = (offset >= -h) & (offset <= h)
        # Queries after the end have offsets of no meaning; their output is not read.
        relative = (rotated + kernel - 1).clamp(0, 2 * kernel - 2)
        return torch.where(inside, relative, 2 * kernel - 1)


def with_mask(rpb: Tensor) -> Tensor:
    """Relative biases (..., 2K − 1) -> (..., 2K), the last one that of masked keys."""
    return torch.cat([rpb, rpb.new_full((*rpb.shape[:-1], 1), MASKED)], -1)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """softmax(q · kᵀ + bias) · v over (..., m, c), (..., n, c), (..., n, c) and (..., m, n)."""
    weights = torch.softmax(query @ key.transpose(-1, -2) + bias, -1)
    return weights @ value
