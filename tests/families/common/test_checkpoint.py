import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from export_helpers import build_network
from numpy._core.multiarray import _reconstruct, scalar
from safetensors.torch import save_file

from stemline.errors import CheckpointError
from stemline.export.weights import random_network
from stemline.families.common.checkpoint import load_strictly, read_checkpoint
from stemline.families.mdx23c.config import Mdx23cConfig


@pytest.mark.parametrize("wrapper", [None, "state", "state_dict", "model_state_dict", "model"])
def test_a_state_dict_is_read_bare_or_wrapped(
    wrapper: str | None, config: Mdx23cConfig, tmp_path: Path
) -> None:
    state = random_network(config).state_dict()
    path = tmp_path / "x.ckpt"
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    read = read_checkpoint(path)
    assert list(read) == list(state)
    assert all(torch.equal(read[key], state[key]) for key in state)


@pytest.mark.parametrize(
    "wrappers",
    [("model", "state_dict"), ("state", "model"), ("model", "model_state_dict", "state")],
)
def test_wrappers_are_read_in_each_other(wrappers: tuple[str, ...], tmp_path: Path) -> None:
    content: dict[str, Any] = {"a": torch.ones(2)}
    for wrapper in wrappers:
        content = {"epoch": 3, wrapper: content, "optimizer": {"state": {}}}
    torch.save(content, tmp_path / "x.ckpt")
    assert list(read_checkpoint(tmp_path / "x.ckpt")) == ["a"]


def test_a_wrapper_that_holds_itself_is_no_state_dict(tmp_path: Path) -> None:
    content: dict[str, Any] = {}
    content["model"] = content
    torch.save(content, tmp_path / "x.ckpt")
    with pytest.raises(CheckpointError, match="holds no state dict: 'model' is a dict"):
        read_checkpoint(tmp_path / "x.ckpt")


def test_a_network_may_have_a_part_that_is_called_model(tmp_path: Path) -> None:
    torch.save({"model": torch.ones(2), "state": torch.zeros(1)}, tmp_path / "x.ckpt")
    assert list(read_checkpoint(tmp_path / "x.ckpt")) == ["model", "state"]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_become_float32_and_whole_numbers_stay(
    dtype: torch.dtype, zipped: bool, tmp_path: Path
) -> None:
    path = tmp_path / "x.ckpt"
    state = {"a": torch.tensor([0.5, -2.0], dtype=dtype), "n": torch.tensor(3)}
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    read = read_checkpoint(path)
    assert read["a"].dtype == torch.float32 and read["a"].tolist() == [0.5, -2.0]
    assert read["n"].dtype == torch.int64


def test_loading_takes_the_weights_over(checkpoint: Path, config: Mdx23cConfig) -> None:
    with torch.device("meta"):
        network = build_network(config)
    load_strictly(network, read_checkpoint(checkpoint), "tiny.ckpt")
    wanted = random_network(config, seed=7)
    mixture = torch.randn(1, *config.input_shape)
    with torch.inference_mode():
        assert torch.equal(network(mixture), wanted(mixture))


def test_the_first_key_that_does_not_fit_is_named(config: Mdx23cConfig) -> None:
    network = build_network(config)
    state = dict(network.state_dict())
    missing = {key: value for key, value in state.items() if key != "final_conv.0.weight"}
    with pytest.raises(CheckpointError, match=r"has no key final_conv\.0\.weight; does the conf"):
        load_strictly(network, missing, "x.ckpt")
    with pytest.raises(CheckpointError, match=r"unexpected key module\.extra"):
        load_strictly(network, {**state, "module.extra": torch.zeros(1)}, "x.ckpt")
    with pytest.raises(
        CheckpointError,
        match=r"x.ckpt: first_conv.weight is \(9, 16, 1, 1\), the configuration wants \(8, 16,",
    ):
        load_strictly(network, {**state, "first_conv.weight": torch.zeros(9, 16, 1, 1)}, "x.ckpt")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("numpy_1", [False, True])
def test_numbers_and_arrays_of_numpy_beside_the_weights_are_data(
    zipped: bool, numpy_1: bool, tmp_path: Path
) -> None:
    """MSST's full checkpoints keep the metrics of every epoch."""
    metrics = {
        "sdr": [np.float64(9.5), np.float32(1), np.bool_(True), np.complex64(1j)],
        "names": [np.str_("vocals"), np.array(["drums", "bass"])],
        "all": np.arange(6.0).reshape(2, 3),
    }
    path = tmp_path / "last.ckpt"
    content = {
        "epoch": np.int64(3),
        "best_metric": np.float64(9.5),
        "all_metrics": metrics,
        "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": np.float64(1e-4)}]},
        "model_state_dict": {"a": torch.ones(2)},
    }
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    if numpy_1:
        rename_in_pickle(path, b"numpy._core.multiarray", b"numpy.core.multiarray")
    read = read_checkpoint(path)
    assert read.keys() == {"a"} and read["a"].tolist() == [1.0, 1.0]


