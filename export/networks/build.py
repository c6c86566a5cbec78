"""A configuration to its network."""

import torch
from torch import nn

from stemline.families.allin1.config import AllInOneConfig
from stemline.families.allin1.network.all_in_one import AllInOne
from stemline.families.demucs.network import build_demucs
from stemline.families.madmom.config import MadmomConfig
from stemline.families.madmom.network import MadmomBlstm
from stemline.families.mdx23c.config import Mdx23cConfig
from stemline.families.mdx23c.network import Mdx23c

from ..families import NetworkConfig


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
