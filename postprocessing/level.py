"""Stems of a mixture that was normalised, back to the mixture's own level."""

import numpy as np
from numpy.typing import NDArray


def restored(stems: NDArray[np.float32], mean: float, scale: float) -> NDArray[np.float32]:
    """Stems (S, channels, n) of (x − mean) / scale -> y · scale + mean, each of them."""
    out: NDArray[np.float32] = stems * np.float32(scale)
    out += np.float32(mean)
    return out
