"""The formats that stems are written in: one file each, one line each in the table below."""

from dataclasses import dataclass
from importlib import import_module

from stemline.errors import EncodingError

from .format import Encoder, FileFormat, Quality, listed

FORMATS = {
    "wav": "stemline.postprocessing.formats.wav",
    "flac": "stemline.postprocessing.formats.flac",
    "mp3": "stemline.postprocessing.formats.mp3",
}
"""A format's name → the module that has it, as `FORMAT`, in the order of listing."""


def find_format(name: str) -> FileFormat:
    """The format of this name. Raises EncodingError that lists those there are."""
    module = FORMATS.get(name)
    if module is None:
        raise EncodingError(f"the format must be {listed(list(FORMATS))}; got {name!r}")
    found: FileFormat = import_module(module).FORMAT
    return found


@dataclass(frozen=True)
class OutputFormat:
    """How stems are written. Raises EncodingError for what no encoder of ours can do."""

    container: str
    """One of FORMATS; the file's extension too."""
    bits: int = 16
    """Bits of a sample: 16, 24, or 32, which is float and never clips; MP3 has none."""
    bitrate_kbps: int = 192
    """Constant bitrate of MP3. Below 64 the frames have no room for the encoder's delay, so
    that such a file plays about 25 ms late and a little longer."""

    def __post_init__(self) -> None:
        find_format(self.container).check_quality(self)

    @property
    def clips(self) -> bool:
        """Whether samples beyond full scale are clipped."""
        return find_format(self.container).clips(self)

    def check(self, sample_rate_hz: int, channels: int) -> None:
        """Raise EncodingError, saying what to do, unless such samples can be written so."""
        find_format(self.container).check(self, sample_rate_hz, channels)

    def least_bytes(self, n_samples: int, sample_rate_hz: int, channels: int) -> int:
        """How long a file of so many samples is at the least, without its header."""
        return find_format(self.container).least_bytes(self, n_samples, sample_rate_hz, channels)


__all__ = [
    "FORMATS",
    "Encoder",
    "FileFormat",
    "OutputFormat",
    "Quality",
    "find_format",
    "listed",
]
