"""Work as it is described to the core, and what comes of it; no transport knows more."""

from dataclasses import dataclass

from stemline.arrays import Array
from stemline.errors import RequestError
from stemline.families.separation import ProcessingOptions

MOST_SHIFTS = 100
"""Beyond, only the cost grows."""


@dataclass(frozen=True)
class SeparateOptions:
    """What a caller may choose of a separation."""

    stems: tuple[str, ...] = ()
    """Those wanted, in any case; all of them when empty."""
    residual: bool = False
    """Also give the mixture minus the wanted stems, as `no_<stem>` or `residual`."""
    overlap: float | None = None
    """N of 2 or more: hop = chunk // N; below 1: hop = chunk × (1 − fraction); the model's own
    when None."""
    shifts: int = 0
    """Of Demucs: separate so many times, each begun elsewhere within half a second, and give the
    mean; 0 is once, as it is, without anything random."""
    seed: int = 0
    """Of the shifts; the same one, the same stems."""
    also: tuple[str, ...] = ()
    """Given besides those wanted, for another's use: the residual is what the wanted alone leave.
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
class SeparatedBlock:
    """A stretch of every stem that is final."""

    offset_samples: int
    """Where it begins in the track, at the input's sample rate."""
    stems: dict[str, Array]
    """Name → (channels, n_samples) float32."""
