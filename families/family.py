"""The contract that every family of networks implements for export and serving."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stemline.arrays import Array, Arrays
from stemline.engines import BeatInfo, ModelInfo, StftInfo, TensorSpec, TextInfo
from stemline.errors import ConfigError

from .model_spec import ModelSpec, NetworkConfig

if TYPE_CHECKING:
    from torch import nn

Task = Literal["separate", "beats"]
"""What a model does: separate a mixture, or find beats and perhaps sections."""


@dataclass(frozen=True)
class Tensors:
    """The inputs and outputs that an artifact has, its free axes by name."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class NetworkInfo:
    """The part of a ModelInfo that a network's configuration decides; see there."""

    stems: tuple[str, ...]
    sample_rate_hz: int
    channels: int
    chunk_samples: int
    default_overlap: float
    stft: StftInfo | None = None
    dynamic_length: bool = False
    track_level: bool = False
    beats: BeatInfo | None = None
    text: TextInfo | None = None


@dataclass(frozen=True)
class TestChunk:
    """The size of one input that an artifact is compared with its reference on."""

    __test__ = False  # no test of pytest's

    n_samples: int
    channels: int


@dataclass(frozen=True)
class LoadedNetwork:
    """A network with its weights."""

    network: "nn.Module"
    """The network in evaluation mode."""
    config: NetworkConfig
    """The configuration it was built by: the checkpoint's own, where it has one."""
    notes: tuple[str, ...] = ()
    """What a user should know of how its checkpoint was read, a line each."""


@dataclass(frozen=True)
class GraphTarget:
    """The file that a graph is written to, and what it has to hold."""

    path: Path
    tensors: Tensors
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The file's `metadata_props`."""


Trace = Callable[["nn.Module", GraphTarget, Mapping[str, int]], int]
"""Write a network with torch's exporter: the network, the target, and the lengths that free axes
besides the batch have while it is traced → the number of convolutions written as Winograd's."""


class Family(ABC):
    """One family of networks. A method that needs torch imports it when it is called."""

    name: ClassVar[str]
    """The name that users and artifacts call it by."""
    task: ClassVar[Task]
    config_help: ClassVar[str] = ""
    """The file that `--config` names for a checkpoint of this family; empty where it takes none."""
    takes_custom: ClassVar[bool] = True
    """Whether checkpoints that are not in the table can be exported."""

    # Needs no torch ---------------------------------------------------------------------------

    @abstractmethod
    def models(self) -> tuple[ModelSpec, ...]:
        """The rows of the table, in the order in which they are listed."""

    @abstractmethod
    def config_from_json(self, values: Mapping[str, Any]) -> NetworkConfig:
        """A configuration from `to_json`'s values. Raises ConfigError."""

    @abstractmethod
    def describe(self, config: Any, trained_on_stems_of: str = "") -> NetworkInfo:
        """The numbers that a run needs; `trained_on_stems_of` is the ModelSpec's."""

    @abstractmethod
    def tensors(self, info: ModelInfo) -> Tensors:
        """The inputs and outputs of a model's artifact.

        Raises ArtifactError when a model of this family cannot have these numbers.
        """

    @abstractmethod
    def encode(self, info: ModelInfo, chunks: Array) -> Arrays:
        """Chunks (batch, channels, n) → the network's inputs; see `test_chunk` for both sizes."""

    def output_parts(self, info: ModelInfo, output: str) -> tuple[str, ...]:
        """Names of the parts of one output, each compared by itself: stems, labels, or one name."""
        return info.stems

    def test_chunk(self, info: ModelInfo) -> TestChunk:
        """The size of the input that an artifact is compared with its reference on."""
        return TestChunk(info.chunk_samples, info.channels)

    def traced_lengths(self, info: ModelInfo) -> dict[str, int]:
        """Lengths of the free axes besides the batch, while the network is traced."""
        return {}

    # Needs torch ------------------------------------------------------------------------------

    @abstractmethod
    def build(self, config: Any) -> "nn.Module":
        """The network in evaluation mode, its weights as torch initialises them."""

    @abstractmethod
    def load(self, spec: ModelSpec, path: Path) -> LoadedNetwork:
        """The network of a model with the weights at `path`.

        Raises CheckpointError when that is no checkpoint or does not fit the configuration,
        ConfigError when a configuration in it is not one that is built here.
        """

    @abstractmethod
    def write_graph(
        self, network: "nn.Module", info: ModelInfo, target: GraphTarget, trace: Trace
    ) -> dict[str, int]:
        """Write the ONNX file -> numbers that describe the graph, for the manifest.

        Raises OnnxExportError or OSError.
        """

    def carried(self, config: Any, files: Mapping[str, Path]) -> dict[str, str]:
        """What an artifact carries of `ModelSpec.carried_files`, for its `metadata_props`.

        `files` are those files by their names; none for random weights. Raises WeightsError for
        what does not fit the configuration.
        """
        return {}

    def custom(
        self, name: str, config_path: Path | None, weights: str | Path, licence: str
    ) -> tuple[ModelSpec, str | Path]:
        """A row for a checkpoint that is not in the table, and the weights to load for it.

        Raises ConfigError, CheckpointError, or WeightsError where there is no such file.
        """
        raise ConfigError(f"--family {self.name} takes no checkpoint of your own")

    def member_file(self, folder: Path, signature: str) -> Path:
        """The file of one network of a bag in a folder of them. Raises CheckpointError."""
        raise ConfigError(f"models of family {self.name} are no bags")

    def part_file(self, folder: Path, encodes_text: bool) -> Path:
        """The file of a model's encoder of texts, or of what separates, in a folder of both.

        Raises CheckpointError.
        """
        raise ConfigError(f"models of family {self.name} encode no texts")

    def fold_files(self, folder: Path) -> list[Path]:
        """The files of a model's folds in a folder, in order. Raises WeightsError for none."""
        raise ConfigError(f"networks of family {self.name} are not averaged")

    def average(self, networks: "Sequence[nn.Module]") -> LoadedNetwork:
        """One network whose outputs are the means of those of several folds."""
        raise ConfigError(f"networks of family {self.name} are not averaged")

    def find_installed(self, given: Path | None = None) -> Path | None:
        """The folder of weights in an installed package: this environment's, or below `given`."""
        return None

    def installed_digest(self, folder: Path) -> str:
        """One digest of the weights in an installed package."""
        raise ConfigError(f"weights of family {self.name} come with no package")
