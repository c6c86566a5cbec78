"""AudioSep's networks: the one that separates, and the one that reads texts."""

from torch import nn

from ..config import AudioSepConfig, SeparatorConfig
from .resunet import ResUNet30
from .text_encoder import TextEncoder


def build_audiosep(config: AudioSepConfig) -> nn.Module:
    """The network of a configuration, in evaluation mode."""
    if isinstance(config, SeparatorConfig):
        return ResUNet30(config).eval()
    return TextEncoder(config).eval()


__all__ = ["ResUNet30", "TextEncoder", "build_audiosep"]
