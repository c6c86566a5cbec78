"""AudioSep exported: two artifacts that run without torch, one of which carries the vocabulary."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from audiosep_helpers import ENCODER, SEPARATOR, lightning, small_spec, tokens, write_vocabulary
from cli_helpers import run_without_torch
from helpers import snr_db

from stemline.engines import open_engine, read_artifact, read_onnx_metadata
from stemline.engines.artifact import info_from_metadata, read_manifest
from stemline.errors import (
    ArtifactError,
    DownloadError,
    EngineInputError,
    IntegrityError,
    RequestError,
    UnknownModelError,
    WrongModelError,
)
from stemline.export.export import export_model
from stemline.export.reference import reference_engine
from stemline.export.verify import signal_rows, verify_artifact
from stemline.export.weights import random_network
from stemline.families import find_family
from stemline.families.audiosep.config import TextEncoderConfig
from stemline.families.audiosep.texts import TextReader
from stemline.families.audiosep.vocabulary import vocabulary_from_metadata
from stemline.families.common.digest import file_sha256
from stemline.families.model_spec import CheckpointFile
from stemline.serving.jobs import SeparateOptions
from stemline.serving.library import EngineOptions, Library


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lightning's file of small networks, with the vocabulary beside it. Not to be changed."""
    folder = tmp_path_factory.mktemp("checkpoint")
    networks = random_network(SEPARATOR, seed=4), random_network(ENCODER, seed=5)
    torch.save(lightning(*networks), folder / "audiosep.ckpt")
    write_vocabulary(folder)
    return folder / "audiosep.ckpt"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    """The folder of both artifacts. Not to be changed."""
    root = tmp_path_factory.mktemp("artifacts")
    spec = small_spec(write_vocabulary(checkpoint.parent))
    results = export_model(spec, weights=checkpoint, root=root)
    assert [(result.artifact, result.trained) for result in results] == [
        ("small.fp32", True),
        ("small-text.fp32", True),
    ]
    return root


def reader_of(path: Path) -> TextReader:
    metadata = read_onnx_metadata(path)
    info = info_from_metadata(metadata, path.name)
    family = find_family(info.family)
    return family.text_reader(info, open_engine(path, "cpu"), metadata)  # type: ignore[attr-defined,no-any-return]


def test_both_describe_themselves(exported: Path) -> None:
    separator, encoder = (read_artifact(exported / f"{n}.fp32") for n in ("small", "small-text"))
    assert (separator.info.model, encoder.info.model) == ("small", "small")
    assert not separator.info.encodes_text and encoder.info.encodes_text
    assert separator.info.stft is not None and separator.info.stft.n_bins == 128
    assert encoder.info.text is not None and encoder.info.text.most_tokens == 40
    assert encoder.info.weights_sha256 == separator.info.weights_sha256
    for artifact in (separator, encoder):
        inside = read_onnx_metadata(artifact.engine_path)
        assert info_from_metadata(inside, "model.onnx") == artifact.info


def test_only_the_encoder_carries_the_vocabulary_and_the_manifest_does_not(exported: Path) -> None:
    for name, carries in (("small", False), ("small-text", True)):
        folder = exported / f"{name}.fp32"
        metadata = read_onnx_metadata(folder / "1" / "model.onnx")
        assert ("tokenizer.tokens" in metadata) == carries
        assert "tokenizer" not in (folder / "manifest.json").read_text()
    assert (
        'name: "tokens" data_type: TYPE_INT64 dims: [ -1 ]'
        in (exported / "small-text.fp32" / "config.pbtxt").read_text()
    )


def test_cards_have_both_parts_of_the_mask_and_the_embedding(exported: Path) -> None:
    rows = {
        (row["output"], row["stem"], row["batch"])
        for name in ("small", "small-text")
        for row in read_manifest(exported / f"{name}.fp32")["card"]["parity"]
    }
    assert rows == {
        (output, part, batch)
        for output, part in (("mask", "real"), ("mask", "imaginary"), ("embedding", "embedding"))
        for batch in (1, 3)
    }
    for name in ("small", "small-text"):
        assert verify_artifact(exported / f"{name}.fp32").snr_db > 100


@pytest.mark.parametrize("whole_folder", [False, True])
def test_they_are_verified_against_the_checkpoint(
    whole_folder: bool, exported: Path, checkpoint: Path
) -> None:
    for name in ("small", "small-text"):
        folder = exported / f"{name}.fp32"
        card = verify_artifact(folder, checkpoint.parent if whole_folder else checkpoint)
        assert card.reference == "pytorch" and card.snr_db > 100


def test_lone_files_are_enough(exported: Path, checkpoint: Path, tmp_path: Path) -> None:
    """Nothing but the two `.onnx` files is carried elsewhere."""
    for name in ("small", "small-text"):
        shutil.copy(exported / f"{name}.fp32/1/model.onnx", tmp_path / f"{name}.onnx")
    embeddings = reader_of(tmp_path / "small-text.onnx")(["a dog barking", "footsteps 🐾"])
    reference = reference_engine(exported / "small-text.fp32", checkpoint)
    words = [tokens().index(token) for token in ("a", "Ġ", "dog", "Ġbarking")]
    wanted = reference.run({"tokens": np.array([[0, *words, 2]])})["embedding"]
    np.testing.assert_allclose(embeddings[:1], wanted, atol=1e-6)
    found = Library(tmp_path).named(str(tmp_path / "small.onnx"))
    assert found.text_encoder is not None
    assert found.text_encoder.engine_path == tmp_path / "small-text.onnx"
    engine = open_engine(tmp_path / "small.onnx", "cpu")
    row = signal_rows(found.info)[0]
    mask = engine.run({**row, "embedding": embeddings[:1]})["mask"]
    of_torch = reference_engine(exported / "small.fp32", checkpoint)
    wanted = of_torch.run({**row, "embedding": embeddings[:1]})["mask"]
    assert snr_db(wanted, mask) > 100


