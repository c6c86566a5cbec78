"""Packages written by demucs and diffq themselves, read without either."""

from collections.abc import Callable
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from package_helpers import write_safetensors

from stemline.errors import CheckpointError
from stemline.families.common.checkpoint import load_strictly
from stemline.families.demucs.bags import BAGS
from stemline.families.demucs.checkpoint.bag_file import find_member, read_bag
from stemline.families.demucs.checkpoint.diffq import DiffqState
from stemline.families.demucs.checkpoint.package import read_package
from stemline.families.demucs.kwargs import config_from_kwargs
from stemline.families.demucs.network.hdemucs import Hdemucs
from stemline.families.demucs.network.htdemucs import Htdemucs

pytestmark = pytest.mark.oracles

SOURCES = ["drums", "bass", "other", "vocals"]

SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "htdemucs": (
        "HTDemucs",
        {"sources": SOURCES, "channels": 8, "segment": Fraction(39, 5), "bottom_channels": 16},
    ),
    "htdemucs_6s": (
        "HTDemucs",
        {"sources": [*SOURCES, "guitar", "piano"], "channels": 8, "segment": Fraction(39, 5)},
    ),
    "cac": ("HDemucs", {"sources": SOURCES, "channels": 8, "multi_freqs": []}),
    "magnitude": ("HDemucs", {"sources": SOURCES, "channels": 8, "cac": False}),
    "hybrid_old": (
        "HDemucs",
        {"sources": SOURCES, "channels": 8, "cac": False, "hybrid_old": True, "wiener_iters": 0},
    ),
}

# What the package of `htdemucs` is made with, as far as it shapes the weights.
OFFICIAL = {
    "sources": SOURCES,
    "segment": Fraction(39, 5),
    "channels": 48,
    "dconv_mode": 3,
    "dconv_comp": 8,
    "bottom_channels": 512,
}


@pytest.fixture(scope="module", autouse=True)
def originals() -> None:
    for name in ("demucs", "diffq", "omegaconf", "einops", "julius", "tqdm"):
        if find_spec(name) is None:
            pytest.fail(f"{name} is not installed; make test-oracles installs it")


def network_of(klass: str, kwargs: dict[str, Any]) -> torch.nn.Module:
    from demucs.hdemucs import HDemucs
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(3)
    made: torch.nn.Module = {"HTDemucs": HTDemucs, "HDemucs": HDemucs}[klass](**kwargs)
    return made


def packed(network: torch.nn.Module, quantizer: Any = None, half: bool = True) -> dict[str, Any]:
    """A package as demucs's export makes it, its metrics among it."""
    from demucs.states import serialize_model
    from omegaconf import OmegaConf

    training = OmegaConf.create({"dset": {"sources": SOURCES}, "optim": {"lr": 3e-4}})
    content: dict[str, Any] = serialize_model(network, training, quantizer, half)
    content["metrics"] = ({"nsdr": np.float64(8.5), "n": np.int64(50)}, None)
    return content


def save(folder: Path, content: dict[str, Any]) -> Path:
    from demucs.states import save_with_checksum

    save_with_checksum(content, folder / "f00dcafe.th")
    return find_member(folder, "f00dcafe")


def assert_same(state: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    """To the last bit."""
    assert set(state) == set(wanted)
    for key, value in wanted.items():
        assert state[key].dtype == torch.float32
        assert torch.equal(state[key], value), key


def shapes_of(network: torch.nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(value.shape)) for name, value in network.named_parameters()]


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("variant", SMALL)
def test_a_package_is_read_as_demucs_reads_it(variant: str, half: bool, tmp_path: Path) -> None:
    from demucs.repo import LocalRepo

    klass, kwargs = SMALL[variant]
    network = network_of(klass, kwargs)
    path = save(tmp_path, packed(network, half=half))
    read = read_package(path)
    assert (read.klass, read.kwargs) == (klass, kwargs)
    assert read.metadata["training_args"]["optim"] == {"lr": 3e-4}
    assert read.metadata["metrics"] == ({"nsdr": 8.5, "n": 50}, None)
    wanted = LocalRepo(tmp_path).get_model("f00dcafe").state_dict()
    assert_same(read.state_dict(()), wanted)
    # Half precision is what was lost, and nothing else.
    given = network.state_dict()
    assert_same(read.state_dict(()), {k: v.half().float() if half else v for k, v in given.items()})


