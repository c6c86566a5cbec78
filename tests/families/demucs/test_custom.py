"""Demucs packages of one's own, from their files to stems; and those that are refused."""

import json
import os
import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from demucs_track_helpers import RATE, TINY_HTDEMUCS, write_bag_yaml, write_network
from export_helpers import tensors_of
from helpers import music, snr_db
from package_helpers import package, stand_in, write_safetensors, write_th

from stemline.engines import read_artifact
from stemline.errors import CheckpointError, ConfigError, WeightsError
from stemline.export import export
from stemline.export.export import export_custom, export_model
from stemline.export.models import MODELS
from stemline.export.precisions import find_precision
from stemline.export.reference import torch_engine
from stemline.export.weights import load_network, resolve_weights
from stemline.families.common.digest import file_sha256
from stemline.families.demucs.kwargs import config_from_kwargs
from stemline.families.demucs.models import bag_of
from stemline.families.family import GraphTarget
from stemline.serving.library import Library
from stemline.serving.separator import Separator

NAMES = ("aaaa1111", "bbbb2222")
IDENTITY = [[1.0, 0.0], [0.0, 1.0]]
BUDGET = find_precision("fp32").budgets["separate"]
# Of no real structure but that of its class: what is refused before a network is made.
SMALL_HDEMUCS: dict[str, Any] = {
    "sources": ["drums", "vocals"],
    "channels": 8,
    "depth": 4,
    "nfft": 256,
    "norm_starts": 9,
    "dconv_attn": 9,
    "dconv_lstm": 9,
    "segment": Fraction(1, 2),
}


@dataclass(frozen=True)
class Exported:
    """A bag of two tiny networks, one for each stem."""

    packages: Path
    bag: Path
    root: Path
    networks: tuple[Any, ...]


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("mine")
    networks = (
        write_network(folder / f"{NAMES[0]}.th", TINY_HTDEMUCS, 1),
        write_network(folder / f"{NAMES[1]}.safetensors", TINY_HTDEMUCS, 2),
    )
    bag = write_bag_yaml(folder / "mine.yaml", NAMES, weights=IDENTITY)
    results = export_custom("mine", "demucs", bag, folder, root=folder / "artifacts")
    assert [(result.artifact, result.status, result.trained) for result in results] == [
        (f"mine-{name}.fp32", "exported", True) for name in NAMES
    ]
    return Exported(folder, bag, folder / "artifacts", networks)


def test_a_bag_separates_as_its_networks_do_in_pytorch(mine: Exported) -> None:
    samples = music(3 * 4410 + 5)
    library = Library(mine.root)
    separator = library.separator("mine")
    assert separator.info.licence == "unknown (custom checkpoint)"
    got = separator.separate(samples, RATE)
    library.close()
    assert list(got) == ["drums", "vocals"]
    config = config_from_kwargs("HTDemucs", TINY_HTDEMUCS)
    for stem, network, name in zip(got, mine.networks, NAMES, strict=True):
        info = read_artifact(mine.root / f"mine-{name}.fp32").info
        alone = Separator(torch_engine(network, tensors_of(config), name=name), info)
        wanted = alone.separate(samples, RATE)
        alone.close()
        assert list(wanted) == [stem]
        assert snr_db(wanted[stem], got[stem]) > BUDGET.snr_db


def test_an_artifact_knows_its_file_and_its_place(mine: Exported) -> None:
    for index, name in enumerate(NAMES):
        info = read_artifact(mine.root / f"mine-{name}.fp32").info
        (file,) = mine.packages.glob(f"{name}.*")
        assert info.weights_sha256 == file_sha256(file)
        assert info.member is not None
        assert (info.member.index, info.member.weights) == (index, ((1.0, 0.0), (0.0, 1.0)))
        assert (info.default_overlap, info.dynamic_length) == (0.25, False)
        assert info.chunk_samples == 4410


