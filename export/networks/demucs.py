"""A configuration of the Demucs family to its network."""

from ..demucs_config import DemucsConfig
from .demucs_hybrid import HybridNetwork
from .hdemucs import Hdemucs
from .htdemucs import Htdemucs


def build_demucs(config: DemucsConfig) -> HybridNetwork:
    """The network in evaluation mode, its weights as torch initialises them."""
    network = Htdemucs if config.architecture == "htdemucs" else Hdemucs
    return network(config).eval()
