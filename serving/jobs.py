"""Jobs and their events: what can be asked of the core, and what it answers, without a transport.

    SeparateJob ─► SeparateAccepted, SeparatedBlock and Progress, StemsComplete, Summary
    BeatsJob    ─► BeatsAccepted, Progress, BeatsFound
    AnalyzeJob  ─► both accepted, SeparatedBlock and Progress, StemsComplete, BeatsFound, Summary

`job_runs.py` runs them. A transport, such as gRPC in `rpc/`, translates its requests to jobs and
the events to its responses.
"""

from dataclasses import dataclass, field

from stemline.arrays import Array
from stemline.errors import RequestError
from stemline.families.beats import BeatActivations
from stemline.families.separation import ProcessingOptions
from stemline.postprocessing.sections import Section
from stemline.preprocessing.channels import output_channels

MOST_SHIFTS = 100
"""The largest number of shifts taken: beyond it only the cost grows."""
STAGES = ("separate", "spectrogram", "queue", "engine", "decode")
"""The stages of finding beats, in the order in which `Beats.seconds` has them."""


@dataclass(frozen=True)
class SeparateOptions:
    """What a caller may choose of a separation."""

    stems: tuple[str, ...] = ()
    """Names of the wanted stems, in any case; empty for all."""
    residual: bool = False
    """Also the mixture minus the wanted stems, as `no_<stem>` or `residual`."""
    overlap: float | None = None
    """N of 2 or more: hop = chunk // N; below 1: hop = chunk × (1 − fraction); the model's own
    when None."""
    shifts: int = 0
    """Separate so many times, each begun elsewhere within half a second, and average; 0 is once,
    as it is, without anything random. Some families have no shifts."""
    seed: int = 0
    """The seed of the shifts: equal seeds, equal stems."""
    also: tuple[str, ...] = ()
    """Stems to make besides the wanted ones, such as a beat network's input stems. The residual
    does not know them: it is the mixture minus the wanted stems alone."""
    text: tuple[str, ...] = ()
    """What to separate, for a model that separates what a text describes: a stem for each text,
    called by it."""
    mono: bool = False
    """For such a model: mix the track to mono first, which is half of the work for stereo."""

    def n_channels(self, of_track: int) -> int:
        """Channels of the stems of a track with so many."""
        return 1 if self.mono else output_channels(of_track)

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
    """Whether the network's probabilities are wanted, too."""


@dataclass(frozen=True)
class AnalyzeJob:
    """Separate one recording, once, and find the beats and sections in its stems."""

    separate: SeparateJob
    beats: BeatsJob
    """The beats wanted; `separator` is ignored here, as the model of `separate` makes the stems."""


@dataclass(frozen=True)
class SeparateAccepted:
    """What will run, and which stems will come."""

    model: str
    artifact: str
    artifact_sha256: str
    """Digest of the engine file; empty when the artifact carries none."""
    networks: tuple[str, ...]
    """The artifacts that run for these stems."""
    provider: str
    device: str
    stems: tuple[str, ...]
    """The names in every block, the residual last."""
    sample_rate_hz: int
    """The sample rate of the stems: that of the input."""
    channels: int
    """The channels of the stems, 1 or 2."""
    batch_size: int
    """Chunks that one run of the engine takes at most."""


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
    """The labels that sections may have; empty where the network finds no sections."""


@dataclass(frozen=True)
class Progress:
    """How far the work is; reported at most twice a second."""

    n_samples_done: int
    """Samples of the track that are done, at its rate."""
    n_samples_total: int | None
    """Samples of the whole track; None while that is unknown."""
    elapsed_s: float
    """Seconds since the job was accepted."""

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
    """Seconds from the beginning of the track."""
    position: int
    """Its place in the bar, from 1: the downbeat."""


@dataclass(frozen=True)
class Beats:
    """Beats and sections of a track; times are seconds from its beginning."""

    bpm: float | None
    """The tempo fitted to the beats, to a tenth; None for fewer than two beats."""
    beats: tuple[Beat, ...]
    """The beats, ascending in time."""
    segments: tuple[Section, ...]
    """Sections that follow each other without a gap; the last ends with the last frame. At least
    one, or none where the network finds no sections."""
    duration_s: float
    """The end of the last frame, up to 10 ms after the last sample."""
    seconds: dict[str, float] = field(compare=False)
    """Seconds spent in each of STAGES."""
    activations: BeatActivations | None = field(default=None, compare=False)
    """The network's probabilities, where they were asked for."""
    bpm_range: tuple[float, float] | None = None
    """The slowest and the fastest tempo of sixteen beats; None where the tempo is steady."""

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
    """Samples of the recording, at its rate."""
    sample_rate_hz: int
    """The sample rate of the recording."""
    elapsed_s: float
    """Seconds since the job was accepted."""


@dataclass(frozen=True)
class Summary:
    """What a separation did."""

    artifact_sha256: str
    n_samples: int
    """Samples of every stem, at the recording's rate."""
    sample_rate_hz: int
    """The sample rate of the recording."""
    chunks: int
    """Chunks that the engine ran."""
    seconds: dict[str, float]
    """Seconds by stage; see `Separation.seconds`."""
    elapsed_s: float
    """Seconds since the job was accepted."""


Event = (
    SeparateAccepted
    | BeatsAccepted
    | Progress
    | SeparatedBlock
    | StemsComplete
    | BeatsFound
    | Summary
)
