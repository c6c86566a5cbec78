from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from export_helpers import input_specs, output_specs, tiny_config
from torch import nn

from stemline.engines import TensorSpec, open_engine, read_onnx_metadata
from stemline.errors import OnnxExportError
from stemline.evaluation.parity import snr_db
from stemline.export.torch_to_onnx import export_onnx
from stemline.export.weights import random_network

KINDS = [
    {"num_scales": 2, "num_blocks_per_scale": 2},
    {"norm": "BatchNorm", "act": "relu"},
    {"norm": "GroupNorm4", "act": "elu1.0"},
    {"norm": None, "act": "gelu", "stems": ("vocals",)},
    {"level_norm": True, "frequency_gain": 0.7, "mixture_consistency": True},
    {"num_subbands": 6, "n_bins": 240, "growth": 4, "scale": (4, 5), "audio_channels": 1},
]


@pytest.mark.parametrize("changes", KINDS, ids=str)
def test_onnx_runtime_gives_what_torch_gives_at_every_batch(
    changes: dict[str, object], tmp_path: Path
) -> None:
    config = tiny_config(**changes)
    network = random_network(config)
    for name, value in network.named_buffers():  # BatchNorm's: not at their start values
        if "running" in name:
            value.uniform_(0.5, 1.5)
    path = tmp_path / "model.onnx"
    export_onnx(network, input_specs(config), output_specs(config), path)
    engine = open_engine(path, device="cpu")
    generator = torch.Generator().manual_seed(3)
    for batch in (1, 2, 3):
        rows = torch.randn(batch, *config.input_shape, generator=generator)
        with torch.inference_mode():
            wanted = network(rows).numpy()
        got = engine.run({"mixture": rows.numpy()})["stems"]
        assert got.shape == (batch, *config.output_shape)
        assert snr_db(wanted, got) > 90  # float32 keeps 120 dB or more here


def test_silence_stays_silence_in_a_level_normed_graph(tmp_path: Path) -> None:
    config = tiny_config(level_norm=True, frequency_gain=0.7, mixture_consistency=True)
    path = tmp_path / "model.onnx"
    export_onnx(random_network(config), input_specs(config), output_specs(config), path)
    rows = np.zeros((2, *config.input_shape), np.float32)
    rows[1] = np.random.default_rng(0).standard_normal(config.input_shape)
    stems = open_engine(path, device="cpu").run({"mixture": rows})["stems"]
    assert not stems[0].any()
    assert np.isfinite(stems[1]).all() and stems[1].any()


def test_winograd_convolutions_agree_at_every_batch_and_the_file_keeps_its_kernels(
    tmp_path: Path,
) -> None:
    config = tiny_config(n_fft=1024, n_bins=512, num_channels=96, growth=4)
    network = random_network(config)
    path = tmp_path / "model.onnx"
    # Both scales' widest maps are 32 × 128 positions; one scale down they are a quarter.
    assert export_onnx(network, input_specs(config), output_specs(config), path) == 4
    n_bytes = sum(value.nbytes for value in network.state_dict().values())
    assert path.stat().st_size < 1.1 * n_bytes + 100_000  # four times that if they were unfolded
    engine = open_engine(path, device="cpu")
    generator = torch.Generator().manual_seed(3)
    rows = torch.randn(3, *config.input_shape, generator=generator)
    with torch.inference_mode():
        wanted = network(rows).numpy()
    alone = [engine.run({"mixture": row[None].numpy()})["stems"] for row in rows]
    together = engine.run({"mixture": rows.numpy()})["stems"]
    assert snr_db(wanted, together) > 90  # one Winograd convolution keeps 116 dB
    assert snr_db(together, np.concatenate(alone)) > 110  # float32 sums, split otherwise


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    config = tiny_config()
    export_onnx(
        random_network(config),
        input_specs(config),
        output_specs(config),
        path,
        {"stemline.model": '"tiny"'},
    )
    return path


def test_only_the_batch_is_free_and_it_has_its_name(exported: Path) -> None:
    graph = onnx.load(exported).graph
    axes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert axes == {"mixture": ["batch", 4, 256, 32], "stems": ["batch", 2, 4, 256, 32]}


def test_the_weights_and_the_metadata_are_inside_the_file(exported: Path) -> None:
    assert read_onnx_metadata(exported) == {"stemline.model": '"tiny"'}
    assert [path.name for path in exported.parent.iterdir()] == ["model.onnx"]


def test_the_file_says_nothing_of_the_machine_it_was_made_on(exported: Path) -> None:
    assert str(Path(__file__).parents[2]).encode() not in exported.read_bytes()


def test_exporting_twice_gives_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    config = tiny_config()
    again = tmp_path / "again.onnx"
    export_onnx(
        random_network(config),
        input_specs(config),
        output_specs(config),
        again,
        {"stemline.model": '"tiny"'},
    )
    assert again.read_bytes() == exported.read_bytes()


class Noisy(nn.Module):
    """Dropout shows whether a network ran in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.frozen = nn.BatchNorm1d(3).eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x) + 1


def test_a_network_in_training_mode_is_exported_for_evaluation_and_left_as_it_was(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network = Noisy()
    network.train()
    network.frozen.eval()
    path = tmp_path / "noisy.onnx"
    export_onnx(network, *specs((3,), (3,)), path)
    assert (network.training, network.dropout.training, network.frozen.training) == (
        True,
        True,
        False,
    )
    ones = np.ones((5, 3), np.float32)
    assert np.array_equal(open_engine(path).run({"mixture": ones})["stems"], ones + 1)
    assert capfd.readouterr() == ("", "")  # and nothing was said


def specs(*shapes: tuple[int, ...]) -> list[list[TensorSpec]]:
    """One input and one output of these shapes without their batch."""
    return [
        [TensorSpec(name, "float32", ("batch", *shape))]
        for name, shape in zip(("mixture", "stems"), shapes, strict=True)
    ]


class Fixed(nn.Module):
    """Its output has no batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(0)


def test_a_graph_whose_output_has_no_batch_axis_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OnnxExportError, match="came out with the axes"):
        export_onnx(Fixed(), *specs((3,), (3,)), tmp_path / "x.onnx")


def test_weights_over_two_gigabytes_are_refused(tmp_path: Path) -> None:
    with torch.device("meta"):
        huge = nn.Linear(1 << 15, 1 << 14)
    with pytest.raises(OnnxExportError, match="do not fit one ONNX file"):
        export_onnx(huge, *specs((1 << 15,), (1 << 14,)), tmp_path / "x.onnx")
