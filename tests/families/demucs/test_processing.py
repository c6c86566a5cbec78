"""Whole tracks through several passes: weights, shifts and the order of what comes out."""

import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from demucs_track_helpers import gain_info

from stemline.arrays import Array
from stemline.families.demucs.processing import Ends, SegmentedTrack
from stemline.families.demucs.stft import Spectra
from stemline.families.separation import ProcessingOptions
from stemline.preprocessing.segments import SegmentPlan

RATE = 1000
PLAN = SegmentPlan(100, 75, 100)
INFO = gain_info(sample_rate_hz=RATE, channels=1, chunk_samples=100)


class PlainEnds(Ends):
    """Of a network that takes and gives samples as they are, times a gain for each stem."""

    def __init__(self, gains: Sequence[float]) -> None:
        self._gains = np.array(gains, np.float32)

    def encode(self, chunks: Array) -> tuple[dict[str, Array], Spectra | None]:
        return {"samples": chunks}, None

    def decode(
        self, outputs: Mapping[str, Array], wanted: Sequence[int], spectra: Spectra | None
    ) -> Array:
        chosen: Array = self._gains[list(wanted)][:, None, None]
        return chosen * outputs["samples"][:, None]


def track_through(
    gains: Sequence[Sequence[float] | None],
    weights: Sequence[Sequence[float]],
    shifts: int,
    seed: int,
) -> SegmentedTrack:
    """The processing of a track whose network m gives gains[m][s] · x; None is not at hand."""
    ends = [None if row is None else PlainEnds(row) for row in gains]
    wanted = range(len(weights[0]))
    options = ProcessingOptions(shifts=shifts, seed=seed)
    return SegmentedTrack(INFO, PLAN, ends, wanted, weights, options)


def run(processing: SegmentedTrack, track: Array) -> Array:
    """A track (1, n) in blocks of 33 samples, its level as it is -> (n_stems, 1, n)."""
    blocks = [track[:, start : start + 33] for start in range(0, track.shape[1], 33)]
    out = [processing.add(piece, piece.inputs) for piece in processing.pieces(blocks)]
    return np.concatenate(out, axis=-1)


def track_of(n_samples: int) -> Array:
    return np.random.default_rng(1).standard_normal((1, n_samples)).astype(np.float32)


@pytest.mark.parametrize("n_samples", [1, 74, 75, 76, 99, 100, 101, 333, 1000])
@pytest.mark.parametrize("n_shifts", [0, 1, 3])
def test_stems_are_the_weighted_mean_of_the_networks(n_samples: int, n_shifts: int) -> None:
    """(Σ w·g / Σ w)·x, whatever the shifts: a gain does not depend on where a segment begins."""
    weights = [[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [3.0, 0.5, 2.0]]
    # The second counts for nothing, and need not be at hand.
    gains = [(1.0, 100.0, -1.0), None, (2.0, 0.25, 3.0)]
    track = track_of(n_samples)
    got = run(track_through(gains, weights, n_shifts, 9), track)
    wanted = np.array([(1 + 3 * 2) / 4, 0.25, (-2 + 6) / 4])[:, None, None] * track
    # Float32 sums of up to eight products.
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-6 * np.abs(track).max())


def test_every_network_has_shifts_of_its_own() -> None:
    processing = track_through([(1.0,), (1.0,)], [[1.0], [1.0]], 2, 5)
    first: dict[tuple[int, int], int] = {}
    for piece in processing.pieces([track_of(400)]):
        segment = piece.memory.segment
        first.setdefault((piece.network, segment.shift), segment.start)
    drawn = random.Random(5)
    offsets = [drawn.randint(0, RATE // 2) for _ in range(4)]
    assert [network for network, _ in first] == [0, 0, 1, 1]
    # Lead: half a second less the offset; the first segment begins so far before the track.
    assert [-start for start in first.values()] == [RATE // 2 - offset for offset in offsets]
    assert len(set(offsets)) == 4


def test_a_network_that_counts_for_nothing_still_draws_its_shifts() -> None:
    """As in demucs: the others' stems are the same whichever stems are wanted."""
    both = track_through([(1.0,), (1.0,)], [[1.0], [1.0]], 2, 5)
    second = track_through([None, (1.0,)], [[0.0], [1.0]], 2, 5)

    def starts(processing: SegmentedTrack) -> list[int]:
        pieces = processing.pieces([track_of(400)])
        return [piece.memory.segment.start for piece in pieces if piece.network == 1]

    assert starts(both) == starts(second) != []


def test_pieces_keep_no_samples_besides_the_inputs() -> None:
    processing = track_through([(1.0,)], [[1.0]], 0, 0)
    for piece in processing.pieces([track_of(400)]):
        assert piece.memory.segment.samples.size == 0
        assert piece.inputs["samples"].shape == (1, 1, 100)
