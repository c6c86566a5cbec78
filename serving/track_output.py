"""Stems at the model's rate as a caller is given them: the track's rate, channels and samples."""

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
    """One track on its way out."""

    def __init__(
        self,
        names: Sequence[str],
        audio: AudioFormat,
        sample_rate_hz: int,
        *,
        residual_of: Sequence[str] = (),
        mixture: Mixture | None = None,
    ) -> None:
        """Stems of these names, at the model's `sample_rate_hz`.

        `residual_of` are those that the mixture is given without, as one stem more; none where
        there is no `mixture`.
        """
        self.n_samples = 0
        """Samples of every stem given so far, at the track's rate."""
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
        """(n_stems, channels, n) that are final → one block, or none when nothing comes of it."""
        out = from_channels(final, self._channels)  # (n_stems, output channels, n)
        rows = out.reshape(len(self._names) * self._channels, out.shape[-1])
        yield from self._block(self._resampler.push(rows))

    def finish(self, n_samples: int) -> Iterator[SeparatedBlock]:
        """What is left, so that the stems have exactly `n_samples` samples.

        Two resamplings may round to one sample more or less: it is cut or filled with a zero.
        """
        rest = self._resampler.flush()
        missing = n_samples - self.n_samples
        rest = np.pad(rest[:, :missing], ((0, 0), (0, max(0, missing - rest.shape[1]))))
        yield from self._block(rest)

    def _block(self, rows: Array) -> Iterator[SeparatedBlock]:
        n_samples = rows.shape[1]
        if n_samples == 0:
            return
        parts = rows.reshape(len(self._names), self._channels, n_samples)
        stems = dict(zip(self._names, parts, strict=True))
        if self._residual_name and self._mixture is not None:
            counted = parts[self._residual_of]
            stems[self._residual_name] = residual(self._mixture.take(n_samples), counted)
        offset = self.n_samples
        self.n_samples += n_samples
        yield SeparatedBlock(offset, stems)
