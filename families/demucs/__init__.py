"""The Demucs family: HTDemucs and HDemucs, alone or in bags."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemline.arrays import Array
from stemline.engines import ModelInfo, StftInfo, TensorSpec
from stemline.engines.base import BATCH, FRAMES, SAMPLES

from ..family import GraphTarget, LoadedNetwork, NetworkInfo, Tensors, TestChunk, Trace
from ..model_spec import ModelSpec
from ..separation import PieceLayout, SeparatorFamily
from .config import (
    SPECTROGRAM,
    SPECTROGRAMS,
    WAVEFORM,
    WAVEFORMS,
    DemucsConfig,
    demucs_config_from_json,
)
from .models import MODELS
from .processing import Ends, SegmentedProcessing, forward_stft, segment_layout, stft_info

if TYPE_CHECKING:
    from torch import nn

DEFAULT_OVERLAP = 0.25
"""The share of a segment that the next one overlaps, as in demucs's `apply_model`."""
# Networks of any length are judged on so much: more than two frames of HDemucs's LSTMs and no
# round number of hops. Its usual 44 s would take minutes at a batch of 3, and show no more.
_DYNAMIC_LENGTH_S = 10.01


class DemucsFamily(SeparatorFamily):
    """One network, or a bag of them, on levelled tracks in weighted segments."""

    name = "demucs"
    config_help = "Demucs: the YAML of a bag, or MSST's"

    def models(self) -> tuple[ModelSpec, ...]:
        """The official bags."""
        return MODELS

    def config_from_json(self, values: Mapping[str, Any]) -> DemucsConfig:
        """See `Family`."""
        return demucs_config_from_json(values)

    def describe(self, config: DemucsConfig, trained_on_stems_of: str = "") -> NetworkInfo:
        """See `Family`."""
        return NetworkInfo(
            stems=config.stems,
            sample_rate_hz=config.sample_rate_hz,
            channels=config.audio_channels,
            chunk_samples=config.chunk_samples,
            default_overlap=DEFAULT_OVERLAP,
            stft=StftInfo(
                config.n_fft, config.hop_samples, config.n_bins, config.cac, config.hybrid_old
            ),
            dynamic_length=config.architecture == "hdemucs",
        )

    def tensors(self, info: ModelInfo) -> Tensors:
        """`waveform` and `spectrogram` → `waveforms` and `spectrograms`, which have every stem."""
        params, stft = stft_info(info), forward_stft(info)
        n_samples: int | str = SAMPLES if info.dynamic_length else info.chunk_samples
        n_frames: int | str = FRAMES if info.dynamic_length else stft.n_frames(info.chunk_samples)
        channels = info.channels * (2 if params.complex_as_channels else 1)
        waveform, spectrogram = (info.channels, n_samples), (channels, params.n_bins, n_frames)
        stems = (BATCH, len(info.stems))
        return Tensors(
            (
                TensorSpec(WAVEFORM, "float32", (BATCH, *waveform)),
                TensorSpec(SPECTROGRAM, "float32", (BATCH, *spectrogram)),
            ),
            (
                TensorSpec(WAVEFORMS, "float32", (*stems, *waveform)),
                TensorSpec(SPECTROGRAMS, "float32", (*stems, *spectrogram)),
            ),
        )

    def encode(self, info: ModelInfo, chunks: Array) -> dict[str, Array]:
        """See `Family`."""
        return Ends(info).encode(chunks)[0]

    def test_chunk(self, info: ModelInfo) -> TestChunk:
        """One chunk; for networks of any length a shorter one: their time grows with the length."""
        n_samples = info.chunk_samples
        if info.dynamic_length:
            n_samples = min(n_samples, int(_DYNAMIC_LENGTH_S * info.sample_rate_hz))
        return TestChunk(n_samples, info.channels)

    def traced_lengths(self, info: ModelInfo) -> dict[str, int]:
        """See `Family`."""
        if not info.dynamic_length:
            return {}
        n_samples = self.test_chunk(info).n_samples
        return {SAMPLES: n_samples, FRAMES: -(-n_samples // stft_info(info).hop_samples)}

    def layout(self, info: ModelInfo, overlap: float | None = None) -> PieceLayout:
        """See `SeparatorFamily`."""
        return segment_layout(info, overlap)

    def processing(
        self,
        info: ModelInfo,
        networks: Sequence[ModelInfo | None],
        weights: Sequence[Sequence[float]],
    ) -> SegmentedProcessing:
        """See `SeparatorFamily`."""
        return SegmentedProcessing(info, networks, weights)

    def build(self, config: DemucsConfig) -> "nn.Module":
        """See `Family`."""
        from .network import build_demucs

        return build_demucs(config)

    def load(self, spec: ModelSpec, path: Path) -> LoadedNetwork:
        """See `Family`; a package describes its network itself."""
        from .checkpoint.load import load

        return load(spec, path)

    def write_graph(
        self, network: "nn.Module", info: ModelInfo, target: GraphTarget, trace: Trace
    ) -> dict[str, int]:
        """Write it with torch's exporter."""
        return {"winograd_convolutions": trace(network, target, self.traced_lengths(info))}

    def custom(
        self, name: str, config_path: Path | None, weights: str | Path, licence: str
    ) -> tuple[ModelSpec, str | Path]:
        """See `Family`.

        `config_path` is demucs's YAML of a bag, `weights` then a folder; or MSST's YAML of one
        network, `weights` then its checkpoint.
        """
        from .checkpoint.custom import custom_demucs

        return custom_demucs(name, config_path, weights, licence)

    def member_file(self, folder: Path, signature: str) -> Path:
        """See `Family`."""
        from .checkpoint.bag_file import find_member

        return find_member(folder, signature)


FAMILY = DemucsFamily()
