"""HDemucs: Hybrid Demucs, two U-Nets that meet where the spectrogram is down to one bin.

After Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv 2111.03600). The names,
shapes and order of the parameters are those of the published checkpoints (class `HDemucs`), so such
a file loads as it is. The STFT stays outside.
"""

from torch import Tensor

from .hybrid import HybridNetwork, of_stems, standardized


class Hdemucs(HybridNetwork):
    """The whole network; it takes any length, and each row of a batch alone."""

    def forward(self, waveform: Tensor, spectrogram: Tensor) -> tuple[Tensor, Tensor]:
        """Mixture (batch, C, L) and (batch, 2C or C, F, T) -> both of every stem.

        They are (batch, S, C, L) and (batch, S, 2C or C, F, T); a stem is the sum of its waveform
        and what the inverse STFT makes of its spectrogram.
        """
        y, *waveform_level = standardized(waveform)
        x, *spectrogram_level = standardized(spectrogram)
        # All that the decoders learn of the encoders they learn by the skips.
        x, y = self.decode(self.encode(x, y), None, None)
        n_stems = len(self.config.stems)
        return of_stems(y, n_stems, *waveform_level), of_stems(x, n_stems, *spectrogram_level)
