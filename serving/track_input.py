"""A track's blocks as a model takes them: at its rate, with its channels, read once or twice."""

import time
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from stemline.arrays import Array
from stemline.preprocessing.audio import AudioFormat, checked
from stemline.preprocessing.channels import output_channels, to_channels
from stemline.preprocessing.rereadable import Rereadable
from stemline.preprocessing.resample import Resampler

from .holding import Holding, Unlimited


def in_mono(blocks: Iterable[Array], audio: AudioFormat) -> tuple[Iterable[Array], AudioFormat]:
    """Blocks of a track mixed to one channel, and what they are then."""
    mono = (to_channels(block, 1) for block in blocks)
    return mono, AudioFormat(audio.sample_rate_hz, 1, audio.n_samples)


class Mixture:
    """The mixture's samples from when they are read until their residual is computed."""

    def __init__(self) -> None:
        self._blocks: deque[Array] = deque()

    def push(self, block: Array) -> None:
        """Append the next samples, (output channels, n)."""
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
    """One track as it is read; `close` removes the temporary file that a second reading needs."""

    def __init__(
        self,
        blocks: Iterable[Array],
        audio: AudioFormat,
        sample_rate_hz: int,
        channels: int,
        *,
        reads_twice: bool = False,
        mixture: Mixture | None = None,
        holding: Holding | None = None,
    ) -> None:
        """Nothing is read yet.

        Parameters
        ----------
        blocks
            (channels, n) float32 at the rate of `audio`. An iterator's are kept when they are to
            be read twice, in memory or a temporary file.
        audio
            The sample rate, channels and length of the blocks.
        sample_rate_hz, channels
            What the model takes.
        reads_twice
            Whether the model reads the whole track once before it takes the first piece.
        mixture
            Filled by the last reading with what a residual is computed from; None without one.
        holding
            Where it says what is kept for the second reading; LimitError ends the first.
        """
        self.audio = audio
        self.reads_twice = reads_twice
        self.n_samples = 0
        """Samples read so far by the last reading, at the track's rate."""
        self.input_s = 0.0
        """Seconds spent waiting for blocks."""
        self._holding = holding or Unlimited()
        self._spool = Rereadable(blocks, on_kept=self._kept) if reads_twice else None
        self._blocks: Iterable[Array] = blocks if self._spool is None else self._spool
        self._rate_hz = sample_rate_hz
        self._channels = channels
        self._mixture = mixture
        self._closed = False

    def first_reading(self) -> Iterator[Array]:
        """Blocks (channels, n) at the model's rate, for `TrackProcessing.prepare`.

        Raises AudioError for bad samples, and whatever the blocks raise.
        """
        return self._at_model_rate(self._timed())

    def last_reading(self) -> Iterator[Array]:
        """Blocks (channels, n) at the model's rate, for `TrackProcessing.pieces`.

        It counts `n_samples` and fills `mixture` as it goes. Raises as `first_reading` does.
        """
        return self._at_model_rate(self._counted())

    def stop(self) -> None:
        """End the readings after the block that is under way; from any thread."""
        self._closed = True

    def close(self) -> None:
        """Free the blocks that were kept; nothing can be read afterwards."""
        if self._spool is not None:
            self._spool.close()

    def _kept(self, memory_bytes: int, disk_bytes: int) -> None:
        self._holding.memory("kept", memory_bytes)
        self._holding.disk("kept", disk_bytes)

    def _timed(self) -> Iterator[Array]:
        """The blocks as they come; the time spent waiting for them is added up."""
        blocks = checked(self._blocks)
        while True:
            started = time.perf_counter()
            block = next(blocks, None)  # (input channels, n)
            self.input_s += time.perf_counter() - started
            if block is None or self._closed:
                return
            yield block

    def _counted(self) -> Iterator[Array]:
        """The blocks of the last reading."""
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
