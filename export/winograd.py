"""3×3 convolutions by Winograd's minimal filtering, F(4×4, 3×3), in plain operators.

A 4×4 tile of the output costs 36 multiplications a pair of channels in place of 144:

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A        d: 6×6 of the input, g: the 3×3 kernel

summed over input channels, so ⊙ becomes 36 matrix products. On a CPU, where a convolution is
already bound by multiplications, this is most of what a runtime can still gain. Source: Lavin and
Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308); A, B and G follow
from Cook and Toom's interpolation at the points below.

The file keeps the 3×3 kernels: G g Gᵀ stands in the graph and a runtime folds it when it loads.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.polynomial import polynomial
from numpy.typing import NDArray
from torch import Tensor, nn

# ±1/2 and ∓2 in place of ±2 and ∓2 keep the transforms' entries small: measured on 128 to 640
# channels, 116 dB SNR to the direct convolution in float32.
POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)
TILE = 4
_PATCH = TILE + 2
# Below, the transforms cost more than the saved multiplications (128 channels gain 1.9×).
MIN_CHANNELS = 96
# Deeper in a U-Net the kernels are many and their use is little: four times the memory for nothing.
MIN_POSITIONS = 4096
# The transformed input of one slab of rows: it stays near the cache, and memory stays flat.
MAX_SLAB_BYTES = 40_000_000

Matrix = NDArray[np.floating[Any]]


def transforms() -> tuple[Matrix, Matrix, Matrix]:
    """Aᵀ (4, 6), G (6, 3) and Bᵀ (6, 6) of F(4, 3): five points and infinity.

    With M(x) = Π (x − p): row i of Bᵀ holds the coefficients of M(x) / (x − pᵢ), the last row
    those of M(x); G divides by Π (pᵢ − pⱼ).
    """
    a_t, g, b_t = np.zeros((TILE, _PATCH)), np.zeros((_PATCH, 3)), np.zeros((_PATCH, _PATCH))
    for i, point in enumerate(POINTS):
        others = [other for other in POINTS if other != point]
        a_t[:, i] = point ** np.arange(TILE)
        g[i] = point ** np.arange(3) / np.prod([point - other for other in others])
        b_t[i, : len(POINTS)] = polynomial.polyfromroots(others)
    a_t[-1, -1] = g[-1, -1] = 1
    b_t[-1] = polynomial.polyfromroots(POINTS)
    return a_t, g, b_t


class WinogradConv2d(nn.Module):
    """A 3×3 convolution without bias, padded by 1, on maps of one size, as Winograd's."""

    gather: Tensor
    filters: Tensor
    scatter: Tensor

    def __init__(self, convolution: nn.Conv2d, height: int, width: int) -> None:
        """Take the kernels of `convolution`; `height` and `width` are multiples of 4."""
        super().__init__()
        self.weight = convolution.weight
        self.width = width
        a_t, g, b_t = transforms()
        # Each is the same for rows and columns; the 36 pairs (row, column) lie on one axis.
        self._constant("gather", np.kron(b_t, b_t).reshape(_PATCH**2, 1, _PATCH, _PATCH))
        self._constant("filters", np.kron(g, g))  # (36, 9)
        self._constant("scatter", np.kron(a_t.T, a_t.T).reshape(_PATCH**2, 1, TILE, TILE))
        self.borders = _slab_borders(max(self.weight.shape[:2]), height, width)

    def _constant(self, name: str, value: Matrix) -> None:
        self.register_buffer(name, torch.tensor(value, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels_in, height, width) -> (batch, channels_out, height, width)."""
        n_out, n_in = self.weight.shape[:2]
        kernels = torch.matmul(self.filters, self.weight.reshape(n_out * n_in, 9).T)
        kernels = kernels.reshape(_PATCH**2, n_out, n_in)
        slabs = [self._slab(x, kernels, first, end) for first, end in pairwise(self.borders)]
        return slabs[0] if len(slabs) == 1 else torch.cat(slabs, 2)

    def _slab(self, x: Tensor, kernels: Tensor, first: int, end: int) -> Tensor:
        """Rows `first` to `end` of the output."""
        n_out, n_in = kernels.shape[1:]
        height = self.borders[-1]
        tiles = ((end - first) // TILE, self.width // TILE)
        above, below = int(first == 0), int(end == height)
        rows = x if above and below else x[:, :, first - 1 + above : end + 1 - below]
        if above or below:
            rows = F.pad(rows, (0, 0, above, below))
        patches = F.conv2d(
            rows.reshape(-1, 1, end - first + 2, self.width),
            self.gather,
            stride=TILE,
            padding=(0, 1),
        )  # Bᵀ d B of every tile: (batch · channels_in, 36, tiles down, tiles across)
        patches = patches.reshape(-1, n_in, _PATCH**2, tiles[0] * tiles[1])
        products = torch.matmul(kernels, patches.transpose(1, 2))
        # (batch, 36, channels_out, tiles)
        products = products.transpose(1, 2).reshape(-1, _PATCH**2, *tiles)
        out = F.conv_transpose2d(products, self.scatter, stride=TILE)  # Aᵀ · A, tiles put in place
        return out.reshape(-1, n_out, end - first, self.width)


def _slab_borders(channels: int, height: int, width: int) -> list[int]:
    """Where slabs of whole tile rows begin, and the height; each within MAX_SLAB_BYTES."""
    row_bytes = 4 * _PATCH**2 * channels * (width // TILE)
    rows_each = max(1, MAX_SLAB_BYTES // row_bytes)
    return [*range(0, height, TILE * rows_each), height]


@contextmanager
def winograd_convolutions(
    network: nn.Module, input_shapes: Sequence[tuple[int, ...]]
) -> Iterator[int]:
    """Make the convolutions of `network` that gain by it Winograd's; yields how many.

    The shapes are without the batch; the network then takes inputs of those shapes only.
    """
    parents = dict(network.named_modules())
    sizes = _convolution_sizes(network, input_shapes)
    swapped: list[tuple[nn.Module, str, nn.Conv2d]] = []
    try:
        for name, (height, width) in sizes.items():
            convolution = parents[name]
            if isinstance(convolution, nn.Conv2d) and _gains(convolution, height, width):
                parent, _, child = name.rpartition(".")
                setattr(parents[parent], child, WinogradConv2d(convolution, height, width))
                swapped.append((parents[parent], child, convolution))
        yield len(swapped)
    finally:
        for module, child, convolution in swapped:
            setattr(module, child, convolution)


def _gains(convolution: nn.Conv2d, height: int, width: int) -> bool:
    is_plain = (
        convolution.kernel_size == (3, 3)
        and convolution.stride == (1, 1)
        and convolution.padding == (1, 1)
        and convolution.dilation == (1, 1)
        and convolution.groups == 1
        and convolution.bias is None
    )
    return (
        is_plain
        and height % TILE == width % TILE == 0
        and height * width >= MIN_POSITIONS
        and min(convolution.in_channels, convolution.out_channels) >= MIN_CHANNELS
    )


def _convolution_sizes(
    network: nn.Module, input_shapes: Sequence[tuple[int, ...]]
) -> dict[str, tuple[int, int]]:
    """Height and width of what each convolution takes in; shapes only, nothing is computed."""
    sizes: dict[str, tuple[int, int]] = {}
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):

            def note(_: nn.Module, args: tuple[Tensor, ...], name: str = name) -> None:
                height, width = args[0].shape[-2:]
                sizes[name] = (height, width)

            hooks.append(module.register_forward_pre_hook(note))
    weights = {name: value.to("meta") for name, value in network.state_dict().items()}
    try:
        inputs = tuple(torch.empty(1, *shape, device="meta") for shape in input_shapes)
        torch.func.functional_call(network, weights, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return sizes
