"""The one model of this family."""

from ..model_spec import ModelSpec
from .config import MadmomConfig

MADMOM_DOWNBEATS = ModelSpec(
    name="madmom-downbeats",
    family="madmom",
    title="madmom's RNN of beats and downbeats, from a madmom that you installed",
    config=MadmomConfig(),
    urls=(),
    sha256=None,
    size_bytes=None,
    licence="CC BY-NC-SA 4.0 (madmom)",
    installed_package="madmom",
)

MODELS = (MADMOM_DOWNBEATS,)
