"""A configuration of the Demucs family to its network."""

from ..config import DemucsConfig
from .hdemucs import Hdemucs
from .htdemucs import Htdemucs
from .hybrid import HybridNetwork


def build_demucs(config: DemucsConfig) -> HybridNetwork:
    """The network in evaluation mode, its weights as torch initialises them."""
    network = Htdemucs if config.architecture == "htdemucs" else Hdemucs
    return network(config).eval()
