"""How beat networks take tracks in and what their outputs mean: the contract of such families.

input stems or mixture ─► features ─► [engine] ─► outputs ─► beats, sections
`input_stream`, block by block        whole track    `decode`
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.engines import BeatInfo, ModelInfo
from stemline.errors import ArtifactError
from stemline.postprocessing.dbn import DownbeatTracker
from stemline.postprocessing.sections import Section

from .family import Family, Tensors


@dataclass(frozen=True, eq=False)
class BeatActivations:
    """The probabilities of every frame that beats and sections were found in."""

    beat: Array
    """Probability of a beat, (n_frames,); All-In-One's includes downbeats, madmom's does not."""
    downbeat: Array
    """Probability of a downbeat, (n_frames,)."""
    section: Array
    """Probability of a section's beginning, (n_frames,); (0,) from a network without sections."""
    function: Array
    """Probability of each label, (n_labels, n_frames); over the labels they add up to 1."""
    labels: tuple[str, ...]
    """The labels in the order of `function`; empty for a network without sections."""
    frame_rate_hz: float
    """Frame i is at i / frame_rate_hz seconds."""


class FeatureStream(Protocol):
    """Makes the features of a track while its samples come."""

    @property
    def n_bytes(self) -> int:
        """The bytes of the features so far."""

    def push(self, samples: Array) -> None:
        """The next (n_inputs, n) in mono, at the network's rate and in its order."""

    def finish(self) -> Array:
        """The features of the whole track, without a batch axis; call it once, at the end."""


class InputStream:
    """The samples that a network takes in, block by block, to its one input."""

    def __init__(self, name: str, stream: FeatureStream) -> None:
        """Take a fresh stream over; `name` is the input's."""
        self._name = name
        self._stream = stream

    @property
    def n_bytes(self) -> int:
        """The bytes of the features so far."""
        return self._stream.n_bytes

    def push(self, samples: Array) -> None:
        """The next (n_inputs, n) in mono, at the network's rate and in its order."""
        self._stream.push(samples)

    def finish(self) -> dict[str, Array]:
        """The input by its name, with a batch axis of 1; call it once, at the end."""
        return {self._name: self._stream.finish()[np.newaxis]}


class BeatProcessing(Protocol):
    """What a model does before and after its engine; the outputs have no batch axis here."""

    def input_stream(self) -> InputStream:
        """The features of one track, from its first sample on."""

    def n_frames(self, outputs: Mapping[str, Array]) -> int:
        """The number of frames in the outputs."""

    def decoder_input(self, outputs: Mapping[str, Array]) -> NDArray[np.float32]:
        """(n_frames, 2): the probabilities of beats that are no downbeats, and of downbeats."""

    def sections(self, outputs: Mapping[str, Array], *, is_silent: bool) -> tuple[Section, ...]:
        """Sections from beginning to end without a gap; empty for a network without sections."""

    def activations(self, outputs: Mapping[str, Array]) -> BeatActivations:
        """The outputs as probabilities."""


class BeatFamily(Family):
    """A family of beat networks: what `Family` asks for, and the processing of tracks."""

    task = "beats"

    @abstractmethod
    def beat_tensors(self, info: BeatInfo) -> Tensors:
        """The inputs and outputs of a model's artifact; a track's frames are a free axis."""

    def tensors(self, info: ModelInfo) -> Tensors:
        """See `Family`."""
        return self.beat_tensors(beats_of(info))

    @abstractmethod
    def processing(self, info: BeatInfo) -> BeatProcessing:
        """A model's processing.

        Raises ArtifactError when it wants an input that is not made here.
        """


@dataclass(frozen=True)
class Decoded:
    """The beats and sections that a track's outputs stand for."""

    beats: NDArray[np.float64]
    """(n_beats, 2): times in seconds, and positions in the bar from 1."""
    sections: tuple[Section, ...]
    """From the beginning to the end; empty for a network without sections."""
    n_frames: int


class BeatDecoder:
    """A network's outputs to beats and sections; its tables are made once, for all tracks."""

    def __init__(self, info: BeatInfo, processing: BeatProcessing) -> None:
        self._processing = processing
        self._tracker = DownbeatTracker(
            info.beats_per_bar,
            min_bpm=info.min_bpm,
            max_bpm=info.max_bpm,
            threshold=info.best_threshold_downbeat,
            fps=info.frame_rate_hz,
        )

    def __call__(self, outputs: Mapping[str, Array], *, is_silent: bool = False) -> Decoded:
        """One track's outputs, without a batch axis; a silent track has no beats."""
        processing = self._processing
        beats: NDArray[np.float64] = np.empty((0, 2))
        if not is_silent:
            beats = self._tracker(processing.decoder_input(outputs))
        return Decoded(
            beats,
            processing.sections(outputs, is_silent=is_silent),
            processing.n_frames(outputs),
        )


def beats_of(info: ModelInfo) -> BeatInfo:
    """The `beats` of a model's info. Raises ArtifactError for a separator, which has none."""
    if info.beats is None:
        raise ArtifactError(f"{info.model}: no field beats; export it again")
    return info.beats
