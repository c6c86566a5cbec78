"""What shapes an MDX23C network: its stems, spectrogram and sizes, checked against each other.

Needs neither torch nor yaml; the YAML of UVR and MSST is read in config_file.py.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from stemline.checks import require
from stemline.errors import ConfigError, OverlapError
from stemline.preprocessing.chunks import hop_samples_for

DEFAULT_OVERLAP = 4.0
INPUT, OUTPUT = "mixture", "stems"
"""Names of the network's input and output in an artifact."""


@dataclass(frozen=True)
class Mdx23cConfig:
    """One TFC-TDF v3 network and the audio it was trained on.

    Raises ConfigError, in the words of the UVR/MSST YAML, when the numbers do not fit.
    """

    family: ClassVar[str] = "mdx23c"
    stems: tuple[str, ...]
    """Names in lower case, in the order of the network's output."""
    n_fft: int
    hop_samples: int
    n_bins: int
    """F, the bins kept from 0 Hz upward; `audio.dim_f` in the YAML."""
    chunk_samples: int
    sample_rate_hz: int = 44100
    audio_channels: int = 2
    default_overlap: float = DEFAULT_OVERLAP
    track_level: bool = False
    """Whether the mean and the deviation of the whole track are taken out of it and put back into
    the stems; `inference.normalize` in the YAML."""
    norm: str | None = "InstanceNorm"
    act: str = "gelu"
    num_scales: int = 5
    scale: tuple[int, int] = (2, 2)
    """Factors that one scale divides (time, frequency) by."""
    num_blocks_per_scale: int = 2
    num_channels: int = 128
    growth: int = 128
    """Channels a scale adds."""
    bottleneck_factor: int = 4
    num_subbands: int = 4
    frequency_gain: float = 0.0
    """Exponent e of the gain ((bin + 3) / 30)^e that the spectrogram gets before the network and
    loses after it, so that quiet treble weighs as much as loud bass; 0 is none, as in every
    published checkpoint."""
    level_norm: bool = False
    """Whether the network sees each chunk divided by its own RMS, and its output is multiplied
    back: loud and quiet passages then look alike. No published checkpoint has it."""
    mixture_consistency: bool = False
    """Whether what the stems' sum misses of the mixture is spread over them evenly, so that they
    always add up to it (Wisdom et al., "Differentiable consistency constraints", ICASSP 2019). No
    published checkpoint has it."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def n_frames(self) -> int:
        """T, the frames of one chunk."""
        return self.chunk_samples // self.hop_samples + 1

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of `mixture` without its batch: (2C, F, T)."""
        return (2 * self.audio_channels, self.n_bins, self.n_frames)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """Shape of `stems` without its batch: (S, 2C, F, T)."""
        return (len(self.stems), *self.input_shape)

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the inputs without their batch."""
        return {INPUT: self.input_shape}

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the outputs without their batch."""
        return {OUTPUT: self.output_shape}

    def to_json(self) -> dict[str, Any]:
        """The object under `config` in manifest.json; `config_from_json` reads it back."""
        return asdict(self)


def _check(config: Mdx23cConfig) -> None:
    for key, value, most in (
        ("audio.sample_rate", config.sample_rate_hz, 1 << 20),
        ("audio.num_channels", config.audio_channels, 2),  # what separate makes of any track
        ("audio.n_fft", config.n_fft, 1 << 20),
        ("audio.hop_length", config.hop_samples, 1 << 20),
        ("audio.dim_f", config.n_bins, 1 << 20),
        ("audio.chunk_size", config.chunk_samples, 1 << 26),
        ("model.num_scales", config.num_scales, 16),
        ("model.scale", min(config.scale), 16),
        ("model.scale", max(config.scale), 16),
        ("model.num_blocks_per_scale", config.num_blocks_per_scale, 64),
        ("model.num_channels", config.num_channels, 1 << 14),
        ("model.bottleneck_factor", config.bottleneck_factor, 1 << 14),
        ("model.num_subbands", config.num_subbands, 1 << 14),
    ):
        require(1 <= value <= most, key, f"must be 1 to {most}; got {value}")
    require(
        0 <= config.growth <= 1 << 14, "model.growth", f"must be 0 to 16384; got {config.growth}"
    )
    require(
        0 <= config.frequency_gain <= 2,
        "model.frequency_gain",
        f"must be 0 to 2; got {config.frequency_gain}",
    )
    _check_stems(config.stems)
    _check_audio(config)
    _check_network(config)


