"""The processing of AudioSep: chunks to magnitudes, masks to what each text describes.

Every channel goes through the network by itself, once for each text; the spectra of a chunk are
computed once for all of them. The formulas are those of the original's `feature_maps_to_wav`:

    target = mixture's spectrum · mask,    mask = σ(a) · (tanh b + i tanh c) / |tanh b + i tanh c|
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.engines import ModelInfo
from stemline.errors import ArtifactError, RequestError
from stemline.postprocessing.istft import Istft
from stemline.postprocessing.overlap_add import (
    OverlapAdd,
    Window,
    faded_window,
    handover_window,
)
from stemline.preprocessing.chunks import Chunk, ChunkPlan, iter_chunks
from stemline.preprocessing.stft import Stft

from ..common.chunked import chunk_plan as bordered_plan
from ..separation import Piece, PieceLayout, ProcessingOptions
from .config import EMBEDDING, MAGNITUDE, MASK

Spectra = NDArray[np.complex64]
"""Of some signals, (n_signals, n_bins, T); the memory lies frame by frame."""

_LEAST_POWER = 1e-10
_NO_SAMPLES = np.empty((0, 0), np.float32)


class Ends:
    """What stands before the network, and what behind it; one object serves all threads."""

    def __init__(self, info: ModelInfo) -> None:
        """Raises ArtifactError where the artifact has no STFT."""
        params = info.stft
        if params is None or info.text is None:
            raise ArtifactError(
                f"{info.model}: the artifact has no STFT or no text; export it again"
            )
        self._stft = Stft(params.n_fft, params.hop_samples, params.n_bins)
        self._istft = Istft(params.n_fft, params.hop_samples, params.n_bins)

    def spectra(self, signals: Array) -> Spectra:
        """Signals (n_signals, chunk_samples) -> spectra."""
        return self._stft(signals)

    def magnitudes(self, spectra: Spectra) -> Array:
        """Spectra -> the network's input (n_signals, T, n_bins), never quite 0, as in training."""
        frames = spectra.swapaxes(-1, -2)
        power = np.square(frames.real) + np.square(frames.imag)
        return np.asarray(np.sqrt(np.maximum(power, np.float32(_LEAST_POWER))), np.float32)

    def signals(self, spectra: Spectra, masks: Array) -> Array:
        """Spectra of the mixture, masks (n_signals, 2, T, n_bins) -> (n_signals, chunk_samples)."""
        mask = np.empty((masks.shape[0], *masks.shape[2:]), np.complex64)
        mask.real, mask.imag = masks[:, 0], masks[:, 1]
        mask *= spectra.swapaxes(-1, -2)
        return self._istft(mask.swapaxes(-1, -2))


def chunk_plan(info: ModelInfo, overlap: float | None = None) -> ChunkPlan:
    """How a track is divided; `overlap` None is the model's own. Raises OverlapError.

    Without borders: a clip of a chunk or less is one run, and nothing is run twice.
    """
    return replace(bordered_plan(info, overlap), has_borders=False)


def chunk_layout(info: ModelInfo, overlap: float | None = None) -> PieceLayout:
    """The layout of a track in chunks, for counting them. Raises OverlapError."""
    plan = chunk_plan(info, overlap)
    return PieceLayout(plan.chunk_samples, plan.hop_samples, covers=True)


class QueriedProcessing:
    """A model that separates what embeddings describe: `ProcessingOptions.embeddings`."""

    reads_twice = False

    def __init__(self, info: ModelInfo) -> None:
        """Raises ArtifactError."""
        self._info = info
        self._ends = Ends(info)

    def check(self, wanted: Sequence[int], options: ProcessingOptions) -> None:
        """Raise RequestError for shifts and where no text was given, or OverlapError."""
        if options.shifts:
            raise RequestError(
                "shifts",
                f"{self._info.model} is of family {self._info.family}, which has no shifts",
            )
        if not options.embeddings:
            raise RequestError(
                "text", f"{self._info.model} separates what a text describes, and none was given"
            )
        chunk_plan(self._info, options.overlap)

    def track(self, wanted: Sequence[int], options: ProcessingOptions) -> "QueriedTrack":
        """The processing of one track; its stems are one for each embedding, in their order.

        Raises as `check` does.
        """
        self.check(wanted, options)
        plan = chunk_plan(self._info, options.overlap)
        return QueriedTrack(plan, self._ends, options.embeddings)

    def pieces_under_way(self, batch_size: int, device: str) -> int:
        """Two batches and one piece more: the engine always has a batch waiting."""
        return 2 * batch_size + 1


@dataclass(frozen=True)
class _Memory:
    """What `add` needs of a piece besides its mask."""

    chunk: Chunk
    """Its place in the track, without its samples."""
    spectra: Spectra
    """The mixture's, of its one channel: (1, n_bins, T)."""
    query: int
    channel: int


class QueriedTrack:
    """The processing of one track: the network runs once for each chunk, channel and text."""

    def __init__(self, plan: ChunkPlan, ends: Ends, embeddings: Sequence[Array]) -> None:
        self._plan = plan
        self._ends = ends
        self._embeddings = embeddings
        self._channels = 0  # those of the first chunk
        self._overlap_add: OverlapAdd | None = None
        self._stems = np.empty((0, 0, 0), np.float32)
        """Of the chunk under way, (n_queries, channels, chunk_samples)."""

    def prepare(self, blocks: Iterable[Array]) -> None:
        """Nothing: a track is read once."""

    def pieces(self, blocks: Iterable[Array]) -> Iterator[Piece]:
        """Yield the track's chunks, each once for every text and channel; see `iter_chunks`."""
        for chunk in iter_chunks(blocks, self._plan):
            spectra = self._ends.spectra(chunk.samples)
            magnitudes = self._ends.magnitudes(spectra)
            place = replace(chunk, samples=_NO_SAMPLES)
            self._channels = len(magnitudes)
            for query, embedding in enumerate(self._embeddings):
                for channel in range(len(magnitudes)):
                    one = slice(channel, channel + 1)
                    inputs = {MAGNITUDE: magnitudes[one], EMBEDDING: embedding[np.newaxis]}
                    yield Piece(0, inputs, _Memory(place, spectra[one], query, channel))

    def add(self, piece: Piece, outputs: Mapping[str, Array]) -> Array:
        """Mask one channel for one text -> what is final, once a chunk's last piece is in."""
        memory: _Memory = piece.memory
        n_queries, channels = len(self._embeddings), self._channels
        size = (n_queries, channels, self._plan.chunk_samples)
        if self._overlap_add is None:
            plan = self._plan
            window: Window = partial(faded_window, plan.chunk_samples)
            if 2 * plan.hop_samples >= plan.chunk_samples:
                window = partial(handover_window, plan.chunk_samples, plan.hop_samples)
            self._overlap_add = OverlapAdd(*size, plan.hop_samples, window)
            self._stems = np.empty(size, np.float32)
        signal = self._ends.signals(memory.spectra, outputs[MASK])
        self._stems[memory.query, memory.channel] = signal[0]
        if (memory.query, memory.channel) != (n_queries - 1, channels - 1):
            return np.empty((n_queries, channels, 0), np.float32)
        chunk = memory.chunk
        return self._overlap_add.add(
            self._stems, chunk.start, chunk.valid, chunk.first, chunk.last, chunk.final_until
        )
