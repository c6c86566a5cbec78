"""Whole songs through one engine, for measuring: the pipeline, without a server's queue."""

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from stemline.arrays import Array
from stemline.engines import Engine, ModelInfo
from stemline.families import separator_family
from stemline.families.separation import (
    Piece,
    ProcessingOptions,
    SeparationProcessing,
    TrackProcessing,
)
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.pipeline import run_pieces, separate_track
from stemline.serving.track_input import TrackInput
from stemline.serving.track_output import TrackOutput


def separate_whole(
    engine: Engine, info: ModelInfo, mixture: Array, overlap: float | None = None, batch: int = 1
) -> dict[str, Array]:
    """One song (channels, n) at the model's rate and channels -> stem -> (channels, n).

    `overlap` None is the model's own. Raises EngineError, OverlapError, AudioError for samples
    that are not finite, or ArtifactError for a model that does not separate.
    """
    stems = {stem: np.zeros(mixture.shape, np.float32) for stem in info.stems}
    if mixture.shape[1] == 0:
        return stems
    processing = _processing_of(info)
    audio = AudioFormat(info.sample_rate_hz, *mixture.shape)
    track = TrackInput(
        [mixture],
        audio,
        info.sample_rate_hz,
        info.channels,
        reads_twice=processing.reads_twice,
    )
    blocks = separate_track(
        track,
        _track_of(processing, info, overlap),
        {0: engine},
        TrackOutput(info.stems, audio, info.sample_rate_hz),
        batch,
    )
    for block in blocks:
        for stem, part in block.stems.items():
            end = block.offset_samples + part.shape[1]
            stems[stem][:, block.offset_samples : end] = part
    return stems


def separate_together(
    engine: Engine,
    info: ModelInfo,
    mixtures: Sequence[Array],
    overlap: float | None = None,
    batch: int = 1,
) -> list[dict[str, Array]]:
    """Songs whose pieces share batches: the first piece of each, then the second, and so on.

    Each comes out as from `separate_whole`, at the model's rate and channels. Raises the same.
    """
    processing = _processing_of(info)
    tracks = [_track_of(processing, info, overlap) for _ in mixtures]
    if processing.reads_twice:
        for track, mixture in zip(tracks, mixtures, strict=True):
            track.prepare([mixture])
    stems = [np.zeros((len(info.stems), *mixture.shape), np.float32) for mixture in mixtures]
    n_done = [0] * len(mixtures)
    songs: deque[int] = deque()
    for piece, outputs in run_pieces(_alternating(tracks, mixtures, songs), {0: engine}, batch):
        song = songs.popleft()
        final = tracks[song].add(piece, outputs)  # (n_stems, channels, n)
        stems[song][..., n_done[song] : n_done[song] + final.shape[-1]] = final
        n_done[song] += final.shape[-1]
    return [dict(zip(info.stems, song_stems, strict=True)) for song_stems in stems]


def _processing_of(info: ModelInfo) -> SeparationProcessing:
    """The processing of a model that is this one network."""
    family = separator_family(info.family, info.model)
    return family.processing(info, (info,), ((1.0,) * len(info.stems),))


def _track_of(
    processing: SeparationProcessing, info: ModelInfo, overlap: float | None
) -> TrackProcessing:
    """The processing of one song, for all stems."""
    return processing.track(range(len(info.stems)), ProcessingOptions(overlap=overlap))


def _alternating(
    tracks: Sequence[TrackProcessing], mixtures: Sequence[Array], songs: deque[int]
) -> Iterator[Piece]:
    """One piece of each song after the other, again and again, until all have ended.

    The song of each piece goes into `songs`.
    """
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
                songs.append(song)
                yield piece
