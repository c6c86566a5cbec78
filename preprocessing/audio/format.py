"""What a stream of blocks is: its sample rate, channels and length."""

from dataclasses import dataclass

from stemline.errors import AudioError

_LEAST_RATE_HZ, _GREATEST_RATE_HZ = 1_000, 768_000


def is_rate(sample_rate_hz: int) -> bool:
    """Whether a sample rate is one of sound: 1 to 768 kHz."""
    return _LEAST_RATE_HZ <= sample_rate_hz <= _GREATEST_RATE_HZ


@dataclass(frozen=True)
class AudioFormat:
    """The sample rate, channels and length of a stream of blocks.

    Raises AudioError for a rate outside 1 to 768 kHz (a file of a few bytes that claims
    1 Hz would be days of audio) and for no channels.
    """

    sample_rate_hz: int
    channels: int
    n_samples: int | None
    """Samples of each channel; None where the file must be read to its end to know."""

    def __post_init__(self) -> None:
        if not is_rate(self.sample_rate_hz):
            raise AudioError(
                f"the sample rate must be {_LEAST_RATE_HZ} to {_GREATEST_RATE_HZ} Hz; "
                f"got {self.sample_rate_hz} Hz"
            )
        if self.channels < 1:
            raise AudioError(f"audio has at least 1 channel; got {self.channels}")
