"""The channels of a track to those a network takes in, and back."""

import numpy as np
from numpy.typing import NDArray

from stemline.errors import AudioError

from .speakers import DEFAULT, Speaker, Speakers

MOST_CHANNELS = 8

# ITU-R BS.775-3, annex 4: centre and surrounds enter the stereo pair at −3 dB, the back
# centre at −3 dB twice as it goes to both sides, the low-frequency channel not at all. Speakers
# between front and centre are at the front, those above as those below them.
_M3_DB, _M6_DB = 0.5**0.5, 0.5
_LEFT, _RIGHT, _BOTH = (1.0, 0.0), (0.0, 1.0), (_M3_DB, _M3_DB)
_SIDE_LEFT, _SIDE_RIGHT, _BACK = (_M3_DB, 0.0), (0.0, _M3_DB), (_M6_DB, _M6_DB)
_GAINS: dict[Speaker, tuple[float, float]] = {
    "FL": _LEFT, "FR": _RIGHT, "FC": _BOTH, "LFE": (0.0, 0.0), "FLC": _LEFT, "FRC": _RIGHT,
    "BL": _SIDE_LEFT, "BR": _SIDE_RIGHT, "SL": _SIDE_LEFT, "SR": _SIDE_RIGHT, "BC": _BACK,
    "TC": _BACK, "TFL": _SIDE_LEFT, "TFC": _BACK, "TFR": _SIDE_RIGHT, "TBL": _SIDE_LEFT,
    "TBC": _BACK, "TBR": _SIDE_RIGHT,
}  # fmt: skip
_PAIRS = (("FL", "FR"), ("SL", "SR"), ("BL", "BR"), ("FLC", "FRC"))


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
        block = _downmix(DEFAULT[present]) @ block  # (2, n)
    return from_channels(block, channels)


class Arrangement:
    """A file's channels in the order that their number implies, or in stereo where none does.

    So that nothing behind the reader of a file need know of loudspeakers.
    """

    def __init__(self, channels: int, speakers: Speakers | None) -> None:
        self.channels = channels
        """Of what comes out."""
        self._order: list[int] | None = None
        self._matrix: NDArray[np.float32] | None = None
        if speakers is None or channels not in DEFAULT or channels == 1 or speakers in _PAIRS:
            return
        order = _order(speakers, DEFAULT[channels])
        if order is None:
            self.channels = 2
            self._matrix = _downmix(speakers)
        elif order != sorted(order):
            self._order = order

    def arranged(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Samples (c, n) of the file -> (channels, n)."""
        if self._matrix is not None:
            return self._matrix @ block
        return block if self._order is None else block[self._order]


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


def _order(speakers: Speakers, wanted: Speakers) -> list[int] | None:
    """The place of each speaker, or of one that is mixed alike; None where one is missing."""
    left = list(range(len(speakers)))
    order = []
    for speaker in wanted:
        alike = [
            place
            for place in left
            if speakers[place] == speaker or _GAINS[speakers[place]] == _GAINS[speaker]
        ]
        if not alike:
            return None
        place = min(alike, key=lambda place: speakers[place] != speaker)
        order.append(place)
        left.remove(place)
    return order


def _downmix(speakers: Speakers) -> NDArray[np.float32]:
    """The matrix (2, channels) whose rows add up to 1: full scale in is full scale out."""
    matrix = np.array([_GAINS[speaker] for speaker in speakers]).T
    sums = matrix.sum(axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (matrix / np.where(sums > 0, sums, 1)).astype(np.float32)
    return scaled
