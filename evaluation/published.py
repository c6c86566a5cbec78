"""The published figures of weights that ship with stemline, and the words they are said in.

They lie in a file beside the weights, which `bench.studies.published` writes; the list of models
and the pages state these and no others.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .beat_quality import BeatQuality, beat_quality_from_json
from .quality import Quality, quality_from_json


@dataclass(frozen=True)
class Published:
    """What was measured of these weights."""

    weights_sha256: str
    quality: Quality | BeatQuality

    def to_json(self) -> dict[str, Any]:
        """What the file holds; `read_published` reads it back."""
        return {"weights_sha256": self.weights_sha256, "quality": self.quality.to_json()}


def published_path(weights: Path) -> Path:
    """The file of the figures beside weights that ship."""
    return weights.with_suffix(".quality.json")


def read_published(weights: Path) -> Published | None:
    """The figures of weights that ship; None where there are none of these."""
    path = published_path(weights)
    if not path.is_file():
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    quality = values["quality"]
    read = beat_quality_from_json if "beat" in quality else quality_from_json
    return Published(values["weights_sha256"], read(quality))


def figures(quality: Quality | BeatQuality) -> str:
    """`11.8 dB (drums 11.4, bass 11.2)`, the mean first; `0.91 of beats, 0.88 of downbeats`."""
    if isinstance(quality, BeatQuality):
        return f"{quality.beat:.2f} of beats, {quality.downbeat:.2f} of downbeats"
    stems = ", ".join(f"{stem.stem} {stem.improvement_db:.1f}" for stem in quality.stems)
    return f"{quality.mean_improvement_db:.1f} dB ({stems})"


def basis(quality: Quality | BeatQuality) -> str:
    """Which songs: `24 songs of 30 s`, and of beats what they were found in."""
    n_songs = len(quality.seeds)
    songs = f"{n_songs} song{'' if n_songs == 1 else 's'} of {quality.seconds_each:g} s"
    return f"{songs}, {quality.inputs}" if isinstance(quality, BeatQuality) else songs


def cell(quality: Quality | BeatQuality) -> str:
    """The figures in a table: `SI-SDR improvement 11.8 dB (drums 11.4); 24 songs of 30 s`."""
    what = "F-measure" if isinstance(quality, BeatQuality) else "SI-SDR improvement"
    return f"{what} {figures(quality)}; {basis(quality)}"


def sentence(quality: Quality | BeatQuality) -> str:
    """The figures as pages state them: what, its unit, how much, and in which songs."""
    is_beats = isinstance(quality, BeatQuality)
    what = "F-measure within 70 ms" if is_beats else "SI-SDR improvement over the mixture"
    songs = f"mean of held-out songs of the synthetic band ({basis(quality)})"
    return f"{what} {figures(quality)}, {songs}"
