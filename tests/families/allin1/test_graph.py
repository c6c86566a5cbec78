from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from allin1_helpers import SMALL, small_allin1, spectrograms
from numpy.typing import NDArray

from stemline.errors import OnnxExportError
from stemline.evaluation.parity import snr_db
from stemline.families.allin1.config import OUTPUTS
from stemline.families.allin1.graph.writer import export_allin1
from stemline.families.allin1.network.all_in_one import AllInOne
from stemline.families.common.graph import OPSET

# Three blocks in float32, of one order of sums and another.
FLOAT32_DB = 100.0


def run(path: Path, x: torch.Tensor) -> list[NDArray[np.float32]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return list(session.run(list(OUTPUTS), {"spectrogram": x.numpy()}))


def logits(network: AllInOne, x: torch.Tensor) -> list[NDArray[np.float32]]:
    with torch.inference_mode():
        return [output.numpy() for output in network(x)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("allin1") / "model.onnx"
    export_allin1([small_allin1()], path, {"model": "small"})
    return path


# The window of the last block is 40 frames, those of the others 10 and 20.
@pytest.mark.parametrize("n_frames", [1, 2, 4, 5, 9, 10, 11, 19, 20, 21, 39, 40, 41, 160, 333])
@pytest.mark.parametrize("batch", [1, 3])
def test_one_file_gives_the_networks_logits_for_any_frames_and_batch(
    batch: int, n_frames: int, exported: Path
) -> None:
    x = spectrograms(batch, n_frames)
    for wanted, got in zip(logits(small_allin1(), x), run(exported, x), strict=True):
        assert wanted.shape == got.shape
        for row in range(batch):
            assert snr_db(wanted[row, None], got[row, None]) > FLOAT32_DB


@pytest.mark.parametrize(
    "changes",
    [
        {"qkv_bias": False},
        {"num_heads": 4},
        {"num_heads": 1},
        {"kernel_size": 3},
        {"kernel_size": 7},
        {"dilation_factor": 3, "dilation_max": 5},
        {"stems": ("one",)},
        {"stems": ("a", "b", "c", "d", "e")},
        {"labels": ("only",)},
    ],
    ids=str,
)
def test_other_sizes_are_exported_as_well(changes: dict[str, Any], tmp_path: Path) -> None:
    network = small_allin1(**changes)
    export_allin1([network], tmp_path / "model.onnx")
    x = spectrograms(2, 50, len(network.config.stems))
    for wanted, got in zip(logits(network, x), run(tmp_path / "model.onnx", x), strict=True):
        assert wanted.shape == got.shape and snr_db(wanted, got) > FLOAT32_DB


def test_folds_are_averaged_in_logits_and_share_their_indices(
    exported: Path, tmp_path: Path
) -> None:
    folds = [small_allin1(seed) for seed in range(3)]
    export_allin1(folds, tmp_path / "folds.onnx")
    x = spectrograms(2, 45)
    each = [logits(fold, x) for fold in folds]
    for index, got in enumerate(run(tmp_path / "folds.onnx", x)):
        wanted = np.mean([outputs[index] for outputs in each], axis=0)
        assert snr_db(wanted, got) > FLOAT32_DB
    one, three = (len(onnx.load(path).graph.node) for path in (exported, tmp_path / "folds.onnx"))
    # Half of a fold's nodes are its own, if that.
    assert three < 2.2 * one


def test_the_file_says_what_it_takes_and_gives(exported: Path) -> None:
    model = onnx.load(exported)
    axes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert axes == {
        "spectrogram": ["batch", 4, "frames", 81],
        "beat": ["batch", "frames"],
        "downbeat": ["batch", "frames"],
        "section": ["batch", "frames"],
        "function": ["batch", 10, "frames"],
    }
    assert {prop.key: prop.value for prop in model.metadata_props} == {"model": "small"}
    assert [opset.version for opset in model.opset_import] == [OPSET]


def test_large_tensors_have_axes_with_names(exported: Path) -> None:
    """Else ONNX Runtime plans its memory for minutes, where there are eight folds."""
    model = onnx.shape_inference.infer_shapes(onnx.load(exported))
    shapes = {value.name: value.type.tensor_type.shape.dim for value in model.graph.value_info}
    for node in model.graph.node:
        if node.op_type in ("Gemm", "MatMul", "Softmax", "Gelu", "LayerNormalization"):
            axes = shapes[node.output[0]]
            assert all(axis.dim_param or axis.dim_value for axis in axes), node.name
            assert not any(axis.dim_param.startswith("unk__") for axis in axes), node.name


def test_folds_of_different_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OnnxExportError, match="cannot be averaged: "):
        export_allin1([AllInOne(SMALL), small_allin1(depth=2)], tmp_path / "model.onnx")
    with pytest.raises(OnnxExportError, match="no fold"):
        export_allin1([], tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
