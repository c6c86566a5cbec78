"""The attack: one manifest with anything in it. It stopped `serve` and `models` for all others."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import tiny_info
from mixture_beat_helpers import MIXTURE_FACTS

from stemline.engines import list_artifacts
from stemline.engines.artifact import info_from_metadata
from stemline.errors import ArtifactError, StemlineError, UnknownModelError
from stemline.serving.library import EngineOptions, Library

WRONG: list[Any] = [
    None, True, -1, 0, 1.5, 10**400, -(10**400), 1e308, float("nan"), float("inf"), "", "x", "1",
    "x" * 100_000, [], [1], [[1]], ["x"], [None], {}, {"a": 1}, ["vocals", "vocals"],
]  # fmt: skip
TEXTS = ["9" * 5000, "[" * 100_000, '{"a":' * 100_000, "\ud800", "", "nul", '"' + "x" * 10**7]


def paths_of(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every place of an object of JSON: of its objects, and what is in them."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths_of(inner, (*path, key))


def with_value(value: Any, path: tuple[str, ...], wrong: object) -> Any:
    head, *rest = path
    return {**value, head: with_value(value[head], tuple(rest), wrong) if rest else wrong}


def infos() -> list[dict[str, Any]]:
    member = {"signature": "a", "signatures": ["a", "b"], "weights": [[1.0, 1.0], [1.0, 1.0]]}
    tiny = {**tiny_info((), model="beats").to_json(), "default_overlap": 0.0, "stft": None}
    beats = {**tiny, "beats": MIXTURE_FACTS.to_json()}  # as export writes it: not in chunks
    return [{**tiny_info().to_json(), "member": member}, beats]


def manifest(model: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": 2,
        "engine": "1/model.onnx",
        "model": model,
        "files": {"1/model.onnx": {"sha256": "ab", "bytes": 0}},
        "card": {"checks": []},
    }


def folder(root: Path, name: str, text: str) -> None:
    (root / name / "1").mkdir(parents=True, exist_ok=True)
    (root / name / "1" / "model.onnx").write_bytes(b"")
    (root / name / "manifest.json").write_text(text, errors="surrogatepass")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder(tmp_path, "good.fp32", json.dumps(manifest(tiny_info(model="good").to_json())))
    return tmp_path


def usable(root: Path) -> list[str]:
    """What a server and `models` do with a folder of artifacts."""
    library = Library(root, EngineOptions(allow_untrained=True))
    names = [model.name for model in library.models()]
    for model in library.models():
        assert isinstance(model.info.sample_rate_hz, int) and model.info.sample_rate_hz > 0
        assert all(isinstance(stem, str) for stem in model.stems)
        json.dumps(model.info.to_json(), allow_nan=False)
        try:
            library.named(model.name)
        except StemlineError:
            pass
    return names


@pytest.mark.parametrize("which", [0, 1])
def test_a_wrong_value_anywhere_hides_no_other_artifact(root: Path, which: int) -> None:
    right = manifest(infos()[which])
    folder(root, "bad.fp32", json.dumps(right))
    assert len(list_artifacts(root)) == 2  # or the attack would not be one
    for path in paths_of(right):
        for wrong in WRONG:
            folder(root, "bad.fp32", json.dumps(with_value(right, path, wrong)))
            assert "good.fp32" in usable(root), (path, wrong)


@pytest.mark.parametrize("text", TEXTS)
def test_a_manifest_that_is_no_json_hides_no_other_artifact(root: Path, text: str) -> None:
    right = json.dumps(manifest(infos()[0]))
    for bad in (text, right.replace('"default_overlap": 4', f'"default_overlap": {text}')):
        folder(root, "bad.fp32", bad)
        assert usable(root) == ["good.fp32"]


@pytest.mark.parametrize("which", [0, 1])
def test_a_lone_file_is_checked_as_strictly(which: int) -> None:
    """Its metadata is as anybody's as a manifest is."""
    right = infos()[which]
    n_refused = 0
    for path in paths_of(right):
        for wrong in WRONG:
            values = with_value(right, path, wrong)
            metadata = {f"stemline.{name}": json.dumps(value) for name, value in values.items()}
            try:
                json.dumps(info_from_metadata(metadata, "x.onnx").to_json(), allow_nan=False)
            except ArtifactError as error:
                n_refused += 1
                assert "x.onnx" in str(error) and len(str(error)) < 1000
    assert n_refused > 100
    for text in TEXTS[:3]:
        with pytest.raises(ArtifactError, match="damaged metadata"):
            info_from_metadata({"stemline.model": text}, "x.onnx")


NAMES = [
    "x" * 100_000,
    "\0",
    "a\0b",
    "../good",
    "/etc/passwd",
    "good.fp32/..",
    "\ud800",
    "x" * 250,
    "*",
    "💥" * 80,
]


@pytest.mark.parametrize("name", [*NAMES, *(f"{name}.onnx" for name in NAMES)])
def test_a_name_that_no_folder_has_is_a_model_that_is_not_there(root: Path, name: str) -> None:
    with pytest.raises(UnknownModelError) as raised:
        Library(root).find(name)
    assert len(str(raised.value)) < 2000


@pytest.mark.parametrize("engine", ["/etc/passwd", "../good.fp32/1/model.onnx", "", "\0", 7])
def test_an_engine_is_in_the_folder_of_its_manifest(root: Path, engine: object) -> None:
    right = manifest(tiny_info(model="bad").to_json())
    files = {str(engine): {"sha256": "ab", "bytes": 0}}
    folder(root, "bad.fp32", json.dumps({**right, "engine": engine, "files": files}))
    assert usable(root) == ["good.fp32"]
