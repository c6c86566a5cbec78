"""What an empty name means, and what is said when it means `mini`."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile
from cli_helpers import RATE, run
from grpc_helpers import GainLibrary
from helpers import gain_separator, music, tiny_info

from stemline.engines import Artifact
from stemline.errors import UnknownModelError
from stemline.export.models import MODELS
from stemline.families import find_family
from stemline.serving.default_model import separates_mixes
from stemline.serving.library import Library
from stemline.serving.models import model_of

NOTE = "official models separate real music far better: stemline export htdemucs, then -m htdemucs"


STEMS = {"kit": ("kick", "snare"), "bass-only": ("Bass", "rest")}


def library(trained: str, untrained: str = "") -> GainLibrary:
    """A library of these models; their stems are `STEMS`, or vocals and instrumental."""
    stems = ("vocals", "instrumental")
    separators = {
        f"{model}.fp32": gain_separator(
            tiny_info(STEMS.get(model, stems), model=model, trained=is_trained)
        )
        for models, is_trained in ((trained, True), (untrained, False))
        for model in models.split()
    }
    return GainLibrary(separators, allow_untrained=True)


@pytest.mark.parametrize(
    ("trained", "untrained", "chosen"),
    [
        ("mdx23c mini other", "", "mdx23c"),
        ("htdemucs mdx23c mini", "", "htdemucs"),
        ("mdx23c mini", "htdemucs", "mdx23c"),
        ("mini other", "", "other"),
        ("mini", "", "mini"),
        ("other", "", "other"),
        ("a b mini", "", "mini"),
        # What takes a drum kit apart is not given a whole mix, unless it is asked for.
        ("kit mini", "", "mini"),
        ("kit other mini", "", "other"),
        ("kit other", "", "other"),
        ("kit mdx23c mini", "", "mdx23c"),
        ("kit bass-only mini", "", "bass-only"),
        # Noise never wins over a trained model, whatever it is called.
        ("mini", "mdx23c", "mini"),
        ("mini", "other", "mini"),
        ("other mini", "mdx23c more", "other"),
        # Only noise: then the same rule among it.
        ("", "mdx23c other mini", "mdx23c"),
        ("", "other", "other"),
    ],
)
def test_the_default_is_the_best_there_is(trained: str, untrained: str, chosen: str) -> None:
    assert library(trained, untrained).find().name == f"{chosen}.fp32"


@pytest.mark.parametrize(
    ("trained", "listed"), [("a b", r"a\.fp32, b\.fp32"), ("kit", r"kit\.fp32")]
)
def test_where_no_model_stands_out_those_there_are_are_listed(trained: str, listed: str) -> None:
    with pytest.raises(UnknownModelError, match=f"no model was named.*; there are {listed}$"):
        library(trained, "mdx23c mini").find()
    assert library("kit").find("kit").name == "kit.fp32"


SEPARATORS = [name for name, spec in MODELS.items() if find_family(spec.family).task == "separate"]


@pytest.mark.parametrize("name", SEPARATORS)
def test_of_the_table_the_kit_splitters_alone_are_not_for_mixes(name: str) -> None:
    info = tiny_info(MODELS[name].config.stems)
    model = model_of(Artifact(f"{name}.fp32", Path(f"{name}.onnx"), info, ""))
    assert separates_mixes(model) == ("drumsep" not in name)


def test_a_named_model_is_that_model_trained_or_not() -> None:
    assert library("mini", "mdx23c").find("mdx23c").name == "mdx23c.fp32"


def test_where_nothing_is_exported_both_ways_on_are_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="stemline export mini takes about a minute") as it:
        Library(tmp_path).find()
    assert "stemline export htdemucs gets an official model" in str(it.value)
    with pytest.raises(UnknownModelError, match=r"stemline export mdx23c-drumsep$"):
        Library(tmp_path).find("mdx23c-drumsep")


def test_separate_and_serve_say_how_to_begin(tmp_path: Path) -> None:
    for command in (["separate", "song.wav"], ["serve", "--port", "0"]):
        done = run(*command, "--artifacts", tmp_path / "none", cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        assert "stemline export mini" in done.stderr


@pytest.fixture(scope="module")
def with_mini(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artifacts with one that is called `mini`, and trained; its network is a small one."""
    root = tmp_path_factory.mktemp("with_mini") / "artifacts"
    shutil.copytree(artifacts / "tiny.fp32", root / "mini.fp32")
    path = root / "mini.fp32/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["model"] |= {"model": "mini", "trained": True}
    path.write_text(json.dumps(manifest))
    return root


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, music(5000).T, RATE)
    return path


def test_separate_says_once_what_mini_is_and_json_stays_json(
    with_mini: Path, song: Path, tmp_path: Path
) -> None:
    done = run("separate", song, "-o", tmp_path / "out", "--artifacts", with_mini, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(NOTE) == 1
    assert json.loads(done.stdout)["model"] == "mini"


def test_a_model_that_was_named_needs_no_explanation(
    with_mini: Path, song: Path, tmp_path: Path
) -> None:
    done = run("separate", song, "-m", "mini", "-o", tmp_path / "out", "--artifacts", with_mini)
    assert done.returncode == 0, done.stderr
    assert NOTE not in done.stderr


@contextmanager
def serving(*arguments: str | Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a served folder, and what was said, complete once the block is left."""
    command = [Path(sys.executable).parent / "stemline", "serve", "--port", "0", *arguments]
    said: list[str] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            for line in server.stderr:
                said.append(line)
                if line.startswith("serving on "):
                    break
            yield said[-1].split()[-1], said
        finally:
            server.terminate()
            said.extend(server.stderr)
    assert server.returncode == 0


def test_serve_and_its_clients_hear_what_mini_is(
    with_mini: Path, song: Path, tmp_path: Path
) -> None:
    with serving("--artifacts", with_mini) as (address, said):
        done = run("separate", song, "-o", tmp_path / "out", "--server", address)
        named = run("separate", song, "-m", "mini", "-o", tmp_path / "b", "--server", address)
    assert (done.returncode, named.returncode) == (0, 0), done.stderr + named.stderr
    assert "".join(said).count(NOTE) == 1
    assert done.stderr.count(NOTE) == 1
    assert NOTE not in named.stderr


def test_a_server_told_to_serve_mini_does_not_explain_it(with_mini: Path) -> None:
    with serving("--artifacts", with_mini, "--models", "mini") as (_, said):
        pass
    assert NOTE not in "".join(said)
