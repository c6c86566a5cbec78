"""What was measured, in the words of `bench --json`. Sizes and memory are in units of 10⁶ bytes."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stemline.evaluation.quality import StemQuality


@dataclass(frozen=True)
class Spread:
    """Repeated measurements of one thing."""

    median: float
    min: float
    max: float


def spread_of(values: Sequence[float]) -> Spread:
    """Median and range of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Machine:
    """Where it was measured."""

    cpu: str
    cores: int
    """That this process may use."""
    threads: int
    pinned_to: tuple[int, ...]
    """The cores everything ran on; empty where nothing was pinned."""
    memory_mb: float
    load_average: float | None
    """In the minute before: other work makes figures worse, and their spread wider."""
    system: str
    versions: dict[str, str]
    date: str
    """UTC, ISO 8601."""


@dataclass(frozen=True)
class EngineRow:
    """One engine at one batch size."""

    model: str
    engine: str
    precision: str
    device: str
    provider: str
    trained: bool
    """False for random weights, which are as fast as trained ones."""
    threads: int
    batch: int
    rounds: int
    """Runs counted; the first, a warm-up, is not among them."""
    seconds_per_chunk: float
    """Median over the rounds."""
    seconds_per_chunk_min: float
    seconds_per_chunk_max: float
    chunk_s: float
    """Seconds of audio in a chunk."""
    realtime_factor: float
    """`chunk_s` / `seconds_per_chunk`: were every sample computed once."""
    default_overlap: float
    seconds_per_audio_s: float
    """Engine seconds for a second of audio at the model's default overlap."""
    realtime_factor_at_overlap: float
    """Its inverse."""
    peak_rss_mb: float
    """The peak of the process that held this engine alone."""
    size_mb: float
    load_s: float
    snr_db: float | None
    """The worst stem's against PyTorch on the same rows; None for PyTorch, without it, and
    where both are the same."""
    speedup_over_torch: float | None
    """Ratio of the medians of the rounds they alternated in; None without PyTorch."""
    speedup_over_torch_min: float | None
    """Ratio of the fastest, which noise on a busy machine moves least."""


@dataclass(frozen=True)
class OverlapRow:
    """A whole track through the pipeline at one overlap."""

    model: str
    engine: str
    threads: int
    overlap: float
    hop_samples: int
    track_s: float
    n_chunks: int
    """What the whole track takes."""
    n_chunks_run: int
    """What the stretch takes that was really run."""
    seconds_run: float
    estimated: bool
    """Whether `seconds` is `seconds_run` × `n_chunks` / `n_chunks_run`, or was measured."""
    seconds: float
    realtime_factor: float
    engine_share: float
    """The engine's part of the time that ran."""
    peak_rss_mb: float


@dataclass(frozen=True)
class RoundTripRow:
    """A clip in process and through a server on this machine, alternately."""

    model: str
    engine: str
    threads: int
    overlap: float
    clip_s: float
    n_chunks: int
    rounds: int
    in_process_s: float
    in_process_s_min: float
    in_process_s_max: float
    grpc_s: float
    grpc_s_min: float
    grpc_s_max: float
    grpc_ratio: float
    """The ratio of the medians, gRPC over in process."""
    grpc_ratio_min: float
    """The ratio of the fastest."""
    engine_share: float
    """Median share of the in-process time that the engine ran."""
    stage_seconds: dict[str, float]
    """Medians of the in-process runs; stages overlap."""


@dataclass(frozen=True)
class QualityRow:
    """Songs whose stems are known, separated at one overlap."""

    model: str
    engine: str
    precision: str
    device: str
    threads: int
    overlap: float
    songs: str
    """Which they are."""
    n_songs: int
    audio_s: float
    """The length of all songs."""
    stems: tuple[StemQuality, ...]
    """Means over songs."""
    mean_si_sdr_db: float
    """Over stems."""
    mean_improvement_db: float
    seconds: float
    """For all songs: front end, engine and overlap-add."""
    realtime_factor: float
    against_torch_db: float | None
    """Mean improvement minus PyTorch's; None for PyTorch itself and without it."""


@dataclass(frozen=True)
class BatchRow:
    """The same songs chunk by chunk, and with `batch` chunks at once.

    A batch mixes chunks of all `n_songs` songs; of one song, it has some that follow each other.
    """

    model: str
    engine: str
    precision: str
    device: str
    threads: int
    overlap: float
    batch: int
    n_songs: int
    snr_db: float | None
    """The worst stem's; None where all are the same, bit by bit."""
    si_sdr_difference_db: float
    """The largest of any stem of any song."""
    seconds_alone: float
    seconds_together: float


@dataclass(frozen=True)
class Failure:
    """What could not be measured while the rest was."""

    model: str
    what: str
    error: str


@dataclass(frozen=True)
class Report:
    """All of one call."""

    machine: Machine
    rows: tuple[EngineRow, ...]
    overlaps: tuple[OverlapRow, ...]
    grpc: tuple[RoundTripRow, ...]
    quality: tuple[QualityRow, ...]
    batch_independence: tuple[BatchRow, ...]
    failures: tuple[Failure, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)
