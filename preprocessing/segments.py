"""A track to the segments Demucs separates one by one, while it is still coming in.

Unlike `chunks`, nothing is reflected at the ends: a short segment at the end of the track is
filled with what lies around it.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemline.errors import OverlapError

from .chunks import MAX_OVERLAP


@dataclass(frozen=True)
class SegmentPlan:
    """How a track is divided into segments.

    Raises OverlapError unless 0 < hop <= segment, ValueError when the network takes in less than
    a segment.
    """

    segment_samples: int
    """Length of a segment; only the last ones of a track are shorter."""
    hop_samples: int
    """Samples from the beginning of a segment to the beginning of the next."""
    network_samples: int | None
    """Length that the network takes in, a segment or more; None where it takes any length, and
    segments keep their own."""

    def __post_init__(self) -> None:
        if not 0 < self.hop_samples <= self.segment_samples:
            raise OverlapError(
                f"the hop must be 1 to {self.segment_samples} for segments of "
                f"{self.segment_samples} samples; got {self.hop_samples}"
            )
        if self.network_samples is not None and self.network_samples < self.segment_samples:
            raise ValueError(
                f"a segment of {self.segment_samples} samples is longer than the "
                f"{self.network_samples} the network takes in"
            )

    @property
    def context_samples(self) -> int:
        """The most samples that are taken from before a segment's beginning to fill it."""
        return 0 if self.network_samples is None else (self.segment_samples - 1) // 2


def segment_hop_samples(segment_samples: int, overlap: float) -> int:
    """The hop that an overlap means, in samples.

    A fraction f of 0 to below 1: ⌊(1 − f) · segment⌋, as `apply_model` has it. A whole number N
    of 2 or more: segment // N. Raises OverlapError for anything else.
    """
    if 0 <= overlap < 1:
        hop = int((1 - overlap) * segment_samples)
    elif overlap >= 2 and overlap == overlap // 1:
        hop = int(segment_samples // overlap)
    else:
        raise OverlapError(
            f"overlap must be a fraction from 0 to below 1 (hop = segment × (1 − fraction)) or a "
            f"whole number from 2 up (hop = segment / N); got {overlap:g}"
        )
    if hop < max(1, segment_samples // MAX_OVERLAP):
        raise OverlapError(
            f"overlap {overlap:g} is too much: beyond {MAX_OVERLAP} segments over every sample "
            "only the cost grows"
        )
    return hop


def max_shift_samples(sample_rate_hz: int) -> int:
    """The longest shift, half a second."""
    return sample_rate_hz // 2


def shift_leads(n_shifts: int, sample_rate_hz: int, drawn: random.Random) -> tuple[int, ...]:
    """The zeros to put in front of the track, in samples, for each of n shifts; (0,) for none.

    `apply_model` pads the track by half a second of zeros and begins at a random offset into
    them: offset o leaves max_shift − o zeros. A `random.Random(seed)` draws the offsets that
    HDemucs gets after `random.seed(seed)`; HTDemucs draws from the same generator in between, for
    an option that its checkpoints do not use, so its later offsets differ.
    """
    longest = max_shift_samples(sample_rate_hz)
    return tuple(longest - drawn.randint(0, longest) for _ in range(n_shifts)) or (0,)


@dataclass(frozen=True)
class Segment:
    """One segment of a track, as the network takes it in."""

    samples: NDArray[np.float32]
    """The samples, (channels, network_samples), or (channels, valid) for any length."""
    start: int
    """Track sample of the first valid one; negative within the zeros of a shift."""
    valid: int
    """How many samples are the segment's own."""
    skip: int
    """How many samples of context come before them."""
    final_until: int
    """Track sample up to which the result of its shift is final once this one's output is in."""
    shift: int
    """Index of its shift, from 0."""


def iter_segments(
    blocks: Iterable[NDArray[np.float32]], plan: SegmentPlan, leads: Sequence[int] = (0,)
) -> Iterator[Segment]:
    """Blocks (channels, n) of one track, of any lengths -> its segments, each as soon as known.

    `apply_model` of Demucs with `split`: segments begin at every hop, even where an earlier one
    has reached the end. A shorter one is centred in a whole one, (segment − valid) // 2 samples
    before it; these and those behind it are the track's own, or zeros where the track has none.
    Then zeros at the right make up the network's length.

    Each number in `leads` is one shift: the track is divided once more, with so many zeros in
    front of it. The segments of one shift come in the order of the track, those of several mixed.

    Holds one and a half segments a shift, however long the track; an empty track has no
    segment. Raises ValueError when the number of channels changes.
    """
    dividers: list[_Divider] = []
    channels = 0
    for block in blocks:
        if not dividers and block.shape[1]:
            channels = block.shape[0]
            for shift, lead in enumerate(leads):
                dividers.append(_Divider(plan, channels, lead, shift))
                yield from dividers[-1].push(np.zeros((channels, lead), np.float32))
        if dividers and block.shape[0] != channels:
            raise ValueError(f"a block of {block.shape[0]} channels in a track of {channels}")
        for divider in dividers:
            yield from divider.push(block)
    for divider in dividers:
        yield from divider.finish()


class _Divider:
    """Divides one track, led by so many zeros, which count as its samples before sample 0."""

    def __init__(self, plan: SegmentPlan, channels: int, lead: int, shift: int) -> None:
        self._plan = plan
        self._shift = shift
        # Column c of the store is track sample origin + c. It holds the next segment as far as
        # it is known, and before it the context that a short one would be filled with.
        width = plan.context_samples + plan.segment_samples
        self._store = np.zeros((channels, width), np.float32)
        self._origin = -lead
        self._filled = 0
        self._begin = -lead  # track sample of the next segment

    def push(self, block: NDArray[np.float32]) -> Iterator[Segment]:
        """The whole segments that end in this block (channels, n)."""
        plan, taken = self._plan, 0
        while taken < block.shape[1]:
            more = min(block.shape[1] - taken, self._store.shape[1] - self._filled)
            self._store[:, self._filled : self._filled + more] = block[:, taken : taken + more]
            taken, self._filled = taken + more, self._filled + more
            while self._origin + self._filled >= self._begin + plan.segment_samples:
                yield self._segment(self._begin, plan.segment_samples)
                self._begin += plan.hop_samples
                self._forget()

    def finish(self) -> Iterator[Segment]:
        """The segments that reach beyond the end of the track; call it once, at the end."""
        end = self._origin + self._filled
        for start in range(self._begin, end, self._plan.hop_samples):
            yield self._segment(start, end - start)

    def _segment(self, start: int, valid: int) -> Segment:
        plan = self._plan
        skip = 0
        if plan.network_samples is None:
            at = start - self._origin
            samples = self._store[:, at : at + valid].copy()
        else:
            skip = (plan.segment_samples - valid) // 2
            samples = np.zeros((self._store.shape[0], plan.network_samples), np.float32)
            first = max(start - skip, self._origin)  # the track, or its zeros, may begin later
            at = first - (start - skip)
            part = self._store[:, first - self._origin : start - self._origin + valid]
            samples[:, at : at + part.shape[1]] = part
        end = self._origin + self._filled
        return Segment(
            samples=samples,
            start=start,
            valid=valid,
            skip=skip,
            final_until=max(0, min(start + plan.hop_samples, end)),
            shift=self._shift,
        )

    def _forget(self) -> None:
        """Drop what lies before the next segment's context."""
        dropped = self._begin - self._plan.context_samples - self._origin
        if dropped > 0:
            self._store[:, : self._filled - dropped] = self._store[:, dropped : self._filled]
            self._origin += dropped
            self._filled -= dropped
