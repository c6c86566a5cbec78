"""Processing for models of one network: chunks that overlap and fade into each other.

MSST's `demix` in generic mode, see `preprocessing/chunks.py` and `postprocessing/overlap_add.py`;
with its `normalize_audio` around that where the model wants it, see `preprocessing/level.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from stemline.arrays import Array
from stemline.engines import ModelInfo
from stemline.errors import RequestError
from stemline.postprocessing.level import restored
from stemline.postprocessing.overlap_add import OverlapAdd
from stemline.preprocessing.chunks import Chunk, ChunkPlan, hop_samples_for, iter_chunks
from stemline.preprocessing.level import Level, normalised, plain_level_of

from ..separation import Piece, PieceLayout, ProcessingOptions

Encode = Callable[[Array], dict[str, Array]]
"""Chunks (batch, channels, chunk_samples) → the network's inputs."""
Decode = Callable[[Mapping[str, Array], Sequence[int]], Array]
"""The network's outputs and indices of stems → (batch, n_stems, channels, chunk_samples)."""

_NO_SAMPLES = np.empty((0, 0), np.float32)


def chunk_plan(info: ModelInfo, overlap: float | None = None) -> ChunkPlan:
    """How a track is divided; `overlap` None is the model's own. Raises OverlapError."""
    chosen = info.default_overlap if overlap is None else overlap
    return ChunkPlan(info.chunk_samples, hop_samples_for(info.chunk_samples, chosen))


def chunk_layout(info: ModelInfo, overlap: float | None = None) -> PieceLayout:
    """The layout of a track in chunks, for counting them. Raises OverlapError."""
    plan = chunk_plan(info, overlap)
    return PieceLayout(plan.chunk_samples, plan.hop_samples, plan.border_samples)


class ChunkedProcessing:
    """A model of one network that takes in chunks of one length."""

    def __init__(self, info: ModelInfo, encode: Encode, decode: Decode) -> None:
        self._info = info
        self.reads_twice = info.track_level
        self._encode = encode
        self._decode = decode

    def check(self, wanted: Sequence[int], options: ProcessingOptions) -> None:
        """Raise RequestError for shifts, which these models do not support, or OverlapError."""
        if options.shifts:
            raise RequestError(
                "shifts",
                f"{self._info.model} is of family {self._info.family}, which has no shifts",
            )
        chunk_plan(self._info, options.overlap)

    def track(self, wanted: Sequence[int], options: ProcessingOptions) -> "ChunkedTrack":
        """The processing of one track. Raises as `check` does."""
        self.check(wanted, options)
        plan = chunk_plan(self._info, options.overlap)
        return ChunkedTrack(plan, wanted, self._info.channels, self._encode, self._decode)

    def pieces_under_way(self, batch_size: int, device: str) -> int:
        """Two batches and one piece more: the engine always has a batch waiting."""
        return 2 * batch_size + 1


class ChunkedTrack:
    """The processing of one track, each chunk of which the network runs once."""

    def __init__(
        self, plan: ChunkPlan, wanted: Sequence[int], channels: int, encode: Encode, decode: Decode
    ) -> None:
        self._plan = plan
        self._wanted = wanted
        self._encode = encode
        self._decode = decode
        self._level: Level | None = None
        self._overlap_add = OverlapAdd(len(wanted), channels, plan.chunk_samples, plan.hop_samples)

    def prepare(self, blocks: Iterable[Array]) -> None:
        """Measure the level of the whole track, where the model wants it taken out."""
        self._level = plain_level_of(blocks)

    def pieces(self, blocks: Iterable[Array]) -> Iterator[Piece]:
        """Yield the track's chunks; see `iter_chunks`."""
        level = self._level
        levelled = blocks if level is None else (normalised(block, level) for block in blocks)
        for chunk in iter_chunks(levelled, self._plan):
            inputs = self._encode(chunk.samples[np.newaxis])  # name → (1, ...)
            yield Piece(0, inputs, replace(chunk, samples=_NO_SAMPLES))

    def add(self, piece: Piece, outputs: Mapping[str, Array]) -> Array:
        """Overlap-add the stems of one chunk; see `OverlapAdd`."""
        chunk: Chunk = piece.memory
        stems = self._decode(outputs, self._wanted)[0]  # (n_stems, channels, chunk_samples)
        final = self._overlap_add.add(
            stems, chunk.start, chunk.valid, chunk.first, chunk.last, chunk.final_until
        )
        return (
            final if self._level is None else restored(final, self._level.mean, self._level.scale)
        )
