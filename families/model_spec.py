"""A row of the table of models: all that a new model of a known family needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from stemline.engines import MemberInfo
from stemline.engines.artifact import artifact_stem

Axes = tuple[int | str, ...]


class NetworkConfig(Protocol):
    """The numbers that shape one network; each family has its own class, which checks itself."""

    @property
    def family(self) -> str:
        """The name of its family."""

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems that a separator outputs or a beat network takes in, in order."""

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the audio that the network was trained on."""

    @property
    def inputs(self) -> Mapping[str, Axes]:
        """Shapes of the inputs without their batch; a free axis is a name."""

    @property
    def outputs(self) -> Mapping[str, Axes]:
        """Shapes of the outputs without their batch."""

    def to_json(self) -> dict[str, Any]:
        """The object under `config` in manifest.json; `Family.config_from_json` reads it back."""


@dataclass(frozen=True)
class CheckpointFile:
    """One file of one network at one address."""

    url: str
    sha256: str | None
    """Digest of the file; None where none is published: recorded on first use."""
    size_bytes: int | None = None

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class ModelSpec:
    """One model: its network, and where its weights are; or a bag of several of them."""

    name: str
    family: str
    title: str
    config: NetworkConfig
    """Its network's configuration; where checkpoints bring their own, that of random weights."""
    urls: tuple[str, ...]
    """The original first, then its mirrors; all hold the same file."""
    sha256: str | None
    """Digest of the checkpoint file; None where none is published: recorded on first use."""
    size_bytes: int | None
    licence: str
    bundled: Path | None = None
    """Weights that ship with stemline."""
    graph_optimization: Literal["extended", "all"] = "extended"
    """ONNX Runtime's level. `all` lays channels out in blocks of 16 for its convolutions: measured,
    a gain of a seventh for `mini`, whose convolutions are direct, and a loss for the large
    networks, whose convolutions are Winograd's."""

    memory_arena: bool = False
    """See `ModelInfo.memory_arena`."""
    other_files: tuple[CheckpointFile, ...] = ()
    """Files with these weights in other forms, tried where no address above answers."""
    member: MemberInfo | None = None
    """Where it is one of a bag's networks; `name` is then the bag's."""
    members: tuple["ModelSpec", ...] = ()
    """The networks of a bag."""
    text_encoder: "ModelSpec | None" = None
    """The network that makes embeddings of texts, for a model that separates by them."""
    encodes_text: bool = False
    """Whether it is such a network; `name` is then its model's."""
    carried_files: tuple[CheckpointFile, ...] = ()
    """Files besides the weights that are carried in the artifact, such as a vocabulary's."""
    folds: tuple["ModelSpec", ...] = ()
    """The networks whose outputs one graph averages."""
    fold: int = 0
    """Which of the folds this network is."""
    installed_package: str = ""
    """The package whose installation holds the weights, where they can be had no other way."""
    trained_on_stems_of: str = ""
    """The model whose stems a beat network was trained on."""
    default_rank: int = 0
    """Which model an unnamed one is, of those that are exported: the highest above 0, else the only
    one of 0, else the highest below 0, whose weights ship with stemline."""
    stems_rank: int = 0
    """Which separator a beat network takes in place of the one it was trained on: the highest."""

    @property
    def networks(self) -> tuple["ModelSpec", ...]:
        """Networks that are exported, an artifact each: a bag's members, or the model itself.

        And the one that encodes texts for it.
        """
        return (*(self.members or (self,)), *((self.text_encoder,) if self.text_encoder else ()))

    @property
    def artifact_stem(self) -> str:
        """The name of its artifact without the precision."""
        return artifact_stem(self.name, self.member, self.encodes_text)

    @property
    def files(self) -> tuple[CheckpointFile, ...]:
        """Every place its weights can be had from, in the order to try them."""
        return (
            *(CheckpointFile(url, self.sha256, self.size_bytes) for url in self.urls),
            *self.other_files,
        )

    @property
    def seed(self) -> int:
        """Seed of its random weights: each network of a bag has its own."""
        return self.member.index if self.member else self.fold
