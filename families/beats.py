"""What one beat network takes in and means by what it gives, and another does not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stemline.engines import BeatInfo, Engine
from stemline.engines.base import BATCH, FRAMES, Array
from stemline.engines.beat_info import (
    BEAT,
    DOWNBEAT,
    FEATURES,
    FUNCTION,
    LOG_SPECTROGRAM,
    MADMOM_DOWNBEATS,
    SECTION,
    SPECTROGRAM,
)
from stemline.errors import ArtifactError
from stemline.postprocessing.sections import Section, find_sections
from stemline.preprocessing.spectrogram import HOP_SAMPLES, N_BANDS, SAMPLE_RATE_HZ
from stemline.preprocessing.spectrogram_stream import SpectrogramStream

from .allin1.activations import downbeat_activations, sigmoid
from .madmom import features as madmom_features
from .madmom.features import DownbeatFeatureStream

Shapes = dict[str, tuple[int | str, ...]]


@dataclass(frozen=True, eq=False)
class BeatActivations:
    """Probabilities of every frame, which beats and sections were found in."""

    beat: Array
    """Of a beat, (n_frames,). All-In-One's is of a beat that is a downbeat or not; madmom's, like
    its downbeat, of one that is none."""
    downbeat: Array
    section: Array
    """Of a section's beginning, (n_frames,); (0,) of a network that tells no sections."""
    function: Array
    """Of each label, (n_labels, n_frames); over the labels they add up to 1."""
    labels: tuple[str, ...]
    """None of a network that tells no sections."""
    frame_rate_hz: float
    """Frame i is at i / frame_rate_hz seconds."""


class InputStream:
    """What a network hears, block by block, on its way to the network's one input."""

    def __init__(self, name: str, stream: SpectrogramStream | DownbeatFeatureStream) -> None:
        """Take a fresh stream over; `name` is the input's."""
        self._name = name
        self._stream = stream

    def push(self, heard: Array) -> None:
        """The next (n_heard, n) in mono, at the network's rate and in its order."""
        self._stream.push(heard)

    def finish(self) -> dict[str, Array]:
        """The input by its name, with a batch axis of 1; call it once, at the end."""
        return {self._name: self._stream.finish()[np.newaxis]}


