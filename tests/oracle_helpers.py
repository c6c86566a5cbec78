"""The original networks that ours are compared with, imported without their heavy packages."""

import sys
import types
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from stemline.families.mdx23c.config import Mdx23cConfig

_PACKAGES = (
    "audio_separator",
    "audio_separator.separator",
    "audio_separator.separator.uvr_lib_v5",
)


def tfc_tdf_module() -> Any:
    """The module of TFC_TDF_net, without running its packages: they import much that is absent."""
    found = find_spec("audio_separator")
    if found is None or found.submodule_search_locations is None:
        pytest.fail("audio-separator is not installed; make test-oracles installs it")
    folder = Path(next(iter(found.submodule_search_locations))).parent
    for name in _PACKAGES:
        package = types.ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")))]
        sys.modules[name] = package
    from audio_separator.separator.uvr_lib_v5 import (  # type: ignore[import-untyped]
        tfc_tdf_v3,
    )

    return tfc_tdf_v3


def original_network(module: Any, config: Mdx23cConfig, *, target: bool = False) -> Any:
    """TFC_TDF_net of our configuration, seeded, in evaluation mode."""
    from ml_collections import ConfigDict

    values = {
        "audio": {
            "n_fft": config.n_fft,
            "hop_length": config.hop_samples,
            "dim_f": config.n_bins,
            "num_channels": config.audio_channels,
        },
        "model": {
            "norm": config.norm,
            "act": config.act,
            "num_scales": config.num_scales,
            "scale": list(config.scale),
            "num_blocks_per_scale": config.num_blocks_per_scale,
            "num_channels": config.num_channels,
            "growth": config.growth,
            "bottleneck_factor": config.bottleneck_factor,
            "num_subbands": config.num_subbands,
        },
        "training": {
            "instruments": [*config.stems, "other"] if target else list(config.stems),
            "target_instrument": config.stems[0] if target else None,
        },
    }
    torch.manual_seed(11)
    return module.TFC_TDF_net(ConfigDict(values), device="cpu").eval()
