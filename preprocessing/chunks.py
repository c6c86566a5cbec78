"""A track to overlapping chunks of the network's length, while it is still coming in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemline.errors import OverlapError

MAX_OVERLAP = 64
"""The most chunks over a sample. Each costs a run: a typing error must not cost days."""


@dataclass(frozen=True)
class ChunkPlan:
    """How a track is divided into chunks. Raises OverlapError unless 0 < hop < chunk."""

    chunk_samples: int
    """Length of a chunk, which is what the network takes in."""
    hop_samples: int
    """Samples from the beginning of a chunk to the beginning of the next."""
    has_borders: bool = True
    """Whether a long enough track is reflected at both ends. Without, the first chunk begins where
    the track does, and as many follow as it takes to cover it: one for a track of a chunk."""

    def __post_init__(self) -> None:
        if not 0 < self.hop_samples < self.chunk_samples:
            raise OverlapError(
                f"the hop must be 1 to {self.chunk_samples - 1} for chunks of "
                f"{self.chunk_samples} samples; got {self.hop_samples}"
            )

    @property
    def border_samples(self) -> int:
        """Samples that a long enough track is reflected by at either end."""
        return self.chunk_samples - self.hop_samples if self.has_borders else 0


def hop_samples_for(chunk_samples: int, overlap: float) -> int:
    """The hop that an overlap means, in samples.

    A whole number N of 2 or more: chunk // N. A fraction f between 0 and 1:
    ⌊chunk · (1 − f)⌋. Raises OverlapError for anything else, and for an overlap so small
    that the fades of neighbouring chunks do not reach each other.
    """
    if 0 < overlap < 1:
        hop = int(chunk_samples * (1 - overlap))
    elif overlap >= 2 and overlap == overlap // 1:
        hop = int(chunk_samples // overlap)
    else:
        raise OverlapError(
            f"overlap must be a whole number from 2 up (hop = chunk / N) or a fraction between "
            f"0 and 1 (hop = chunk × (1 − fraction)); got {overlap:g}"
        )
    if hop < max(1, chunk_samples // MAX_OVERLAP):
        raise OverlapError(
            f"overlap {overlap:g} is too much: beyond {MAX_OVERLAP} chunks over every sample "
            "only the cost grows"
        )
    # A fade is chunk // 10 long at either end of a chunk: closer to the edge than this, a
    # sample would only come through fades that do not add up.
    longest = chunk_samples - chunk_samples // 10
    if hop > longest:
        raise OverlapError(
            f"overlap {overlap:g} is too small: chunks fade over a tenth of their length, "
            f"so the fraction must be at least {1 - longest / chunk_samples:.3g}"
        )
    return hop


@dataclass(frozen=True)
class Chunk:
    """One chunk of a track, as long as the network wants it."""

    samples: NDArray[np.float32]
    """The samples, (channels, chunk_samples)."""
    start: int
    """Track sample of the first; negative inside the front border."""
    valid: int
    """Samples before the fill at the right."""
    first: bool
    """Whether it is the first of the track: its output has no fade-in."""
    last: bool
    """Whether it is the last of the bordered track, but not the first: there is no fade-out.
    Without borders whether it is the last."""
    final_until: int
    """Track sample up to which the result is final once this chunk's output is added."""


def iter_chunks(blocks: Iterable[NDArray[np.float32]], plan: ChunkPlan) -> Iterator[Chunk]:
    """Blocks (channels, n) of one track, of any lengths -> its chunks, each as soon as known.

    MSST's `demix` (generic mode, batch size 1): a track longer than two borders is reflected
    by one border at either end; chunks begin at every hop of that; a short one at the end is
    filled by reflecting itself when more than half full, else with zeros. Chunks that begin
    behind the end of the track are left out: all of their output would be dropped. Without borders
    so are those that reach no further than the one before.

    Holds a chunk and two borders, however long the track; an empty track has no chunk.
    Raises ValueError when the number of channels changes.
    """
    chunk, hop, border = plan.chunk_samples, plan.hop_samples, plan.border_samples
    store: NDArray[np.float32] | None = None
    # Column c of the store is track sample origin + c. The first `border` columns are kept
    # free for the front border, which can be filled in once 2 · border + 1 samples are known.
    origin, filled = -border, border
    begin: int | None = None  # track sample of the next chunk; None until the borders are decided
    # Without borders a chunk that ends with the track is the last: one sample more has to be seen.
    least = chunk if plan.has_borders else chunk + 1

    for block in blocks:
        if store is None:
            store = np.empty((block.shape[0], chunk + 2 * border + 1), np.float32)
        if block.shape[0] != store.shape[0]:
            raise ValueError(f"a block of {block.shape[0]} channels in a track of {store.shape[0]}")
        taken = 0
        while taken < block.shape[1]:
            more = min(block.shape[1] - taken, store.shape[1] - filled)
            store[:, filled : filled + more] = block[:, taken : taken + more]
            taken, filled = taken + more, filled + more
            if begin is None and filled > 3 * border:
                store[:, :border] = store[:, 2 * border : border : -1]
                begin = -border
            while begin is not None and filled - (begin - origin) >= least:
                at = begin - origin
                # The track reaches beyond the next chunk's beginning, so more will follow.
                yield Chunk(
                    samples=store[:, at : at + chunk].copy(),
                    start=begin,
                    valid=chunk,
                    first=begin == -border,
                    last=False,
                    final_until=max(0, begin + hop),
                )
                begin += hop
                # Kept: the next chunk, and what the back border would reflect.
                dropped = min(begin - origin, filled - (border + 1))
                store[:, : filled - dropped] = store[:, dropped:filled]
                origin, filled = origin + dropped, filled - dropped

    if store is not None and origin + filled:
        yield from _last_chunks(store, plan, origin, filled, begin)


def _last_chunks(
    store: NDArray[np.float32], plan: ChunkPlan, origin: int, filled: int, begin: int | None
) -> Iterator[Chunk]:
    """The chunks that reach beyond the end of the track; the rest is as in `iter_chunks`."""
    chunk, hop, border = plan.chunk_samples, plan.hop_samples, plan.border_samples
    padded_end = n_samples = origin + filled
    if begin is None:  # too short for borders
        begin = first = 0
    else:
        first = -border
        store[:, filled : filled + border] = store[:, filled - 1 - border : filled - 1][:, ::-1]
        padded_end += border
    for start in range(begin, n_samples if plan.has_borders else begin + 1, hop):
        valid = min(chunk, padded_end - start)
        at = start - origin
        yield Chunk(
            samples=_filled(store[:, at : at + valid], chunk),
            start=start,
            valid=valid,
            first=start == first,
            last=not plan.has_borders or (start != first and start + hop >= padded_end),
            final_until=min(max(0, start + hop), n_samples) if plan.has_borders else n_samples,
        )


def _filled(part: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """A part (channels, n) -> (channels, length): reflected if more than half full, else zeros."""
    missing = length - part.shape[1]
    mode = "reflect" if part.shape[1] > length // 2 else "constant"
    return np.pad(part, ((0, 0), (0, missing)), mode=mode)  # type: ignore[call-overload,no-any-return]
