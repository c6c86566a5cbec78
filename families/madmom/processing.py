"""The processing of madmom's networks: mixture → features, probabilities → beats."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.engines import BeatInfo
from stemline.engines.beat_info import BEAT, DOWNBEAT, FEATURES
from stemline.errors import ArtifactError
from stemline.postprocessing.sections import Section
from stemline.preprocessing.spectrogram import HOP_SAMPLES, SAMPLE_RATE_HZ

from ..beats import BeatActivations, InputStream
from .features import N_FEATURES, DownbeatFeatureStream


class MadmomProcessing:
    """Features of the mixture to probabilities of beats and downbeats."""

    def __init__(self, info: BeatInfo) -> None:
        """Raises ArtifactError when the network wants an input that is not made here."""
        made = (SAMPLE_RATE_HZ, HOP_SAMPLES, N_FEATURES)
        wanted = (info.sample_rate_hz, info.hop_samples, info.n_bins)
        if wanted != made:
            raise ArtifactError(
                f"the network wants features of (Hz, samples a hop, numbers a frame) {wanted}; "
                f"this stemline makes {made}"
            )
        for name, names in (("stems", info.stems), ("labels", info.labels)):
            if names:
                raise ArtifactError(
                    f"beats.{name} there are none of {info.family}; got {names}; export it again"
                )
        self._info = info

    def input_stream(self) -> InputStream:
        """The mixture alone → its features, (1, n_frames, n_features)."""
        return InputStream(FEATURES, DownbeatFeatureStream(self._info.sample_rate_hz))

    def n_frames(self, outputs: Mapping[str, Array]) -> int:
        """See `BeatProcessing`."""
        return len(outputs[BEAT])

    def decoder_input(self, outputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """The outputs side by side, (n_frames, 2), unchanged."""
        return np.stack([outputs[BEAT], outputs[DOWNBEAT]], axis=1)

    def sections(self, outputs: Mapping[str, Array], *, is_silent: bool) -> tuple[Section, ...]:
        """Empty: the network finds no sections."""
        return ()

    def activations(self, outputs: Mapping[str, Array]) -> BeatActivations:
        """The outputs, unchanged: they are probabilities."""
        return BeatActivations(
            beat=outputs[BEAT],
            downbeat=outputs[DOWNBEAT],
            section=np.empty(0, np.float32),
            function=np.empty((0, len(outputs[BEAT])), np.float32),
            labels=(),
            frame_rate_hz=self._info.frame_rate_hz,
        )
