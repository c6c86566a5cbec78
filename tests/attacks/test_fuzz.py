"""The attack: checkpoints, manifests, configurations and ONNX files that did harm, and by chance.

Each is read in a process of its own: refused with a StemlineError or read, within bounds of time
and memory. Seeded, so that what failed comes again.
"""

import json
import os
import random
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
import pytest
import yaml
from attacks.corpus import checkpoints, configs, onnx_files
from attacks.corpus.mutations import of_bytes, of_json
from attacks.corpus.reading import (
    Reader,
    Reading,
    read_artifacts,
    read_checkpoint,
    read_config,
    read_onnx,
)
from export_helpers import spec_of, tiny_config

from stemline.export.export import export_model

N_OF_EACH = 40


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an artifact of random weights. Not to be changed."""
    root = tmp_path_factory.mktemp("artifacts")
    (made,) = export_model(spec_of(tiny_config()), weights="random", root=root)
    return made.folder


@pytest.fixture(scope="module")
def reading() -> Iterator[Reading]:
    """A process that reads."""
    with Reading() as one:
        yield one


def fuzzed(
    reading: Reading, reader: Reader, path: Path, makers: Iterable[tuple[str, bytes]]
) -> dict[str, str]:
    """What must not be of reading each of these at a path, by its name."""
    found = {}
    for name, data in makers:
        path.write_bytes(data)
        if wrong := reading.read(reader, path)[1]:
            found[name] = wrong
    return found


@pytest.mark.parametrize("name", checkpoints.HOSTILE)
def test_a_checkpoint_that_did_harm_is_refused(name: str, tmp_path: Path, reading: Reading) -> None:
    checkpoints.HOSTILE[name](tmp_path / name)
    said, wrong = reading.read(read_checkpoint, tmp_path / name)
    assert wrong == "" and name in said


@pytest.mark.parametrize("name", checkpoints.GOOD)
def test_a_damaged_checkpoint_is_refused_or_read(
    name: str, tmp_path: Path, reading: Reading
) -> None:
    checkpoints.GOOD[name](tmp_path / name)
    data = (tmp_path / name).read_bytes()
    assert reading.read(read_checkpoint, tmp_path / name) == (
        "",
        "",
    )  # or the fuzz would be of nothing

    def damaged() -> Iterator[tuple[str, bytes]]:
        for seed in range(2 * N_OF_EACH):
            yield f"seed {seed}", of_bytes(data, random.Random(seed))

    assert fuzzed(reading, read_checkpoint, tmp_path / name, damaged()) == {}


def test_a_damaged_configuration_is_refused_or_read(tmp_path: Path, reading: Reading) -> None:
    def made() -> Iterator[tuple[str, bytes]]:
        for name, text in configs.HOSTILE.items():
            yield name, text.encode()
        for seed in range(3 * N_OF_EACH):
            dice = random.Random(seed)
            value = of_json(dice.choice([configs.GOOD, configs.GOOD, configs.BAG]), dice)
            text = dice.choice([json.dumps, yaml.safe_dump])(value).encode()
            yield f"seed {seed}", of_bytes(text, dice) if dice.random() < 0.4 else text

    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(configs.GOOD))
    assert reading.read(read_config, path) == ("", "")
    assert fuzzed(reading, read_config, path, made()) == {}


def test_a_damaged_manifest_hides_no_other(
    artifact: Path, tmp_path: Path, reading: Reading
) -> None:
    for name in ("good.fp32", "bad.fp32"):
        shutil.copytree(artifact, tmp_path / name)
    path = tmp_path / "bad.fp32" / "manifest.json"
    text = path.read_bytes()
    for seed in range(4 * N_OF_EACH):
        dice = random.Random(seed)
        damaged = json.dumps(of_json(json.loads(text), dice)).encode()
        path.write_bytes(of_bytes(text, dice) if dice.random() < 0.5 else damaged)
        assert reading.read(read_artifacts, tmp_path)[1] == "", seed


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "a link to itself"])
def test_a_manifest_that_is_no_file_hides_no_other(
    kind: str, artifact: Path, tmp_path: Path, reading: Reading
) -> None:
    """A pipe that nobody writes stopped `serve` for ever, and a device took all memory."""
    for name in ("good.fp32", "bad.fp32"):
        shutil.copytree(artifact, tmp_path / name)
    path = tmp_path / "bad.fp32" / "manifest.json"
    path.unlink()
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "a device" else path)
    assert reading.read(read_artifacts, tmp_path)[1] == ""


@pytest.mark.parametrize("name", onnx_files.HOSTILE)
def test_an_onnx_file_that_did_harm_is_refused(
    name: str, artifact: Path, tmp_path: Path, reading: Reading
) -> None:
    path = tmp_path / "lone.onnx"
    onnx_files.write(path, artifact / "1" / "model.onnx", name)
    said, wrong = reading.read(read_onnx, path)
    assert wrong == ""
    assert said or name == "two_of_one_name"  # which is two times the same


def test_a_damaged_onnx_file_is_refused_or_runs(
    artifact: Path, tmp_path: Path, reading: Reading
) -> None:
    """All but the weights, where one number is as good as another: header, graph, metadata."""
    good = artifact / "1" / "model.onnx"
    model = onnx.load(good)
    data = good.read_bytes()
    n_graph = len(model.graph.SerializeToString())
    places = [(0, 40), (data.index(b"stemline.") - 10, len(data)), (0, n_graph)]

    def damaged() -> Iterator[tuple[str, bytes]]:
        for seed in range(2 * N_OF_EACH):
            dice = random.Random(seed)
            yield f"seed {seed}", of_bytes(data, dice, *dice.choice(places))

    path = tmp_path / "lone.onnx"
    shutil.copy(good, path)
    assert reading.read(read_onnx, path) == ("", "")
    assert fuzzed(reading, read_onnx, path, damaged()) == {}
