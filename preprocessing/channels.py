"""The channels of a track to those a network takes in, and back."""

import numpy as np
from numpy.typing import NDArray

from stemline.errors import AudioError

MOST_CHANNELS = 8

# ITU-R BS.775-3, annex 4: centre and surrounds enter the stereo pair at −3 dB, the back
# centre at −3 dB twice as it goes to both sides, the low-frequency channel not at all.
_M3_DB, _M6_DB = 0.5**0.5, 0.5
_FL, _FR, _FC, _LFE = (1.0, 0.0), (0.0, 1.0), (_M3_DB, _M3_DB), (0.0, 0.0)
_LEFT, _RIGHT, _BACK = (_M3_DB, 0.0), (0.0, _M3_DB), (_M6_DB, _M6_DB)

_SPEAKERS = {  # in the order of WAVE's channel mask
    3: (_FL, _FR, _FC),
    4: (_FL, _FR, _LEFT, _RIGHT),
    5: (_FL, _FR, _FC, _LEFT, _RIGHT),
    6: (_FL, _FR, _FC, _LFE, _LEFT, _RIGHT),
    7: (_FL, _FR, _FC, _LFE, _BACK, _LEFT, _RIGHT),
    8: (_FL, _FR, _FC, _LFE, _LEFT, _RIGHT, _LEFT, _RIGHT),
}


def output_channels(channels: int) -> int:
    """Channels of the stems of a track: mono in, mono out; all else is stereo.

    Raises AudioError unless `channels` is 1 to 8.
    """
    if not 1 <= channels <= MOST_CHANNELS:
        raise AudioError(f"audio must have 1 to {MOST_CHANNELS} channels; got {channels}")
    return min(channels, 2)


def to_channels(block: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Samples (c, n) -> (channels, n) for a network of 1 or 2 channels.

    Mono is doubled, stereo averaged, more mixed down to stereo first: as ITU-R BS.775 has it,
    scaled so that it cannot clip. Raises AudioError for more than 8 channels.
    """
    present = block.shape[0]
    if present == channels:
        return block
    if channels not in (1, 2):
        raise ValueError(f"channels must be 1 or 2; got {channels}")
    if output_channels(present) == 2 and present > 2:
        block = _downmix(present) @ block  # (2, n)
    return from_channels(block, channels)


def from_channels(samples: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """A network's mono or stereo (..., c, n) -> (..., channels, n), `channels` being 1 or 2."""
    present = samples.shape[-2]
    if present == channels:
        return samples
    if (present, channels) == (2, 1):
        return (samples[..., :1, :] + samples[..., 1:, :]) * np.float32(0.5)
    if (present, channels) == (1, 2):
        return np.repeat(samples, 2, axis=-2)
    raise ValueError(f"channels must be 1 or 2; got {present} to make {channels} of")


def _downmix(channels: int) -> NDArray[np.float32]:
    """The matrix (2, channels) whose rows add up to 1: full scale in is full scale out."""
    matrix = np.array(_SPEAKERS[channels]).T
    scaled: NDArray[np.float32] = (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)
    return scaled
