"""Apple's description of the channels of AIFF, CAF and QuickTime (Core Audio Types)."""

import struct
from dataclasses import dataclass

from stemline.preprocessing.speakers import Speakers, of_apple


@dataclass(frozen=True)
class AppleLayout:
    """What an AudioChannelLayout says, or ISO's ChannelLayoutBox."""

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
