"""What shapes a network of the Demucs family: its stems, spectrogram and sizes, checked.

Needs no torch; the arguments a checkpoint was made with are read in kwargs.py.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import Any, ClassVar, Literal

from stemline.checks import require
from stemline.errors import ConfigError

WAVEFORM, SPECTROGRAM = "waveform", "spectrogram"
"""Names of the networks' inputs in an artifact."""
WAVEFORMS, SPECTROGRAMS = "waveforms", "spectrograms"
"""Names of the networks' outputs in an artifact."""

Architecture = Literal["htdemucs", "hdemucs"]


@dataclass(frozen=True)
class CrossTransformerConfig:
    """The transformer between HTDemucs's encoder and decoder."""

    bottom_channels: int = 0
    """The transformer's width; 0 for that of the last encoder, without convolutions between."""
    layers: int = 5
    heads: int = 8
    hidden_scale: float = 4.0
    """The feed-forward part's width over the transformer's."""
    cross_first: bool = False
    """Whether the first layer is cross-attention, and not the second."""
    norm_in: bool = True
    norm_out: bool = True
    layer_scale: bool = True
    gelu: bool = True
    """Whether the activation is GELU; else it is ReLU."""
    max_period: float = 10000.0
    """Base of the wave lengths of the positional codes."""
    position_weight: float = 1.0
    """Factor of the positional codes."""


@dataclass(frozen=True)
class DemucsConfig:
    """One HTDemucs or HDemucs network and the audio it was trained on.

    Raises ConfigError, in the words of demucs's arguments, when the numbers do not fit.
    """

    family: ClassVar[str] = "demucs"
    architecture: Architecture
    stems: tuple[str, ...]
    """Names in the order of the network's output."""
    segment: Fraction
    """Seconds of one chunk. HTDemucs was trained on just this length and takes no other."""
    audio_channels: int = 2
    sample_rate_hz: int = 44100
    n_fft: int = 4096
    cac: bool = True
    """Whether spectrograms are complex, as two real channels each; else they are magnitudes."""
    hybrid_old: bool = False
    """Whether the STFT pads with zeros where it should mirror, as one checkpoint was trained."""
    channels: int = 48
    """Channels of the first layer."""
    growth: float = 2
    """Factor of the channels from one layer to the next."""
    depth: int = 4
    kernel_size: int = 8
    stride: int = 4
    time_stride: int = 2
    """Stride of the layers after frequency has shrunk to one bin (HDemucs)."""
    context: int = 1
    """Neighbours on either side that a decoder layer's first convolution takes in."""
    context_enc: int = 0
    """Neighbours on either side that an encoder layer's second convolution takes in."""
    freq_emb: float = 0.2
    """Weight of the learnt code of each frequency; 0 for none."""
    emb_scale: float = 10
    """A further factor of that code."""
    norm_starts: int = 4
    """The first layer with group norms."""
    norm_groups: int = 4
    dconv_mode: int = 3
    """Where the residual branches are: bit 0 for the encoder, bit 1 for the decoder."""
    dconv_depth: int = 2
    dconv_comp: float = 8
    """How many times narrower than their layer those branches are."""
    dconv_attn: int = 4
    """The first layer whose branches have attention over time (HDemucs)."""
    dconv_lstm: int = 4
    """The first layer whose branches have an LSTM (HDemucs)."""
    transformer: CrossTransformerConfig | None = None
    """HTDemucs's transformer; None for HDemucs."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def chunk_samples(self) -> int:
        """L, the samples of one chunk, exactly: 39/5 s at 44,100 Hz are 343,980."""
        return int(self.segment * self.sample_rate_hz)

    @property
    def hop_samples(self) -> int:
        """Samples between frames of the spectrogram."""
        return self.n_fft // 4

    @property
    def n_frames(self) -> int:
        """T, the frames of one chunk; the last one begun counts."""
        return -(-self.chunk_samples // self.hop_samples)

    @property
    def n_bins(self) -> int:
        """F, the bins of a frame; that of half the sample rate is left out."""
        return self.n_fft // 2

    @property
    def spectrogram_channels(self) -> int:
        """Channels of a spectrogram: 2C with `cac`, else C."""
        return self.audio_channels * (2 if self.cac else 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels that each layer of the encoder outputs, outermost first."""
        widths = [self.channels]
        while len(widths) < self.depth:
            widths.append(int(self.growth * widths[-1]))
        return tuple(widths)

    @property
    def bins(self) -> tuple[int, ...]:
        """Bins that each layer over frequency takes in, outermost first.

        Where no more than a kernel's are left, that layer's kernel takes them all, and the layers
        after it, if there are any, go over time.
        """
        bins = [self.n_bins]
        while bins[-1] > self.kernel_size and len(bins) < self.depth:
            bins.append(bins[-1] // self.stride)
        return tuple(bins)

    @property
    def transformer_width(self) -> int:
        """Channels of the transformer; those of the last encoder where it has none of its own."""
        own = self.transformer.bottom_channels if self.transformer else 0
        return own or self.widths[-1]

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the inputs without their batch: (C, L), and (2C or C, F, T)."""
        return {
            WAVEFORM: (self.audio_channels, self.chunk_samples),
            SPECTROGRAM: (self.spectrogram_channels, self.n_bins, self.n_frames),
        }

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the outputs without their batch: those of the inputs, once a stem."""
        waveform, spectrogram = self.inputs.values()
        n_stems = len(self.stems)
        return {WAVEFORMS: (n_stems, *waveform), SPECTROGRAMS: (n_stems, *spectrogram)}

    def to_json(self) -> dict[str, Any]:
        """The object under `config` in manifest.json; `demucs_config_from_json` reads it back."""
        return {**asdict(self), "stems": list(self.stems), "segment": str(self.segment)}


def demucs_config_from_json(values: Mapping[str, Any]) -> DemucsConfig:
    """A configuration from `to_json`'s values. Raises ConfigError for an unknown field."""
    try:
        transformer = values["transformer"]
        return DemucsConfig(
            **{
                **values,
                "stems": tuple(values["stems"]),
                "segment": _fraction(values["segment"]),
                "transformer": transformer and CrossTransformerConfig(**transformer),
            }
        )
    except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"no configuration of this stemline: {error}") from error


