"""A track's blocks as a model takes them: at its rate and of its channels, once or twice."""

import time
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from stemline.arrays import Array
from stemline.preprocessing.audio import AudioFormat, checked
from stemline.preprocessing.channels import output_channels, to_channels
from stemline.preprocessing.rereadable import Rereadable
from stemline.preprocessing.resample import Resampler


class Mixture:
    """Samples of the mixture that no stem has yet been taken from, for the residual."""

    def __init__(self) -> None:
        self._blocks: deque[Array] = deque()

    def push(self, block: Array) -> None:
        """The next (output channels, n)."""
        self._blocks.append(block)

    def take(self, n_samples: int) -> Array:
        """The next samples, (output channels, n_samples)."""
        parts: list[Array] = []
        while n_samples > 0:
            block = self._blocks.popleft()
            parts.append(block[:, :n_samples])
            if block.shape[1] > n_samples:
                self._blocks.appendleft(block[:, n_samples:])
            n_samples -= parts[-1].shape[1]
        return np.concatenate(parts, axis=1)


class TrackInput:
    """One track on its way in; `close` removes the temporary file that a second reading needs."""

    def __init__(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        sample_rate_hz: int,
        channels: int,
        *,
        reads_twice: bool = False,
        mixture: Mixture | None = None,
    ) -> None:
        """`sample_rate_hz` and `channels` are the model's; `mixture` keeps what a residual needs.

        Blocks are (channels, n) float32 at the rate of `audio`. To be read twice, those of an
        iterator are kept, in memory or a temporary file.
        """
        self.audio = audio
        self.reads_twice = reads_twice
        self.n_samples = 0
        """Samples of the last reading so far, at the track's rate."""
        self.input_s = 0.0
        """Time spent waiting for blocks."""
        self._spool = Rereadable(blocks) if reads_twice else None
        self._blocks: Iterable[Array] = blocks if self._spool is None else self._spool
        self._rate_hz = sample_rate_hz
        self._channels = channels
        self._mixture = mixture
        self._closed = False

    def first_reading(self) -> Iterator[Array]:
        """The track (channels, n) at the model's rate, for `TrackProcessing.prepare`.

        Raises AudioError for bad samples, and whatever the blocks raise.
        """
        return self._at_model_rate(self._timed())

    def last_reading(self) -> Iterator[Array]:
        """The same, counted, and kept where a residual needs it."""
        return self._at_model_rate(self._tapped())

    def stop(self) -> None:
        """End the readings after the block that is under way; from any thread."""
        self._closed = True

    def close(self) -> None:
        """Let go of what was kept; nothing can be read afterwards."""
        if self._spool is not None:
            self._spool.close()

    def _timed(self) -> Iterator[Array]:
        blocks = checked(self._blocks)
        while True:
            started = time.perf_counter()
            block = next(blocks, None)  # (input channels, n)
            self.input_s += time.perf_counter() - started
            if block is None or self._closed:
                return
            yield block

    def _tapped(self) -> Iterator[Array]:
        for block in self._timed():
            self.n_samples += block.shape[1]
            if self._mixture is not None:
                self._mixture.push(to_channels(block, output_channels(self.audio.channels)))
            yield block

    def _at_model_rate(self, blocks: Iterator[Array]) -> Iterator[Array]:
        resampler = Resampler(self.audio.sample_rate_hz, self._rate_hz, self._channels)
        for block in blocks:
            yield resampler.push(to_channels(block, self._channels))
        yield resampler.flush()
