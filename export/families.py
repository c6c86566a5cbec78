"""What export needs to know of a network family: its configuration, tensors, STFT and test chunks.

A new family is one configuration file, one network file, and one branch in each function here.
Needs no torch.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemline.engines import StftInfo, TensorSpec
from stemline.engines.base import BATCH, FRAMES, SAMPLES
from stemline.preprocessing import demucs, mdx23c
from stemline.preprocessing.demucs import DemucsStft
from stemline.preprocessing.stft import Stft

from .config import ConfigError, Mdx23cConfig, config_from_json
from .demucs_config import WAVEFORM, WAVEFORMS, DemucsConfig, demucs_config_from_json

Array = NDArray[np.float32]
NetworkConfig = Mdx23cConfig | DemucsConfig

MDX23C, DEMUCS = "mdx23c", "demucs"
DEMUCS_OVERLAP = 0.25
"""What `apply_model` has segments overlap by, as a share of their length."""
# Networks of any length are judged on so much: more than two frames of HDemucs's LSTMs and no
# round number of hops. Its usual 44 s would take minutes at a batch of 3, and show no more.
_ANY_LENGTH_S = 10.01

_CONFIGS: dict[str, Callable[[Mapping[str, Any]], NetworkConfig]] = {
    MDX23C: lambda values: config_from_json(dict(values)),
    DEMUCS: demucs_config_from_json,
}
FAMILIES = tuple(_CONFIGS)


def config_of(family: str, values: Mapping[str, Any]) -> NetworkConfig:
    """A configuration from what `to_json` gave. Raises ConfigError."""
    read = _CONFIGS.get(family)
    if read is None:
        raise ConfigError(f"family {family!r} is not known; there is {', '.join(FAMILIES)}")
    return read(values)


def any_length(config: NetworkConfig) -> bool:
    """Whether the network takes in chunks of any length."""
    return isinstance(config, DemucsConfig) and config.architecture == "hdemucs"


def default_overlap(config: NetworkConfig) -> float:
    """Of a run that sets none."""
    return config.default_overlap if isinstance(config, Mdx23cConfig) else DEMUCS_OVERLAP


def stft_info(config: NetworkConfig) -> StftInfo:
    """The STFT around the network."""
    if isinstance(config, Mdx23cConfig):
        return StftInfo(config.n_fft, config.hop_samples, config.n_bins)
    return StftInfo(config.n_fft, config.hop_samples, config.n_bins, config.cac, config.hybrid_old)


def input_specs(config: NetworkConfig) -> list[TensorSpec]:
    """The network's inputs, its free axes by name."""
    return _specs(config, config.inputs, WAVEFORM)


def output_specs(config: NetworkConfig) -> list[TensorSpec]:
    """The network's outputs, its free axes by name."""
    return _specs(config, config.outputs, WAVEFORMS)


def _specs(
    config: NetworkConfig, shapes: Mapping[str, tuple[int, ...]], waveform: str
) -> list[TensorSpec]:
    specs = []
    for name, shape in shapes.items():
        axes: tuple[int | str, ...] = (BATCH, *shape)
        if any_length(config):
            axes = (*axes[:-1], SAMPLES if name == waveform else FRAMES)
        specs.append(TensorSpec(name, "float32", axes))
    return specs


def judged_chunk_samples(config: NetworkConfig) -> int:
    """The length of the chunks that an artifact is judged on."""
    if any_length(config):
        return min(config.chunk_samples, int(_ANY_LENGTH_S * config.sample_rate_hz))
    return config.chunk_samples


def traced_lengths(config: NetworkConfig) -> dict[str, int]:
    """Of the free axes besides the batch, while the network is traced."""
    if not (any_length(config) and isinstance(config, DemucsConfig)):
        return {}
    n_samples = judged_chunk_samples(config)
    return {SAMPLES: n_samples, FRAMES: -(-n_samples // config.hop_samples)}


def network_inputs(config: NetworkConfig, chunks: Array) -> dict[str, Array]:
    """Chunks (batch, channels, n) -> the network's inputs."""
    if isinstance(config, Mdx23cConfig):
        stft = Stft(config.n_fft, config.hop_samples, config.n_bins)
        (name,) = config.inputs
        return {name: mdx23c.network_input(chunks, stft)}
    demucs_stft = DemucsStft(config.n_fft, zero_ends=config.hybrid_old)
    return demucs.network_inputs(chunks, demucs_stft(chunks), complex_as_channels=config.cac)
