"""What a file holds: parts, each of which one decoder reads from its first sample to its last."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from stemline.preprocessing.speakers import Speakers

MOST_CHUNKS = 10_000
"""Of a container that are looked at: a file of nothing but empty ones would take minutes."""
MOST_PARTS = 10_000
"""Of a file that are read, for the same reason."""


class Decoder(Protocol):
    """Samples from the beginning of a part on."""

    def read(self, n_samples: int) -> NDArray[Any]:
        """The next samples (n, channels), n <= n_samples; none at the end. Raises DecodeError."""

    @property
    def faults(self) -> list[str]:
        """What had to be left out or filled so far, sentences without their subject."""

    def close(self) -> None:
        """Free what it holds."""


class DecodeError(Exception):
    """A decoder's own words for what it cannot read; never leaves the reader."""


class EndlessError(DecodeError):
    """What would keep any decoder busy; none is asked."""


@dataclass(frozen=True)
class Part:
    """A stretch of a file of one sample rate and one number of channels.

    Raises DecodeError where the file says that one of these is none.
    """

    open: Callable[[], Decoder]
    """Begin to decode it. Raises DecodeError."""
    sample_rate_hz: int
    channels: int
    n_samples: int | None
    """How many will come, where that is certain; no more are read."""
    announced_samples: int | None = None
    """How many its header says, where it does."""
    skipped_samples: int = 0
    """What a decoder makes before the first sample that was encoded."""
    speakers: Speakers | None = None
    """The speaker of each channel; None for those that its number of channels implies."""

    def __post_init__(self) -> None:
        if self.sample_rate_hz < 1:
            raise DecodeError(f"its sample rate is {self.sample_rate_hz} Hz")
        if self.channels < 1:
            raise DecodeError(f"it has {self.channels} channels")


UNFINISHED = "has a header that its writer did not finish: all that follows it is read"
"""The fault of a length of 0 before sound."""


def ends_early(announced_s: float, found_s: float, reason: str = "") -> str:
    """The fault of what ends before its header says, in seconds."""
    return (
        f"ends early or is damaged: it announces {announced_s:.2f} s, and {found_s:.2f} s of it "
        f"can be read{f' ({reason})' if reason else ''}"
    )


@dataclass(frozen=True)
class Contents:
    """What a file holds, and what is wrong with it as far as that is known before it is decoded."""

    parts: tuple[Part, ...]
    faults: tuple[str, ...] = ()
    """Sentences without their subject, the file: `ends within a frame`."""
