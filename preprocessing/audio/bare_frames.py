"""The sizes of frames of AAC, AC-3 and MPEG audio that follow one another in no container.

Sources: ISO/IEC 14496-3 section 1.A.2.2 (ADTS); ETSI TS 102 366 sections 4.4.1 and E.1.2.2 (AC-3).
"""

from typing import Final

from .mpeg_frames import frame_header

_AC3_KBPS: Final = (
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
)  # fmt: skip
_AC3_RATES_HZ: Final = (48000, 44100, 32000)
_AC3_FRAME_SAMPLES: Final = 1536
_GREATEST_AC3_VERSION: Final = 10  # and from the next on E-AC-3


def bare_frame_bytes(head: bytes) -> int:
    """How long the frame is that begins with these six bytes or more; 0 where that is unknown."""
    if len(head) < 6:
        return 0
    if (mpeg := frame_header(head[:4])) is not None:
        return mpeg.size_bytes
    if head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if head[:2] != b"\x0b\x77":
        return 0
    if head[5] >> 3 > _GREATEST_AC3_VERSION:
        return 2 * (((head[2] & 7) << 8 | head[3]) + 1)
    rate, size = head[4] >> 6, head[4] & 0x3F
    if rate >= len(_AC3_RATES_HZ) or size // 2 >= len(_AC3_KBPS):
        return 0
    words = _AC3_KBPS[size // 2] * 1000 * _AC3_FRAME_SAMPLES // 16 // _AC3_RATES_HZ[rate]
    return 2 * (words + (size & 1 if rate == 1 else 0))
