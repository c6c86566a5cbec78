"""All-In-One: beats, downbeats and sections from the spectrograms of stems."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from stemline.arrays import Array
from stemline.engines import BeatInfo, ModelInfo, TensorSpec
from stemline.engines.base import BATCH, FRAMES
from stemline.engines.beat_info import BEAT, DOWNBEAT, FUNCTION, SECTION, SPECTROGRAM
from stemline.preprocessing.spectrogram import log_spectrogram

from ..beats import BeatFamily, beats_of
from ..family import GraphTarget, LoadedNetwork, NetworkInfo, Tensors, TestChunk, Trace
from ..model_spec import ModelSpec
from .config import AllInOneConfig, allin1_config_from_json
from .models import MODELS
from .processing import AllInOneProcessing

if TYPE_CHECKING:
    from torch import nn

    from .network.all_in_one import AllInOne

# A beat network takes in whole tracks; an artifact is compared on so many seconds. Padding to the
# widest window of attention makes shorter ones cost as much.
_TEST_S = 30.0
_MIN_BPM, _MAX_BPM = 55.0, 215.0
"""The tempi that All-In-One's decoder tries, whatever a fold's configuration names."""


class AllInOneFamily(BeatFamily):
    """One All-In-One network, or the mean of several folds in one graph."""

    name = "allin1"

    def models(self) -> tuple[ModelSpec, ...]:
        """`mini-beats`, which ships, the mean of all folds, and each fold."""
        return MODELS

    def config_from_json(self, values: Mapping[str, Any]) -> AllInOneConfig:
        """See `Family`."""
        return allin1_config_from_json(values)

    def describe(self, config: AllInOneConfig, trained_on_stems_of: str = "") -> NetworkInfo:
        """See `Family`; mono stems, whole tracks."""
        return NetworkInfo(
            stems=(),
            sample_rate_hz=config.sample_rate_hz,
            channels=1,
            chunk_samples=int(_TEST_S * config.sample_rate_hz),
            default_overlap=0.0,
            dynamic_length=True,
            beats=BeatInfo(
                family=self.name,
                stems=config.stems,
                labels=config.labels,
                best_threshold_downbeat=config.best_threshold_downbeat,
                trained_on_stems_of=trained_on_stems_of,
                sample_rate_hz=config.sample_rate_hz,
                hop_samples=config.hop_samples,
                n_bins=config.n_bins,
                min_bpm=_MIN_BPM,
                max_bpm=_MAX_BPM,
            ),
        )

    def beat_tensors(self, info: BeatInfo) -> Tensors:
        """`spectrogram` (batch, stems, frames, bins) → logits (batch, [labels,] frames)."""
        frames = (BATCH, FRAMES)
        spectrogram = (BATCH, len(info.stems), FRAMES, info.n_bins)
        return Tensors(
            (TensorSpec(SPECTROGRAM, "float32", spectrogram),),
            (
                *(TensorSpec(name, "float32", frames) for name in (BEAT, DOWNBEAT, SECTION)),
                TensorSpec(FUNCTION, "float32", (BATCH, len(info.labels), FRAMES)),
            ),
        )

    def encode(self, info: ModelInfo, chunks: Array) -> dict[str, Array]:
        """Mono stems (batch, stems, n) → their spectrograms."""
        rate_hz = beats_of(info).sample_rate_hz
        return {SPECTROGRAM: np.stack([log_spectrogram(chunk, rate_hz) for chunk in chunks])}

    def output_parts(self, info: ModelInfo, output: str) -> tuple[str, ...]:
        """The labels of `function`; the other outputs are one part each."""
        return beats_of(info).labels if output == FUNCTION else (output,)

    def test_chunk(self, info: ModelInfo) -> TestChunk:
        """One chunk with a channel for each stem."""
        return TestChunk(info.chunk_samples, len(beats_of(info).stems))

    def processing(self, info: BeatInfo) -> AllInOneProcessing:
        """See `BeatFamily`."""
        return AllInOneProcessing(info)

    def build(self, config: AllInOneConfig) -> "nn.Module":
        """See `Family`."""
        from .network.all_in_one import AllInOne

        return AllInOne(config).eval()

    def load(self, spec: ModelSpec, path: Path) -> LoadedNetwork:
        """See `Family`; a fold describes its network itself."""
        from .checkpoint.fold import read_fold

        assert isinstance(spec.config, AllInOneConfig)
        return read_fold(path, spec.config).network()

    def average(self, networks: "Sequence[nn.Module]") -> LoadedNetwork:
        """One network whose logits are the means of the folds'."""
        from .network.all_in_one import FoldMean

        mean = FoldMean(cast("AllInOne", network) for network in networks)
        return LoadedNetwork(mean, mean.config)

    def write_graph(
        self, network: "nn.Module", info: ModelInfo, target: GraphTarget, trace: Trace
    ) -> dict[str, int]:
        """Write it node by node; see graph/writer.py."""
        from .graph.writer import export_allin1
        from .network.all_in_one import AllInOne, FoldMean

        folds = network.networks if isinstance(network, FoldMean) else [cast(AllInOne, network)]
        export_allin1(folds, target.path, target.metadata)
        return {"folds": len(folds)}

    def custom(
        self, name: str, config_path: Path | None, weights: str | Path, licence: str
    ) -> tuple[ModelSpec, str | Path]:
        """See `Family`; `weights` may be a folder of several folds."""
        from .checkpoint.custom import custom_allin1

        return custom_allin1(name, config_path, weights, licence)

    def fold_files(self, folder: Path) -> list[Path]:
        """See `Family`."""
        from .checkpoint.fold import fold_files

        return fold_files(folder)


FAMILY = AllInOneFamily()
