"""Several results for one track, from shifts or a bag's members, to their mean."""

from collections import deque

import numpy as np
from numpy.typing import NDArray


class WeightedMean:
    """Σ w·y / Σ w over results that come in blocks, as far as all of them have come.

    It holds the samples that some results have and others have not yet.
    """

    def __init__(self, weights: NDArray[np.float32]) -> None:
        """`weights` (n_results, n_stems). Raises ValueError for a stem without any weight."""
        total = weights.sum(axis=0)
        if not (total > 0).all():
            raise ValueError(f"the weights of a stem must add up to more than 0; got {total}")
        self._weights = weights[:, :, np.newaxis, np.newaxis]
        self._total = total[:, np.newaxis, np.newaxis]
        self._held: list[deque[NDArray[np.float32]]] = [deque() for _ in weights]
        self._n_held = [0 for _ in weights]

    def add(self, result: int, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """A result's next block (S, channels, n) -> the mean of all by now, (S, channels, m)."""
        if len(self._held) == 1:  # (w·y) / w
            return block
        self._held[result].append(block)
        self._n_held[result] += block.shape[-1]
        n_samples = min(self._n_held)
        mean = np.zeros((*block.shape[:-1], n_samples), np.float32)
        for index, weight in enumerate(self._weights):
            self._add_taken(index, weight, mean)
        mean /= self._total
        return mean

    def _add_taken(
        self, index: int, weight: NDArray[np.float32], mean: NDArray[np.float32]
    ) -> None:
        """Take as many samples of one result as the mean is long, and add them to the mean."""
        held, at = self._held[index], 0
        self._n_held[index] -= mean.shape[-1]
        while at < mean.shape[-1]:
            block = held.popleft()
            part = block[..., : mean.shape[-1] - at]
            mean[..., at : at + part.shape[-1]] += weight * part
            if part.shape[-1] < block.shape[-1]:
                held.appendleft(block[..., part.shape[-1] :])
            at += part.shape[-1]
