"""DiffQ states back to float32: levels of 1 to 14 bits, kept as planes of bits, without names.

DiffQ (Défossez, Adi, Synnaeve, "Differentiable model compression via pseudo quantization noise",
2021; diffq 0.2) gives every group of `group_size` consecutive weights its own number of bits n and
every parameter one range [low, high]:

    weight = low + level / (2^n - 1) · (high - low),  level = 0 … 2^n - 1

Numpy only. The state says neither names nor shapes: parameters must come in the order in which the
original network registered them.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemline.errors import DiffqError

Planes = NDArray[np.int64]
"""(n_lines, n_bits, 32) words of 64 bits each; see `unpack`."""

MAX_BITS = 14
"""Levels of 15 bits can be trained but have no place in the file: the format lost them."""
_COLUMNS, _WORD_BITS = 32, 64
_LINE = _COLUMNS * _WORD_BITS
_BYTES_PER_MB, _BYTES_PER_WEIGHT = 1 << 20, 4
_HINT = "does the configuration belong to it?"


@dataclass(frozen=True)
class QuantizedParameter:
    """One parameter, quantised to levels."""

    levels: tuple[Planes | None, ...]
    """Levels of the groups of 1, 2, … bits, in the parameter's order; None: no such group."""
    low: float
    high: float
    bits: Planes
    """The number of bits of every group, less `min_bits`."""

    def __post_init__(self) -> None:
        most = float(np.finfo(np.float32).max) / 2  # so that high - low is a float32 too
        if not -most <= self.low <= self.high <= most:
            raise DiffqError(f"no range of weights: {self.low} to {self.high}")


@dataclass(frozen=True)
class DiffqState:
    """The parameters of a network: big ones quantised, small ones kept; each in network order."""

    quantized: tuple[QuantizedParameter, ...]
    kept: tuple[NDArray[np.float32], ...]
    min_size_mb: float
    """Parameters of more float32 megabytes (2^20 bytes) than this are quantised."""
    group_size: int
    min_bits: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.min_size_mb) and self.min_size_mb >= 0):
            raise DiffqError(f"min_size must be 0 or more; got {self.min_size_mb}")
        if self.group_size < 1:
            raise DiffqError(f"group_size must be 1 or more; got {self.group_size}")
        if not 1 <= self.min_bits <= MAX_BITS:
            raise DiffqError(f"min_bits must be 1 to {MAX_BITS}; got {self.min_bits}")

    @property
    def max_kept_weights(self) -> float:
        """A parameter of more weights than this is quantised."""
        return self.min_size_mb * _BYTES_PER_MB // _BYTES_PER_WEIGHT


def dequantize(
    state: DiffqState, parameters: Iterable[tuple[str, Sequence[int]]]
) -> dict[str, NDArray[np.float32]]:
    """The weights by name, from the (name, shape) of every parameter in the network's order.

    Raises DiffqError when the state has more or fewer parameters, or others.
    """
    quantized, kept = iter(state.quantized), iter(state.kept)
    weights = {}
    for name, shape in parameters:
        is_small = math.prod(shape) <= state.max_kept_weights
        entry = next(kept, None) if is_small else next(quantized, None)
        if entry is None:
            kind = "whole" if is_small else "quantised"
            raise DiffqError(f"{name}: the state has no {kind} parameter left for it; {_HINT}")
        try:
            weights[name] = (
                _weights(entry, state, shape)
                if isinstance(entry, QuantizedParameter)
                else _same_shape(entry, shape)
            )
        except DiffqError as error:
            raise DiffqError(f"{name}: {error}") from None
    n_left = len(list(quantized)) + len(list(kept))
    if n_left:
        raise DiffqError(f"the state has {n_left} parameters more than the network; {_HINT}")
    return weights


def unpack(planes: Planes, length: int) -> NDArray[np.int16]:
    """The first `length` numbers of (n_lines, n_bits, 32) words.

    Bit b of number i is in plane b, and i = line · 2048 + position · 32 + column, where position
    0 … 63 counts the bits of one word from its lowest. Raises DiffqError for another shape.
    """
    if planes.ndim != 3 or planes.shape[2] != _COLUMNS or planes.dtype != np.int64:
        raise DiffqError(
            f"packed as {planes.dtype} {planes.shape}, not as int64 (lines, bits, {_COLUMNS}); "
            "only diffq's own packing is read, not torch_pack"
        )
    n_lines, n_bits, _ = planes.shape
    if n_lines != -(-length // _LINE) or n_bits > MAX_BITS:
        raise DiffqError(f"{n_lines} lines of {n_bits} bits are not {length} numbers; {_HINT}")
    numbers = np.zeros(n_lines * _LINE, np.int16)
    for bit in range(n_bits):
        octets = planes[:, bit].astype("<i8")[..., None].view(np.uint8)  # (lines, 32, 8)
        ones = np.unpackbits(octets, axis=2, bitorder="little")  # (lines, 32, 64)
        numbers |= ones.transpose(0, 2, 1).reshape(-1).astype(np.int16) << bit
    return numbers[:length]


def _weights(
    entry: QuantizedParameter, state: DiffqState, shape: Sequence[int]
) -> NDArray[np.float32]:
    n_weights = math.prod(shape)
    if n_weights % state.group_size:
        raise DiffqError(f"{n_weights} weights are no whole groups of {state.group_size}")
    bits = unpack(entry.bits, n_weights // state.group_size).astype(np.int32) + state.min_bits
    if bits.size and bits.max() > MAX_BITS:
        raise DiffqError(
            f"it has groups of {bits.max()} bits, which the file does not hold: diffq writes 1 to "
            f"{MAX_BITS} only"
        )
    levels = np.empty((bits.size, state.group_size), np.float32)
    for n_bits in range(1, MAX_BITS + 1):
        here = bits == n_bits
        packed = entry.levels[n_bits - 1] if n_bits <= len(entry.levels) else None
        n_levels = int(np.count_nonzero(here)) * state.group_size
        if packed is None:
            if n_levels:
                raise DiffqError(f"its groups of {n_bits} bits are missing")
            continue
        if packed.ndim == 3 and packed.shape[1] != n_bits:
            raise DiffqError(f"its groups of {n_bits} bits have {packed.shape[1]} planes")
        levels[here] = unpack(packed, n_levels).reshape(-1, state.group_size)
    # All in float32, in the original's order: the weights come out the same to the last bit.
    unit = np.float32(1) / (np.exp2(bits.astype(np.float32)) - np.float32(1))
    span, low = np.float32(entry.high - entry.low), np.float32(entry.low)
    return (levels * unit[:, None] * span + low).reshape(tuple(shape))


def _same_shape(kept: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.float32]:
    if kept.shape != tuple(shape):
        raise DiffqError(
            f"the state has {kept.shape} here, the network wants {tuple(shape)}; {_HINT}"
        )
    return kept
