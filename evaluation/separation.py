"""Whole songs through one engine, for measuring: the pipeline, without a server's queue."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from stemline.arrays import Array
from stemline.engines import Engine, ModelInfo
from stemline.families import separator_family
from stemline.families.separation import Piece, ProcessingOptions, TrackProcessing
from stemline.serving.pipeline import run_pieces

Song = tuple[int, Piece]
"""The index of a piece's song, and the piece."""


def separate_whole(
    engine: Engine, info: ModelInfo, mixture: Array, overlap: float | None = None, batch: int = 1
) -> dict[str, Array]:
    """One song (channels, n) at the model's rate and channels -> stem -> (channels, n).

    `overlap` None is the model's own. Raises EngineError, OverlapError, or ArtifactError for a
    model that does not separate.
    """
    return separate_together(engine, info, [mixture], overlap, batch)[0]


def separate_together(
    engine: Engine,
    info: ModelInfo,
    mixtures: Sequence[Array],
    overlap: float | None = None,
    batch: int = 1,
) -> list[dict[str, Array]]:
    """Songs whose pieces share batches: the first piece of each, then the second, and so on.

    Each comes out as from `separate_whole`. Raises the same.
    """
    family = separator_family(info.family, info.model)
    weights = (1.0,) * len(info.stems)
    processing = family.processing(info, (info,), (weights,))
    options = ProcessingOptions(overlap=overlap)
    tracks = [processing.track(range(len(info.stems)), options) for _ in mixtures]
    if processing.reads_twice:
        for track, mixture in zip(tracks, mixtures, strict=True):
            track.prepare([mixture])
    stems = [np.zeros((len(info.stems), *mixture.shape), np.float32) for mixture in mixtures]
    n_done = [0] * len(mixtures)
    pieces = _alternating(tracks, mixtures)
    while rows := list(islice(pieces, batch)):
        outputs = run_pieces([piece for _, piece in rows], {0: engine}, batch)
        for (song, piece), output in zip(rows, outputs, strict=True):
            final = tracks[song].add(piece, output)  # (n_stems, channels, n)
            stems[song][..., n_done[song] : n_done[song] + final.shape[-1]] = final
            n_done[song] += final.shape[-1]
    return [dict(zip(info.stems, song, strict=True)) for song in stems]


def _alternating(tracks: Sequence[TrackProcessing], mixtures: Sequence[Array]) -> Iterator[Song]:
    """One piece of each song after the other, again and again, until all have ended."""
    waiting = {
        song: track.pieces([mixture])
        for song, (track, mixture) in enumerate(zip(tracks, mixtures, strict=True))
    }
    while waiting:
        for song in list(waiting):
            piece = next(waiting[song], None)
            if piece is None:
                del waiting[song]
            else:
                yield song, piece
