"""What shapes an All-In-One network: its stems, spectrogram, sizes and labels, checked.

Needs no torch. The names and defaults are those of the published folds; a fold's own `config` is
read by `config_from_fold`.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar

from stemline.checks import require
from stemline.engines.base import FRAMES
from stemline.engines.beat_info import BEAT, DOWNBEAT, FUNCTION, SECTION, SPECTROGRAM
from stemline.errors import ConfigError

OUTPUTS = (BEAT, DOWNBEAT, SECTION, FUNCTION)
"""Names of the network's outputs in an artifact; all are logits."""

STEMS = ("bass", "drums", "other", "vocals")
LABELS = (
    "start",
    "end",
    "intro",
    "outro",
    "break",
    "bridge",
    "inst",
    "solo",
    "verse",
    "chorus",
)
INSTRUMENT_KERNEL = 5
"""Width of the attention over instruments and time, which no configuration changes."""


@dataclass(frozen=True)
class AllInOneConfig:
    """One All-In-One network and the spectrograms it was trained on.

    Raises ConfigError, in the words of allin1's own configuration, when the numbers do not fit.
    """

    family: ClassVar[str] = "allin1"
    stems: tuple[str, ...] = STEMS
    """Names of the stems in the order of the network's input."""
    labels: tuple[str, ...] = LABELS
    """Labels of sections, in the order of the output `function`."""
    n_bins: int = 81
    """Bands of the spectrogram."""
    sample_rate_hz: int = 44100
    hop_samples: int = 441
    """Samples between frames."""
    dim_embed: int = 24
    """Numbers that describe one frame of one stem inside the network."""
    num_heads: int = 2
    depth: int = 11
    """Number of blocks; neighbours in block i lie up to 2 · min(factor^i, most) frames apart."""
    kernel_size: int = 5
    """Neighbours that a frame attends to, itself one of them."""
    dilation_factor: int = 2
    dilation_max: int = 3200
    mlp_ratio: float = 4.0
    """Width of the feed-forward part over that of its input."""
    qkv_bias: bool = True
    layer_norm_eps: float = 1e-5
    best_threshold_beat: float | None = None
    """The least activation of a beat, found after the training; None where it was not. The decoder
    goes by that of downbeats alone."""
    best_threshold_downbeat: float | None = None
    """The least activation of a downbeat, the decoder's threshold; None where none was found."""
    bpm_min: int = 55
    bpm_max: int = 240
    """The fastest tempo that the fold names; its decoder goes to 215."""
    min_hops_per_beat: int = 24
    """Frames of the shortest beat; the peaks of sections are as far apart as four of it."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def frame_rate_hz(self) -> float:
        """Frames a second."""
        return self.sample_rate_hz / self.hop_samples

    @property
    def head_size(self) -> int:
        """Numbers of one frame that one head attends with."""
        return self.dim_embed // self.num_heads

    @property
    def dilations(self) -> tuple[int, ...]:
        """Dilation of each block's first attention, in frames; the second's are twice these."""
        return tuple(min(self.dilation_factor**i, self.dilation_max) for i in range(self.depth))

    @property
    def windows(self) -> tuple[int, ...]:
        """Frames that each block's attentions work on at least; a shorter clip gets padding."""
        return tuple(2 * self.kernel_size * dilation for dilation in self.dilations)

    @property
    def inputs(self) -> dict[str, tuple[int | str, ...]]:
        """Shape of the input without its batch; the frames are free."""
        return {SPECTROGRAM: (len(self.stems), FRAMES, self.n_bins)}

    @property
    def outputs(self) -> dict[str, tuple[int | str, ...]]:
        """Shapes of the outputs without their batch."""
        return {
            BEAT: (FRAMES,),
            DOWNBEAT: (FRAMES,),
            SECTION: (FRAMES,),
            FUNCTION: (len(self.labels), FRAMES),
        }

    def to_json(self) -> dict[str, Any]:
        """The object under `config` in manifest.json; `allin1_config_from_json` reads it back."""
        return {**asdict(self), "stems": list(self.stems), "labels": list(self.labels)}


def allin1_config_from_json(values: Mapping[str, Any]) -> AllInOneConfig:
    """A configuration from `to_json`'s values. Raises ConfigError for an unknown field."""
    try:
        return AllInOneConfig(
            **{**values, "stems": tuple(values["stems"]), "labels": tuple(values["labels"])}
        )
    except (KeyError, TypeError) as error:
        raise ConfigError(f"no configuration of this stemline: {error}") from error


