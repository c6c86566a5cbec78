import builtins
import hashlib
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from madmom_helpers import FakeMadmom, random_madmom, write_madmom

from stemline.errors import CheckpointError
from stemline.families.madmom.checkpoint.installed import (
    FILES,
    find_madmom,
    madmom_digest,
    read_madmom,
)
from stemline.families.madmom.checkpoint.pickle_reader import ArrayPart, load_inert
from stemline.families.madmom.config import MadmomConfig

BELOW = Path("lib/python3.11/site-packages/madmom/models/downbeats/2016")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with nothing but the networks in it."""
    root = tmp_path_factory.mktemp("venv")
    write_madmom(root / BELOW, random_madmom(MadmomConfig()))
    return root


def test_the_networks_come_back_and_nothing_of_madmom_is_imported(environment: Path) -> None:
    found = read_madmom(environment / BELOW)
    assert found.config == MadmomConfig()
    wanted = random_madmom(MadmomConfig()).state_dict()
    network = found.network()
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, wanted[name]), name
    assert not any(name.split(".")[0] == "madmom" for name in sys.modules)


@pytest.mark.parametrize("above", range(7))
def test_they_are_found_below_any_folder_one_may_name(above: int, environment: Path) -> None:
    folder = environment / BELOW
    named = [folder, folder.parent, *folder.parents[1:4], environment]
    place = named[above] if above < len(named) else environment / "lib/python3.11/site-packages"
    assert find_madmom(place) == folder.resolve()


def test_a_folder_with_one_network_missing_is_none(environment: Path, tmp_path: Path) -> None:
    shutil.copytree(environment / BELOW, tmp_path / "2016")
    assert find_madmom(tmp_path) == (tmp_path / "2016").resolve()
    (tmp_path / "2016" / FILES[4]).unlink()
    assert find_madmom(tmp_path) is None
    assert find_madmom(tmp_path / "nowhere") is None


def test_the_madmom_beside_this_package_is_found_without_running_it(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_madmom() is None or "madmom" not in sys.modules
    shutil.copytree(environment / BELOW.parents[2], tmp_path / "madmom")
    (tmp_path / "madmom/__init__.py").write_text("raise SystemExit('madmom was run')")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_madmom() == (tmp_path / "madmom/models/downbeats/2016").resolve()


def test_the_digest_is_of_all_files_in_order(tmp_path: Path) -> None:
    for name in reversed(FILES):
        (tmp_path / name).write_text(name)
    assert madmom_digest(tmp_path) == hashlib.sha256("".join(FILES).encode()).hexdigest()
    (tmp_path / FILES[3]).unlink()
    with pytest.raises(CheckpointError, match=FILES[3]):
        madmom_digest(tmp_path)


def layer(network: Any) -> Any:
    return network.layers[1].bwd_layer


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda fake, n: n.layers.pop(), "wants 4 layers"),
        (lambda fake, n: n.__dict__.clear(), "wants 4 layers"),
        (lambda fake, n: n.layers.reverse(), "layer 0 must be Bidirectional; it is FeedForward"),
        (lambda fake, n: [1], "the file must be Network; it is list"),
        (
            lambda fake, n: setattr(n.layers[1], "bwd_layer", n.layers[1]),
            "layer 1 bwd_layer must be Lstm; it is Bidirectional",
        ),
        (
            lambda fake, n: setattr(layer(n), "cell", layer(n).input_gate),
            "layer 1 bwd_layer cell must be Cell; it is Gate",
        ),
        (
            lambda fake, n: setattr(layer(n), "activation_fn", fake.function("sigmoid")),
            "layer 1 bwd_layer must have the activation tanh",
        ),
        (
            lambda fake, n: setattr(n.layers[3], "activation_fn", None),
            "the last layer must have the activation softmax",
        ),
        (
            lambda fake, n: setattr(layer(n).cell, "peephole_weights", np.ones(25, np.float32)),
            "cell must have no peephole_weights",
        ),
        (
            lambda fake, n: setattr(layer(n).input_gate, "peephole_weights", None),
            r"input_gate peephole_weights must be \(25,\); it is no array",
        ),
        (
            lambda fake, n: setattr(layer(n).forget_gate, "bias", np.ones(24, np.float32)),
            r"forget_gate bias must be \(25,\); it is \(24,\)",
        ),
        (
            lambda fake, n: setattr(layer(n).forget_gate, "bias", np.full(25, np.nan, np.float32)),
            "forget_gate bias must be finite",
        ),
        (
            lambda fake, n: setattr(layer(n), "cell_init", np.ones(25, np.float32)),
            "must begin with cell_init 0",
        ),
        (
            lambda fake, n: setattr(layer(n).cell, "weights", np.ones((50, 25), np.int64)),
            "an array holds no float32 or float64",
        ),
        (
            lambda fake, n: setattr(layer(n).cell, "weights", np.full((50, 25), None)),
            "an array holds no float32 or float64",
        ),
        (
            lambda fake, n: setattr(layer(n), "activation_fn", fake.function("linear")),
            "it uses madmom.ml.nn.activations.linear",
        ),
    ],
)
def test_another_network_is_refused_and_the_file_named(
    change: Callable[[FakeMadmom, Any], Any], words: str, tmp_path: Path
) -> None:
    def changed(fake: FakeMadmom, network: Any) -> Any:
        found = change(fake, network)
        return found if isinstance(found, list) else network

    write_madmom(tmp_path, random_madmom(MadmomConfig()), changed)
    with pytest.raises(CheckpointError, match=words) as refused:
        read_madmom(tmp_path)
    assert FILES[2] in str(refused.value)


class Reduces:
    """What pickle makes of it calls whatever one wants."""

    def __init__(self, *how: Any) -> None:
        self.how = how

    def __reduce__(self) -> Any:
        return self.how


@pytest.mark.parametrize(
    "hostile",
    [
        Reduces(os.mkdir, ("harm",)),
        Reduces(builtins.eval, ("__import__('os').mkdir('harm')",)),
        Reduces(getattr, (os, "mkdir")),
        Reduces(np.load, ("harm",)),
    ],
)
def test_a_file_that_would_run_something_is_refused(
    hostile: Reduces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if hostile.how[0] is getattr:  # a module cannot be pickled
        data = b"\x80\x04cbuiltins\ngetattr\ncos\npath\nVjoin\n\x86R."
    else:
        data = pickle.dumps([hostile])
    (tmp_path / "file.pkl").write_bytes(data)
    with pytest.raises(CheckpointError, match="which could run code"):
        load_inert(tmp_path / "file.pkl")
    assert not (tmp_path / "harm").exists()


SIGMOID = b"cmadmom.ml.nn.activations\nsigmoid\n"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
GATE = b"cmadmom.ml.nn.layers\nGate\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pickle",
        b"\x80\x04",  # cut short
        SIGMOID + b"K\x01\x85R.",  # a function called
        SIGMOID + b"}Vx\nK\x01sb.",  # a function changed
        RECONSTRUCT + b"}V__call__\nNsb.",
        RECONSTRUCT + b"N}V__call__\nNs\x86b.",
        RECONSTRUCT + GATE + b"\x85R.",  # an array of another kind
        GATE + b"}Vfields\nNsb.",  # a class changed
        GATE + b"N}Vfields\nNs\x86b.",
        GATE + b"K\x01\x85\x81.",  # made with arguments
        GATE + b")\x81]b.",  # fields that are none
        GATE + b")\x81}K\x01K\x01sb.",
        b"cnumpy\ndtype\nVO8\n\x85R.",
        b"cnumpy\ndtype\nVf4\n\x85RV<\nb.",
        b"\x82\x01.",  # a name by number
        b"Ppersistent\n.",
        b"]r\xff\xff\xff\x7f.",  # memory for two thousand million places
        b"]p2000000000\n.",
        b"\x80\x04B\xff\xff\xff\x7f.",  # and bytes that are not there
    ],
)
def test_damaged_and_crafted_files_are_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.pkl").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"file\.pkl"):
        load_inert(tmp_path / "file.pkl")
    # Whatever was tried, the stand-ins are as before.
    gate = GATE + b")\x81}Vx\n" + SIGMOID + b"sb."
    (tmp_path / "file.pkl").write_bytes(gate)
    assert list(vars(load_inert(tmp_path / "file.pkl"))["fields"]) == ["x"]


def test_every_beginning_of_a_file_is_refused(environment: Path, tmp_path: Path) -> None:
    whole = (environment / BELOW / FILES[0]).read_bytes()
    for length in [0, 1, 2, 3, 10, 100, 1000, 10000, len(whole) // 2, len(whole) - 1]:
        (tmp_path / "file.pkl").write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"file\.pkl"):
            load_inert(tmp_path / "file.pkl")


@pytest.mark.parametrize(("order", "by_column"), [("<", False), (">", False), ("<", True)])
def test_arrays_as_python_2_wrote_them(order: str, by_column: bool, tmp_path: Path) -> None:
    """madmom's files are of Python 2: bytes are text there."""
    wanted = np.arange(6, dtype=np.float32).reshape(2, 3) - 2.5
    data = wanted.astype(f"{order}f4").tobytes("F" if by_column else "C")
    pickled = (
        b"\x80\x02" + RECONSTRUCT + b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02K\x03\x86"
        b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
        b"(K\x03U\x01" + order.encode() + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + (b"\x88" if by_column else b"\x89") + b"U" + bytes([len(data)]) + data + b"tb."
    )  # fmt: skip
    (tmp_path / "array.pkl").write_bytes(pickled)
    found = load_inert(tmp_path / "array.pkl")
    assert isinstance(found, ArrayPart)
    assert found.value is not None and found.value.dtype == np.float32
    np.testing.assert_array_equal(found.value, wanted)
    (tmp_path / "array.pkl").write_bytes(pickled.replace(b"K\x02K\x03\x86", b"K\x02K\x04\x86"))
    with pytest.raises(CheckpointError, match="other bytes than its shape wants"):
        load_inert(tmp_path / "array.pkl")


@pytest.mark.parametrize("key", [b"\x85", b"\x91"])
def test_nests_that_would_overflow_the_stack_are_refused(key: bytes, tmp_path: Path) -> None:
    """As keys of a mapping they are hashed; without a bound that ends the process, no error."""
    marks = b"(" * 200_000 if key == b"\x91" else b""
    path = tmp_path / "downbeats_blstm_1.pkl"
    path.write_bytes(b"\x80\x04}" + marks + b"N" + key * 200_000 + b"Ns.")
    with pytest.raises(CheckpointError, match="tuples in tuples"):
        load_inert(path)