def test_what_is_unchanged_is_kept_and_other_weights_of_the_bag_are_a_change(
    mine: Exported, tmp_path: Path
) -> None:
    root = tmp_path / "artifacts"
    shutil.copytree(mine.root, root)
    again = export_custom("mine", "demucs", mine.bag, mine.packages, root=root)
    assert [result.status for result in again] == ["unchanged"] * 2
    assert written_by("mine", mine.bag, mine.packages, root) == []
    other = write_bag_yaml(tmp_path / "mine.yaml", NAMES, weights=[[1.0, 0.5], [0.0, 1.0]])
    assert written_by("mine", other, mine.packages, root) == [NAMES[0]]


class Stopped(Exception):
    """Raised in place of writing a graph."""


def written_by(name: str, bag: Path | None, weights: Path, root: Path) -> list[str]:
    """The first network, by its signature, for which a graph would be written, if any is."""
    reached: list[str] = []

    def stop(_network: Any, target: GraphTarget, _lengths: Any) -> None:
        member = json.loads(target.metadata["stemline.member"]) or {}
        reached.append(member.get("signature", ""))
        raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "trace", stop)
        try:
            export_custom(name, "demucs", bag, weights, root=root)
        except Stopped:
            pass
    return reached


@pytest.mark.parametrize("with_bag", [False, True], ids=["package", "bag of one"])
def test_one_network_is_a_model_and_no_bag(with_bag: bool, mine: Exported, tmp_path: Path) -> None:
    """Demucs's own YAML of htdemucs is a bag of one."""
    bag = write_bag_yaml(tmp_path / "one.yaml", NAMES[:1]) if with_bag else None
    weights = mine.packages if with_bag else mine.packages / f"{NAMES[0]}.th"
    assert written_by("one", bag, weights, tmp_path / "artifacts") == [""]


def test_random_networks_of_a_bag_differ() -> None:
    config = config_from_kwargs("HTDemucs", TINY_HTDEMUCS)
    rows = ((1.0, 1.0), (1.0, 1.0))
    bag = bag_of("mine", "mine", NAMES, rows, (config, config), ((), ()), "MIT")
    first, second = (resolve_weights(network, "random") for network in bag.networks)
    assert (first.sha256, second.sha256) == ("random:0", "random:1")
    states = [
        load_network(network, weights).network.state_dict()
        for network, weights in zip(bag.networks, (first, second), strict=True)
    ]
    wide = [name for name, value in states[0].items() if value.ndim > 1]
    assert wide
    assert not any(torch.equal(states[0][name], states[1][name]) for name in wide)


# What is refused, before anything is written ---------------------------------------------------


def refused(
    error: type[Exception], words: str, root: Path, bag: Path | None, weights: Path
) -> None:
    with pytest.raises(error, match=words):
        assert written_by("refused", bag, weights, root) == []
    assert not list(root.glob("*"))


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    for place in ("training_args", "state", "klass"):
        path = write_th(tmp_path / f"{place}.th", package(**{place: Hostile()}))
        refused(CheckpointError, f"{place}.th", tmp_path / "artifacts", None, path)
        assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("dotted", ["demucs.demucs.Demucs", "os.system", "HTDemucs2"])
def test_safetensors_of_another_class_are_refused(dotted: str, tmp_path: Path) -> None:
    made = stand_in(dotted) if "." in dotted else stand_in(f"x.{dotted}")
    path = write_safetensors(tmp_path / "x.safetensors", package(klass=made))
    refused(
        CheckpointError,
        "only HTDemucs and HDemucs are read",
        tmp_path / "artifacts",
        None,
        path,
    )


