"""The files stems can be written as, and which samples each can hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from stemline.errors import EncodingError


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

_BITS = {"wav": (16, 24, 32), "flac": (16, 24)}
_MOST_CHANNELS = {"wav": 8, "flac": 8, "mp3": 2}
_MOST_FLAC_RATE_HZ = 655_350


@dataclass(frozen=True)
class OutputFormat:
    """How stems are written. Raises EncodingError for what no encoder of ours can do."""

    container: str
    """`wav`, `flac` or `mp3`; the file's extension too."""
    bits: int = 16
    """Bits of a sample: 16, 24, or 32, which is float and never clips; MP3 has none."""
    bitrate_kbps: int = 192
    """Constant bitrate of MP3. Below 64 the frames have no room for the encoder's delay, so
    that such a file plays about 25 ms late and a little longer."""

    def __post_init__(self) -> None:
        if self.container == "mp3":
            known = sorted({kbps for mpeg in _MPEGS for kbps in mpeg.bitrates_kbps})
            if self.bitrate_kbps not in known:
                raise EncodingError(
                    f"MP3 bitrates are {_listed(known)} kbps; got {self.bitrate_kbps}"
                )
        elif self.container not in _BITS:
            raise EncodingError(f"the format must be wav, flac or mp3; got {self.container!r}")
        elif self.bits not in _BITS[self.container]:
            hint = "; float is wav's alone" if (self.container, self.bits) == ("flac", 32) else ""
            raise EncodingError(
                f"{self.container} has {_listed(_BITS[self.container])} bits; got {self.bits}{hint}"
            )

    @property
    def is_integer(self) -> bool:
        """Whether samples are rounded and clipped to `bits`."""
        return self.container == "flac" or (self.container == "wav" and self.bits < 32)

    def check(self, sample_rate_hz: int, channels: int) -> None:
        """Raise EncodingError, saying what to do, unless such samples can be written so."""
        most = _MOST_CHANNELS[self.container]
        if not 1 <= channels <= most:
            raise EncodingError(f"{self.container} holds 1 to {most} channels; got {channels}")
        # A FLAC frame has 16 bits for a rate in Hz, or in units of 10 Hz.
        is_no_flac_rate = sample_rate_hz > _MOST_FLAC_RATE_HZ or (
            sample_rate_hz >= 1 << 16 and sample_rate_hz % 10
        )
        if self.container == "flac" and is_no_flac_rate:
            raise EncodingError(f"flac has no rate of {sample_rate_hz} Hz; choose wav")
        if self.container == "mp3":
            mpeg = _mpeg_of(sample_rate_hz)
            if self.bitrate_kbps not in mpeg.bitrates_kbps:
                raise EncodingError(
                    f"MP3 at {sample_rate_hz} Hz has bitrates of {_listed(mpeg.bitrates_kbps)} "
                    f"kbps; got {self.bitrate_kbps}"
                )


def _mpeg_of(sample_rate_hz: int) -> _Mpeg:
    for mpeg in _MPEGS:
        if sample_rate_hz in mpeg.rates_hz:
            return mpeg
    known = sorted(rate for mpeg in _MPEGS for rate in mpeg.rates_hz)
    raise EncodingError(
        f"MP3 has no rate of {sample_rate_hz} Hz, only {_listed(known)}; "
        "choose wav or flac, or resample the input"
    )


def _listed(values: Sequence[int]) -> str:
    return f"{', '.join(map(str, values[:-1]))} or {values[-1]}"


def compression_level(bitrate_kbps: int, sample_rate_hz: int) -> float:
    """Libsndfile's level for a constant MP3 bitrate: 0 is the greatest of the rate, 1 the least.

    Measured: it takes the nearest bitrate there is, and refuses 1 itself.
    """
    least, *_, greatest = _mpeg_of(sample_rate_hz).bitrates_kbps
    return min((greatest - bitrate_kbps) / (greatest - least), 0.9999)


def mp3_level(bitrate_kbps: int) -> float:
    """The factor that LAME applies at a constant bitrate, to leave room below full scale.

    Divided out before encoding, so that stems have the level they would have as WAV and add
    up to the mixture. LAME's `abr_switch_map`, and measured at every rate and bitrate.
    """
    if bitrate_kbps >= 256:
        return 1.0
    return {192: 0.97, 224: 0.98}.get(bitrate_kbps, 0.95)