def _check_stems(stems: tuple[str, ...]) -> None:
    key = "training.instruments"
    require(len(stems) > 0, key, "names no stem")
    require(all(stems), key, "has an empty name")
    require(len(set(stems)) == len(stems), key, f"has a name twice: {', '.join(stems)}")


def _check_audio(config: Mdx23cConfig) -> None:
    n_fft, hop, chunk = config.n_fft, config.hop_samples, config.chunk_samples
    require(n_fft >= 2 and n_fft % 2 == 0, "audio.n_fft", f"must be even; got {n_fft}")
    require(
        hop <= n_fft // 2,
        "audio.hop_length",
        f"must be at most half of n_fft {n_fft}, or the STFT has no inverse; got {hop}",
    )
    require(
        config.n_bins <= n_fft // 2 + 1,
        "audio.dim_f",
        f"must be at most {n_fft // 2 + 1} for n_fft {n_fft}; got {config.n_bins}",
    )
    require(chunk % hop == 0, "audio.chunk_size", f"{chunk} is no multiple of hop_length {hop}")
    require(
        chunk > n_fft // 2,
        "audio.chunk_size",
        f"must be longer than half of n_fft {n_fft}; got {chunk}",
    )
    try:
        hop_samples_for(chunk, config.default_overlap)
    except OverlapError as error:
        raise ConfigError(f"inference.num_overlap: {error}") from error


def _check_network(config: Mdx23cConfig) -> None:
    n_bins, n_frames, n_subbands = config.n_bins, config.n_frames, config.num_subbands
    time, frequency = (factor**config.num_scales for factor in config.scale)
    require(
        n_bins % n_subbands == 0,
        "model.num_subbands",
        f"{n_subbands} does not divide audio.dim_f {n_bins}",
    )
    bins = n_bins // n_subbands
    require(
        bins % frequency == 0,
        "audio.dim_f",
        f"{n_bins} in {n_subbands} sub-bands gives {bins} bins, which {config.num_scales} scales "
        f"of {config.scale[1]} do not divide evenly",
    )
    require(
        n_frames % time == 0,
        "audio.chunk_size",
        f"{config.chunk_samples} gives {n_frames} frames, which {config.num_scales} scales of "
        f"{config.scale[0]} do not divide evenly",
    )
    require(
        bins // frequency >= config.bottleneck_factor,
        "model.bottleneck_factor",
        f"{config.bottleneck_factor} is more than the {bins // frequency} bins of the last scale",
    )
    _check_norm(config)
    elu_alpha(config.act)


def _check_norm(config: Mdx23cConfig) -> None:
    groups = norm_groups(config.norm)
    if groups is not None:
        require(
            config.num_channels % groups == 0 and config.growth % groups == 0,
            "model.norm",
            f"{config.norm}: {groups} groups do not divide num_channels {config.num_channels} "
            f"and growth {config.growth}",
        )


def norm_groups(norm: str | None) -> int | None:
    """The N of `GroupNormN`; None for BatchNorm, InstanceNorm and no norm.

    Raises ConfigError for any other name.
    """
    if norm in (None, "BatchNorm", "InstanceNorm"):
        return None
    groups = str(norm).removeprefix("GroupNorm")
    require(
        groups != norm and re.fullmatch("[1-9][0-9]{0,4}", groups) is not None,
        "model.norm",
        f"must be BatchNorm, InstanceNorm, GroupNormN or null; got {norm!r}",
    )
    return int(groups)


def elu_alpha(act: str) -> float | None:
    """The X of `eluX`; None for gelu and relu.

    Raises ConfigError for any other name.
    """
    if act in ("gelu", "relu"):
        return None
    try:
        return float(act.removeprefix("elu")) if act.startswith("elu") else _no_act(act)
    except ValueError:
        return _no_act(act)


def _no_act(act: str) -> float:
    raise ConfigError(f"model.act must be gelu, relu or eluX (as in elu1.0); got {act!r}")


def config_from_json(values: dict[str, Any]) -> Mdx23cConfig:
    """A configuration from `to_json`'s values. Raises ConfigError for an unknown field."""
    try:
        return Mdx23cConfig(
            **{**values, "stems": tuple(values["stems"]), "scale": tuple(values["scale"])}
        )
    except (KeyError, TypeError) as error:
        raise ConfigError(f"no configuration of this stemline: {error}") from error
