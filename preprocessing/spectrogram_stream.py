"""The spectrogram of stems that come block by block."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .growing_rows import GrowingRows
from .spectrogram import BANDS_PER_OCTAVE, FRAME_SAMPLES, N_BANDS, SAMPLE_RATE_HZ, LogBandStream


class SpectrogramStream:
    """Mono stems, block by block, to what `log_spectrogram` makes of the whole, bit for bit.

    Holds the spectrogram so far and under a second of samples.
    """

    def __init__(self, n_stems: int, sample_rate_hz: int, dtype: str = "float32") -> None:
        """Take stems of that rate and precision; ValueError for a rate other than 44.1 kHz."""
        if sample_rate_hz != SAMPLE_RATE_HZ:
            raise ValueError(f"the spectrogram is of {SAMPLE_RATE_HZ} Hz; got {sample_rate_hz} Hz")
        self._bands = LogBandStream(n_stems, FRAME_SAMPLES, BANDS_PER_OCTAVE, dtype)
        # Each stem by itself: when they grow or are joined no more than one is held twice.
        self._stems = [GrowingRows(N_BANDS) for _ in range(n_stems)]

    @property
    def n_bytes(self) -> int:
        """The bytes of the spectrogram so far."""
        return sum(stem.n_bytes for stem in self._stems)

    def push(self, stems: NDArray[np.float32] | NDArray[np.float64]) -> None:
        """The next (n_stems, n), full scale 1, n maybe 0.

        Raises ValueError when they are of another shape or type.
        """
        self._append(self._bands.push(stems))

    def finish(self) -> NDArray[np.float32]:
        """(n_stems, n_frames, 81) of all that came; call it once, at the end."""
        self._append(self._bands.finish())
        out = np.empty((len(self._stems), self._bands.n_frames, N_BANDS), np.float32)
        for stem in out:
            stem[:] = self._stems.pop(0).rows
        return out

    def _append(self, groups: Iterable[NDArray[np.float32]]) -> None:
        for group in groups:
            for stem, rows in zip(self._stems, group, strict=True):
                stem.append(rows)
