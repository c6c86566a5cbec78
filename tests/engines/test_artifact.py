import json
from pathlib import Path

import pytest
from helpers import tiny_info

from stemline.engines import list_artifacts, read_artifact
from stemline.errors import ArtifactError


def write_artifact(folder: Path, **changes: object) -> Path:
    """The folder export would write, with an empty engine."""
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.onnx").write_bytes(b"")
    manifest = {
        "schema_version": 2,
        "engine": "1/model.onnx",
        "model": tiny_info().to_json(),
        "files": {"1/model.onnx": {"sha256": "ab", "bytes": 0}},
        **changes,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_an_artifact_describes_itself(tmp_path: Path) -> None:
    artifact = read_artifact(write_artifact(tmp_path / "tiny.fp32"))
    assert artifact.info == tiny_info()
    assert (artifact.name, artifact.sha256) == ("tiny.fp32", "ab")


def test_folders_without_a_manifest_are_passed_over(tmp_path: Path) -> None:
    for name in ("b.fp32", "a.fp32"):
        write_artifact(tmp_path / name)
    (tmp_path / "notes").mkdir()
    assert [artifact.name for artifact in list_artifacts(tmp_path)] == ["a.fp32", "b.fp32"]
    assert list_artifacts(tmp_path / "nowhere") == []


def test_another_schema_says_what_to_do(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "x", schema_version=99)
    with pytest.raises(ArtifactError, match=r"schema version 99.*export it again"):
        read_artifact(folder)


def test_damage_is_named(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "x")
    (folder / "1" / "model.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"model\.onnx is missing"):
        read_artifact(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_artifact(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="no manifest"):
        read_artifact(folder)


@pytest.mark.parametrize("content", ["[]", '{"schema_version": 2}', '"text"', "\x00"])
def test_a_damaged_manifest_is_an_artifact_error_and_hides_no_other(
    tmp_path: Path, content: str
) -> None:
    write_artifact(tmp_path / "good.fp32")
    folder = write_artifact(tmp_path / "bad.fp32")
    (folder / "manifest.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        read_artifact(folder)
    assert [artifact.name for artifact in list_artifacts(tmp_path)] == ["good.fp32"]


@pytest.mark.parametrize("field", ["stems", "family", "chunk_samples"])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    model = tiny_info().to_json()
    del model[field]
    folder = write_artifact(tmp_path / "x", model=model)
    with pytest.raises(ArtifactError, match=field):
        read_artifact(folder)
