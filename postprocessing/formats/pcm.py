"""Samples as integers of so many bits, for the formats that hold them."""

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.errors import EncodingError

from .format import listed


def check_bits(name: str, known: tuple[int, ...], bits: int, hint: str = "") -> None:
    """Raise EncodingError unless the format of this name has samples of `bits`."""
    if bits not in known:
        raise EncodingError(f"{name} has {listed(known)} bits; got {bits}{hint}")


def integers(frames: Array, bits: int) -> NDArray[np.int32]:
    """Samples in [-1, 1] times 2^(bits − 1), rounded to even; 1 itself is a step less."""
    full_scale = np.float32(2 ** (bits - 1))
    scaled: NDArray[np.float32] = np.rint(frames * full_scale)
    return scaled.clip(-full_scale, full_scale - 1).astype(np.int32)
