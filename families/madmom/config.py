"""What shapes madmom's network of beats and downbeats and its features; checked, needs no torch.

The defaults are those of the eight networks that madmom 0.16.1 installs (`downbeats_blstm_1` to
`_8`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from stemline.checks import require
from stemline.engines.base import FRAMES
from stemline.engines.beat_info import BEAT, DOWNBEAT, FEATURES
from stemline.errors import ConfigError

OUTPUTS = (BEAT, DOWNBEAT)
"""Names of the outputs: probabilities of a beat within a bar, and of one that begins it."""
CLASSES = ("none", *OUTPUTS)
"""Classes of a frame, in the order of the last layer: one of them is true."""


@dataclass(frozen=True)
class MadmomConfig:
    """Bidirectional LSTM networks of one size, whose probabilities are averaged.

    Raises ConfigError that names the field when the numbers do not fit.
    """

    family: ClassVar[str] = "madmom"
    n_features: int = 314
    """Numbers of a frame: bands and rises of all resolutions."""
    units: int = 25
    """LSTM units of a layer in each direction."""
    n_layers: int = 3
    n_networks: int = 8
    sample_rate_hz: int = 44100
    hop_samples: int = 441
    """Samples between frames."""
    frame_samples: tuple[int, ...] = (1024, 2048, 4096)
    """Length of a frame at each resolution of the features."""
    bands_per_octave: tuple[int, ...] = (3, 6, 12)
    """Bands an octave at each resolution."""
    low_hz: float = 30.0
    high_hz: float = 17000.0
    """Upper limit of the bands; `low_hz` is the lower one."""
    rise_ratio: float = 0.5
    """Rises are measured from the frame whose middle is where the window falls to this."""
    threshold: float = 0.05
    """Tracks are decoded from the first to the last frame whose activation reaches it."""
    min_bpm: float = 55.0
    max_bpm: float = 215.0
    """The fastest tempo that the decoder tries; `min_bpm` is the slowest."""
    beats_per_bar: tuple[int, ...] = (3, 4)
    """The lengths of bars that the decoder tries, in beats."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def stems(self) -> tuple[str, ...]:
        """Empty: the network takes in the mixture."""
        return ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Empty: the network finds no sections."""
        return ()

    @property
    def frame_rate_hz(self) -> float:
        """Frames a second."""
        return self.sample_rate_hz / self.hop_samples

    @property
    def inputs(self) -> dict[str, tuple[int | str, ...]]:
        """Shape of the input without its batch; the frames are free."""
        return {FEATURES: (FRAMES, self.n_features)}

    @property
    def outputs(self) -> dict[str, tuple[int | str, ...]]:
        """Shapes of the outputs without their batch."""
        return {BEAT: (FRAMES,), DOWNBEAT: (FRAMES,)}

    def to_json(self) -> dict[str, Any]:
        """The object under `config` in manifest.json; `madmom_config_from_json` reads it back."""
        values = asdict(self)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


_TUPLES = ("frame_samples", "bands_per_octave", "beats_per_bar")


def madmom_config_from_json(values: Mapping[str, Any]) -> MadmomConfig:
    """A configuration from `to_json`'s values. Raises ConfigError for an unknown field."""
    kept: dict[str, Any] = dict(values)
    try:
        kept.update({name: tuple(kept[name]) for name in _TUPLES if name in kept})
        return MadmomConfig(**kept)
    except TypeError as error:
        raise ConfigError(f"no configuration of this stemline: {error}") from error


# Least and most of each number, or of each of several; those of the second table need not be whole.
_WHOLE: dict[str, tuple[int, int]] = {
    "n_features": (1, 1 << 16),
    "units": (1, 1 << 12),
    "n_layers": (1, 64),
    "n_networks": (1, 256),
    "sample_rate_hz": (1, 1 << 20),
    "hop_samples": (1, 1 << 16),
    "frame_samples": (2, 1 << 20),
    "bands_per_octave": (1, 1000),
    "beats_per_bar": (1, 64),
}
_REAL: dict[str, tuple[float, float]] = {
    "low_hz": (1e-3, 1e6),
    "high_hz": (1e-3, 1e6),
    "rise_ratio": (0, 1),
    "threshold": (0, 1),
    "min_bpm": (1, 1000),
    "max_bpm": (1, 1000),
}


def _check(config: MadmomConfig) -> None:
    for field in fields(config):
        name, value = field.name, getattr(config, field.name)
        least, most = _WHOLE.get(name) or _REAL[name]
        kind = (int,) if name in _WHOLE else (int, float)
        several = value if name in _TUPLES else (value,)
        fits = bool(several) and all(
            isinstance(one, kind) and not isinstance(one, bool) and least <= one <= most
            for one in several
        )
        require(fits, name, f"must be {least} to {most}; got {value!r}")
    require(
        len(config.bands_per_octave) == len(config.frame_samples),
        "bands_per_octave",
        f"must be as many as frame_samples, {len(config.frame_samples)}; got "
        f"{len(config.bands_per_octave)}",
    )
    for low, high in (("low_hz", "high_hz"), ("min_bpm", "max_bpm")):
        below = getattr(config, low) < getattr(config, high)
        require(below, low, f"must be below {high} {getattr(config, high):g}")