# What shapes the network, its input or what is made of its outputs, is fixed here, and a fold could
# say otherwise; where it does not say, it is as here.
_FIXED = {
    "act_conv": "elu",
    "act_transformer": "gelu",
    "double_attention": True,
    "instrument_attention": True,
    "num_bands": 12,
    "window_size": 2048,
    "fmin": 30,
    "fmax": 17000,
    "sample_rate": 44100,
    "hop_size": 441,
    "fps": 100,
    "min_hops_per_beat": 24,
}
# allin1 builds one other network, whose first convolutions are wider; any other name of `model`
# only describes, and the published folds have two.
_OTHER_MODEL = "tcn"
# What only describes: it is taken over where it can be, and never refused.
_DESCRIBING = ("best_threshold_beat", "bpm_min", "bpm_max")
# The fold's name of a field, where it is not ours.
_THEIR_NAMES = {"n_bins": "dim_input", "sample_rate_hz": "sample_rate", "hop_samples": "hop_size"}


def config_from_fold(values: Mapping[str, Any]) -> AllInOneConfig:
    """The configuration in a fold's `config`; the rest of that is about training.

    Raises ConfigError when it is of a network or a spectrogram that is not known here.
    """
    require(
        values.get("model") != _OTHER_MODEL,
        "model",
        f"{_OTHER_MODEL!r} is a network of other convolutions, which is not built here",
    )
    for key, wanted in _FIXED.items():
        found = values.get(key, wanted)
        require(found == wanted, key, f"must be {wanted!r}; got {found!r:.100}")
    data = values.get("data", {})
    require(isinstance(data, Mapping), "data", f"is a {type(data).__name__}, no mapping")
    for key, names in (("num_instruments", STEMS), ("num_labels", LABELS)):
        found = data.get(key, len(names))
        require(found == len(names), f"data.{key}", f"must be {len(names)}; got {found!r:.100}")
    given = {}
    for field in fields(AllInOneConfig):
        key = _THEIR_NAMES.get(field.name, field.name)
        if field.name not in ("stems", "labels") and key in values:
            given[field.name] = values[key]
    config = AllInOneConfig(**{k: v for k, v in given.items() if k not in _DESCRIBING})
    try:
        return replace(config, **{k: given[k] for k in _DESCRIBING if k in given})
    except ConfigError:
        return config


# Least and most of each number; those of the second table need not be whole.
_WHOLE: dict[str, tuple[int, int]] = {
    "n_bins": (1, 1 << 12),
    "sample_rate_hz": (1, 1 << 20),
    "hop_samples": (1, 1 << 16),
    "dim_embed": (2, 1 << 12),
    "num_heads": (1, 256),
    "depth": (1, 24),
    "kernel_size": (3, 63),
    "dilation_factor": (1, 16),
    "dilation_max": (1, 1 << 16),
    "bpm_min": (1, 1000),
    "bpm_max": (1, 1000),
    "min_hops_per_beat": (1, 10000),
}
_REAL: dict[str, tuple[float, float]] = {
    "mlp_ratio": (0.01, 64),
    "layer_norm_eps": (1e-12, 1),
    "best_threshold_beat": (0, 1),
    "best_threshold_downbeat": (0, 1),
}
_OPTIONAL = ("best_threshold_beat", "best_threshold_downbeat")


def _check(config: AllInOneConfig) -> None:
    for field in fields(config):
        value = getattr(config, field.name)
        key = _THEIR_NAMES.get(field.name, field.name)
        limits = _WHOLE.get(field.name) or _REAL.get(field.name)
        if limits is None or (value is None and field.name in _OPTIONAL):
            continue
        kind = (int,) if field.name in _WHOLE else (int, float)
        fits = isinstance(value, kind) and not isinstance(value, bool)
        least, most = limits
        require(fits and least <= value <= most, key, f"must be {least} to {most}; got {value!r}")
    require(
        isinstance(config.qkv_bias, bool),
        "qkv_bias",
        f"must be true or false; got {config.qkv_bias!r}",
    )
    require(
        config.dim_embed % config.num_heads == 0,
        "num_heads",
        f"must divide dim_embed {config.dim_embed}; got {config.num_heads}",
    )
    require(config.dim_embed % 2 == 0, "dim_embed", f"must be even; got {config.dim_embed}")
    require(config.kernel_size % 2 == 1, "kernel_size", f"must be odd; got {config.kernel_size}")
    require(config.bpm_min < config.bpm_max, "bpm_min", f"must be below bpm_max {config.bpm_max}")
    for key, names in (("data.num_instruments", config.stems), ("data.num_labels", config.labels)):
        require(len(names) > 0 and all(names), key, "names nothing, or has no name")
        require(len(set(names)) == len(names), key, f"has a name twice: {', '.join(names)}")
    require(
        len(config.stems) <= INSTRUMENT_KERNEL,
        "data.num_instruments",
        f"must be at most {INSTRUMENT_KERNEL}; got {len(config.stems)}",
    )
    require(
        bins_left(config.n_bins) == 1,
        "dim_input",
        f"must leave one bin after three convolutions (as 81 does); {config.n_bins} leaves "
        f"{bins_left(config.n_bins)}",
    )


def bins_left(n_bins: int) -> int:
    """Bins after the embeddings' convolutions of width 3, 12 and 3, each pooled by 3."""
    for width in (3, 12, 3):
        n_bins = max(0, math.floor((n_bins - width + 1) / 3))
    return n_bins
