"""Which loudspeaker a channel is for, by the names and the orders of the containers.

Sources: the channel mask of WAVEFORMATEXTENSIBLE (Microsoft, ksmedia.h), section 4.3.9 of the
Vorbis I specification, which RFC 7845 takes over for Opus, Apple's CoreAudioBaseTypes.h, and
ISO/IEC 23091-3, whose tables MP4 has.
"""

from typing import Final, Literal

Speaker = Literal[
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR",
    "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR",
]  # fmt: skip
Speakers = tuple[Speaker, ...]

WAVE_ORDER: Final[Speakers] = (
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR",
    "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR",
)  # fmt: skip
"""Bit 0 of a channel mask upwards: the order of WAVE and of FLAC."""

DEFAULT: Final[dict[int, Speakers]] = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
"""What is meant where a file does not say: FLAC's assignment, which is WAVE's order, too."""

VORBIS: Final[dict[int, Speakers]] = {
    **DEFAULT,
    3: ("FL", "FC", "FR"),
    5: ("FL", "FC", "FR", "BL", "BR"),
    6: ("FL", "FC", "FR", "BL", "BR", "LFE"),
    7: ("FL", "FC", "FR", "SL", "SR", "BC", "LFE"),
    8: ("FL", "FC", "FR", "SL", "SR", "BL", "BR", "LFE"),
}
"""The order of Ogg Vorbis, and of Ogg Opus of mapping family 1."""


def of_mask(mask: int, channels: int) -> Speakers | None:
    """The speakers of a channel mask; None unless it names as many as there are channels."""
    found = tuple(name for bit, name in enumerate(WAVE_ORDER) if mask >> bit & 1)
    return found if len(found) == channels else None


# The lower 16 bits of a tag are the number of its channels.
_L: Final = "FL", "FR"
_S: Final = "SL", "SR"
_B: Final = "BL", "BR"
BY_TAG: Final[dict[int, Speakers]] = {
    100: ("FC",),
    101: _L, 102: _L, 103: _L, 105: _L, 106: _L,
    108: (*_L, *_B), 109: (*_L, *_B, "FC"), 110: (*_L, *_B, "FC", "BC"),
    113: (*_L, "FC"), 114: ("FC", *_L),
    115: (*_L, "FC", "BC"), 116: ("FC", *_L, "BC"),
    117: (*_L, "FC", *_S), 118: (*_L, *_S, "FC"), 119: ("FL", "FC", "FR", *_S),
    120: ("FC", *_L, *_S),
    121: (*_L, "FC", "LFE", *_S), 122: (*_L, *_S, "FC", "LFE"),
    123: ("FL", "FC", "FR", *_S, "LFE"), 124: ("FC", *_L, *_S, "LFE"),
    125: (*_L, "FC", "LFE", *_S, "BC"),
    126: (*_L, "FC", "LFE", *_S, "FLC", "FRC"), 127: ("FC", "FLC", "FRC", *_L, *_S, "LFE"),
    128: (*_L, "FC", "LFE", *_S, *_B), 129: (*_L, *_S, "FC", "LFE", "FLC", "FRC"),
    131: (*_L, "BC"), 132: (*_L, *_S), 133: (*_L, "LFE"), 134: (*_L, "LFE", "BC"),
    135: (*_L, "LFE", *_S), 136: (*_L, "FC", "LFE"), 137: (*_L, "FC", "LFE", "BC"),
    138: (*_L, *_S, "LFE"), 139: (*_L, *_S, "FC", "BC"), 140: (*_L, *_S, "FC", *_B),
    141: ("FC", *_L, *_S, "BC"), 142: ("FC", *_L, *_S, "BC", "LFE"), 143: ("FC", *_L, *_S, *_B),
    144: ("FC", *_L, *_S, *_B, "BC"), 148: (*_L, *_S, "FC", "FLC", "FRC"),
}  # fmt: skip
_BY_LABEL: Final[dict[int, Speaker]] = {
    1: "FL", 2: "FR", 3: "FC", 4: "LFE", 5: "SL", 6: "SR", 7: "FLC", 8: "FRC", 9: "BC",
    10: "SL", 11: "SR", 12: "TC", 13: "TFL", 14: "TFC", 15: "TFR", 16: "TBL", 17: "TBC", 18: "TBR",
    33: "BL", 34: "BR", 42: "FC",
}  # fmt: skip
_USE_DESCRIPTIONS, _USE_BITMAP = 0, 0x10000


def of_apple(tag: int, bitmap: int, labels: list[int], channels: int) -> Speakers | None:
    """The speakers of Apple's AudioChannelLayout; None where it does not say what is known here.

    `labels` are those of its channel descriptions.
    """
    if tag == _USE_BITMAP:
        return of_mask(bitmap, channels)
    if tag == _USE_DESCRIPTIONS:
        found = tuple(_BY_LABEL[label] for label in labels if label in _BY_LABEL)
    else:
        found = BY_TAG.get(tag >> 16, ())
    return found if len(found) == channels else None


_BY_POSITION: Final[dict[int, Speaker]] = {
    0: "FL", 1: "FR", 2: "FC", 3: "LFE", 4: "SL", 5: "SR", 6: "FLC", 7: "FRC", 8: "BL", 9: "BR",
    10: "BC", 17: "TFL", 18: "TFR", 19: "TFC", 20: "TBL", 21: "TBR", 22: "TBC", 25: "TC",
}  # fmt: skip
# In WAVE's order, as FFmpeg writes and reads them.
BY_CONFIGURATION: Final[dict[int, Speakers]] = {
    1: ("FC",), 2: _L, 3: (*_L, "FC"), 4: (*_L, "FC", "BC"), 5: (*_L, "FC", *_B),
    6: (*_L, "FC", "LFE", *_B), 7: (*_L, "FC", "LFE", *_B, "FLC", "FRC"), 9: (*_L, "BC"),
    10: (*_L, *_S), 11: (*_L, "FC", "LFE", *_B, "BC"), 12: (*_L, "FC", "LFE", *_B, *_S),
}  # fmt: skip
"""The speakers of ISO's channel configurations."""


def of_iso(positions: list[int]) -> Speakers | None:
    """The speakers at ISO's output channel positions; None where one is none that is known here."""
    found = tuple(_BY_POSITION[place] for place in positions if place in _BY_POSITION)
    return found if len(found) == len(positions) else None
