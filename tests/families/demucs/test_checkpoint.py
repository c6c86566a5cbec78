import json
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from package_helpers import (
    BIG,
    HTDEMUCS,
    KWARGS,
    PARAMETERS,
    QUANTIZER,
    STATE,
    package,
    quantized_state,
    stand_in,
    write_safetensors,
    write_th,
)
from safetensors.torch import save_file

from stemline.errors import CheckpointError
from stemline.families.demucs.checkpoint.diffq import DiffqState
from stemline.families.demucs.checkpoint.package import DemucsPackage, read_package
from stemline.families.demucs.checkpoint.pickle_reader import ClassName

WRITERS: list[Callable[[Path, dict[str, Any]], Path]] = [
    lambda folder, content: write_th(folder / "x.th", content),
    lambda folder, content: write_th(folder / "x.th", content, zipped=False),
    lambda folder, content: write_safetensors(folder / "x.safetensors", content),
]
FORMS = pytest.mark.parametrize("write", WRITERS, ids=["th", "old th", "safetensors"])
Write = Callable[[Path, dict[str, Any]], Path]


def whole_state(read: DemucsPackage) -> dict[str, torch.Tensor]:
    assert isinstance(read.state, dict)
    return read.state


@FORMS
def test_a_package_says_class_arguments_and_float32_weights(write: Write, tmp_path: Path) -> None:
    read = read_package(write(tmp_path, package()))
    assert read.klass == "HTDemucs"
    assert read.kwargs == KWARGS
    assert isinstance(read.kwargs["segment"], Fraction)
    state = whole_state(read)
    assert list(state) == list(STATE) or write is WRITERS[2]  # safetensors sorts its keys
    for key, value in STATE.items():
        assert state[key].dtype == torch.float32
        assert torch.equal(state[key], value.half().float())
    assert read.state_dict([]) is state


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@FORMS
def test_other_float_types_become_float32(dtype: torch.dtype, write: Write, tmp_path: Path) -> None:
    state = {"a": torch.tensor([0.5, -2.0], dtype=dtype)}
    read = whole_state(read_package(write(tmp_path, package(state=state))))
    assert read["a"].dtype == torch.float32 and read["a"].tolist() == [0.5, -2.0]


