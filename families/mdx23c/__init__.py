"""MDX23C: TFC-TDF v3 networks on complex spectrograms, as UVR and MSST train them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemline.arrays import Array
from stemline.engines import ModelInfo, StftInfo, TensorSpec
from stemline.engines.base import BATCH
from stemline.errors import ConfigError
from stemline.preprocessing.stft import Stft

from ..common.chunked import ChunkedProcessing, chunk_layout
from ..family import GraphTarget, LoadedNetwork, NetworkInfo, Tensors, Trace
from ..model_spec import ModelSpec
from ..separation import PieceLayout, SeparatorFamily
from .config import INPUT, OUTPUT, Mdx23cConfig, config_from_json
from .models import MODELS
from .processing import network_input, processing, stft_info

if TYPE_CHECKING:
    from torch import nn


class Mdx23cFamily(SeparatorFamily):
    """One network a model, in chunks of one length."""

    name = "mdx23c"
    config_help = "MDX23C's YAML, as MSST or UVR write it"

    def models(self) -> tuple[ModelSpec, ...]:
        """The official models, and `mini`, which ships."""
        return MODELS

    def config_from_json(self, values: Mapping[str, Any]) -> Mdx23cConfig:
        """See `Family`."""
        return config_from_json(dict(values))

    def describe(self, config: Mdx23cConfig, trained_on_stems_of: str = "") -> NetworkInfo:
        """See `Family`."""
        return NetworkInfo(
            stems=config.stems,
            sample_rate_hz=config.sample_rate_hz,
            channels=config.audio_channels,
            chunk_samples=config.chunk_samples,
            default_overlap=config.default_overlap,
            stft=StftInfo(config.n_fft, config.hop_samples, config.n_bins),
            track_level=config.track_level,
        )

    def tensors(self, info: ModelInfo) -> Tensors:
        """`mixture` (batch, 2C, F, T) → `stems` (batch, S, 2C, F, T)."""
        stft = stft_info(info)
        n_frames = info.chunk_samples // stft.hop_samples + 1
        chunk = (2 * info.channels, stft.n_bins, n_frames)
        return Tensors(
            (TensorSpec(INPUT, "float32", (BATCH, *chunk)),),
            (TensorSpec(OUTPUT, "float32", (BATCH, len(info.stems), *chunk)),),
        )

    def encode(self, info: ModelInfo, chunks: Array) -> dict[str, Array]:
        """See `Family`."""
        stft = stft_info(info)
        return {INPUT: network_input(chunks, Stft(stft.n_fft, stft.hop_samples, stft.n_bins))}

    def layout(self, info: ModelInfo, overlap: float | None = None) -> PieceLayout:
        """See `SeparatorFamily`."""
        return chunk_layout(info, overlap)

    def processing(
        self,
        info: ModelInfo,
        networks: Sequence[ModelInfo | None],
        weights: Sequence[Sequence[float]],
    ) -> ChunkedProcessing:
        """See `SeparatorFamily`; a model is one network."""
        return processing(info)

    def build(self, config: Mdx23cConfig) -> "nn.Module":
        """See `Family`."""
        from .network import Mdx23c

        return Mdx23c(config).eval()

    def load(self, spec: ModelSpec, path: Path) -> LoadedNetwork:
        """See `Family`."""
        from .checkpoint import load

        return load(spec, path)

    def write_graph(
        self, network: "nn.Module", info: ModelInfo, target: GraphTarget, trace: Trace
    ) -> dict[str, int]:
        """Write it with torch's exporter, convolutions as Winograd's where that pays."""
        return {"winograd_convolutions": trace(network, target, {})}

    def custom(
        self, name: str, config_path: Path | None, weights: str | Path, licence: str
    ) -> tuple[ModelSpec, str | Path]:
        """See `Family`; the YAML beside the checkpoint is `config_path`."""
        from .config_file import read_config

        if config_path is None:
            raise ConfigError(f"--family {self.name} needs the network's YAML: --config FILE")
        spec = ModelSpec(
            name=name,
            family=self.name,
            title=name,
            config=read_config(config_path),
            urls=(),
            sha256=None,
            size_bytes=None,
            licence=licence,
        )
        return spec, weights


FAMILY = Mdx23cFamily()
