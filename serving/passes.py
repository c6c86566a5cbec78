"""How a track goes through the networks: cut, once or several times, and put together again.

MDX23C's tracks go through once, in chunks whose ends are mirrored and faded. Demucs's go through
once for each shift of each network of a bag, in segments that triangles weigh, and a stem is the
weighted mean over all of these.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from stemline.engines.base import Array
from stemline.postprocessing.mean import WeightedMean
from stemline.postprocessing.overlap_add import OverlapAdd
from stemline.postprocessing.triangle_add import TriangleAdd
from stemline.preprocessing.chunks import Chunk, ChunkPlan, iter_chunks
from stemline.preprocessing.segments import Segment, SegmentPlan, iter_segments, shift_leads


@dataclass(frozen=True)
class Cut:
    """What is known of one piece of a track besides its samples."""

    member: int
    """Which network it is for, by its place in the bag."""
    place: Chunk | Segment
    """Where it lies in the track; without its samples, which go their own way."""
    stems: tuple[int, ...] | None = None
    """Which of the wanted stems its network counts for; None for all."""


_NO_SAMPLES = np.empty((0, 0), np.float32)


class Passes(Protocol):
    """One track's way in and out; the state is bounded, however long the track."""

    def cut(self, blocks: Iterable[Array]) -> Iterator[tuple[Array, Cut]]:
        """Blocks (channels, n) of any lengths → pieces, each as soon as it is known.

        Their samples are (channels, n), as the network takes them in.
        """

    def add(self, cut: Cut, stems: Array) -> Array:
        """The stems (n, channels, length) of a piece → what is final now, (n_stems, channels, m).

        The stems are those that the piece's network counts for; all of them come out. Pieces come
        in the order in which they were cut; m may be 0.
        """


class ChunkPass:
    """Once through one network."""

    def __init__(self, plan: ChunkPlan, n_stems: int, channels: int) -> None:
        self._plan = plan
        self._overlap_add = OverlapAdd(n_stems, channels, plan.chunk_samples, plan.hop_samples)

    def cut(self, blocks: Iterable[Array]) -> Iterator[tuple[Array, Cut]]:
        """Chunks; see `iter_chunks`."""
        for chunk in iter_chunks(blocks, self._plan):
            yield chunk.samples, Cut(0, replace(chunk, samples=_NO_SAMPLES))

    def add(self, cut: Cut, stems: Array) -> Array:
        """Overlap-add; see `OverlapAdd`."""
        chunk = cut.place
        assert isinstance(chunk, Chunk)
        return self._overlap_add.add(
            stems, chunk.start, chunk.valid, chunk.first, chunk.last, chunk.final_until
        )


@dataclass(frozen=True)
class Shifts:
    """How often a track goes through each network, each time begun elsewhere."""

    count: int
    """0: once, as it is."""
    seed: int
    """Of the offsets: each network of the bag draws its own, run or not, in the bag's order."""


class SegmentPasses:
    """Once for each shift of each network, and the mean of all."""

    def __init__(
        self,
        plan: SegmentPlan,
        weights: Sequence[Sequence[float]],
        shifts: Shifts,
        channels: int,
        sample_rate_hz: int,
    ) -> None:
        """`weights` (n_networks, n_stems) is what each counts for in the wanted stems.

        Those that count for none are not run.
        """
        drawn = random.Random(shifts.seed)
        self._leads: list[int] = []
        self._members: list[int] = []
        rows: list[Sequence[float]] = []
        for member, row in enumerate(weights):
            leads = shift_leads(shifts.count, sample_rate_hz, drawn)
            if not any(row):
                continue
            self._leads += leads
            self._members += [member] * len(leads)
            rows += [row] * len(leads)
        self._plan = plan
        self._mean = WeightedMean(np.array(rows, np.float32))
        self._n_stems = len(rows[0])
        self._stems = [tuple(i for i, weight in enumerate(row) if weight) for row in rows]
        self._adders = [
            TriangleAdd(len(stems), channels, plan.segment_samples, plan.hop_samples)
            for stems in self._stems
        ]

    def cut(self, blocks: Iterable[Array]) -> Iterator[tuple[Array, Cut]]:
        """Segments of all passes, mixed; see `iter_segments`."""
        for segment in iter_segments(blocks, self._plan, self._leads):
            member = self._members[segment.shift]
            place = replace(segment, samples=_NO_SAMPLES)
            yield segment.samples, Cut(member, place, self._stems[segment.shift])

    def add(self, cut: Cut, stems: Array) -> Array:
        """Weigh, and give the mean as far as all passes have come."""
        segment = cut.place
        assert isinstance(segment, Segment)
        final = self._adders[segment.shift].add(
            stems, segment.start, segment.valid, segment.skip, segment.final_until
        )
        counted = self._stems[segment.shift]
        if len(counted) < self._n_stems:  # the others have no weight
            whole = np.zeros((self._n_stems, *final.shape[1:]), np.float32)
            whole[list(counted)] = final
            final = whole
        return self._mean.add(segment.shift, final)


def state_bytes(plan: SegmentPlan, n_stems: int, channels: int) -> int:
    """What one pass over a track holds at the most: its overlap and its next segment."""
    rows = n_stems * channels + 2 + 2 * channels
    return 4 * rows * plan.segment_samples
