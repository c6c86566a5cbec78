"""The tensors of a graph by demucs's names, and the package made of them."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stemline.bench.studies.real.htdemucs import packaged_weights, parameter_of, write_package
from stemline.errors import CheckpointError
from stemline.families.demucs.checkpoint.package import read_package
from stemline.families.demucs.config import HTDEMUCS
from stemline.families.demucs.kwargs import config_from_kwargs


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("/tencoder.0/dconv/layers.1/layers.1.4/Mul", "tencoder.0.dconv.layers.1.4.weight"),
        ("/decoder.3/dconv/layers.0/layers.0.1/Add", "decoder.3.dconv.layers.0.1.bias"),
        ("/encoder.2/dconv/layers.0/layers.0.6/Mul", "encoder.2.dconv.layers.0.6.scale"),
        ("/crosstransformer/layers.0/linear1/MatMul", "crosstransformer.layers.0.linear1.weight"),
        ("/crosstransformer/layers_t.4/norm_out/Add", "crosstransformer.layers_t.4.norm_out.bias"),
        (
            "/crosstransformer/layers.2/self_attn/MatMul",
            "crosstransformer.layers.2.self_attn.in_proj_weight",
        ),
        (
            "/crosstransformer/layers.1/cross_attn/Add_1",
            "crosstransformer.layers.1.cross_attn.in_proj_bias",
        ),
        ("/Expand", "freq_emb.embedding.weight"),
    ],
)
def test_the_node_that_takes_a_tensor_says_which_it_is(node: str, name: str) -> None:
    assert parameter_of(node) == name


@pytest.mark.parametrize("node", ["/Mul", "/encoder.0/Sub", "/encoder.0/norm1/Expand"])
def test_a_node_that_is_not_known_is_named(node: str) -> None:
    with pytest.raises(CheckpointError, match=node):
        parameter_of(node)


def test_constants_become_parameters_again(tmp_path: Path) -> None:
    attention = "/crosstransformer/layers.1/cross_attn"
    random = np.random.default_rng(0)
    tensors = {
        "encoder.0.conv.weight": (random.normal(size=(2, 3)), "/encoder.0/conv/MatMul"),
        "onnx::1": (random.normal(size=(4, 1)), "/encoder.0/dconv/layers.0/layers.0.1/Mul"),
        "onnx::2": (random.normal(size=(4, 4)), f"{attention}/MatMul"),
        "onnx::3": (random.normal(size=(4, 8)), f"{attention}/MatMul_1"),
        "onnx::4": (random.normal(size=4), f"{attention}/Add"),
        "onnx::5": (random.normal(size=8), f"{attention}/Add_1"),
        "onnx::6": (random.normal(size=(1, 2, 5, 1)), "/Expand"),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Mul", [key, key], [f"{key} out"], name=tensors[key][1])
            for key in tensors
        ],
        "some",
        [],
        [helper.make_tensor_value_info("onnx::1 out", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(value.astype(np.float32), key)
            for key, (value, _) in tensors.items()
        ],
    )
    onnx.save(helper.make_model(graph), tmp_path / "graph.onnx")
    weights = packaged_weights(tmp_path / "graph.onnx")
    given = {key: value.astype(np.float32) for key, (value, _) in tensors.items()}
    wanted = {
        "encoder.0.conv.weight": given["encoder.0.conv.weight"],
        "encoder.0.dconv.layers.0.1.weight": given["onnx::1"][:, 0],
        "crosstransformer.layers.1.cross_attn.in_proj_weight": np.concatenate(
            [given["onnx::2"].T, given["onnx::3"].T]
        ),
        "crosstransformer.layers.1.cross_attn.in_proj_bias": np.concatenate(
            [given["onnx::4"], given["onnx::5"]]
        ),
        "freq_emb.embedding.weight": given["onnx::6"][0, :, :, 0].T / np.float32(10),
    }
    assert set(weights) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_array_equal(weights[name], value, err_msg=name)


def test_the_package_is_read_as_the_official_network(tmp_path: Path) -> None:
    weights = {"a": np.array([[1.5, -2.0]], np.float32)}
    package = read_package(write_package(weights, tmp_path))
    assert package.path.name == "955717e8.safetensors"
    assert package.kwargs["segment"] == Fraction(39, 5)
    assert config_from_kwargs(package.klass, package.kwargs) == HTDEMUCS
    assert isinstance(package.state, dict)
    assert package.state["a"].tolist() == [[1.5, -2.0]]
