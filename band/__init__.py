"""A synthetic band: seeded songs with every stem and every truth; no samples, no network."""

from .compose import compose, excerpt
from .score import Score, Truth
from .song import SAMPLE_RATE_HZ, STEMS, Song, perform, play
from .synth.drums import LAYERS
from .truth import truth_digest, truth_json
from .write import write_song

__all__ = [
    "LAYERS",
    "SAMPLE_RATE_HZ",
    "STEMS",
    "Score",
    "Song",
    "Truth",
    "compose",
    "excerpt",
    "perform",
    "play",
    "truth_digest",
    "truth_json",
    "write_song",
]