def _fraction(text: object) -> Fraction:
    """A fraction from its `str`; no exponents, which can be numbers of a billion digits."""
    if not isinstance(text, str) or not re.fullmatch(r"\d{1,12}(/\d{1,12})?", text):
        raise ConfigError(f"segment: must be a fraction such as 39/5; got {text!r:.100}")
    return Fraction(text)


# Least and most of each number; those of the second table need not be whole.
_WHOLE: dict[str, tuple[int, int]] = {
    "audio_channels": (1, 2),  # what separate makes of any track
    "sample_rate_hz": (1, 1 << 20),
    "n_fft": (8, 1 << 16),
    "channels": (1, 1 << 12),
    "depth": (1, 12),
    "kernel_size": (4, 64),
    "stride": (2, 32),
    "time_stride": (2, 32),
    "context": (0, 16),
    "context_enc": (0, 16),
    "norm_starts": (0, 99),
    "norm_groups": (1, 1 << 12),
    "dconv_mode": (0, 3),
    "dconv_depth": (1, 8),
    "dconv_attn": (0, 99),
    "dconv_lstm": (0, 99),
    "bottom_channels": (0, 1 << 14),
    "layers": (1, 64),
    "heads": (1, 256),
}
_REAL: dict[str, tuple[float, float]] = {
    "growth": (1, 8),
    "freq_emb": (0, 100),
    "emb_scale": (0, 1000),
    "dconv_comp": (1, 1 << 12),
    "hidden_scale": (0.1, 64),
    "max_period": (1, 1e9),
    "position_weight": (0, 100),
}
# Names in this file that are not demucs's own.
_THEIR_NAMES = {
    "stems": "sources",
    "sample_rate_hz": "samplerate",
    "n_fft": "nfft",
    "hidden_scale": "t_hidden_scale",
    "layers": "t_layers",
    "heads": "t_heads",
    "cross_first": "t_cross_first",
    "norm_in": "t_norm_in",
    "norm_out": "t_norm_out",
    "layer_scale": "t_layer_scale",
    "gelu": "t_gelu",
    "max_period": "t_max_period",
    "position_weight": "t_weight_pos_embed",
}
_LONGEST_CHUNK_SAMPLES = 1 << 26
_ATTENTION_HEADS = 4  # of the residual branches' attention, in every checkpoint


def _check(config: DemucsConfig) -> None:
    names = ("htdemucs", "hdemucs")
    require(
        config.architecture in names,
        "architecture",
        f"must be {' or '.join(names)}; got {config.architecture!r}",
    )
    _check_types(config)
    require(len(config.stems) > 0 and all(config.stems), "sources", "names no stem, or has no name")
    require(
        len(set(config.stems)) == len(config.stems),
        "sources",
        f"has a name twice: {', '.join(config.stems)}",
    )
    require(
        1 <= config.chunk_samples <= _LONGEST_CHUNK_SAMPLES,
        "segment",
        f"must give 1 to {_LONGEST_CHUNK_SAMPLES} samples; {config.segment} s give "
        f"{config.chunk_samples}",
    )
    require(config.n_fft % 4 == 0, "nfft", f"must be a multiple of 4; got {config.n_fft}")
    require(
        config.kernel_size == 2 * config.stride
        and config.stride % 2 == config.time_stride % 2 == 0,
        "kernel_size",
        f"must be twice the stride, and strides even; got {config.kernel_size} for stride "
        f"{config.stride} and time_stride {config.time_stride}",
    )
    _check_bins(config)
    _check_widths(config)
    if config.architecture == "htdemucs":
        _check_htdemucs(config)
    else:
        _check_hdemucs(config)