def test_they_run_with_torch_absent(exported: Path) -> None:
    done = run_without_torch("verify", "small", "--artifacts", str(exported))
    assert done.returncode == 0, done.stderr
    assert "mask" in done.stdout and "embedding" in done.stdout


@pytest.mark.parametrize("n_tokens", [3, 4, 17, 40])
def test_a_text_of_any_length_is_taken(n_tokens: int, exported: Path, checkpoint: Path) -> None:
    engine = open_engine(exported / "small-text.fp32/1/model.onnx", "cpu")
    reference = reference_engine(exported / "small-text.fp32", checkpoint)
    ids = np.arange(2 * n_tokens).reshape(2, n_tokens) + 10
    got, wanted = (one.run({"tokens": ids})["embedding"] for one in (engine, reference))
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_ids_are_int64_and_nothing_else(exported: Path) -> None:
    engine = open_engine(exported / "small-text.fp32/1/model.onnx", "cpu")
    for wrong in (np.ones((1, 4), np.int32), np.ones((1, 4), np.float32)):
        with pytest.raises(EngineInputError, match="tokens must be int64 of shape"):
            engine.run({"tokens": wrong})


def test_an_unchanged_export_is_kept_and_another_vocabulary_makes_another(
    exported: Path, checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(exported, tmp_path / "artifacts")
    carried = write_vocabulary(checkpoint.parent)
    before = export_model(small_spec(carried), weights=checkpoint, root=tmp_path / "artifacts")
    assert [result.status for result in before] == ["unchanged", "unchanged"]
    other = tmp_path / "other"
    shutil.copytree(checkpoint.parent, other)
    path = other / "vocab.json"
    ids = json.loads(path.read_text())
    ids["dog"], ids["do"] = ids["do"], ids["dog"]
    path.write_text(json.dumps(ids))
    changed = replace(carried[0], sha256=file_sha256(path))
    after = export_model(
        small_spec((changed, carried[1])),
        weights=other / checkpoint.name,
        root=tmp_path / "artifacts",
    )
    assert [result.status for result in after] == ["unchanged", "exported"]
    metadata = read_onnx_metadata(tmp_path / "artifacts/small-text.fp32/1/model.onnx")
    assert vocabulary_from_metadata(metadata, "").tokens[ids["dog"]] == "dog"


def test_another_file_beside_the_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint.parent, tmp_path / "other")
    spec = small_spec(write_vocabulary(tmp_path / "other"))
    (tmp_path / "other/merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(IntegrityError, match=r"merges\.txt has SHA-256 .* remove it, or put"):
        export_model(
            spec.networks[1], weights=tmp_path / "other/audiosep.ckpt", root=tmp_path / "artifacts"
        )
    assert not (tmp_path / "artifacts/small-text.fp32").exists()


def test_a_vocabulary_that_is_not_to_be_had_says_where_to_put_it(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMLINE_CACHE", str(tmp_path / "cache"))
    spec = small_spec(write_vocabulary(checkpoint.parent))
    shutil.copy(checkpoint, tmp_path / "audiosep.ckpt")
    with pytest.raises(DownloadError, match=r"no vocab\.json from .* put it beside the checkpoint"):
        export_model(
            spec.networks[1], weights=tmp_path / "audiosep.ckpt", root=tmp_path / "artifacts"
        )


def test_random_weights_need_nothing(tmp_path: Path) -> None:
    nowhere = CheckpointFile("http://127.0.0.1:9/vocab.json", "0" * 64)
    results = export_model(small_spec((nowhere,)), weights="random", root=tmp_path)
    assert [result.trained for result in results] == [False, False]
    embedding = reader_of(tmp_path / "small-text.fp32/1/model.onnx")(["日本 🐕"])
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-6)


def test_a_model_is_found_with_its_encoder_which_is_none_by_itself(exported: Path) -> None:
    library = Library(exported, EngineOptions(device="cpu"))
    assert [model.name for model in library.models()] == ["small.fp32"]
    for name in ("small", "small.fp32"):
        found = library.find(name).text_encoder
        assert found is not None and found.name == "small-text.fp32"
    for name in ("small-text", "small-text.fp32", str(exported / "small-text.fp32/1/model.onnx")):
        with pytest.raises(WrongModelError, match="encodes texts for small and separates nothing"):
            library.find(name)
    with pytest.raises(UnknownModelError, match="no model was named"):
        library.find("")
    with pytest.raises(RequestError, match="small separates what a text describes"):
        library.separator("small").check(SeparateOptions())
    library.close()


def test_an_encoder_of_another_width_is_not_its_own(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "small.fp32", tmp_path / "small.fp32")
    assert Library(tmp_path).find("small").text_encoder is None
    wider = replace(ENCODER, n_embedding=8)
    assert isinstance(wider, TextEncoderConfig)
    spec = replace(small_spec().text_encoder, config=wider)  # type: ignore[type-var]
    export_model(spec, weights="random", root=tmp_path)  # type: ignore[arg-type]
    assert Library(tmp_path).find("small").text_encoder is None


def test_an_encoder_without_a_vocabulary_is_no_reader(exported: Path) -> None:
    path = exported / "small-text.fp32/1/model.onnx"
    metadata = {k: v for k, v in read_onnx_metadata(path).items() if not k.startswith("tokenizer")}
    info = info_from_metadata(metadata, "x")
    with pytest.raises(ArtifactError, match="carries no vocabulary; export it again"):
        TextReader(open_engine(path, "cpu"), info, metadata)
