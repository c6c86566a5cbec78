"""What a format is: which samples it holds, and how it writes them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import BinaryIO, ClassVar, Protocol

from stemline.arrays import Array
from stemline.errors import EncodingError
from stemline.tags import Tags


class Quality(Protocol):
    """How exactly samples are kept: an OutputFormat, of which a format reads what concerns it."""

    @property
    def bits(self) -> int:
        """Bits of a sample; 32 is float."""

    @property
    def bitrate_kbps(self) -> int:
        """Constant bitrate of a lossy format."""


class Encoder(Protocol):
    """Encodes the samples of one file as they come. The file is not its own: it stays open."""

    def write(self, frames: Array) -> None:
        """Append (n, channels) float32 samples. Raises OSError."""

    def close(self) -> None:
        """Write what is left, and the lengths into the header. Raises OSError."""

    def abandon(self) -> None:
        """Free what is held; raises nothing."""


class FileFormat(ABC):
    """One format of files."""

    name: ClassVar[str]
    """The name in `--format`, and the extension of files."""
    most_channels: ClassVar[int]
    """The most channels that a file holds."""
    can_be_empty: ClassVar[bool] = False
    """Whether a file may hold no sample at all."""
    has_bitrate: ClassVar[bool] = False
    """Whether it is lossy, of a bitrate in place of bits."""

    @abstractmethod
    def check_quality(self, quality: Quality) -> None:
        """Raise EncodingError, which lists those there are, for bits or a bitrate it lacks."""

    @abstractmethod
    def clips(self, quality: Quality) -> bool:
        """Whether samples beyond full scale, or that are no numbers, have no place in it.

        Its encoder then is never handed any.
        """

    def least_bytes(
        self, quality: Quality, n_samples: int, sample_rate_hz: int, channels: int
    ) -> int:
        """How long a file of so many samples is at the least, without its header."""
        if self.has_bitrate:
            return n_samples * quality.bitrate_kbps * 125 // sample_rate_hz
        return 0

    @abstractmethod
    def encoder(
        self, file: BinaryIO, quality: Quality, sample_rate_hz: int, channels: int
    ) -> Encoder:
        """Begin a file in an empty one to read, write and seek in, of what `check` lets pass.

        Raises OSError.
        """

    @abstractmethod
    def check_rate(self, quality: Quality, sample_rate_hz: int) -> None:
        """Raise EncodingError, saying what to do, for a sample rate that it lacks."""

    def add_tags(self, file: BinaryIO, tags: Tags) -> None:  # noqa: B027 - not every one holds any
        """Write tags into a whole file, whose samples stay as they are. Raises OSError.

        Of a format that holds no tags the file stays as it is.
        """

    def check(self, quality: Quality, sample_rate_hz: int, channels: int) -> None:
        """Raise EncodingError, saying what to do, unless it holds such samples."""
        if not 1 <= channels <= self.most_channels:
            raise EncodingError(
                f"{self.name} holds 1 to {self.most_channels} channels; got {channels}"
            )
        if sample_rate_hz < 1:
            raise EncodingError(f"a sample rate is 1 Hz or more; got {sample_rate_hz} Hz")
        self.check_rate(quality, sample_rate_hz)


def listed(values: Sequence[object]) -> str:
    """`16, 24 or 32`."""
    *others, last = map(str, values)
    return f"{', '.join(others)} or {last}" if others else last
