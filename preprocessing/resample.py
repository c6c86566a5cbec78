"""A stream of samples at one rate to another."""

import numpy as np
import soxr
from numpy.typing import NDArray


class Resampler:
    """libsoxr's high-quality resampler, block by block, for one stream.

    The delay of its filter is made up for: output sample k is at the time of input sample
    k · from_hz / to_hz. Cutting the stream into other blocks changes no bit of the result,
    which is round(n · to_hz / from_hz) samples long. At equal rates the samples are unchanged.
    """

    def __init__(self, from_hz: int, to_hz: int, channels: int) -> None:
        self._channels = channels
        self._stream = (
            None
            if from_hz == to_hz
            else soxr.ResampleStream(from_hz, to_hz, channels, dtype="float32", quality="HQ")
        )

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Samples (channels, n) -> those that are complete by now, (channels, m), m maybe 0."""
        if self._stream is None:
            return block
        return self._resampled(self._stream, block, last=False)

    def flush(self) -> NDArray[np.float32]:
        """The samples still to come, (channels, m), once the input has ended; call it once."""
        nothing = np.zeros((self._channels, 0), np.float32)
        if self._stream is None:
            return nothing
        return self._resampled(self._stream, nothing, last=True)

    def _resampled(
        self, stream: soxr.ResampleStream, block: NDArray[np.float32], *, last: bool
    ) -> NDArray[np.float32]:
        """Call libsoxr, whose arrays are (n, channels), or flat for one channel."""
        interleaved = np.ascontiguousarray(block.T)
        resampled = stream.resample_chunk(interleaved, last=last)
        return np.ascontiguousarray(resampled.T, dtype=np.float32)
