"""AudioSep: one network that separates what a text describes, and one that reads the text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemline.arrays import Array, Arrays, Tokens
from stemline.engines import Engine, ModelInfo, StftInfo, TensorSpec, TextInfo
from stemline.engines.base import BATCH, TOKENS
from stemline.errors import ArtifactError

from ..family import GraphTarget, LoadedNetwork, NetworkInfo, Tensors, TestChunk, Trace
from ..model_spec import ModelSpec
from ..separation import PieceLayout, SeparatorFamily
from .config import (
    EMBEDDING,
    END,
    MAGNITUDE,
    MASK,
    N_SPECIAL,
    START,
    TOKEN_IDS,
    AudioSepConfig,
    SeparatorConfig,
    audiosep_config_from_json,
)
from .models import MODELS
from .processing import Ends, QueriedProcessing, chunk_layout
from .texts import TextReader
from .vocabulary import bytes_vocabulary, read_vocabulary

if TYPE_CHECKING:
    from torch import nn

_MASK_PARTS = ("real", "imaginary")
_TEST_TOKENS = 16
"""An artifact is compared on texts of so many tokens; most prompts are shorter."""
_N_TEST_IDS = 200
"""Of these many ids, which even a vocabulary of bytes has."""


class AudioSepFamily(SeparatorFamily):
    """A model is two networks, and each text makes a stem."""

    name = "audiosep"
    takes_custom = False

    def models(self) -> tuple[ModelSpec, ...]:
        """AudioSep."""
        return MODELS

    def config_from_json(self, values: Mapping[str, Any]) -> AudioSepConfig:
        """See `Family`."""
        return audiosep_config_from_json(values)

    def describe(self, config: AudioSepConfig, trained_on_stems_of: str = "") -> NetworkInfo:
        """See `Family`; one channel, whatever a track has."""
        if isinstance(config, SeparatorConfig):
            return NetworkInfo(
                stems=config.stems,
                sample_rate_hz=config.sample_rate_hz,
                channels=1,
                chunk_samples=config.chunk_samples,
                default_overlap=config.default_overlap,
                stft=StftInfo(
                    config.n_fft, config.hop_samples, config.n_bins, complex_as_channels=False
                ),
                text=TextInfo(config.n_embedding),
            )
        return NetworkInfo(
            stems=(),
            sample_rate_hz=config.sample_rate_hz,
            channels=1,
            chunk_samples=_TEST_TOKENS,
            default_overlap=0.0,
            text=TextInfo(config.n_embedding, True, config.most_tokens),
        )

    def tensors(self, info: ModelInfo) -> Tensors:
        """`magnitude` (batch, T, F) and `embedding` (batch, E) → `mask` (batch, 2, T, F).

        Of the text encoder `tokens` (batch, n), ids filled up with 1, → `embedding` (batch, E).
        """
        text, stft = info.text, info.stft
        if text is None or (stft is None and not text.is_encoder):
            raise ArtifactError(f"{info.model}: the artifact has no text or no STFT")
        embedding = TensorSpec(EMBEDDING, "float32", (BATCH, text.n_embedding))
        if stft is None:
            return Tensors((TensorSpec(TOKEN_IDS, "int64", (BATCH, TOKENS)),), (embedding,))
        frames = (info.chunk_samples // stft.hop_samples + 1, stft.n_bins)
        return Tensors(
            (TensorSpec(MAGNITUDE, "float32", (BATCH, *frames)), embedding),
            (TensorSpec(MASK, "float32", (BATCH, len(_MASK_PARTS), *frames)),),
        )

    def encode(self, info: ModelInfo, chunks: Array) -> Arrays:
        """Chunks (batch, 1, n) → the inputs of one run, to compare and to measure on.

        No text was given with them, so that a direction of each chunk's own is its embedding; of
        the text encoder each sample is a token.
        """
        text = info.text
        assert text is not None
        if text.is_encoder:
            return {TOKEN_IDS: _test_tokens(chunks[:, 0])}
        ends = Ends(info)
        direction = np.resize(chunks[:, 0, ::7], (len(chunks), text.n_embedding)).astype(np.float32)
        length = np.linalg.norm(direction, axis=-1, keepdims=True)
        return {
            MAGNITUDE: ends.magnitudes(ends.spectra(chunks[:, 0])),
            EMBEDDING: direction / np.maximum(length, np.float32(1e-6)),
        }

    def output_parts(self, info: ModelInfo, output: str) -> tuple[str, ...]:
        """Both parts of the mask; an embedding is one."""
        return _MASK_PARTS if output == MASK else (output,)

    def test_chunk(self, info: ModelInfo) -> TestChunk:
        """One chunk; a text of some tokens."""
        return TestChunk(info.chunk_samples, 1)

    def traced_lengths(self, info: ModelInfo) -> dict[str, int]:
        """See `Family`."""
        return {TOKENS: _TEST_TOKENS} if info.encodes_text else {}

    def layout(self, info: ModelInfo, overlap: float | None = None) -> PieceLayout:
        """See `SeparatorFamily`."""
        return chunk_layout(info, overlap)

    def processing(
        self,
        info: ModelInfo,
        networks: Sequence[ModelInfo | None],
        weights: Sequence[Sequence[float]],
    ) -> QueriedProcessing:
        """See `SeparatorFamily`; one network separates."""
        return QueriedProcessing(info)

    def text_reader(
        self, info: ModelInfo, engine: Engine, metadata: Mapping[str, str]
    ) -> TextReader:
        """See `SeparatorFamily`."""
        return TextReader(engine, info, metadata)

    def build(self, config: AudioSepConfig) -> "nn.Module":
        """See `Family`."""
        from .network import build_audiosep

        return build_audiosep(config)

    def load(self, spec: ModelSpec, path: Path) -> LoadedNetwork:
        """See `Family`."""
        from .checkpoint import load

        return load(spec, path)

    def carried(self, config: AudioSepConfig, files: Mapping[str, Path]) -> dict[str, str]:
        """The text encoder's vocabulary; of random weights one of bytes."""
        if isinstance(config, SeparatorConfig):
            return {}
        if not files:
            return bytes_vocabulary(config.n_tokens).to_metadata()
        return read_vocabulary(files, config.n_tokens).to_metadata()

    def part_file(self, folder: Path, encodes_text: bool) -> Path:
        """See `Family`."""
        from .checkpoint import part_file

        return part_file(folder, encodes_text)

    def write_graph(
        self, network: "nn.Module", info: ModelInfo, target: GraphTarget, trace: Trace
    ) -> dict[str, int]:
        """Write it with torch's exporter, convolutions as Winograd's where that pays."""
        return {"winograd_convolutions": trace(network, target, self.traced_lengths(info))}


def _test_tokens(samples: Array) -> Tokens:
    """Samples (batch, n) → ids between a text's beginning and its end, (batch, n)."""
    steps = np.abs(np.round(samples * np.float32(32767))).astype(np.int64)
    tokens = N_SPECIAL + steps % _N_TEST_IDS
    tokens[:, 0], tokens[:, -1] = START, END
    return tokens


FAMILY = AudioSepFamily()