@pytest.mark.parametrize("variant", SMALL)
def test_safetensors_are_read_as_demucs_reads_them(variant: str, tmp_path: Path) -> None:
    from demucs.hf import load_safetensors_model

    klass, kwargs = SMALL[variant]
    path = write_safetensors(tmp_path / "x.safetensors", packed(network_of(klass, kwargs)))
    read = read_package(path)
    assert (read.klass, read.kwargs) == (klass, kwargs)
    assert_same(read.state_dict(()), load_safetensors_model(path).state_dict())


def our_network_of(klass: str, kwargs: dict[str, Any]) -> torch.nn.Module:
    """Ours, without numbers: a package brings them."""
    config = config_from_kwargs(klass, kwargs)
    with torch.device("meta"):
        return Htdemucs(config) if config.architecture == "htdemucs" else Hdemucs(config)


@pytest.mark.parametrize("variant", SMALL)
def test_our_networks_have_the_parameters_of_the_originals_in_their_order(variant: str) -> None:
    """Which is all that tells the parameters of a quantised state apart."""
    klass, kwargs = SMALL[variant]
    assert shapes_of(our_network_of(klass, kwargs)) == shapes_of(network_of(klass, kwargs))


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("variant", ["htdemucs", "magnitude"])
def test_a_package_loads_into_our_network(variant: str, quantised: bool, tmp_path: Path) -> None:
    from demucs.states import load_model

    klass, kwargs = SMALL[variant]
    network = network_of(klass, kwargs)
    path = save(tmp_path, packed(network, quantizer_of(network, spread) if quantised else None))
    read = read_package(path)
    ours = our_network_of(read.klass, read.kwargs)
    load_strictly(ours, read.state_dict(shapes_of(ours)), path.name)
    assert_same(ours.state_dict(), load_model(path).state_dict())


def quantizer_of(network: torch.nn.Module, logits: Callable[[torch.Tensor], None]) -> Any:
    """DiffQ on a network, each group's number of bits made by `logits` from its parameter."""
    from diffq import DiffQuantizer

    quantizer = DiffQuantizer(network, min_size=0.2, group_size=8)
    with torch.no_grad():
        for parameter in quantizer._qparams:
            logits(parameter.logit)
    return quantizer


def spread(logit: torch.Tensor) -> None:
    """2 to 14 bits: sigmoid(2.5) of 13 more than 2 is 14.0."""
    logit.normal_(0, 2).clamp_(max=2.5)


@pytest.mark.parametrize("form", ["th", "safetensors"])
@pytest.mark.parametrize("variant", ["cac", "magnitude"])
def test_a_quantised_package_is_what_diffq_makes_of_it(
    variant: str, form: str, tmp_path: Path
) -> None:
    from demucs.hf import load_safetensors_model
    from demucs.states import load_model

    klass, kwargs = SMALL[variant]
    kwargs = {**kwargs, "channels": 16}
    network = network_of(klass, kwargs)
    content = packed(network, quantizer_of(network, spread))
    if form == "th":
        path = save(tmp_path, content)
        wanted = load_model(path)
    else:
        path = write_safetensors(tmp_path / "x.safetensors", content)
        wanted = load_safetensors_model(path)
    read = read_package(path)
    assert isinstance(read.state, DiffqState)
    assert len(read.state.quantized) > 20 and len(read.state.kept) > 100
    state = read.state_dict(shapes_of(network_of(klass, kwargs)))
    assert_same(state, wanted.state_dict())


@pytest.mark.parametrize(("logit", "n_bits"), [(-20.0, 2), (0.0, 8), (2.5, 14)])
def test_all_groups_may_have_the_same_number_of_bits(
    logit: float, n_bits: int, tmp_path: Path
) -> None:
    from demucs.states import load_model

    klass, kwargs = SMALL["cac"]
    network = network_of(klass, {**kwargs, "channels": 16})
    path = save(tmp_path, packed(network, quantizer_of(network, lambda row: row.fill_(logit))))
    read = read_package(path)
    assert isinstance(read.state, DiffqState)
    given = [planes is not None for planes in read.state.quantized[0].levels]
    assert given == [n == n_bits for n in range(1, 15)]
    assert_same(read.state_dict(shapes_of(load_model(path))), load_model(path).state_dict())


