"""Whole songs through an engine, without a server's queue: chunks in, stems out.

The same chunks, windows and STFT as serving's pipeline, which serves callers and not measurements.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from stemline.engines import ArtifactError, Engine, ModelInfo
from stemline.postprocessing.istft import Istft
from stemline.postprocessing.mdx23c import stem_chunks
from stemline.postprocessing.overlap_add import OverlapAdd
from stemline.preprocessing.chunks import Chunk, ChunkPlan, hop_samples_for, iter_chunks
from stemline.preprocessing.mdx23c import network_input
from stemline.preprocessing.stft import Stft

from .config import INPUT, OUTPUT

Array = NDArray[np.float32]

FAMILY = "mdx23c"


def separate_whole(
    engine: Engine, info: ModelInfo, mixture: Array, overlap: float | None = None, batch: int = 1
) -> dict[str, Array]:
    """One song (channels, n) at the model's rate and channels -> stem -> (channels, n).

    `overlap` None is the model's own. Raises EngineError, OverlapError, or ArtifactError for a
    model of a family that is not MDX23C's.
    """
    return separate_together(engine, info, [mixture], overlap, batch)[0]


def separate_together(
    engine: Engine,
    info: ModelInfo,
    mixtures: Sequence[Array],
    overlap: float | None = None,
    batch: int = 1,
) -> list[dict[str, Array]]:
    """Songs whose chunks share batches: the first chunk of each, then the second, and so on.

    Each is given back as `separate_whole` would. Raises the same.
    """
    if info.family != FAMILY or info.stft is None:
        raise ArtifactError(f"{info.model} is of family {info.family!r}, which is not measured")
    plan = chunk_plan(info, overlap)
    stft = Stft(info.stft.n_fft, info.stft.hop_samples, info.stft.n_bins)
    istft = Istft(info.stft.n_fft, info.stft.hop_samples, info.stft.n_bins)
    n_stems = len(info.stems)
    adders = [
        OverlapAdd(n_stems, info.channels, plan.chunk_samples, plan.hop_samples) for _ in mixtures
    ]
    songs = [np.zeros((n_stems, *mixture.shape), np.float32) for mixture in mixtures]
    done = [0] * len(songs)
    for rows in _batches(_by_turns(mixtures, plan), batch):
        chunks = np.stack([chunk.samples for _, chunk in rows])
        output = engine.run({INPUT: network_input(chunks, stft)})[OUTPUT]
        for (song, chunk), stems in zip(rows, stem_chunks(output, istft), strict=True):
            final = adders[song].add(
                stems, chunk.start, chunk.valid, chunk.first, chunk.last, chunk.final_until
            )  # (n_stems, channels, n)
            songs[song][..., done[song] : done[song] + final.shape[-1]] = final
            done[song] += final.shape[-1]
    return [dict(zip(info.stems, song, strict=True)) for song in songs]


def chunk_plan(info: ModelInfo, overlap: float | None = None) -> ChunkPlan:
    """How a model cuts a song; `overlap` None is its own. Raises OverlapError."""
    chosen = info.default_overlap if overlap is None else overlap
    return ChunkPlan(info.chunk_samples, hop_samples_for(info.chunk_samples, chosen))


def _by_turns(mixtures: Sequence[Array], plan: ChunkPlan) -> Iterator[tuple[int, Chunk]]:
    """One chunk of each song, again and again, until all have ended."""
    waiting = {index: iter_chunks([mixture], plan) for index, mixture in enumerate(mixtures)}
    while waiting:
        for index in list(waiting):
            chunk = next(waiting[index], None)
            if chunk is None:
                del waiting[index]
            else:
                yield index, chunk


def _batches(rows: Iterator[tuple[int, Chunk]], size: int) -> Iterator[list[tuple[int, Chunk]]]:
    while batch := list(islice(rows, size)):
        yield batch
