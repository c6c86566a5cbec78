"""What export needs to know of a network family: its configuration, tensors, STFT and test chunks.

A new family is one configuration file, one network file, and one branch in each function here.
Needs no torch.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemline.engines import BeatInfo, StftInfo, TensorSpec
from stemline.engines.base import BATCH, FRAMES, SAMPLES
from stemline.engines.beat_info import FUNCTION, MADMOM_DOWNBEATS
from stemline.errors import ConfigError
from stemline.families.allin1.config import AllInOneConfig, allin1_config_from_json
from stemline.families.demucs import stft as demucs
from stemline.families.demucs.config import (
    WAVEFORM,
    WAVEFORMS,
    DemucsConfig,
    demucs_config_from_json,
)
from stemline.families.demucs.stft import DemucsStft
from stemline.families.madmom.config import MadmomConfig, madmom_config_from_json
from stemline.families.madmom.features import downbeat_features
from stemline.families.mdx23c import chunks_in as mdx23c
from stemline.families.mdx23c.config import Mdx23cConfig, config_from_json
from stemline.preprocessing.spectrogram import log_spectrogram
from stemline.preprocessing.stft import Stft

Array = NDArray[np.float32]
SeparatorConfig = Mdx23cConfig | DemucsConfig
BeatConfig = AllInOneConfig | MadmomConfig
NetworkConfig = SeparatorConfig | BeatConfig

MDX23C, DEMUCS, ALLIN1, MADMOM = "mdx23c", "demucs", "allin1", "madmom"
DEMUCS_OVERLAP = 0.25
"""What `apply_model` has segments overlap by, as a share of their length."""
# Networks of any length are judged on so much: more than two frames of HDemucs's LSTMs and no
# round number of hops. Its usual 44 s would take minutes at a batch of 3, and show no more.
_ANY_LENGTH_S = 10.01

# Beat networks hear whole tracks: this is what an artifact is judged on. Padding to the widest
# window of attention makes shorter ones cost as much.
_BEATS_S = 30.0
_MIN_BPM, _MAX_BPM = 55.0, 215.0
"""The tempi that All-In-One's decoder tries, whatever a fold's configuration names."""

_CONFIGS: dict[str, Callable[[Mapping[str, Any]], NetworkConfig]] = {
    MDX23C: lambda values: config_from_json(dict(values)),
    DEMUCS: demucs_config_from_json,
    ALLIN1: allin1_config_from_json,
    MADMOM: madmom_config_from_json,
}
FAMILIES = tuple(_CONFIGS)


def config_of(family: str, values: Mapping[str, Any]) -> NetworkConfig:
    """A configuration from what `to_json` gave. Raises ConfigError."""
    read = _CONFIGS.get(family)
    if read is None:
        raise ConfigError(f"family {family!r} is not known; there is {', '.join(FAMILIES)}")
    return read(values)


def finds_beats(config: NetworkConfig) -> bool:
    """Whether the network finds beats, and separates nothing."""
    return isinstance(config, BeatConfig)


def separated_stems(config: NetworkConfig) -> tuple[str, ...]:
    """The stems that the network gives, in order; none of one that finds beats."""
    return () if isinstance(config, BeatConfig) else config.stems


def parts_of(config: NetworkConfig, output: str) -> tuple[str, ...]:
    """What one output holds, each to be judged by itself: stems, labels, or one thing."""
    if isinstance(config, BeatConfig):
        return config.labels if output == FUNCTION else (output,)
    return config.stems


def beat_info(config: NetworkConfig, learned_from: str) -> BeatInfo | None:
    """What a run of a beat network needs; None of a separator.

    `learned_from` is the model whose stems it was trained on.
    """
    if not isinstance(config, BeatConfig):
        return None
    if isinstance(config, MadmomConfig):
        return BeatInfo(
            stems=(),
            labels=(),
            best_threshold_downbeat=config.threshold,
            sample_rate_hz=config.sample_rate_hz,
            hop_samples=config.hop_samples,
            n_bins=config.n_features,
            beats_per_bar=config.beats_per_bar,
            min_bpm=config.min_bpm,
            max_bpm=config.max_bpm,
            features=MADMOM_DOWNBEATS,
        )
    return BeatInfo(
        stems=config.stems,
        labels=config.labels,
        best_threshold_downbeat=config.best_threshold_downbeat,
        separator=learned_from,
        sample_rate_hz=config.sample_rate_hz,
        hop_samples=config.hop_samples,
        n_bins=config.n_bins,
        min_bpm=_MIN_BPM,
        max_bpm=_MAX_BPM,
    )


def any_length(config: NetworkConfig) -> bool:
    """Whether the network takes in chunks of any length."""
    if isinstance(config, BeatConfig):
        return True
    return isinstance(config, DemucsConfig) and config.architecture == "hdemucs"


def default_overlap(config: NetworkConfig) -> float:
    """Of a run that sets none; a network that hears whole tracks has none."""
    if isinstance(config, BeatConfig):
        return 0.0
    return config.default_overlap if isinstance(config, Mdx23cConfig) else DEMUCS_OVERLAP


def audio_channels(config: NetworkConfig) -> int:
    """Of the audio that the network works on."""
    return 1 if isinstance(config, BeatConfig) else config.audio_channels


def usual_samples(config: NetworkConfig) -> int:
    """The length of a chunk; of a network that hears whole tracks, what it is judged on."""
    if isinstance(config, BeatConfig):
        return int(_BEATS_S * config.sample_rate_hz)
    return config.chunk_samples


def stft_info(config: NetworkConfig) -> StftInfo | None:
    """The STFT around the network; None of a network that finds beats."""
    if isinstance(config, BeatConfig):
        return None
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
    config: NetworkConfig, shapes: Mapping[str, tuple[int | str, ...]], waveform: str
) -> list[TensorSpec]:
    specs = []
    for name, shape in shapes.items():
        axes: tuple[int | str, ...] = (BATCH, *shape)
        if any_length(config) and not isinstance(config, BeatConfig):  # those name their own
            axes = (*axes[:-1], SAMPLES if name == waveform else FRAMES)
        specs.append(TensorSpec(name, "float32", axes))
    return specs


def judged_chunk_samples(config: NetworkConfig) -> int:
    """The length of the chunks that an artifact is judged on."""
    usual = usual_samples(config)
    if any_length(config) and not isinstance(config, BeatConfig):
        return min(usual, int(_ANY_LENGTH_S * config.sample_rate_hz))
    return usual


def judged_channels(config: NetworkConfig) -> int:
    """Channels of the chunks that an artifact is judged on; of beats, one for each stem."""
    return len(config.stems) or 1 if isinstance(config, BeatConfig) else config.audio_channels


def traced_lengths(config: NetworkConfig) -> dict[str, int]:
    """Of the free axes besides the batch, while the network is traced."""
    if not (any_length(config) and isinstance(config, DemucsConfig)):
        return {}
    n_samples = judged_chunk_samples(config)
    return {SAMPLES: n_samples, FRAMES: -(-n_samples // config.hop_samples)}


def network_inputs(config: NetworkConfig, chunks: Array) -> dict[str, Array]:
    """Chunks (batch, channels, n) -> the network's inputs; of beats a channel is a stem."""
    if isinstance(config, BeatConfig):
        (name,) = config.inputs
        rate_hz = config.sample_rate_hz
        if isinstance(config, MadmomConfig):
            return {name: np.stack([downbeat_features(c.mean(0), rate_hz) for c in chunks])}
        return {name: np.stack([log_spectrogram(c, rate_hz) for c in chunks])}
    if isinstance(config, Mdx23cConfig):
        stft = Stft(config.n_fft, config.hop_samples, config.n_bins)
        (name,) = config.inputs
        return {name: mdx23c.network_input(chunks, stft)}
    demucs_stft = DemucsStft(config.n_fft, zero_ends=config.hybrid_old)
    return demucs.network_inputs(chunks, demucs_stft(chunks), complex_as_channels=config.cac)
