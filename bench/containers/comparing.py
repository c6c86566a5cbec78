"""Two decodings beside each other: length, lag and the error of each channel."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from .making import Samples

_SILENCE: Final = 1e-30


@dataclass(frozen=True)
class Difference:
    """How one decoding differs from another that is held to be right."""

    n_more: int
    """Samples that it is longer, at the wanted one's rate and channels."""
    lag: int
    """Samples that it comes late."""
    error_db: tuple[float, ...]
    """Of each channel, its error below the wanted one's level in what both hold, without moving it.

    Empty where the numbers of channels differ.
    """

    @property
    def worst_db(self) -> float:
        """Of the channel that differs most."""
        return min(self.error_db, default=-np.inf)


def compare(found: Samples, wanted: Samples) -> Difference:
    """Both (channels, n), of one rate."""
    n_shared = min(found.shape[1], wanted.shape[1])
    n_more = found.shape[1] - wanted.shape[1]
    if found.shape[0] != wanted.shape[0] or n_shared == 0:
        return Difference(n_more, 0, ())
    error_db = tuple(
        snr_db(one[:n_shared], other[:n_shared]) for one, other in zip(found, wanted, strict=True)
    )
    return Difference(n_more, lag_of(found, wanted), error_db)


def snr_db(found: Samples, wanted: Samples) -> float:
    """Of two rows of samples; 0 dB of silence for silence would be the worst, so it is the best."""
    power = float(np.sum(wanted.astype(float) ** 2))
    noise = float(np.sum((found - wanted).astype(float) ** 2))
    return 10 * float(np.log10(max(power, _SILENCE) / max(noise, _SILENCE)))


def lag_of(found: Samples, wanted: Samples) -> int:
    """Samples by which one comes late, by the greatest cross-correlation of all channels at once.

    0 where one of them is silent.
    """
    size = 1 << (found.shape[1] + wanted.shape[1] - 1).bit_length()
    spectrum = sum(
        np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size))
        for one, other in zip(found, wanted, strict=True)
    )
    correlation = np.fft.irfft(spectrum, size)
    if correlation.max() <= 1e-9:
        return 0
    place = int(correlation.argmax())
    return place if place < size // 2 else place - size
