"""Work as it is described to the core, and the events that come of it; no transport knows more.

    SeparateJob ─► SeparateAccepted, SeparatedBlock and Progress, StemsComplete, Summary
    BeatsJob    ─► BeatsAccepted, Progress, BeatsFound
    AnalyzeJob  ─► both accepted, SeparatedBlock and Progress, StemsComplete, BeatsFound, Summary

`job_runs.py` runs them. gRPC, the command and whatever else takes requests translate to these and
from them.
"""

from dataclasses import dataclass, field

from stemline.arrays import Array
from stemline.errors import RequestError
from stemline.families.beats import BeatActivations
from stemline.families.separation import ProcessingOptions
from stemline.postprocessing.sections import Section

MOST_SHIFTS = 100
"""Beyond, only the cost grows."""
STAGES = ("separate", "spectrogram", "queue", "engine", "decode")
"""The stages of finding beats, in the order in which `Beats.seconds` has them."""


@dataclass(frozen=True)
class SeparateOptions:
    """What a caller may choose of a separation."""

    stems: tuple[str, ...] = ()
    """Those wanted, in any case; all of them when empty."""
    residual: bool = False
    """Also the mixture minus the wanted stems, as `no_<stem>` or `residual`."""
    overlap: float | None = None
    """N of 2 or more: hop = chunk // N; below 1: hop = chunk × (1 − fraction); the model's own
    when None."""
    shifts: int = 0
    """Separate so many times, each begun elsewhere within half a second, and average; 0 is once,
    as it is, without anything random. Some families have no shifts."""
    seed: int = 0
    """Of the shifts; the same one, the same stems."""
    also: tuple[str, ...] = ()
    """Stems besides those wanted, for another's use: the residual is what the wanted alone leave.
    """

    @property
    def processing(self) -> ProcessingOptions:
        """The part that a family's processing reads."""
        return ProcessingOptions(self.overlap, self.shifts, self.seed)


def check_shifts(options: SeparateOptions) -> None:
    """Raise RequestError for shifts or a seed that no model takes."""
    if not 0 <= options.shifts <= MOST_SHIFTS:
        raise RequestError("shifts", f"shifts are 0 to {MOST_SHIFTS}; got {options.shifts}")
    if not -(2**63) <= options.seed < 2**63:
        raise RequestError("seed", f"a seed is a number of 64 bits; got {options.seed}")


@dataclass(frozen=True)
class SeparateJob:
    """Separate one recording into stems."""

    model: str = ""
    """A model or an artifact; empty for the default."""
    options: SeparateOptions = SeparateOptions()


@dataclass(frozen=True)
class BeatsJob:
    """Find tempo, beats, downbeats and sections of one recording."""

    model: str = ""
    """A beat model or an artifact; empty for the default."""
    separator: str = ""
    """The model that makes the input stems; empty for the one it was trained on."""
    with_activations: bool = False


@dataclass(frozen=True)
class AnalyzeJob:
    """Separate one recording, once, and find the beats and sections in its stems."""

    separate: SeparateJob
    beats: BeatsJob
    """Its separator is the one of `separate`."""


@dataclass(frozen=True)
class SeparateAccepted:
    """What will run, and which stems will come."""

    model: str
    artifact: str
    artifact_sha256: str
    """Empty when the artifact carries none."""
    networks: tuple[str, ...]
    """The artifacts that run for these stems."""
    provider: str
    device: str
    stems: tuple[str, ...]
    """The residual last."""
    sample_rate_hz: int
    channels: int
    batch_size: int


@dataclass(frozen=True)
class BeatsAccepted:
    """What will find the beats."""

    model: str
    artifact: str
    artifact_sha256: str
    provider: str
    device: str
    separator: str
    """The artifact that makes the input stems; empty where the network takes the mixture."""
    labels: tuple[str, ...]
    """Of sections."""


@dataclass(frozen=True)
class Progress:
    """How far the work is; said at most twice a second."""

    n_samples_done: int
    n_samples_total: int | None
    """None while that is unknown."""
    elapsed_s: float

    @property
    def left_s(self) -> float | None:
        """Seconds still to go at the pace so far: left / elapsed = (total − done) / done."""
        if not self.n_samples_total or not self.n_samples_done:
            return None
        left = max(0, self.n_samples_total - self.n_samples_done)
        return self.elapsed_s * left / self.n_samples_done


@dataclass(frozen=True)
class SeparatedBlock:
    """A stretch of every stem that is final."""

    offset_samples: int
    """Where it begins in the track, at the input's sample rate."""
    stems: dict[str, Array]
    """Name → (channels, n_samples) float32."""


@dataclass(frozen=True)
class StemsComplete:
    """No more blocks of stems will come."""


@dataclass(frozen=True)
class Beat:
    """One beat."""

    time_s: float
    position: int
    """In its bar, from 1: the downbeat."""


@dataclass(frozen=True)
class Beats:
    """Beats and sections of a track; times are seconds from its beginning."""

    bpm: int | None
    """The most frequent tempo; None for fewer than two beats."""
    beats: tuple[Beat, ...]
    """Ascending."""
    segments: tuple[Section, ...]
    """None of a network without sections. Else at least one; they follow each other without a gap,
    and the last ends with the last frame."""
    duration_s: float
    """To the end of the last frame, up to 10 ms after the last sample."""
    seconds: dict[str, float] = field(compare=False)
    """By stage: those in STAGES."""
    activations: BeatActivations | None = field(default=None, compare=False)
    """Where they were asked for."""

    @property
    def downbeats(self) -> tuple[float, ...]:
        """Times of the beats that begin a bar."""
        return tuple(beat.time_s for beat in self.beats if beat.position == 1)


@dataclass(frozen=True)
class BeatsFound:
    """Beats and sections of the whole recording."""

    beats: Beats
    artifact_sha256: str
    n_samples: int
    """Of the recording."""
    sample_rate_hz: int
    elapsed_s: float
    """Since the job was accepted."""


@dataclass(frozen=True)
class Summary:
    """What a separation did."""

    artifact_sha256: str
    n_samples: int
    """Of every stem."""
    sample_rate_hz: int
    chunks: int
    seconds: dict[str, float]
    """By stage; see `Separation.seconds`."""
    elapsed_s: float
    """Since the job was accepted."""


Event = (
    SeparateAccepted
    | BeatsAccepted
    | Progress
    | SeparatedBlock
    | StemsComplete
    | BeatsFound
    | Summary
)
