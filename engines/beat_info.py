"""What a run needs to know of a network that finds beats; it is stored in the artifact."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from stemline.checks import require

SPECTROGRAM, FEATURES = "spectrogram", "features"
"""Names of the inputs of beat networks: a spectrogram for each stem, features of the mixture."""
BEAT, DOWNBEAT, SECTION, FUNCTION = "beat", "downbeat", "section", "function"
"""Names of their outputs; function is the scores of the labels."""
_LEAST_BPM, _GREATEST_BPM = 1.0, 1000.0


@dataclass(frozen=True)
class BeatInfo:
    """A network that takes stems or the mixture, and finds beats and perhaps sections.

    Raises ValueError that names the field when the numbers cannot be.
    """

    family: str
    """The family of networks, whose processing knows its input and its outputs."""
    stems: tuple[str, ...]
    """In the order of the network's input; empty for one that takes the mixture."""
    labels: tuple[str, ...]
    """The labels of sections, in the order of the output `function`; empty without sections."""
    best_threshold_downbeat: float | None
    """Tracks are decoded from the first to the last frame that reaches it; None: all of them."""
    trained_on_stems_of: str = ""
    """The separator whose stems the network was trained on; empty where that is not known."""
    sample_rate_hz: int = 44100
    hop_samples: int = 441
    """Samples between frames."""
    n_bins: int = 81
    """Numbers in a frame: bands of the spectrogram, or features."""
    beats_per_bar: tuple[int, ...] = (3, 4)
    """Bars that are tried; the likelier length is taken for the whole track."""
    min_bpm: float = 55.0
    max_bpm: float = 215.0

    def __post_init__(self) -> None:
        for name in ("stems", "labels"):
            names = getattr(self, name)
            _require(
                all(names) and len(set(names)) == len(names),
                name,
                f"must be different names; got {list(names)}",
            )
        for name in ("sample_rate_hz", "hop_samples", "n_bins"):
            value = getattr(self, name)
            _require(value >= 1, name, f"must be 1 or more; got {value}")
        bars = self.beats_per_bar
        _require(
            bool(bars) and min(bars) >= 1, "beats_per_bar", f"must be 1 or more; got {list(bars)}"
        )
        _require(
            _LEAST_BPM <= self.min_bpm < self.max_bpm <= _GREATEST_BPM,
            "min_bpm",
            f"must be below max_bpm, both {_LEAST_BPM:g} to {_GREATEST_BPM:g}; got "
            f"{self.min_bpm:g} and {self.max_bpm:g}",
        )
        threshold = self.best_threshold_downbeat
        _require(
            threshold is None or 0 <= threshold <= 1,
            "best_threshold_downbeat",
            f"must be 0 to 1; got {threshold}",
        )

    @property
    def frame_rate_hz(self) -> float:
        """Frames a second."""
        return self.sample_rate_hz / self.hop_samples

    def to_json(self) -> dict[str, Any]:
        """The object under `beats` of the model's info."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


def _require(fits: bool, name: str, complaint: str) -> None:
    require(fits, name, complaint, ValueError, separator=" ")
