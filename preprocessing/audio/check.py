"""What every sample must be."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from stemline.errors import AudioError

# Full scale of 32-bit integers, which some programs write as floats as they are. The power spectrum
# of what is near float32's own limit of 2^128 would be infinite.
_GREATEST_SAMPLE = np.float32(2.0**31)


class SampleCheck:
    """Looks at the samples of a track as they come."""

    def __init__(self, name: str) -> None:
        """`name` is the subject of messages."""
        self._name = name
        self.n_samples = 0
        """Samples seen so far."""

    def see(self, block: NDArray[np.float32]) -> None:
        """Count the next samples, (channels, n).

        Raises AudioError that names the first that is no finite number, or beyond ±2^31.
        """
        # NaN fails both comparisons. A track may come as one block: no copy of it is made.
        fits = (
            -_GREATEST_SAMPLE <= block.min(initial=0) and block.max(initial=0) <= _GREATEST_SAMPLE
        )
        if not fits:
            is_sound = np.abs(block) <= _GREATEST_SAMPLE
            index = int((~is_sound.all(axis=0)).argmax())
            channel = int((~is_sound[:, index]).argmax())
            value = block[channel, index]
            wanted = "finite numbers"
            if np.isfinite(value):
                wanted = f"audio, of which no sample is beyond ±{_GREATEST_SAMPLE:.0f}"
            raise AudioError(
                f"{self._name} must hold {wanted}; sample {self.n_samples + index} of channel "
                f"{channel} is {value:g}"
            )
        self.n_samples += block.shape[1]

    def check_any(self) -> None:
        """Raise AudioError where there was no sample."""
        if self.n_samples == 0:
            raise AudioError(f"{self._name} holds no samples")


def checked(
    blocks: Iterable[NDArray[np.float32]], name: str = "the audio"
) -> Iterator[NDArray[np.float32]]:
    """Yield the blocks, once every sample is known to be a finite number of at most ±2^31.

    Raises AudioError that names the first NaN, infinite or greater sample, and at the end when
    there was none at all; `name` is the subject of the message.
    """
    check = SampleCheck(name)
    for block in blocks:
        check.see(block)
        yield block
    check.check_any()
