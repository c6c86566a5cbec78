"""The table of families: each is what it says, and no name is ever taken for another's."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beat_helpers import FACTS, ClickEngine
from export_helpers import build_network, info_of, tensors_of
from helpers import GainEngine, tiny_info

from stemline.engines import ModelInfo
from stemline.errors import ArtifactError, ConfigError
from stemline.evaluation.beat_quality import can_measure_beats, network_inputs_of
from stemline.evaluation.held_out import play
from stemline.evaluation.quality import can_measure, estimated_seconds
from stemline.evaluation.separation import separate_together, separate_whole
from stemline.export.export import export_custom
from stemline.export.manifest import stored_config
from stemline.export.model_info import model_info
from stemline.export.models import MODELS
from stemline.export.verify import signal_rows
from stemline.export.weights import load_network, resolve_weights
from stemline.families import (
    FAMILIES,
    all_families,
    beat_decoder,
    beat_family,
    family_of,
    find_family,
    separator_family,
)
from stemline.families.beats import BeatFamily
from stemline.families.family import NetworkInfo
from stemline.families.separation import SeparatorFamily
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.separator import Separator

UNKNOWN = ("other", "", "Demucs", "demucs ", "mdx23c.network", "htdemucs", "separate", "common")
SEPARATORS = ("mdx23c", "demucs", "audiosep")
BEATS = ("allin1", "madmom")
BY_TEXT = ("audiosep",)  # separators, but of what no song of the band has the truth for


# Known ones --------------------------------------------------------------------------------------


def test_every_family_has_the_name_and_the_task_of_its_line() -> None:
    assert [family.name for family in all_families()] == list(FAMILIES)
    assert {*SEPARATORS, *BEATS} == set(FAMILIES)
    for name in FAMILIES:
        family = find_family(name)
        assert family is family_of(name, "a model")
        assert (family.task == "separate") == isinstance(family, SeparatorFamily)
        assert (family.task == "beats") == isinstance(family, BeatFamily)
        assert family.task == ("separate" if name in SEPARATORS else "beats")


def test_models_are_of_the_family_that_lists_them() -> None:
    listed = [spec for family in all_families() for spec in family.models()]
    assert [spec.name for spec in listed] == list(MODELS)
    for family in all_families():
        for spec in family.models():
            for network in (spec, *spec.members, *spec.folds):
                assert network.family == network.config.family == family.name


@pytest.mark.parametrize("name", MODELS)
def test_a_configuration_is_read_back_and_described(name: str) -> None:
    spec = MODELS[name]
    for network in spec.networks:
        family = find_family(network.family)
        assert family.config_from_json(network.config.to_json()) == network.config
        info = model_info(network, "fp32", "00ff")
        described = family.describe(network.config, network.trained_on_stems_of)
        assert {field.name: getattr(info, field.name) for field in fields(NetworkInfo)} == {
            field.name: getattr(described, field.name) for field in fields(NetworkInfo)
        }
        assert (info.family, info.task) == (family.name, family.task)
        tensors = tensors_of(network.config)
        for given, wanted in (
            (tensors.inputs, network.config.inputs),
            (tensors.outputs, network.config.outputs),
        ):
            assert [tensor.name for tensor in given] == list(wanted)
            for tensor in given:  # a length that is free has the usual one in the configuration
                axes = zip(tensor.shape[1:], wanted[tensor.name], strict=True)
                assert all(axis == usual or isinstance(axis, str) for axis, usual in axes)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_test_chunk_becomes_the_inputs_of_the_artifact(name: str) -> None:
    info = info_of(find_family(name).models()[0].config)
    rows = signal_rows(info)
    for row in rows:
        for tensor in find_family(name).tensors(info).inputs:
            array = row[tensor.name]
            assert array.dtype == np.float32
            assert len(array.shape) == len(tensor.shape)
            for got, wanted in zip(array.shape[1:], tensor.shape[1:], strict=True):
                assert isinstance(wanted, str) or got == wanted
    assert {tuple(row) for row in rows} == {tuple(rows[0])}


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_family_has_not_it_refuses(name: str, tmp_path: Path) -> None:
    """Bags, folds and installed packages: each where it is, and an error everywhere else."""
    family = find_family(name)
    for asked, has_it in (
        (lambda: family.member_file(tmp_path, "x"), name == "demucs"),
        (lambda: family.fold_files(tmp_path), name == "allin1"),
        (lambda: family.average([]), name == "allin1"),
        (lambda: family.installed_digest(tmp_path), name == "madmom"),
    ):
        if not has_it:
            with pytest.raises(ConfigError, match=name):
                asked()
    if name != "madmom":
        assert family.find_installed(tmp_path) is None


# Unknown ones ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_family_is_an_error_that_lists_the_known_ones(name: str) -> None:
    with pytest.raises(
        ConfigError, match=f"'{name}' is not known; there is mdx23c, demucs, allin1"
    ):
        find_family(name)
    for find in (family_of, separator_family, beat_family):
        with pytest.raises(
            ArtifactError,
            match=f"mine is of family '{name}'; this stemline knows allin1, audiosep, demucs, "
            f"madmom, mdx23c",
        ):
            find(name, "mine")


@pytest.mark.parametrize("name", BEATS)
def test_a_family_of_beats_separates_nothing(name: str) -> None:
    with pytest.raises(ArtifactError, match=f"mine is of family '{name}', which separates nothing"):
        separator_family(name, "mine")
    assert beat_family(name, "mine") is find_family(name)


@pytest.mark.parametrize("name", SEPARATORS)
def test_a_family_of_separators_finds_no_beats(name: str) -> None:
    with pytest.raises(ArtifactError, match=f"mine is of family '{name}', which finds no beats"):
        beat_family(name, "mine")
    assert separator_family(name, "mine") is find_family(name)


def of_family(name: str) -> ModelInfo:
    """A description that is right but for its family."""
    return replace(tiny_info(), family=name)


SEPARATES: dict[str, Callable[[ModelInfo], Any]] = {
    "serving": lambda info: Separator(GainEngine(tiny_info()), info),
    "a bag": lambda info: Separator.of_members(info, [None], [[1.0, 1.0]], name="mine"),
    "a song": lambda info: separate_whole(
        GainEngine(tiny_info()), info, np.zeros((2, 9), np.float32)
    ),
    "songs": lambda info: separate_together(GainEngine(tiny_info()), info, []),
    "an estimate": lambda info: estimated_seconds(info, 1.0),
}


@pytest.mark.parametrize("name", ["other", "", "Demucs", *BEATS])
@pytest.mark.parametrize("how", SEPARATES)
def test_nothing_is_separated_by_a_family_that_does_not(how: str, name: str) -> None:
    with pytest.raises(ArtifactError, match=f"tiny is of family '{name}'"):
        SEPARATES[how](of_family(name))


@pytest.mark.parametrize("name", ["other", "", "Demucs", *SEPARATORS])
def test_no_beats_are_found_by_a_family_that_does_not(name: str) -> None:
    info = replace(FACTS, family=name)
    for find in (
        lambda: BeatTracker(ClickEngine(), info),
        lambda: beat_decoder(info),
        lambda: network_inputs_of(play(1_000_000, 1.0), info),
    ):
        with pytest.raises(ArtifactError, match=f"is of family '{name}'"):
            find()


@pytest.mark.parametrize("name", ["other", "", "Demucs"])
def test_an_unknown_family_is_not_measured_exported_or_verified(name: str, tmp_path: Path) -> None:
    assert not can_measure(of_family(name))
    with pytest.raises(ArtifactError, match=f"tiny is of family '{name}'"):
        signal_rows(of_family(name))
    config = MODELS["mini"].config.to_json()
    with pytest.raises(ArtifactError, match="holds no configuration"):
        stored_config({"model": {"family": name}, "config": config}, tmp_path)
    with pytest.raises(ConfigError, match="is not known"):
        export_custom("mine", name, None, tmp_path, root=tmp_path)
    spec = replace(MODELS["mini"], family=name)
    with pytest.raises(ConfigError, match="is not known"):
        model_info(spec, "fp32", "00ff")
    with pytest.raises(ConfigError, match="is not known"):
        load_network(spec, resolve_weights(spec, "auto"))


def test_another_family_s_configuration_is_no_configuration(tmp_path: Path) -> None:
    """An artifact whose family was changed is not built as another network."""
    for name in FAMILIES:
        for other in FAMILIES:
            config = find_family(other).models()[0].networks[0].config.to_json()
            manifest = {"model": {"family": name}, "config": config}
            if name == other:
                assert stored_config(manifest, tmp_path).family == name
            else:
                with pytest.raises(ArtifactError, match="holds no configuration"):
                    stored_config(manifest, tmp_path)


@pytest.mark.parametrize("name", FAMILIES)
def test_only_what_finds_beats_is_measured_on_beats(name: str) -> None:
    info = replace(info_of(find_family(name).models()[0].config), trained=True)
    assert can_measure_beats(info) == (name in BEATS)
    assert can_measure(info) == (name in SEPARATORS and name not in BY_TEXT)


def test_a_network_is_built_by_its_own_family() -> None:
    classes = set()
    for name in FAMILIES:
        network = build_network(find_family(name).models()[0].networks[0].config)
        assert not network.training
        assert type(network).__module__.startswith(f"{FAMILIES[name]}.network")
        classes.add(type(network))
    assert len(classes) == len(FAMILIES)
