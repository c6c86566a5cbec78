"""The processing of All-In-One: stems → spectrograms, logits → beats and sections."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.engines import BeatInfo
from stemline.engines.beat_info import BEAT, DOWNBEAT, FUNCTION, SECTION, SPECTROGRAM
from stemline.errors import ArtifactError
from stemline.postprocessing.sections import Section, find_sections
from stemline.postprocessing.sigmoid import sigmoid
from stemline.preprocessing.spectrogram import HOP_SAMPLES, N_BANDS, SAMPLE_RATE_HZ
from stemline.preprocessing.spectrogram_stream import SpectrogramStream

from ..beats import BeatActivations, InputStream
from .activations import downbeat_activations


class AllInOneProcessing:
    """Spectrograms of stems to logits of beats and sections."""

    def __init__(self, info: BeatInfo) -> None:
        """Raises ArtifactError when the network wants an input that is not made here."""
        made = (SAMPLE_RATE_HZ, HOP_SAMPLES, N_BANDS)
        wanted = (info.sample_rate_hz, info.hop_samples, info.n_bins)
        if wanted != made:
            raise ArtifactError(
                f"the network wants spectrograms of (Hz, samples a hop, bands) {wanted}; this "
                f"stemline makes {made}"
            )
        for name, names in (("stems", info.stems), ("labels", info.labels)):
            if not names:
                raise ArtifactError(f"beats.{name} must be names; there are none; export it again")
        self._info = info

    def input_stream(self) -> InputStream:
        """Stems → the spectrogram, (1, n_stems, n_frames, n_bins)."""
        info = self._info
        stream = SpectrogramStream(len(info.stems), info.sample_rate_hz)
        return InputStream(SPECTROGRAM, stream)

    def n_frames(self, outputs: Mapping[str, Array]) -> int:
        """See `BeatProcessing`."""
        return len(outputs[BEAT])

    def decoder_input(self, outputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """See `BeatProcessing`."""
        return downbeat_activations(outputs[BEAT], outputs[DOWNBEAT])

    def sections(self, outputs: Mapping[str, Array], *, is_silent: bool) -> tuple[Section, ...]:
        """At least one section; exactly one for a silent track."""
        info, boundaries = self._info, outputs[SECTION]
        if is_silent:  # where all frames are alike, peaks are everywhere
            boundaries = np.full_like(boundaries, -np.inf)
        found = find_sections(
            boundaries,
            outputs[FUNCTION],
            labels=info.labels,
            sample_rate_hz=info.sample_rate_hz,
            hop_samples=info.hop_samples,
        )
        return tuple(found)

    def activations(self, outputs: Mapping[str, Array]) -> BeatActivations:
        """See `BeatProcessing`."""
        powers = np.exp(outputs[FUNCTION] - outputs[FUNCTION].max(axis=0))
        return BeatActivations(
            beat=sigmoid(outputs[BEAT]),
            downbeat=sigmoid(outputs[DOWNBEAT]),
            section=sigmoid(outputs[SECTION]),
            function=powers / powers.sum(axis=0),
            labels=self._info.labels,
            frame_rate_hz=self._info.frame_rate_hz,
        )
