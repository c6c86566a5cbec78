"""A configuration to its network."""

import torch
from torch import nn

from ..allin1_config import AllInOneConfig
from ..config import Mdx23cConfig
from ..families import NetworkConfig
from ..madmom_config import MadmomConfig
from .allin1 import AllInOne
from .demucs import build_demucs
from .madmom_blstm import MadmomBlstm
from .mdx23c import Mdx23c


def build_network(config: NetworkConfig) -> nn.Module:
    """The network in evaluation mode, its weights as torch initialises them."""
    if isinstance(config, Mdx23cConfig):
        return Mdx23c(config).eval()
    if isinstance(config, AllInOneConfig):
        return AllInOne(config).eval()
    if isinstance(config, MadmomConfig):
        return MadmomBlstm(config).eval()
    return build_demucs(config)


def random_network(config: NetworkConfig, seed: int = 0) -> nn.Module:
    """The network with seeded random weights; the caller's random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(config)