def rename_in_pickle(path: Path, old: bytes, new: bytes) -> None:
    if not zipfile.is_zipfile(path):
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new))
        return
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data.replace(old, new) if name.endswith("data.pkl") else data)


def test_an_array_of_numpy_is_no_weight(tmp_path: Path) -> None:
    torch.save({"a": np.zeros(2)}, tmp_path / "x.ckpt")
    with pytest.raises(CheckpointError, match="'a' is a NumpyArray, not a tensor"):
        read_checkpoint(tmp_path / "x.ckpt")


class Reduced:
    """Pickles as a call of `function` with `arguments`, and nothing is checked."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize(
    "content",
    [
        Reduced(np.dtype, "O", False, True),
        Reduced(np.dtype, "V8", False, True),
        Reduced(np.dtype, "U1000000000", False, True),
        Reduced(scalar, np.dtype("f8"), b"1234"),
        Reduced(scalar, "f8", b"12345678"),
        Reduced(_reconstruct, dict, (0,), b"b"),
        np.array([print], object),
        np.datetime64("2026-01-01"),
        np.load,
        np.fromfile,
        np.ndarray.tofile,
    ],
)
def test_what_else_numpy_has_is_refused(content: object, tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    torch.save({"state_dict": {"a": torch.ones(1)}, "metrics": content}, path)
    with pytest.raises(CheckpointError, match=r"could run code|torch can read") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


class Hostile:
    """Its pickle, when loaded by Python's own reader, makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("kind", ["zip", "old", "bare"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(
    kind: str, tmp_path: Path
) -> None:
    target, path = tmp_path / "was-run", tmp_path / "evil.ckpt"
    hostile = {"first_conv.weight": Hostile(target)}
    if kind == "bare":
        path.write_bytes(pickle.dumps(hostile, protocol=2))
    else:
        torch.save(hostile, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(CheckpointError, match="could run code") as caught:
        read_checkpoint(path)
    assert not target.exists()
    assert "\n" not in str(caught.value)


def damaged(kind: str, checkpoint: Path) -> bytes:
    data = checkpoint.read_bytes()
    return {
        "empty": b"",
        "text": b"not a checkpoint\n" * 100,
        "html": b"<!DOCTYPE html><html></html>",
        "cut": data[: len(data) // 2],
        "cut at the end": data[:-10],
        "magic only": data[:4],
        "zip of something else": b"PK\x05\x06" + bytes(18),
        "zeros": bytes(len(data)),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "text",
        "html",
        "cut",
        "cut at the end",
        "magic only",
        "zip of something else",
        "zeros",
    ],
)
def test_what_is_no_checkpoint_is_one_clear_line(
    kind: str, checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad.ckpt"
    path.write_bytes(damaged(kind, checkpoint))
    with pytest.raises(CheckpointError, match=r"bad\.ckpt .*fetch it again") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {}, {1: torch.zeros(1)}, torch.zeros(2)])
def test_a_checkpoint_of_something_else_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.ckpt")
    with pytest.raises(CheckpointError, match="holds no state dict"):
        read_checkpoint(tmp_path / "x.ckpt")


def test_a_missing_file_is_a_checkpoint_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        read_checkpoint(tmp_path / "none.ckpt")


def test_a_safetensors_file_is_read_as_float32(config: Mdx23cConfig, tmp_path: Path) -> None:
    state = random_network(config).state_dict()
    path = tmp_path / "tiny.safetensors"
    save_file({key: value.half() for key, value in state.items()}, path)
    read = read_checkpoint(path)
    assert {key: value.dtype for key, value in read.items()} == dict.fromkeys(state, torch.float32)
    for key, value in state.items():
        assert torch.equal(read[key], value.half().float())


@pytest.mark.parametrize(
    "content", [b"x", b"PK\x03\x04", b"\xff" * 64, b"\x08" + b"\0" * 7 + b"{}"]
)
def test_a_damaged_safetensors_file_is_one_clear_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        read_checkpoint(path)
