"""A new family is a folder and a line: here it is this file, from export to gRPC.

The toy takes waveforms and outputs each stem as the mixture times a gain, which its checkpoint has.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import soundfile
from helpers import music, snr_db
from toy_helpers import Extended

from stemline.arrays import Array
from stemline.engines import ModelInfo, TensorSpec
from stemline.engines.base import BATCH
from stemline.families.common.chunked import ChunkedProcessing, chunk_layout
from stemline.families.family import GraphTarget, LoadedNetwork, NetworkInfo, Tensors, Trace
from stemline.families.model_spec import ModelSpec
from stemline.families.separation import PieceLayout, SeparatorFamily

if TYPE_CHECKING:
    from torch import nn

RATE, CHUNK = 44100, 4410


@dataclass(frozen=True)
class ToyConfig:
    family: ClassVar[str] = "toy"
    stems: tuple[str, ...] = ("loud", "quiet")
    sample_rate_hz: int = RATE

    @property
    def inputs(self) -> Mapping[str, tuple[int | str, ...]]:
        return {"waveform": (2, CHUNK)}

    @property
    def outputs(self) -> Mapping[str, tuple[int | str, ...]]:
        return {"waveforms": (len(self.stems), 2, CHUNK)}

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "stems": list(self.stems)}


class ToyFamily(SeparatorFamily):
    name = "toy"

    def models(self) -> tuple[ModelSpec, ...]:
        return (ModelSpec("toy-gains", "toy", "gains", ToyConfig(), (), None, None, "MIT"),)

    def config_from_json(self, values: Mapping[str, Any]) -> ToyConfig:
        return ToyConfig(tuple(values["stems"]), values["sample_rate_hz"])

    def describe(self, config: ToyConfig, trained_on_stems_of: str = "") -> NetworkInfo:
        return NetworkInfo(config.stems, config.sample_rate_hz, 2, CHUNK, 2.0)

    def tensors(self, info: ModelInfo) -> Tensors:
        waveform = (2, info.chunk_samples)
        return Tensors(
            (TensorSpec("waveform", "float32", (BATCH, *waveform)),),
            (TensorSpec("waveforms", "float32", (BATCH, len(info.stems), *waveform)),),
        )

    def encode(self, info: ModelInfo, chunks: Array) -> dict[str, Array]:
        return {"waveform": chunks}

    def layout(self, info: ModelInfo, overlap: float | None = None) -> PieceLayout:
        return chunk_layout(info, overlap)

    def processing(
        self,
        info: ModelInfo,
        networks: Sequence[ModelInfo | None],
        weights: Sequence[Sequence[float]],
    ) -> ChunkedProcessing:
        def decode(outputs: Mapping[str, Array], wanted: Sequence[int]) -> Array:
            return outputs["waveforms"][:, list(wanted)]

        return ChunkedProcessing(info, lambda chunks: {"waveform": chunks}, decode)

    def build(self, config: ToyConfig) -> "nn.Module":
        import torch
        from torch import nn

        class Gains(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.gains = nn.Parameter(torch.rand(len(config.stems), 1, 1))

            def forward(self, waveform: torch.Tensor) -> torch.Tensor:
                return self.gains * waveform[:, None]

        return Gains().eval()

    def load(self, spec: ModelSpec, path: Path) -> LoadedNetwork:
        from stemline.families.common.checkpoint import load_strictly, read_checkpoint

        network = self.build(spec.config)
        load_strictly(network, read_checkpoint(path), str(path))
        return LoadedNetwork(network, spec.config)

    def write_graph(
        self, network: "nn.Module", info: ModelInfo, target: GraphTarget, trace: Trace
    ) -> dict[str, int]:
        return {"winograd_convolutions": trace(network, target, {})}


FAMILY = ToyFamily()


@pytest.fixture(scope="module")
def stemline(tmp_path_factory: pytest.TempPathFactory) -> Extended:
    """A stemline that knows the toy, and has it exported from a checkpoint of known gains."""
    import torch

    folder = tmp_path_factory.mktemp("toy")
    checkpoint = folder / "gains.pt"
    torch.save({"gains": torch.tensor([0.75, 0.25]).reshape(2, 1, 1)}, checkpoint)
    extended = Extended(folder, "stemline.families:FAMILIES", "toy", "test_toy_family")
    extended.run("export", "toy-gains", "--weights", checkpoint, "--artifacts", extended.artifacts)
    return extended


def check_stems(folder: Path, mixture: Array) -> None:
    for name, gain in (("loud", 0.75), ("quiet", 0.25)):
        stem, rate = soundfile.read(folder / f"{name}.wav", dtype="float32", always_2d=True)
        # Fades of overlapping chunks add up to 1 but for float32's rounding.
        assert rate == RATE and snr_db(gain * mixture, stem.T) > 100


def test_it_is_listed_and_verified(stemline: Extended) -> None:
    rows = json.loads(stemline.run("models", "--json", "--artifacts", stemline.artifacts))
    (row,) = [row for row in rows if row["model"] == "toy-gains"]
    assert (row["family"], row["stems"]) == ("toy", ["loud", "quiet"])
    assert [artifact["artifact"] for artifact in row["artifacts"]] == ["toy-gains.fp32"]
    shown = stemline.run("verify", "toy-gains", "--json", "--artifacts", stemline.artifacts)
    card = json.loads(shown)["card"]
    # A product is the same in every runtime, so the reference's golden values are met exactly.
    assert {part["stem"] for part in card["parity"]} == {"loud", "quiet"}
    assert all(part["max_abs"] == 0 for part in card["parity"])


def test_it_separates_here_and_over_grpc(stemline: Extended, tmp_path: Path) -> None:
    mixture = music(30_011)
    soundfile.write(tmp_path / "song.wav", mixture.T, RATE, subtype="FLOAT")
    common = ("separate", tmp_path / "song.wav", "-m", "toy-gains", "--bits", "32")
    stemline.run(*common, "-o", tmp_path / "local", "--artifacts", stemline.artifacts)
    check_stems(tmp_path / "local" / "song", mixture)
    with stemline.server("--artifacts", stemline.artifacts) as address:
        stemline.run(*common, "-o", tmp_path / "remote", "--server", address)
    check_stems(tmp_path / "remote" / "song", mixture)


def test_it_is_measured(stemline: Extended) -> None:
    shown = stemline.run(
        "bench", "toy-gains", "--engines", "onnx", "--rounds", "1", "--batches", "1,2", "--json",
        "--artifacts", stemline.artifacts,
    )  # fmt: skip
    rows = json.loads(shown)["rows"]
    assert [(row["model"], row["engine"], row["batch"]) for row in rows] == [
        ("toy-gains", "onnx", 1),
        ("toy-gains", "onnx", 2),
    ]
    assert all(row["chunk_s"] == pytest.approx(0.1) for row in rows)


def test_it_is_unknown_without_the_line(stemline: Extended, tmp_path: Path) -> None:
    """The artifact is never taken for another family's."""
    soundfile.write(tmp_path / "song.wav", music(100).T, RATE)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "stemline", "separate", str(tmp_path / "song.wav"),
         "-m", "toy-gains", "--artifacts", str(stemline.artifacts), "-o", str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "toy-gains is of family 'toy'; this stemline knows allin1, audiosep" in done.stderr
