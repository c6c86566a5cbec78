"""The processing of Demucs networks: `apply_model` of demucs, block by block.

A track is brought to a common level, which is measured in a first reading. Each network of the bag
then runs on it once for each shift, in segments that triangles weigh. One shift of one network is a
reading; a stem is the weighted mean over all readings.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stemline.arrays import Array
from stemline.engines import ModelInfo, StftInfo
from stemline.errors import ArtifactError, RequestError
from stemline.postprocessing.level import restored
from stemline.postprocessing.mean import WeightedMean
from stemline.postprocessing.triangle_add import TriangleAdd
from stemline.preprocessing.level import Level, level_of, normalised
from stemline.preprocessing.segments import (
    Segment,
    SegmentPlan,
    iter_segments,
    segment_hop_samples,
    shift_leads,
)

from ..separation import Piece, PieceLayout, ProcessingOptions
from .config import SPECTROGRAMS, WAVEFORMS
from .istft import DemucsIstft, stem_chunks
from .stft import DemucsStft, Spectra, network_inputs

MOST_STATE_BYTES = 1 << 30
"""The most bytes of one track's shifts: each holds the overlap of a segment of every stem."""

_NO_SAMPLES = np.empty((0, 0), np.float32)


def stft_info(info: ModelInfo) -> StftInfo:
    """The STFT of a model. Raises ArtifactError where its artifact has none."""
    if info.stft is None:
        raise ArtifactError(f"{info.model}: the artifact has no STFT; export it again")
    return info.stft


def forward_stft(info: ModelInfo) -> DemucsStft:
    """The STFT before a network. Raises ArtifactError for one that Demucs cannot have."""
    params = stft_info(info)
    try:
        return DemucsStft(params.n_fft, zero_ends=params.zero_ends)
    except ValueError as error:
        raise ArtifactError(f"{info.model}: {error}") from error


def segment_plan(info: ModelInfo, overlap: float | None = None) -> SegmentPlan:
    """How a track is divided; `overlap` None is the model's own. Raises OverlapError."""
    chosen = info.default_overlap if overlap is None else overlap
    length = info.chunk_samples
    network_samples = None if info.dynamic_length else length
    return SegmentPlan(length, segment_hop_samples(length, chosen), network_samples)


def segment_layout(info: ModelInfo, overlap: float | None = None) -> PieceLayout:
    """The layout of a track in segments, for counting them. Raises OverlapError."""
    plan = segment_plan(info, overlap)
    return PieceLayout(plan.segment_samples, plan.hop_samples)


class Ends:
    """The two ends of one network: segments → its inputs, its outputs → stems of a segment."""

    def __init__(self, info: ModelInfo) -> None:
        """Raises ArtifactError for a model that Demucs cannot have."""
        self._stft = forward_stft(info)
        self._istft = DemucsIstft(self._stft.n_fft, zero_ends=stft_info(info).zero_ends)
        self._is_complex = stft_info(info).complex_as_channels

    def encode(self, chunks: Array) -> tuple[dict[str, Array], Spectra | None]:
        """Chunks (batch, channels, n) → the inputs, and what decoding needs of the mixture."""
        spectra = self._stft(chunks)
        inputs = network_inputs(chunks, spectra, complex_as_channels=self._is_complex)
        return inputs, None if self._is_complex else spectra

    def decode(
        self, outputs: Mapping[str, Array], wanted: Sequence[int], spectra: Spectra | None
    ) -> Array:
        """Outputs and indices of stems → (batch, n_stems, channels, n)."""
        return stem_chunks(outputs[SPECTROGRAMS], outputs[WAVEFORMS], self._istft, wanted, spectra)


