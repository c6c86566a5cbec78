"""Whole songs through an engine, without a server's queue: chunks in, stems out.

The same chunks, windows and STFT as serving's pipeline, which serves callers and not measurements.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from stemline.engines import Engine, ModelInfo
from stemline.errors import ArtifactError
from stemline.export.families import DEMUCS
from stemline.families.demucs.config import SPECTROGRAMS, WAVEFORMS
from stemline.families.demucs.istft import DemucsIstft
from stemline.families.demucs.istft import stem_chunks as demucs_chunks
from stemline.families.demucs.stft import DemucsStft
from stemline.families.demucs.stft import network_inputs as demucs_inputs
from stemline.families.mdx23c.chunks_in import network_input
from stemline.families.mdx23c.chunks_out import stem_chunks
from stemline.families.mdx23c.config import INPUT, OUTPUT
from stemline.postprocessing.istft import Istft
from stemline.postprocessing.level import restored
from stemline.postprocessing.overlap_add import OverlapAdd
from stemline.postprocessing.triangle_add import TriangleAdd
from stemline.preprocessing.chunks import Chunk, ChunkPlan, hop_samples_for, iter_chunks
from stemline.preprocessing.level import level_of, normalised
from stemline.preprocessing.segments import SegmentPlan, iter_segments, segment_hop_samples
from stemline.preprocessing.stft import Stft

Array = NDArray[np.float32]

FAMILY = "mdx23c"


def separate_whole(
    engine: Engine, info: ModelInfo, mixture: Array, overlap: float | None = None, batch: int = 1
) -> dict[str, Array]:
    """One song (channels, n) at the model's rate and channels -> stem -> (channels, n).

    `overlap` None is the model's own. Raises EngineError, OverlapError, or ArtifactError for a
    model of a family that is not measured.
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
    if info.family == DEMUCS:  # its segments differ in length, and a CPU gains nothing by batches
        return [_demucs_stems(engine, info, mixture, overlap) for mixture in mixtures]
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


def _demucs_stems(
    engine: Engine, info: ModelInfo, mixture: Array, overlap: float | None
) -> dict[str, Array]:
    """One song through one network of the Demucs family, without shifts."""
    if info.stft is None:
        raise ArtifactError(f"{info.model} has no STFT; export it again")
    stft = DemucsStft(info.stft.n_fft, zero_ends=info.stft.zero_ends)
    istft = DemucsIstft(info.stft.n_fft, zero_ends=info.stft.zero_ends)
    cac = info.stft.complex_as_channels
    length = info.chunk_samples
    hop = segment_hop_samples(length, info.default_overlap if overlap is None else overlap)
    plan = SegmentPlan(length, hop, None if info.any_length else length)
    adder = TriangleAdd(len(info.stems), info.channels, length, hop)
    level = level_of([mixture])
    parts = []
    for segment in iter_segments([normalised(mixture, level)], plan):
        chunk = segment.samples[np.newaxis]
        spectra = stft(chunk)
        outputs = engine.run(demucs_inputs(chunk, spectra, complex_as_channels=cac))
        stems = demucs_chunks(
            outputs[SPECTROGRAMS], outputs[WAVEFORMS], istft, None, None if cac else spectra
        )[0]
        parts.append(
            adder.add(stems, segment.start, segment.valid, segment.skip, segment.final_until)
        )
    whole = restored(np.concatenate(parts, axis=-1), level.mean, level.scale)
    return dict(zip(info.stems, whole, strict=True))


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
