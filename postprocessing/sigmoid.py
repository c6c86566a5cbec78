"""Logits to probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Logits -> probabilities of the same shape, in float32: 1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):  # exp(-x) = inf gives 0
        return np.asarray(1 / (1 + np.exp(-np.asarray(logits, np.float32))), np.float32)
