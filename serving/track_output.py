"""Stems at the model's rate → blocks with the track's rate, channels and number of samples."""

from collections.abc import Iterator, Sequence

import numpy as np

from stemline.arrays import Array
from stemline.postprocessing.stems import residual, residual_name
from stemline.preprocessing.audio import AudioFormat
from stemline.preprocessing.channels import from_channels, output_channels
from stemline.preprocessing.resample import Resampler

from .jobs import SeparatedBlock
from .track_input import Mixture


class TrackOutput:
    """The stems of one track as they become final: `add` them, then `finish`."""

    def __init__(
        self,
        names: Sequence[str],
        audio: AudioFormat,
        sample_rate_hz: int,
        *,
        residual_of: Sequence[str] = (),
        mixture: Mixture | None = None,
    ) -> None:
        """Nothing has come out yet.

        Parameters
        ----------
        names
            The stems, in the order in which `add` takes them.
        audio
            The format of the track, and so of the blocks.
        sample_rate_hz
            The model's rate, at which the stems come.
        residual_of
            With a `mixture`: the stems to subtract from it.
        mixture
            The track's samples; what is left of them is one stem more, the residual. None without.
        """
        self.n_samples = 0
        """Samples of every stem returned so far, at the track's rate."""
        self._names = list(names)
        self._channels = output_channels(audio.channels)
        self._resampler = Resampler(
            sample_rate_hz, audio.sample_rate_hz, len(self._names) * self._channels
        )
        self._mixture = mixture
        self._residual_of = [self._names.index(name) for name in residual_of]
        self._residual_name = residual_name(list(residual_of)) if mixture is not None else None

    @property
    def stems(self) -> tuple[str, ...]:
        """The names in every block, the residual last."""
        return (*self._names, *([self._residual_name] if self._residual_name else []))

    def add(self, final: Array) -> Iterator[SeparatedBlock]:
        """The next final samples (n_stems, channels, n) → one block, or none yet.

        The resampler may hold all of them back.
        """
        out = from_channels(final, self._channels)  # (n_stems, output channels, n)
        rows = out.reshape(len(self._names) * self._channels, out.shape[-1])
        yield from self._block(self._resampler.push(rows))

    def finish(self, n_samples: int) -> Iterator[SeparatedBlock]:
        """The last block, so that the stems have exactly `n_samples` samples.

        Resampling there and back may round to one sample more or less: it is dropped, or a zero is
        appended.
        """
        rest = self._resampler.flush()
        missing = n_samples - self.n_samples
        rest = np.pad(rest[:, :missing], ((0, 0), (0, max(0, missing - rest.shape[1]))))
        yield from self._block(rest)

    def _block(self, rows: Array) -> Iterator[SeparatedBlock]:
        """Rows (n_stems · output channels, n) at the track's rate → one block; none for n = 0."""
        n_samples = rows.shape[1]
        if n_samples == 0:
            return
        parts = rows.reshape(len(self._names), self._channels, n_samples)
        stems = dict(zip(self._names, parts, strict=True))
        if self._residual_name and self._mixture is not None:
            subtracted = parts[self._residual_of]  # (n, output channels, n_samples)
            stems[self._residual_name] = residual(self._mixture.take(n_samples), subtracted)
        offset = self.n_samples
        self.n_samples += n_samples
        yield SeparatedBlock(offset, stems)