def test_a_part_of_a_bigger_tensor_is_read_as_such(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    read = read_package(write_th(tmp_path / "x.th", package(state={"a": whole.t()[1:3]})))
    assert torch.equal(whole_state(read)["a"], whole.t()[1:3])


def test_numbers_of_numpy_and_training_arguments_are_plain_python(tmp_path: Path) -> None:
    numbers = [np.float64(3.25), np.float32(-0.5), np.int64(-7), np.uint8(200), np.bool_(True)]
    numbers += [np.array([258], ">i2")[0], np.float64(7).astype(">f8")]
    content = package(metrics=({"n": numbers}, None), training_args={"a": {"b": [1, None, "c"]}})
    metadata = read_package(write_th(tmp_path / "x.th", content)).metadata
    assert metadata["metrics"] == ({"n": [3.25, -0.5, -7, 200, True, 258, 7.0]}, None)
    assert {type(number) for number in metadata["metrics"][0]["n"]} == {float, int, bool}
    assert metadata["training_args"] == {"a": {"b": [1, None, "c"]}}


class Reduced:
    """Pickles as a call of `function` with `arguments`, and nothing is checked."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("parts", [("39/5",), ("7",), ("-1/3",), (39, 5)])
def test_fractions_are_read_as_any_python_writes_them(
    parts: tuple[str | int, ...], tmp_path: Path
) -> None:
    content = package(kwargs={"segment": Reduced(Fraction, *parts)})
    read = read_package(write_th(tmp_path / "x.th", content))
    assert read.kwargs["segment"] == Fraction(*parts)


def test_the_older_name_of_numpy_is_known(tmp_path: Path) -> None:
    """Packages of 2021 and 2022 were written with numpy 1."""
    path = write_th(tmp_path / "x.th", package(metrics=np.float64(1.5)))
    replace_in_pickle(path, b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert read_package(path).metadata["metrics"] == 1.5


def replace_in_pickle(path: Path, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data.replace(old, new) if name.endswith("data.pkl") else data)
            assert not name.endswith("data.pkl") or old in data


@pytest.mark.parametrize("args", [(), (["drums", "bass"],)])
def test_the_stems_may_be_given_by_place(args: tuple[list[str], ...], tmp_path: Path) -> None:
    kwargs = {key: value for key, value in KWARGS.items() if key != "sources"} if args else KWARGS
    read = read_package(write_th(tmp_path / "x.th", package(args=args, kwargs=kwargs)))
    assert read.kwargs == KWARGS


# Quantised


@FORMS
def test_a_quantised_package_gives_its_weights_once_their_shapes_are_known(
    write: Write, tmp_path: Path
) -> None:
    read = read_package(write(tmp_path, package(state=quantized_state())))
    assert isinstance(read.state, DiffqState)
    state = read.state_dict(PARAMETERS)
    assert list(state) == ["big", "small"]
    # float32 knows 1.2e-7 of a span of 3, and three roundings are made.
    assert torch.allclose(state["big"], torch.tensor(BIG), atol=6e-7, rtol=0)
    assert state["small"].tolist() == [0.25, 4.0]
    assert {value.dtype for value in state.values()} == {torch.float32}


def test_small_parameters_may_be_kept_as_float16(tmp_path: Path) -> None:
    state = quantized_state(others=[], float16=[torch.tensor([0.25, 4.0]).half()])
    state["meta"]["init_kwargs"]["float16"] = True
    read = read_package(write_th(tmp_path / "x.th", package(state=state)))
    assert read.state_dict(PARAMETERS)["small"].tolist() == [0.25, 4.0]


def with_meta(**changes: object) -> dict[str, Any]:
    state = quantized_state()
    return {**state, "meta": {**state["meta"], **changes}}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (with_meta(torch_pack=True), "not in diffq's own packing"),
        (with_meta(packed=False), "not in diffq's own packing"),
        (with_meta(klass="diffq.diffq.DiffQuantizer"), "quantised, but not by diffq.diffq"),
        (with_meta(klass=HTDEMUCS), "quantised, but not by diffq.diffq"),
        (quantized_state(meta=None), "quantised, but not by diffq.diffq"),
        (with_meta(init_kwargs=None), "quantised without init_kwargs"),
        (with_meta(init_kwargs={"exclude": ["bias"]}), "excluded from quantisation"),
        (with_meta(init_kwargs={"group_size": 0}), "group_size must be 1 or more"),
        (with_meta(init_kwargs={"group_size": 1.5}), "group_size must be a whole number"),
        (with_meta(init_kwargs={"group_size": float("inf")}), "group_size must be a whole number"),
        (with_meta(init_kwargs={"min_size": "big"}), "min_size is a str, not a number"),
        (quantized_state(quantized=None), "quantized is a NoneType"),
        (quantized_state(quantized=[(1, 2)]), "a quantised parameter is a tuple"),
        (quantized_state(quantized=[([], (0.0,), None)]), "a scale is a tuple"),
        (quantized_state(others=[1.0]), "'others' is a float, not a tensor"),
    ],
)
@FORMS
def test_a_quantised_state_of_another_kind_is_one_clear_line(
    state: dict[str, Any], message: str, write: Write, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        read_package(write(tmp_path, package(state=state)))
    assert "\n" not in str(caught.value) and "x." in str(caught.value)


def test_weights_of_another_network_are_an_error_that_names_file_and_parameter(
    tmp_path: Path,
) -> None:
    read = read_package(write_th(tmp_path / "x.th", package(state=quantized_state())))
    with pytest.raises(CheckpointError, match=r"x\.th: small: the state has \(2,\) here"):
        read.state_dict([("big", (4, 3)), ("small", (3,))])


# What is refused


def touch(target: Path) -> object:
    return Reduced(Path.touch, target)


class Stateful:
    """Pickles as an object of HTDemucs with a state."""

    def __reduce__(self) -> tuple[object, ...]:
        return (HTDEMUCS, (), {"forward": "anything"})


HOSTILE: dict[str, Callable[[Path], object]] = {
    "calls a method": lambda target: {"state": touch(target)},
    "calls in the arguments": lambda target: package(kwargs={"segment": touch(target)}),
    "calls in what is not used": lambda target: package(training_args=touch(target)),
    "calls eval": lambda target: package(
        kwargs={"a": Reduced(eval, f"open({str(target)!r}, 'w')")}
    ),
    "makes a network": lambda _: package(klass=Reduced(HTDEMUCS, ["drums"])),
    "makes a network with a state": lambda _: package(klass=Stateful()),
    "makes a quantiser": lambda _: package(state=Reduced(QUANTIZER)),
}


@pytest.mark.parametrize("kind", ["zip", "old", "bare"])
@pytest.mark.parametrize("payload", HOSTILE)
def test_a_package_that_would_run_code_is_refused_and_does_not_run(
    payload: str, kind: str, tmp_path: Path
) -> None:
    target, path = tmp_path / "was-run", tmp_path / "evil.th"
    content = HOSTILE[payload](target)
    if kind == "bare":
        zipped = write_th(tmp_path / "zipped.th", content)
        with zipfile.ZipFile(zipped) as archive:
            path.write_bytes(archive.read("zipped/data.pkl"))
    else:
        write_th(path, content, zipped=kind == "zip")
    # A bare pickle without tensors' numbers may be refused for that, before it comes to the call.
    reason = "could run code" + ("|is no package" if kind == "bare" else "")
    with pytest.raises(CheckpointError, match=rf"evil\.th is refused: .*({reason})") as caught:
        read_package(path)
    assert not target.exists()
    assert "\n" not in str(caught.value)


def test_the_hostile_packages_would_run_in_a_reader_that_trusts_them(tmp_path: Path) -> None:
    target = tmp_path / "was-run"
    path = write_th(tmp_path / "evil.th", {"state": touch(target)})
    torch.load(path, weights_only=False)
    assert target.exists()


NUMPY_SCALAR: Any = np.float64(0).__reduce__()[0]


@pytest.mark.parametrize(
    "value",
    [
        Reduced(Fraction, "1e99999999"),  # would take gigabytes
        Reduced(Fraction, "9" * 10_000),
        Reduced(Fraction, 1, 0),
        Reduced(Fraction, 1.5),
        Reduced(np.dtype, "O"),
        Reduced(np.dtype, "f8,f8"),
        Reduced(NUMPY_SCALAR, np.dtype("f8"), b"short"),
        Reduced(NUMPY_SCALAR, "f8", bytes(8)),
    ],
)
def test_odd_numbers_are_refused(value: object, tmp_path: Path) -> None:
    path = write_th(tmp_path / "x.th", package(training_args=value))
    with pytest.raises(CheckpointError, match=r"x\.th is "):
        read_package(path)


@pytest.mark.parametrize(
    "state",
    [
        {"a": torch.zeros(1).expand(1 << 40)},  # four terabytes, said with one number
        dict.fromkeys(map(str, range(10_000)), torch.zeros(1000)),
    ],
)
def test_a_file_that_claims_more_than_it_holds_is_refused(
    state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = write_th(tmp_path / "x.th", package(state=state))
    with pytest.raises(CheckpointError, match="claims more numbers than it holds"):
        read_package(path)


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(2).to_sparse(),
        torch.zeros(2, dtype=torch.complex64),
        torch.zeros(2, device="meta"),
    ],
    ids=["sparse", "complex", "meta"],
)
def test_tensors_of_another_kind_are_refused(value: torch.Tensor, tmp_path: Path) -> None:
    path = write_th(tmp_path / "x.th", package(state={"a": value}))
    with pytest.raises(CheckpointError, match=r"x\.th"):
        read_package(path)


def test_loading_leaves_torch_as_strict_as_it_was(tmp_path: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    path = write_th(tmp_path / "x.th", package())
    read_package(path)
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


# What is no package


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds no Demucs package, but a list"),
        (STATE, "holds no Demucs package: it has no klass"),
        ({key: package()[key] for key in ("klass", "args", "kwargs")}, "it has no state"),
        (package(klass="demucs.htdemucs.HTDemucs"), "is of class 'str'; only HTDemucs and HDemucs"),
        (
            package(klass=stand_in("demucs.demucs.Demucs")),
            "is of class 'demucs.demucs.Demucs'; only",
        ),
        (package(klass=QUANTIZER), "is of class 'diffq.diffq.DiffQuantizer'; only"),
        (package(args=(["drums"], 2)), "args: only `sources`"),
        (package(args=(["drums"],)), "args: only `sources`"),
        (package(args=None), "args or kwargs are none"),
        (package(kwargs=[1]), "args or kwargs are none"),
        (package(kwargs={1: 2}), "kwargs: a int is no name"),
        (package(kwargs={"a": {"b": 1}}), "kwargs: 'a' is no number, text or list"),
        (package(kwargs={"a": [[1]]}), "kwargs: 'a' is no number, text or list"),
        (package(kwargs={"a": torch.zeros(1)}), "kwargs: 'a' is no number, text or list"),
        (package(kwargs={"a": HTDEMUCS}), "kwargs: 'a' is no number, text or list"),
        (package(kwargs={"a": 1 << 65}), "kwargs: 'a' is no number, text or list"),
        (package(kwargs={"a": [0] * 2000}), "kwargs: 'a' is no number, text or list"),
        (package(state={}), "holds no state dict"),
        (package(state=[1]), "holds no state dict, but a list"),
        (package(state={1: torch.zeros(1)}), "holds no state dict: a int is no name"),
        (package(kwargs={"a\nb": {}}), r"kwargs: 'a\\nb' is no number"),
        (package(state={"a": 1.0}), "holds no state dict: 'a' is a float, not a tensor"),
    ],
)
def test_what_is_no_package_is_one_clear_line(
    content: object, message: str, tmp_path: Path
) -> None:
    classes = [content["klass"]] if isinstance(content, dict) and "klass" in content else []
    classes = [klass for klass in classes if isinstance(klass, type)]
    path = write_th(tmp_path / "x.th", content, *classes)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_package(path)
    assert "x.th" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("module", ["demucs4ht.models.htdemucs", "modules.demucs4ht", "__main__"])
def test_a_fork_keeps_the_name_of_the_class_and_not_its_package(
    module: str, zipped: bool, tmp_path: Path
) -> None:
    """The class's name says what it is; the arguments and the weights must fit it all the same."""
    for name in ("HTDemucs", "HDemucs"):
        klass = stand_in(f"{module}.{name}")
        path = write_th(tmp_path / "x.th", package(klass=klass), klass, zipped=zipped)
        found = read_package(path)
        assert (found.klass, found.kwargs) == (name, package()["kwargs"])
        torch.testing.assert_close(found.state, STATE)


def test_a_forks_class_is_never_called_and_brings_no_other_with_it(tmp_path: Path) -> None:
    klass, other = stand_in("fork.htdemucs.HTDemucs"), stand_in("fork.other.HDemucs")
    path = write_th(tmp_path / "x.th", package(klass=Reduced(klass, ["drums"])), klass)
    with pytest.raises(CheckpointError, match=r"fork\.htdemucs\.HTDemucs, .*could run code"):
        read_package(path)
    path = write_th(tmp_path / "x.th", package(klass=klass, more=other), klass, other)
    with pytest.raises(CheckpointError, match=r"fork\.other\.HDemucs, .*could run code"):
        read_package(path)


def test_a_class_of_another_name_is_refused_by_it(tmp_path: Path) -> None:
    klass = stand_in("demucs.wdemucs.WDemucs")
    path = write_th(tmp_path / "x.th", package(klass=klass), klass)
    with pytest.raises(CheckpointError, match=r"uses demucs\.wdemucs\.WDemucs, which no Demucs"):
        read_package(path)


def damaged(kind: str, good: bytes) -> bytes:
    return {
        "empty": b"",
        "text": b"not a checkpoint\n" * 100,
        "html": b"<!DOCTYPE html><html></html>",
        "cut": good[: len(good) // 2],
        "cut at the end": good[:-10],
        "magic only": good[:4],
        "zip of something else": b"PK\x05\x06" + bytes(18),
        "zeros": bytes(len(good)),
    }[kind]


DAMAGES = "empty,text,html,cut,cut at the end,magic only,zip of something else,zeros".split(",")


@pytest.mark.parametrize("kind", DAMAGES)
@FORMS
def test_a_damaged_file_is_one_clear_line(kind: str, write: Write, tmp_path: Path) -> None:
    path = write(tmp_path, package())
    path.write_bytes(damaged(kind, path.read_bytes()))
    with pytest.raises(CheckpointError, match=rf"{path.name} ") as caught:
        read_package(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["none.th", "none.safetensors"])
def test_a_missing_file_is_a_checkpoint_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"{name} cannot be read: No such file"):
        read_package(tmp_path / name)


HEADER = {"klass": "demucs.hdemucs.HDemucs", "args": "[]", "kwargs": '{"sources": ["a"]}'}


def nested(depth: int) -> str:
    return '{"_list": [' * depth + "]}" * depth


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({}, "it has no klass in its header's metadata"),
        ({**HEADER, "klass": "os.system"}, "is of class 'os.system'; only HTDemucs and HDemucs"),
        ({**HEADER, "kwargs": "{"}, "metadata is no Demucs package's"),
        ({**HEADER, "kwargs": "[" * 100_000}, "metadata is no Demucs package's"),
        ({**HEADER, "kwargs": '{"a": {"_type": "fraction"}}'}, "metadata is no Demucs package's"),
        (
            {**HEADER, "kwargs": '{"a": {"_type": "fraction", "numerator": 1, "denominator": 0}}'},
            "metadata is no Demucs package's",
        ),
        ({**HEADER, "structure": '{"_tensor": "b"}'}, "metadata is no Demucs package's"),
        ({**HEADER, "structure": '{"_other": 1}'}, "metadata is no Demucs package's"),
        ({**HEADER, "structure": '{"_dict": [[[], 1]]}'}, "metadata is no Demucs package's"),
        ({**HEADER, "structure": nested(600)}, "metadata is no Demucs|holds no state dict"),
        ({**HEADER, "structure": "[]"}, "holds no state dict"),
        (
            {**HEADER, "structure": json.dumps({"_dict": [["a", {"_class": "os.system"}]]})},
            "'a' is a ClassName, not a tensor",
        ),
    ],
)
def test_safetensors_of_something_else_are_one_clear_line(
    header: dict[str, str], message: str, tmp_path: Path
) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "x.safetensors", header)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_package(tmp_path / "x.safetensors")
    assert "x.safetensors" in str(caught.value) and "\n" not in str(caught.value)


def test_a_class_name_does_nothing() -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"demucs\.a is called"):
        ClassName("demucs.a")()


def test_an_ordered_dict_with_attributes_is_a_state(tmp_path: Path) -> None:
    """What `nn.Module.state_dict` gives has its versions beside its items."""
    state = torch.nn.Linear(2, 1).state_dict()
    assert isinstance(state, OrderedDict)
    read = read_package(write_th(tmp_path / "x.th", package(state=state)))
    assert list(whole_state(read)) == ["weight", "bias"]