def test_what_is_missing_is_named(mine: Exported, tmp_path: Path) -> None:
    root = tmp_path / "artifacts"
    refused(WeightsError, "no such file", root, None, tmp_path / "none.th")
    refused(WeightsError, "no such file", root, None, mine.packages)
    refused(WeightsError, "no such folder", root, mine.bag, tmp_path / "none")
    refused(WeightsError, "no such folder", root, mine.bag, mine.packages / f"{NAMES[0]}.th")
    bag = write_bag_yaml(tmp_path / "bag.yaml", (NAMES[0], "cccc3333"))
    refused(CheckpointError, "no network cccc3333", root, bag, mine.packages)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sources": ["vocals", "drums"]}, "its stems, rate or channels are not those of"),
        ({"samplerate": 48_000}, "its stems, rate or channels are not those of"),
        ({"segment": Fraction(1, 5)}, "segments of different lengths"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_networks_that_make_no_bag_are_refused(
    changes: dict[str, Any], words: str, mine: Exported, tmp_path: Path
) -> None:
    folder = tmp_path / "packages"
    folder.mkdir()
    shutil.copy(mine.packages / f"{NAMES[0]}.th", folder)
    write_network(folder / f"{NAMES[1]}.th", {**TINY_HTDEMUCS, **changes})
    bag = write_bag_yaml(tmp_path / "bag.yaml", NAMES)
    refused(ConfigError, words, tmp_path / "artifacts", bag, folder)


def test_weights_for_other_stems_are_refused(mine: Exported, tmp_path: Path) -> None:
    bag = write_bag_yaml(tmp_path / "bag.yaml", NAMES, weights=[[1, 0, 0], [0, 1, 1]])
    refused(ConfigError, "are for 3 stems; got 2", tmp_path / "artifacts", bag, mine.packages)


def test_networks_of_both_classes_make_no_bag(mine: Exported, tmp_path: Path) -> None:
    """One takes a length of its own and the other any: they are cut differently."""
    folder = tmp_path / "packages"
    folder.mkdir()
    shutil.copy(mine.packages / f"{NAMES[0]}.th", folder)
    write_network(folder / f"{NAMES[1]}.th", SMALL_HDEMUCS, klass="HDemucs")
    bag = write_bag_yaml(tmp_path / "bag.yaml", NAMES, segment=0.1)
    refused(ConfigError, r"bag\.yaml", tmp_path / "artifacts", bag, folder)


def test_a_network_named_twice_is_refused(mine: Exported, tmp_path: Path) -> None:
    bag = write_bag_yaml(tmp_path / "bag.yaml", (NAMES[0], NAMES[0]))
    refused(ConfigError, "twice", tmp_path / "artifacts", bag, mine.packages)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("htdemucs", "for drums, vocals; htdemucs is of htdemucs for drums, bass, other, vocals"),
        ("hdemucs_mmi", "is a network of class HTDemucs for .*; hdemucs_mmi is of hdemucs"),
    ],
)
def test_the_package_of_another_model_than_the_tables_is_refused(
    model: str, words: str, mine: Exported, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=words):
        export_model(
            MODELS[model], weights=mine.packages / f"{NAMES[0]}.th", root=tmp_path / "artifacts"
        )
    assert not list((tmp_path / "artifacts").glob("*"))


def test_one_file_for_a_bag_of_the_table_is_refused(mine: Exported, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="htdemucs_ft is a bag of 4 networks"):
        export_model(
            MODELS["htdemucs_ft"], weights=mine.packages / f"{NAMES[0]}.th", root=tmp_path / "x"
        )


def test_a_segment_below_the_training_length_is_not_passed_over(
    mine: Exported, tmp_path: Path
) -> None:
    """Demucs cuts tracks by it; where it is not done so, it is an error."""
    bag = write_bag_yaml(tmp_path / "bag.yaml", NAMES, segment=0.05)
    refused(ConfigError, "segment", tmp_path / "artifacts", bag, mine.packages)


def test_a_long_segment_leaves_htdemucs_its_own(mine: Exported, tmp_path: Path) -> None:
    """As demucs has it: only shorter ones are taken over."""
    bag = write_bag_yaml(tmp_path / "bag.yaml", NAMES, weights=IDENTITY, segment=44)
    root = tmp_path / "artifacts"
    shutil.copytree(mine.root, root)
    assert written_by("mine", bag, mine.packages, root) == []


def test_stems_of_a_bag_are_not_one_networks(mine: Exported) -> None:
    """Both networks were exported with weights of their own."""
    samples = music(4410)
    library = Library(mine.root)
    drums = library.separator(f"mine-{NAMES[0]}").separate(samples, RATE)["drums"]
    vocals = library.separator(f"mine-{NAMES[1]}").separate(samples, RATE)["vocals"]
    library.close()
    assert np.isfinite(drums).all() and np.isfinite(vocals).all()
    assert snr_db(drums, vocals) < 20
