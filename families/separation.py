"""How a separator's tracks are processed: the contract that every such family implements.

    blocks of a track ─► pieces: inputs of a network ─► [engine] ─► outputs ─► stems that are final

`serving/pipeline.py` runs it one piece at a time, `serving/separation.py` in threads.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stemline.arrays import Array
from stemline.engines import Engine, ModelInfo
from stemline.errors import RequestError

from .family import Family


@dataclass(frozen=True)
class ProcessingOptions:
    """How a caller wants a track processed; a family refuses what it does not support."""

    overlap: float | None = None
    """N of 2 or more: hop = chunk // N; below 1: hop = chunk × (1 − fraction); the model's own
    when None."""
    shifts: int = 0
    """Separations that are averaged, each begun elsewhere within half a second; 0 is one, as the
    track is, without anything random."""
    seed: int = 0
    """Seed of the shifts' random offsets: equal seeds make equal stems."""
    embeddings: tuple[Array, ...] = field(default=(), compare=False)
    """What a model that separates by texts is asked for, an embedding (n_embedding,) a stem; see
    `SeparatorFamily.text_reader`."""


@dataclass(frozen=True)
class Piece:
    """One run of a network: its inputs, and what the processing remembers of them."""

    network: int
    """Which of the model's networks it is for, by its place in the bag."""
    inputs: dict[str, Array]
    """Each input by its name, with a batch axis of length 1."""
    memory: Any
    """Whatever `TrackProcessing.add` needs besides the outputs; nobody else looks at it."""


@dataclass(frozen=True)
class PieceLayout:
    """How a track is divided into pieces, for counting them."""

    piece_samples: int
    hop_samples: int
    """Samples from the beginning of a piece to the beginning of the next."""
    border_samples: int = 0
    """Samples reflected at either end of a track; a track of up to two borders has none."""
    covers: bool = False
    """Whether pieces end with the track, not begin before its end: as few as cover it."""

    def n_pieces(self, n_samples: int) -> int:
        """The number of pieces of a track of so many samples."""
        if self.covers:
            more = -(-(n_samples - self.piece_samples) // self.hop_samples)  # than one
            return 1 + max(0, more) if n_samples else 0
        border = self.border_samples if n_samples > 2 * self.border_samples else 0
        return -(-(n_samples + border) // self.hop_samples)  # begun before the track ends

    def longest_track(self, most_pieces: int) -> int:
        """The greatest number of samples that make no more than `most_pieces` (≥ 1) pieces."""
        if self.covers:
            return self.piece_samples + (most_pieces - 1) * self.hop_samples
        border, hop = self.border_samples, self.hop_samples
        if most_pieces >= self.n_pieces(2 * border + 1):
            return most_pieces * hop - border
        return min(most_pieces * hop, 2 * border)  # too short for borders


class TrackProcessing(Protocol):
    """The processing of one track; its state is bounded, however long the track.

    Blocks are (channels, n) at the model's rate and of its channels, of any lengths. `pieces` and
    `add` may be called from two threads, `add` in the order of the pieces.
    """

    def prepare(self, blocks: Iterable[Array]) -> None:
        """Read the whole track once before `pieces`, where `SeparationProcessing.reads_twice`."""

    def pieces(self, blocks: Iterable[Array]) -> Iterator[Piece]:
        """The track's pieces, each as soon as its samples are known."""

    def add(self, piece: Piece, outputs: Mapping[str, Array]) -> Array:
        """A piece's outputs → what is final now of the wanted stems, (n_stems, channels, n).

        n may be 0.
        """


class SeparationProcessing(Protocol):
    """A model's processing; immutable, so that one object serves all tracks and threads."""

    @property
    def reads_twice(self) -> bool:
        """Whether a track is read twice, the first time for `TrackProcessing.prepare`."""

    def check(self, wanted: Sequence[int], options: ProcessingOptions) -> None:
        """Raise RequestError or OverlapError for options that the model cannot be run with."""

    def track(self, wanted: Sequence[int], options: ProcessingOptions) -> TrackProcessing:
        """The processing of one track for the stems of these indices. Raises as `check` does."""

    def pieces_under_way(self, batch_size: int, device: str) -> int:
        """Pieces of one track that are worth having between `pieces` and `add` at once."""


class ReadsTexts(Protocol):
    """What makes embeddings of texts; one object serves all threads."""

    def __call__(self, texts: Sequence[str]) -> Array:
        """Texts → embeddings (n_texts, n_embedding).

        Raises RequestError for a text that says nothing, EngineError.
        """


class SeparatorFamily(Family):
    """A family of separators: what `Family` asks for, and the processing of tracks."""

    task = "separate"

    @abstractmethod
    def layout(self, info: ModelInfo, overlap: float | None = None) -> PieceLayout:
        """How a track is divided at an overlap, the model's own when None. Raises OverlapError."""

    @abstractmethod
    def processing(
        self,
        info: ModelInfo,
        networks: Sequence[ModelInfo | None],
        weights: Sequence[Sequence[float]],
    ) -> SeparationProcessing:
        """A model's processing.

        Parameters
        ----------
        info
            What all its networks share.
        networks
            Each network's own; None where one is not at hand.
        weights
            (n_networks, n_stems): stem s = Σ w[m][s]·y_m[s] / Σ w[m][s].

        Raises
        ------
        ArtifactError
            The numbers cannot be a model's of this family.
        """

    def text_reader(
        self, info: ModelInfo, engine: Engine, metadata: Mapping[str, str]
    ) -> ReadsTexts:
        """What makes `ProcessingOptions.embeddings` of texts, by a model's text encoder.

        `info`, `engine` and `metadata` are the encoder's artifact's: its description, its engine,
        and all `metadata_props` of its file. Raises RequestError for a family that takes no text,
        ArtifactError for what is no text encoder, or MissingExtraError.
        """
        raise RequestError("text", f"{info.model} is of family {self.name}, which takes no text")
