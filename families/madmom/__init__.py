"""madmom's recurrent networks of beats and downbeats, from a madmom that the user installed."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from stemline.arrays import Array
from stemline.engines import BeatInfo, ModelInfo, TensorSpec
from stemline.engines.base import BATCH, FRAMES
from stemline.engines.beat_info import BEAT, DOWNBEAT, FEATURES
from stemline.errors import ConfigError

from ..beats import BeatFamily, beats_of
from ..family import GraphTarget, LoadedNetwork, NetworkInfo, Tensors, Trace
from ..model_spec import ModelSpec
from .config import MadmomConfig, madmom_config_from_json
from .features import downbeat_features
from .models import MODELS
from .processing import MadmomProcessing

if TYPE_CHECKING:
    from torch import nn

    from .network import MadmomBlstm

_TEST_S = 30.0
"""Length of the test signal that an artifact is compared on; tracks are taken in whole."""


class MadmomFamily(BeatFamily):
    """The mean of eight networks that take the mixture."""

    name = "madmom"
    takes_custom = False

    def models(self) -> tuple[ModelSpec, ...]:
        """The one model of madmom's."""
        return MODELS

    def config_from_json(self, values: Mapping[str, Any]) -> MadmomConfig:
        """See `Family`."""
        return madmom_config_from_json(values)

    def describe(self, config: MadmomConfig, trained_on_stems_of: str = "") -> NetworkInfo:
        """See `Family`; the mixture in mono, whole tracks."""
        return NetworkInfo(
            stems=(),
            sample_rate_hz=config.sample_rate_hz,
            channels=1,
            chunk_samples=int(_TEST_S * config.sample_rate_hz),
            default_overlap=0.0,
            dynamic_length=True,
            beats=BeatInfo(
                family=self.name,
                stems=(),
                labels=(),
                best_threshold_downbeat=config.threshold,
                sample_rate_hz=config.sample_rate_hz,
                hop_samples=config.hop_samples,
                n_bins=config.n_features,
                beats_per_bar=config.beats_per_bar,
                min_bpm=config.min_bpm,
                max_bpm=config.max_bpm,
            ),
        )

    def beat_tensors(self, info: BeatInfo) -> Tensors:
        """`features` (batch, frames, features) → probabilities (batch, frames)."""
        frames = (BATCH, FRAMES)
        return Tensors(
            (TensorSpec(FEATURES, "float32", (*frames, info.n_bins)),),
            tuple(TensorSpec(name, "float32", frames) for name in (BEAT, DOWNBEAT)),
        )

    def encode(self, info: ModelInfo, chunks: Array) -> dict[str, Array]:
        """Chunks (batch, channels, n) → features of their mean over the channels."""
        rate_hz = beats_of(info).sample_rate_hz
        return {FEATURES: np.stack([downbeat_features(c.mean(0), rate_hz) for c in chunks])}

    def output_parts(self, info: ModelInfo, output: str) -> tuple[str, ...]:
        """The output's name: each output is one part."""
        return (output,)

    def processing(self, info: BeatInfo) -> MadmomProcessing:
        """See `BeatFamily`."""
        return MadmomProcessing(info)

    def build(self, config: MadmomConfig) -> "nn.Module":
        """See `Family`."""
        from .network import MadmomBlstm

        return MadmomBlstm(config).eval()

    def load(self, spec: ModelSpec, path: Path) -> LoadedNetwork:
        """See `Family`; `path` is the folder that `find_installed` found."""
        from .checkpoint.installed import read_madmom

        madmom = read_madmom(path)
        return LoadedNetwork(madmom.network(), madmom.config)

    def write_graph(
        self, network: "nn.Module", info: ModelInfo, target: GraphTarget, trace: Trace
    ) -> dict[str, int]:
        """Write it node by node; see graph.py."""
        from .graph import export_madmom

        export_madmom(cast("MadmomBlstm", network), target.path, target.metadata)
        return {}

    def custom(
        self, name: str, config_path: Path | None, weights: str | Path, licence: str
    ) -> tuple[ModelSpec, str | Path]:
        """Raise ConfigError: there is one such network, and it is in the table."""
        raise ConfigError("madmom's network is in the table: stemline export madmom-downbeats")

    def find_installed(self, given: Path | None = None) -> Path | None:
        """See `Family`."""
        from .checkpoint.installed import find_madmom

        return find_madmom(given)

    def installed_digest(self, folder: Path) -> str:
        """See `Family`."""
        from .checkpoint.installed import madmom_digest

        return madmom_digest(folder)


FAMILY = MadmomFamily()
