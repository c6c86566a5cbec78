"""What shapes AudioSep's two networks: the one that separates, and the one that reads texts.

Their numbers are checked against each other. Needs no torch.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from stemline.checks import require
from stemline.engines.base import TOKENS
from stemline.errors import ConfigError, OverlapError
from stemline.preprocessing.chunks import hop_samples_for

MAGNITUDE, EMBEDDING, MASK = "magnitude", "embedding", "mask"
"""Names of the separating network's inputs and output in an artifact; the text encoder's output is
called `embedding` too: it is what the other takes in."""
TOKEN_IDS = "tokens"
"""Name of the text encoder's input."""
STEM = "target"
"""What the one stem is called where nothing was asked for: its name is the text's."""
START, PAD, END, UNKNOWN = 0, 1, 2, 3
"""RoBERTa's ids of the tokens that stand for no text."""
N_SPECIAL = 4

# Halvings of the spectrogram from the widest layer to the narrowest: one more of frequency.
_HALVINGS_OF_TIME, _HALVINGS_OF_FREQUENCY = 5, 6
FRAMES_STEP = 1 << _HALVINGS_OF_TIME
"""Frames that are one at the narrowest: chunks that begin by whole steps are halved alike."""
_MOST = 1 << 20


@dataclass(frozen=True)
class SeparatorConfig:
    """A ResUNet30, told what to separate by an embedding. Raises ConfigError."""

    family: ClassVar[str] = "audiosep"
    kind: ClassVar[str] = "separator"
    widths: tuple[int, ...] = (32, 64, 128, 256, 384, 384)
    """Channels of the six scales on the way down, the widest spectrogram first."""
    n_embedding: int = 512
    """Length of an embedding of a text."""
    n_fft: int = 2048
    hop_samples: int = 320
    chunk_samples: int = 160_000
    sample_rate_hz: int = 32_000
    default_overlap: float = 0.424
    """Chunks of 5 s that begin every 2.88 s, nine of the network's coarsest steps in time: they are
    then halved as one pass over the whole track would be. The original's 3 s are no whole number of
    them, which costs 60 dB (see docs/audiosep.md)."""

    def __post_init__(self) -> None:
        require(len(self.widths) == 6, "widths", f"must be six; got {len(self.widths)}")
        for name in ("n_embedding", "n_fft", "hop_samples", "chunk_samples", "sample_rate_hz"):
            _check_size(name, getattr(self, name), 1 << 26)
        for width in self.widths:
            _check_size("widths", width, 1 << 14)
        require(
            self.n_fft % (2 << _HALVINGS_OF_FREQUENCY) == 0,
            "n_fft",
            f"must be a multiple of {2 << _HALVINGS_OF_FREQUENCY}; got {self.n_fft}",
        )
        require(
            self.hop_samples <= self.n_fft // 2,
            "hop_samples",
            f"must be at most half of n_fft {self.n_fft}; got {self.hop_samples}",
        )
        require(
            self.chunk_samples % self.hop_samples == 0 and self.chunk_samples > self.n_fft // 2,
            "chunk_samples",
            f"must be a multiple of hop_samples {self.hop_samples} and longer than half of n_fft "
            f"{self.n_fft}; got {self.chunk_samples}",
        )
        try:
            hop_samples_for(self.chunk_samples, self.default_overlap)
        except OverlapError as error:
            raise ConfigError(f"default_overlap: {error}") from error

    @property
    def stems(self) -> tuple[str, ...]:
        """One stem, whatever was asked for."""
        return (STEM,)

    @property
    def n_bins(self) -> int:
        """F, the bins that the network works on: all but the highest, which it leaves out."""
        return self.n_fft // 2

    @property
    def n_frames(self) -> int:
        """T, the frames of one chunk."""
        return self.chunk_samples // self.hop_samples + 1

    @property
    def n_padded_frames(self) -> int:
        """T rounded up to what the halvings divide."""
        return -(-self.n_frames // FRAMES_STEP) * FRAMES_STEP

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the inputs without their batch."""
        return {MAGNITUDE: (self.n_frames, self.n_bins), EMBEDDING: (self.n_embedding,)}

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the outputs without their batch: the mask's real and imaginary part."""
        return {MASK: (2, self.n_frames, self.n_bins)}

    def to_json(self) -> dict[str, Any]:
        """The object under `config` in manifest.json; `audiosep_config_from_json` reads it back."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class TextEncoderConfig:
    """RoBERTa and CLAP's projection of it: token ids to an embedding. Raises ConfigError."""

    family: ClassVar[str] = "audiosep"
    kind: ClassVar[str] = "text encoder"
    n_tokens: int = 50_265
    """Entries of the vocabulary."""
    n_hidden: int = 768
    n_layers: int = 12
    n_heads: int = 12
    n_intermediate: int = 3072
    n_positions: int = 514
    """Rows of the positions' table; the first two are of no position."""
    n_embedding: int = 512
    sample_rate_hz: int = 32_000
    """Of the network that the embeddings are for."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            _check_size(name, value, _MOST)
        require(
            self.n_hidden % self.n_heads == 0,
            "n_heads",
            f"{self.n_heads} do not divide n_hidden {self.n_hidden}",
        )
        least = N_SPECIAL + 256 + 1  # a token for each byte, and `<mask>`
        require(self.n_tokens >= least, "n_tokens", f"must be {least} or more; got {self.n_tokens}")
        require(self.n_positions > 4, "n_positions", f"must be over 4; got {self.n_positions}")

    @property
    def stems(self) -> tuple[str, ...]:
        """None: it separates nothing."""
        return ()

    @property
    def most_tokens(self) -> int:
        """The longest text in tokens, its beginning and its end counted."""
        return self.n_positions - 2

    @property
    def inputs(self) -> dict[str, tuple[int | str, ...]]:
        """Shapes of the inputs without their batch; the number of tokens is free."""
        return {TOKEN_IDS: (TOKENS,)}

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the outputs without their batch."""
        return {EMBEDDING: (self.n_embedding,)}

    def to_json(self) -> dict[str, Any]:
        """The object under `config` in manifest.json; `audiosep_config_from_json` reads it back."""
        return {"kind": self.kind, **asdict(self)}


AudioSepConfig = SeparatorConfig | TextEncoderConfig


def audiosep_config_from_json(values: Mapping[str, Any]) -> AudioSepConfig:
    """A configuration from `to_json`'s values. Raises ConfigError for what is none."""
    given = dict(values)
    kind = given.pop("kind", None)
    try:
        if kind == SeparatorConfig.kind:
            return SeparatorConfig(**{**given, "widths": tuple(given["widths"])})
        if kind == TextEncoderConfig.kind:
            return TextEncoderConfig(**given)
    except (KeyError, TypeError) as error:
        raise ConfigError(f"no configuration of this stemline: {error}") from error
    raise ConfigError(f"no configuration of this stemline: kind {kind!r:.100}")


def _check_size(name: str, value: int, most: int) -> None:
    require(1 <= value <= most, name, f"must be 1 to {most}; got {value}")
