"""MP3 of constant bitrate."""

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from stemline.errors import EncodingError
from stemline.tags import Tags

from .format import Encoder, FileFormat, Quality, listed
from .id3 import id3_bytes
from .insert import insert_room
from .libsndfile import SndfileEncoder


@dataclass(frozen=True)
class _Mpeg:
    """One generation of MPEG audio layer III: the rates it knows, and the bitrates of those."""

    rates_hz: tuple[int, ...]
    bitrates_kbps: tuple[int, ...]


_MPEG_1 = _Mpeg(
    (32000, 44100, 48000), (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
)
_MPEG_2 = _Mpeg((16000, 22050, 24000), (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160))
_MPEG_2_5 = _Mpeg((8000, 11025, 12000), (8, 16, 24, 32, 40, 48, 56, 64))
_MPEGS = (_MPEG_1, _MPEG_2, _MPEG_2_5)


class _Mp3(FileFormat):
    name = "mp3"
    most_channels = 2
    has_bitrate = True

    def check_quality(self, quality: Quality) -> None:
        known = sorted({kbps for mpeg in _MPEGS for kbps in mpeg.bitrates_kbps})
        if quality.bitrate_kbps not in known:
            raise EncodingError(
                f"MP3 bitrates are {listed(known)} kbps; got {quality.bitrate_kbps}"
            )

    def clips(self, quality: Quality) -> bool:
        """Always: LAME aborts the process at floats far beyond full scale, and at no numbers."""
        return True

    def check_rate(self, quality: Quality, sample_rate_hz: int) -> None:
        mpeg = _mpeg_of(sample_rate_hz)
        if quality.bitrate_kbps not in mpeg.bitrates_kbps:
            raise EncodingError(
                f"MP3 at {sample_rate_hz} Hz has bitrates of {listed(mpeg.bitrates_kbps)} "
                f"kbps; got {quality.bitrate_kbps}"
            )

    def encoder(
        self, file: BinaryIO, quality: Quality, sample_rate_hz: int, channels: int
    ) -> Encoder:
        gain = np.float32(1 / _level(quality.bitrate_kbps))
        kind = {
            "format": "MP3",
            "subtype": "MPEG_LAYER_III",
            "compression_level": _compression_level(quality.bitrate_kbps, sample_rate_hz),
            "bitrate_mode": "CONSTANT",
        }
        return SndfileEncoder(file, sample_rate_hz, channels, lambda frames: frames * gain, kind)

    def add_tags(self, file: BinaryIO, tags: Tags) -> None:
        """Put ID3 before the frames."""
        tag = id3_bytes(tags)  # mutagen in the file takes frames with TAG near the end for ID3v1
        insert_room(file, 0, len(tag))
        file.seek(0)
        file.write(tag)


def _mpeg_of(sample_rate_hz: int) -> _Mpeg:
    for mpeg in _MPEGS:
        if sample_rate_hz in mpeg.rates_hz:
            return mpeg
    known = sorted(rate for mpeg in _MPEGS for rate in mpeg.rates_hz)
    raise EncodingError(
        f"MP3 has no rate of {sample_rate_hz} Hz, only {listed(known)}; "
        "choose wav or flac, or resample the input"
    )


def _compression_level(bitrate_kbps: int, sample_rate_hz: int) -> float:
    """Libsndfile's level for a constant bitrate: 0 is the greatest of the rate, 1 the least.

    Measured: it takes the nearest bitrate there is, and refuses 1 itself.
    """
    least, *_, greatest = _mpeg_of(sample_rate_hz).bitrates_kbps
    return min((greatest - bitrate_kbps) / (greatest - least), 0.9999)


def _level(bitrate_kbps: int) -> float:
    """The factor that LAME applies at a constant bitrate, to leave room below full scale.

    Divided out before encoding, so that stems have the level they would have as WAV and add
    up to the mixture. LAME's `abr_switch_map`, and measured at every rate and bitrate. It applies
    it before all else, so that ±1 is ±1 to it, whatever was divided out.
    """
    if bitrate_kbps >= 256:
        return 1.0
    return {192: 0.97, 224: 0.98}.get(bitrate_kbps, 0.95)


FORMAT = _Mp3()