class SegmentedProcessing:
    """The processing of a model of one network, or of a bag of them."""

    reads_twice = True

    def __init__(
        self,
        info: ModelInfo,
        networks: Sequence[ModelInfo | None],
        weights: Sequence[Sequence[float]],
    ) -> None:
        """See `SeparatorFamily.processing`."""
        self._info = info
        self._ends = [None if one is None else Ends(one) for one in networks]
        self._weights = weights

    def check(self, wanted: Sequence[int], options: ProcessingOptions) -> None:
        """Raise RequestError for shifts whose state would be too large, or OverlapError."""
        plan = segment_plan(self._info, options.overlap)
        n_running = sum(any(row[stem] for stem in wanted) for row in self._weights)
        per_shift = n_running * state_bytes(plan, len(wanted), self._info.channels)
        most = max(1, MOST_STATE_BYTES // per_shift)
        if options.shifts > most:
            raise RequestError(
                "shifts",
                f"{options.shifts} shifts of {self._info.model} for {len(wanted)} stems would "
                f"hold {options.shifts * per_shift / 1e9:.1f} GB; at most {most} are taken",
            )

    def track(self, wanted: Sequence[int], options: ProcessingOptions) -> "SegmentedTrack":
        """The processing of one track. Raises as `check` does."""
        self.check(wanted, options)
        rows = [[row[stem] for stem in wanted] for row in self._weights]
        plan = segment_plan(self._info, options.overlap)
        return SegmentedTrack(self._info, plan, self._ends, wanted, rows, options)

    def pieces_under_way(self, batch_size: int, device: str) -> int:
        """One piece at a time on a CPU, else two batches and one piece more.

        Their outputs are large, and live in the runtime's memory: to make some while others are
        held costs 150 MB, and on a CPU would save a hundredth of the time.
        """
        return 1 if batch_size == 1 and device == "cpu" else 2 * batch_size + 1


@dataclass(frozen=True)
class _Memory:
    """What `add` needs of a segment besides the outputs."""

    segment: Segment
    """Its place in the track, and its reading as `shift`; without its samples."""
    spectra: Spectra | None


class SegmentedTrack:
    """The processing of one track: a reading for each shift of each network, and their mean."""

    def __init__(
        self,
        info: ModelInfo,
        plan: SegmentPlan,
        ends: Sequence[Ends | None],
        wanted: Sequence[int],
        weights: Sequence[Sequence[float]],
        options: ProcessingOptions,
    ) -> None:
        """`weights` (n_networks, n_stems) are the networks' weights in the wanted stems.

        Networks that count for none are not run. Each network of the bag draws its own offsets, run
        or not, in the bag's order, as demucs does.
        """
        drawn = random.Random(options.seed)
        leads: list[int] = []
        networks: list[int] = []
        rows: list[Sequence[float]] = []
        for network, row in enumerate(weights):
            own = shift_leads(options.shifts, info.sample_rate_hz, drawn)
            if not any(row):
                continue
            leads += own
            networks += [network] * len(own)
            rows += [row] * len(own)
        self._plan = plan
        self._ends = ends
        self._wanted = wanted
        self._leads = leads
        self._network_of = networks
        """The network of each reading."""
        self._mean = WeightedMean(np.array(rows, np.float32))
        self._stems_of = [tuple(i for i, weight in enumerate(row) if weight) for row in rows]
        """Indices of the wanted stems that each reading counts for."""
        self._adders = [
            TriangleAdd(len(stems), info.channels, plan.segment_samples, plan.hop_samples)
            for stems in self._stems_of
        ]
        self._level: Level | None = None

    def prepare(self, blocks: Iterable[Array]) -> None:
        """Measure the level of the whole track."""
        self._level = level_of(blocks)

    def pieces(self, blocks: Iterable[Array]) -> Iterator[Piece]:
        """Yield the segments of all readings, mixed; see `iter_segments`."""
        for segment in iter_segments(self._normalised(blocks), self._plan, self._leads):
            network = self._network_of[segment.shift]
            ends = self._ends[network]
            assert ends is not None  # none is run that is not at hand
            inputs, spectra = ends.encode(segment.samples[np.newaxis])  # name → (1, ...)
            yield Piece(network, inputs, _Memory(replace(segment, samples=_NO_SAMPLES), spectra))

    def add(self, piece: Piece, outputs: Mapping[str, Array]) -> Array:
        """Weigh a segment's stems -> the mean, as far as all readings have come."""
        memory: _Memory = piece.memory
        segment, ends = memory.segment, self._ends[piece.network]
        assert ends is not None
        counted = self._stems_of[segment.shift]
        stems = ends.decode(outputs, [self._wanted[i] for i in counted], memory.spectra)[0]
        final = self._adders[segment.shift].add(
            stems, segment.start, segment.valid, segment.skip, segment.final_until
        )
        if len(counted) < len(self._wanted):  # the others have no weight
            whole = np.zeros((len(self._wanted), *final.shape[1:]), np.float32)
            whole[list(counted)] = final
            final = whole
        mean = self._mean.add(segment.shift, final)
        return mean if self._level is None else restored(mean, self._level.mean, self._level.scale)

    def _normalised(self, blocks: Iterable[Array]) -> Iterator[Array]:
        for block in blocks:
            yield block if self._level is None else normalised(block, self._level)


def state_bytes(plan: SegmentPlan, n_stems: int, channels: int) -> int:
    """The most bytes that one reading of a track holds: its overlap and its next segment."""
    rows = n_stems * channels + 2 + 2 * channels
    return 4 * rows * plan.segment_samples
