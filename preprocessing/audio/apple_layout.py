"""Apple's description of the channels of AIFF, CAF and QuickTime (Core Audio Types)."""

import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from stemline.preprocessing.speakers import WAVE_ORDER, Speakers, of_apple

_SEARCHED_BYTES: Final = 1 << 22
_MARK: Final = b"chan"


@dataclass(frozen=True)
class AppleLayout:
    """What an AudioChannelLayout says."""

    channels: int
    speakers: Speakers | None
    """None where it names others than those that are known here."""


def apple_layout(body: bytes) -> AppleLayout | None:
    """Of a tag, a bitmap and descriptions of 20 bytes, big-endian; None where it ends early."""
    if len(body) < 12:
        return None
    tag, bitmap, n_descriptions = struct.unpack(">III", body[:12])
    labels = [
        struct.unpack(">I", body[at : at + 4])[0]
        for at in range(12, min(len(body) - 3, 12 + 20 * n_descriptions), 20)
    ]
    channels = (
        tag & 0xFFFF if tag >> 16 > 1 else bin(bitmap).count("1") if tag else n_descriptions
    )  # fmt: skip
    return AppleLayout(channels, of_apple(tag, bitmap, labels, channels))


def described_channels(file: BinaryIO, start: int, end: int, *, is_caf: bool) -> AppleLayout | None:
    """How a QuickTime or CAF file describes its channels; None where it does not.

    The description is looked for at both ends, where the tables of such files are.
    """
    for first in dict.fromkeys((start, max(start, end - _SEARCHED_BYTES))):
        file.seek(first)
        block = file.read(min(_SEARCHED_BYTES, end - first))
        place = block.find(_MARK)
        if place >= 4:
            # Of CAF a size of eight bytes follows, of QuickTime a version and flags of four.
            return apple_layout(block[place + (12 if is_caf else 8) :][:4096])
    return None


def is_in_wave_order(speakers: Speakers | None) -> bool:
    """Whether channels are known to come as WAVE, and FFmpeg, number them."""
    places = [WAVE_ORDER.index(speaker) for speaker in speakers or ()]
    return bool(places) and places == sorted(set(places))