def test_groups_of_15_bits_which_diffq_does_not_write_are_an_error(tmp_path: Path) -> None:
    klass, kwargs = SMALL["cac"]
    network = network_of(klass, {**kwargs, "channels": 16})
    shapes = shapes_of(network)
    path = save(tmp_path, packed(network, quantizer_of(network, lambda row: row.fill_(20.0))))
    with pytest.raises(CheckpointError, match="groups of 15 bits, which the file does not hold"):
        read_package(path).state_dict(shapes)


def test_other_quantisations_are_refused(tmp_path: Path) -> None:
    from diffq import UniformQuantizer

    klass, kwargs = SMALL["cac"]
    network = network_of(klass, kwargs)
    content = packed(network, quantizer_of(network, spread))
    quantizer = quantizer_of(network_of(klass, kwargs), spread)
    content["state"] = {**quantizer.get_quantized_state(torch_pack=True), "__quantized": True}
    with pytest.raises(CheckpointError, match="not in diffq's own packing"):
        read_package(save(tmp_path, content))
    network = network_of(klass, kwargs)
    path = tmp_path / "uniform.th"
    torch.save(packed(network, UniformQuantizer(network, bits=8)), path)
    with pytest.raises(CheckpointError, match=r"uses diffq\.uniform\.UniformQuantizer, which no"):
        read_package(path)


# The official size


def test_the_full_htdemucs_is_read(tmp_path: Path) -> None:
    path = save(tmp_path, packed(network_of("HTDemucs", OFFICIAL)))
    # The official file has 84,141,911 bytes; ours has less to say of its training.
    assert 84_000_000 < path.stat().st_size < 84_141_911
    read = read_package(path)
    state = read.state_dict(())
    assert len(state) == 533
    assert sum(value.numel() for value in state.values()) == 41_984_456
    from demucs.states import load_model

    assert_same(state, load_model(path).state_dict())


def test_the_full_quantised_hdemucs_is_read(tmp_path: Path) -> None:
    from demucs.states import load_model

    network = network_of("HDemucs", {"sources": SOURCES, "channels": 48})
    content = packed(network, quantizer_of(network, spread))
    del network
    path = save(tmp_path, content)
    wanted = load_model(path)
    read = read_package(path)
    assert isinstance(read.state, DiffqState)
    assert (len(read.state.quantized), len(read.state.kept)) == (88, 395 - 88)
    assert_same(read.state_dict(shapes_of(wanted)), wanted.state_dict())


# Bags


@pytest.mark.parametrize("name", BAGS)
def test_the_official_bags_are_those_of_demucs(name: str) -> None:
    from demucs.hf import DEFAULT_NAMESPACE, hf_repo_name
    from demucs.pretrained import REMOTE_ROOT, _parse_remote_files

    row = BAGS[name]
    assert read_bag(REMOTE_ROOT / f"{name}.yaml") == row.bag
    urls = _parse_remote_files(REMOTE_ROOT / "files.txt")
    repository = f"https://huggingface.co/{DEFAULT_NAMESPACE}/{hf_repo_name(name)}/resolve/main"
    for signature, files in zip(row.bag.members, row.files, strict=True):
        assert [file.url for file in files] == [
            urls[signature],
            f"{repository}/{signature}.safetensors",
        ]


@pytest.mark.parametrize("name", ["mdx", "mdx_q", "repro_mdx_a"])
def test_the_other_bags_of_demucs_are_read_too(name: str) -> None:
    from demucs.pretrained import REMOTE_ROOT

    bag = read_bag(REMOTE_ROOT / f"{name}.yaml")
    assert (len(bag.members), bag.segment_s) == (4, 44)
    if name == "mdx":
        assert bag.members_for([1], 4) == (0, 1)