class BeatNetwork(Protocol):
    """One kind of network: the way to it and from it, without its engine."""

    def shapes(self) -> Shapes:
        """Of the inputs and outputs that its engine must have.

        Raises ArtifactError when it wants an input that is not made here.
        """

    def input_stream(self) -> InputStream:
        """What one track is heard with."""

    def n_frames(self, outputs: Mapping[str, Array]) -> int:
        """Frames of the outputs, which here and below have no batch axis."""

    def decoder_input(self, outputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """(n_frames, 2): the probabilities of beats that are no downbeats, and of downbeats."""

    def sections(self, outputs: Mapping[str, Array], *, is_silent: bool) -> tuple[Section, ...]:
        """From the beginning to the end; none of a network that tells no sections."""

    def activations(self, outputs: Mapping[str, Array]) -> BeatActivations:
        """What the outputs are, as probabilities."""


class StemsNetwork:
    """Hears spectrograms of stems, gives logits of beats and sections: All-In-One."""

    def __init__(self, facts: BeatInfo) -> None:
        self._facts = facts

    def shapes(self) -> Shapes:
        """As BeatNetwork."""
        facts = self._facts
        made = (SAMPLE_RATE_HZ, HOP_SAMPLES, N_BANDS)
        wanted = (facts.sample_rate_hz, facts.hop_samples, facts.n_bins)
        if wanted != made:
            raise ArtifactError(
                f"the network wants spectrograms of (Hz, samples a hop, bands) {wanted}; this "
                f"stemline makes {made}"
            )
        return {
            SPECTROGRAM: (BATCH, len(facts.stems), FRAMES, facts.n_bins),
            **{name: (BATCH, FRAMES) for name in (BEAT, DOWNBEAT, SECTION)},
            FUNCTION: (BATCH, len(facts.labels), FRAMES),
        }

    def input_stream(self) -> InputStream:
        """Stems → the spectrogram, (1, n_stems, n_frames, n_bins)."""
        facts = self._facts
        stream = SpectrogramStream(len(facts.stems), facts.sample_rate_hz)
        return InputStream(SPECTROGRAM, stream)

    def n_frames(self, outputs: Mapping[str, Array]) -> int:
        """As BeatNetwork."""
        return len(outputs[BEAT])

    def decoder_input(self, outputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """As BeatNetwork."""
        return downbeat_activations(outputs[BEAT], outputs[DOWNBEAT])

    def sections(self, outputs: Mapping[str, Array], *, is_silent: bool) -> tuple[Section, ...]:
        """At least one; of a silent track one."""
        facts, boundaries = self._facts, outputs[SECTION]
        if is_silent:  # where all frames are alike, peaks are everywhere
            boundaries = np.full_like(boundaries, -np.inf)
        found = find_sections(
            boundaries,
            outputs[FUNCTION],
            labels=facts.labels,
            sample_rate_hz=facts.sample_rate_hz,
            hop_samples=facts.hop_samples,
        )
        return tuple(found)

    def activations(self, outputs: Mapping[str, Array]) -> BeatActivations:
        """As BeatNetwork."""
        powers = np.exp(outputs[FUNCTION] - outputs[FUNCTION].max(axis=0))
        return BeatActivations(
            beat=sigmoid(outputs[BEAT]),
            downbeat=sigmoid(outputs[DOWNBEAT]),
            section=sigmoid(outputs[SECTION]),
            function=powers / powers.sum(axis=0),
            labels=self._facts.labels,
            frame_rate_hz=self._facts.frame_rate_hz,
        )


class MixtureNetwork:
    """Hears madmom's features of the mixture, gives probabilities of beats and downbeats."""

    def __init__(self, facts: BeatInfo) -> None:
        self._facts = facts

    def shapes(self) -> Shapes:
        """As BeatNetwork."""
        facts = self._facts
        made = (SAMPLE_RATE_HZ, HOP_SAMPLES, madmom_features.N_FEATURES)
        wanted = (facts.sample_rate_hz, facts.hop_samples, facts.n_bins)
        if wanted != made:
            raise ArtifactError(
                f"the network wants features of (Hz, samples a hop, numbers a frame) {wanted}; "
                f"this stemline makes {made}"
            )
        frames = (BATCH, FRAMES)
        return {FEATURES: (*frames, facts.n_bins), BEAT: frames, DOWNBEAT: frames}

    def input_stream(self) -> InputStream:
        """The mixture alone → its features, (1, n_frames, n_features)."""
        return InputStream(FEATURES, DownbeatFeatureStream(self._facts.sample_rate_hz))

    def n_frames(self, outputs: Mapping[str, Array]) -> int:
        """As BeatNetwork."""
        return len(outputs[BEAT])

    def decoder_input(self, outputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """The outputs as they are."""
        return np.stack([outputs[BEAT], outputs[DOWNBEAT]], axis=1)

    def sections(self, outputs: Mapping[str, Array], *, is_silent: bool) -> tuple[Section, ...]:
        """None."""
        return ()

    def activations(self, outputs: Mapping[str, Array]) -> BeatActivations:
        """The outputs as they are."""
        return BeatActivations(
            beat=outputs[BEAT],
            downbeat=outputs[DOWNBEAT],
            section=np.empty(0, np.float32),
            function=np.empty((0, len(outputs[BEAT])), np.float32),
            labels=(),
            frame_rate_hz=self._facts.frame_rate_hz,
        )


_NETWORKS: dict[str, type[StemsNetwork] | type[MixtureNetwork]] = {
    LOG_SPECTROGRAM: StemsNetwork,
    MADMOM_DOWNBEATS: MixtureNetwork,
}


def network_of(facts: BeatInfo) -> BeatNetwork:
    """The kind that the facts are of."""
    return _NETWORKS[facts.features](facts)


def check_engine(engine: Engine, network: BeatNetwork) -> None:
    """Raise ArtifactError unless the engine has the inputs and outputs of the network."""
    spec = engine.spec
    try:
        wanted = network.shapes()
    except ArtifactError as error:
        raise ArtifactError(f"{spec.name}: {error}") from error
    given = {tensor.name: tensor.shape for tensor in (*spec.inputs, *spec.outputs)}
    if given != wanted:
        raise ArtifactError(
            f"{spec.name}: the graph and its description do not belong together: it has "
            f"{given}, a model of these facts has {wanted}; export it again"
        )
