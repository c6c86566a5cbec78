"""What can be asked for by name: single networks, bags, and bags of which some are missing."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from beat_helpers import write_separator
from demucs_track_helpers import (
    EQUAL,
    GAINS,
    IDENTITY,
    SIGNATURES,
    STEMS,
    gain_info,
    write_gain_bag,
    write_gains,
)

from stemline.engines import Artifact, MemberInfo
from stemline.engines.artifact import MANIFEST, read_artifact
from stemline.errors import ArtifactError, UnknownModelError
from stemline.serving.library import Library
from stemline.serving.models import artifacts_in, model_of, models_of

Rows = tuple[tuple[float, ...], ...]


def member(
    index: int, weights: Rows = IDENTITY, model: str = "mine", **changes: object
) -> Artifact:
    place = MemberInfo(SIGNATURES[index], SIGNATURES[: len(weights)], weights)
    info = gain_info(model, member=place, **changes)
    name = f"{info.artifact_stem}.fp32"
    return Artifact(name, Path(name) / "1" / "model.onnx", info, f"{index}" * 64)


def single(model: str = "alone") -> Artifact:
    return Artifact(f"{model}.fp32", Path(model), gain_info(model), "ab")


def test_the_networks_of_a_bag_are_one_model_in_the_bags_order() -> None:
    found = [member(2), single(), member(0), single("zither"), member(1)]
    models = models_of(found)
    assert [model.name for model in models] == ["alone.fp32", "mine.fp32", "zither.fp32"]
    bag = models[1]
    assert [artifact and artifact.name for artifact in bag.networks] == [
        f"mine-{signature}.fp32" for signature in SIGNATURES
    ]
    assert (bag.weights, bag.stems, bag.info.member) == (IDENTITY, STEMS, None)
    assert models[0].weights == ((1.0, 1.0, 1.0),)


def test_a_bag_is_known_by_the_digests_of_its_networks() -> None:
    bag = models_of([member(1), member(0), member(2)])[0]
    wanted = "\n".join(f"{index}" * 64 for index in range(3))
    assert bag.sha256 == hashlib.sha256(wanted.encode()).hexdigest()
    others = models_of([replace(member(1), sha256="9" * 64), member(0), member(2)])[0]
    assert others.sha256 != bag.sha256
    assert models_of([replace(member(1), sha256=""), member(0)])[0].sha256 == ""
    assert model_of(single()).sha256 == "ab"


def test_a_missing_network_leaves_its_place_empty() -> None:
    bag = models_of([member(2), member(0)])[0]
    assert [artifact is None for artifact in bag.networks] == [False, True, False]
    assert [artifact.info.member.signature for artifact in bag.artifacts] == [  # type: ignore[union-attr]
        SIGNATURES[0],
        SIGNATURES[2],
    ]


def test_a_bag_is_trained_when_all_of_its_networks_are() -> None:
    trained = [member(index) for index in range(3)]
    assert models_of(trained)[0].info.trained
    assert not models_of([*trained[:2], member(2, trained=False)])[0].info.trained


def test_a_network_of_a_bag_by_itself_offers_what_it_counts_for() -> None:
    assert model_of(member(2)).stems == ("vocals",)
    assert model_of(member(1, EQUAL)).stems == STEMS
    assert model_of(member(0, ((1.0, 0.0, 0.5), (0.0, 2.0, 0.5)))).stems == ("drums", "vocals")


@pytest.mark.parametrize(
    "other",
    [
        member(1, EQUAL),
        member(1, stems=("drums", "bass", "other")),
        member(1, sample_rate_hz=48_000),
        member(1, chunk_samples=8820),
        member(1, dynamic_length=True),
        member(1, default_overlap=0.5),
    ],
    ids=["weights", "stems", "rate", "chunk", "length", "overlap"],
)
def test_networks_of_different_bags_are_not_mixed(other: Artifact, tmp_path: Path) -> None:
    """Nor do they withhold another model of the same folder."""
    for artifact in (member(0), other):
        write_gains(tmp_path, artifact.info, GAINS[0])
    write_gains(tmp_path, gain_info("alone"), GAINS[0])
    library = Library(tmp_path)
    with pytest.raises(ArtifactError, match=r"mine-\w+\.fp32, mine-\w+\.fp32 .*export"):
        library.find("mine")
    assert library.find("alone").name == "alone.fp32"
    assert [model.name for model in library.models()] == ["alone.fp32"]


def test_models_are_found_by_their_names_alone(tmp_path: Path) -> None:
    folders = write_gain_bag(tmp_path, IDENTITY)
    library = Library(tmp_path)
    assert len(library.find("mine").networks) == 3
    assert len(library.find("mine.fp32").networks) == 3
    assert len(library.find("").networks) == 3
    alone = library.find(f"mine-{SIGNATURES[1]}")
    assert (alone.name, alone.stems) == (f"mine-{SIGNATURES[1]}.fp32", ("bass",))
    assert library.find(f"mine-{SIGNATURES[1]}.fp32") == alone
    assert library.find(str(folders[1] / "1" / "model.onnx")) == alone
    with pytest.raises(UnknownModelError, match=r"no model 'mine-dddd4444'.* mine\.fp32"):
        library.find("mine-dddd4444")


def test_what_is_written_of_a_bag_is_read_back(tmp_path: Path) -> None:
    weights = ((1.0, 0.25, 0.0), (0.0, 2.0, 3.0))
    folder = write_gain_bag(tmp_path, weights, gains=GAINS[:2])[1]
    info = read_artifact(folder).info
    assert info.member == MemberInfo(SIGNATURES[1], SIGNATURES[:2], weights)
    assert info.member is not None and info.member.index == 1


def test_an_artifact_of_an_older_stemline_is_to_be_exported_again(tmp_path: Path) -> None:
    """Alone or in its folder: its description has names that have changed since."""
    folder = write_gains(tmp_path, gain_info("old"), GAINS[0])
    engine = folder / "1" / "model.onnx"
    graph = onnx.load(engine)
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    metadata["stemline.any_length"] = metadata.pop("stemline.dynamic_length")
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, metadata)
    lone = tmp_path / "carried.onnx"
    onnx.save(graph, lone)
    words = r"carried\.onnx was written by an older stemline; export it again"
    with pytest.raises(ArtifactError, match=words):
        Library(tmp_path).find(str(lone))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["schema_version"] = 1
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"has schema version 1, .* export it again"):
        read_artifact(folder)


def test_of_artifacts_with_one_name_the_first_folders_is_listed(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, models in ((first, ["b"]), (second, ["a", "b"])):
        for model in models:
            write_separator(folder, model)
    found = artifacts_in([first, second, tmp_path / "nowhere"])
    assert [artifact.name for artifact in found] == ["a.fp32", "b.fp32"]
    assert [artifact.engine_path.is_relative_to(first) for artifact in found] == [False, True]