def _check_types(config: DemucsConfig | CrossTransformerConfig) -> None:
    """Require that numbers are numbers within their range, and switches are switches."""
    for field in fields(config):
        value = getattr(config, field.name)
        key = _THEIR_NAMES.get(field.name, field.name)
        if field.type is bool:
            require(isinstance(value, bool), key, f"must be true or false; got {value!r}")
        limits = _WHOLE.get(field.name) or _REAL.get(field.name)
        if limits is not None:
            least, most = limits
            kind = (int,) if field.name in _WHOLE else (int, float)
            fits = isinstance(value, kind) and not isinstance(value, bool)
            require(
                fits and least <= value <= most, key, f"must be {least} to {most}; got {value!r}"
            )


def _check_bins(config: DemucsConfig) -> None:
    for n_bins in config.bins:
        last = n_bins <= config.kernel_size
        require(
            last or n_bins % config.stride == 0,
            "nfft",
            f"{config.n_fft} gives a layer {n_bins} bins, which stride {config.stride} does not "
            "divide",
        )


def _check_widths(config: DemucsConfig) -> None:
    for index, width in enumerate(config.widths):
        key = f"layer {index}: channels {width}"
        require(width <= 1 << 14, "growth", f"{key} are more than {1 << 14}")
        if index >= config.norm_starts:
            _check_groups(config, index)
        narrow = int(width / config.dconv_comp)
        require(narrow >= 1, "dconv_comp", f"{key} are less than {config.dconv_comp}")
        if config.architecture == "hdemucs" and index >= config.dconv_attn:
            require(
                narrow % _ATTENTION_HEADS == 0,
                "dconv_comp",
                f"{key} give {narrow}, which {_ATTENTION_HEADS} heads do not divide",
            )


def _check_groups(config: DemucsConfig, index: int) -> None:
    """Require that groups divide every norm of a layer, on its inner and its outer side."""
    n_stems = len(config.stems)
    outer = (
        (config.widths[index - 1],)
        if index
        else (n_stems * config.audio_channels, n_stems * config.spectrogram_channels)
    )
    for channels in (config.widths[index], *outer):
        require(
            channels % config.norm_groups == 0,
            "norm_groups",
            f"{config.norm_groups} do not divide the {channels} channels of layer {index}",
        )


def _check_htdemucs(config: DemucsConfig) -> None:
    require(config.transformer is not None, "transformer", "HTDemucs has one; got none")
    assert config.transformer is not None
    _check_types(config.transformer)
    require(not config.hybrid_old, "hybrid_old", "HTDemucs has no such form")
    require(
        len(config.bins) == config.depth and config.bins[-1] > config.kernel_size,
        "depth",
        f"{config.depth} layers leave no frequency to the transformer",
    )
    width = config.transformer_width
    require(
        width % config.transformer.heads == width % 4 == 0 and width > 2,
        "t_heads",
        f"{config.transformer.heads} and 4 must divide the width {width}",
    )


def _check_hdemucs(config: DemucsConfig) -> None:
    require(config.transformer is None, "transformer", "HDemucs has none")
    n_layers = len(config.bins)
    require(
        config.bins[-1] <= config.kernel_size,
        "depth",
        f"{config.depth} layers leave {config.bins[-1]} bins; they must end in one",
    )
    # There the waveform's branch must have come down to the spectrogram's frames.
    require(
        config.stride**n_layers == config.hop_samples,
        "nfft",
        f"{config.n_fft} has a hop of {config.hop_samples}, which {n_layers} layers of stride "
        f"{config.stride} do not give",
    )


HTDEMUCS = DemucsConfig(
    architecture="htdemucs",
    stems=("drums", "bass", "other", "vocals"),
    segment=Fraction(39, 5),
    transformer=CrossTransformerConfig(bottom_channels=512),
)
"""The network of htdemucs and of each member of htdemucs_ft."""
HTDEMUCS_6S = DemucsConfig(
    architecture="htdemucs",
    stems=(*HTDEMUCS.stems, "guitar", "piano"),
    segment=HTDEMUCS.segment,
    transformer=CrossTransformerConfig(),
)
HDEMUCS = DemucsConfig(
    architecture="hdemucs",
    stems=HTDEMUCS.stems,
    segment=Fraction(44),
    depth=6,
    dconv_mode=1,
    dconv_comp=4,
)
"""The network of hdemucs_mmi and, but for `cac` and `hybrid_old`, of mdx_extra's members; the
segment is that of their bags."""
