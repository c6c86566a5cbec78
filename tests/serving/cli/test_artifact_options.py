"""Where verbs look for artifacts, and where those that write put them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from cli_helpers import CONFIG
from demucs_track_helpers import gain_info, write_gains

from stemline.serving.cli.verbs import VERBS, load

WRITE = {"export", "demo"}


def in_empty_folder(tmp_path: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command where nothing is chosen, and models are in the user's data folder if anywhere."""
    (tmp_path / "empty").mkdir(exist_ok=True)
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data"), "COLUMNS": "200"}
    environment.pop("STEMLINE_ARTIFACTS", None)
    return subprocess.run(
        [str(Path(sys.executable).parent / "stemline"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path / "empty",
        env=environment,
    )


def artifacts_option(verb: str) -> typer.core.TyperOption | None:
    options = [param for param in load(verb).params if "--artifacts" in param.opts]
    return options[0] if options else None


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - WRITE - {"list", "band"}))
def test_verbs_that_read_look_everywhere_where_nothing_is_chosen(verb: str) -> None:
    option = artifacts_option(verb)
    assert option is not None
    assert option.default is None
    assert "user's data folder" in option.help


@pytest.mark.parametrize("verb", sorted(WRITE))
def test_verbs_that_write_have_one_folder(verb: str) -> None:
    option = artifacts_option(verb)
    assert option is not None
    assert option.default == Path("artifacts")
    assert "write" in option.help


def test_bench_measures_a_model_of_the_users_data_folder(tmp_path: Path) -> None:
    write_gains(tmp_path / "data" / "stemline" / "artifacts", gain_info("mine"), [1.0] * 4)
    done = in_empty_folder(
        tmp_path, "bench", "mine", "--engines", "onnx", "--batches", "1", "--rounds", "1", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert [row["model"] for row in json.loads(done.stdout)["rows"]] == ["mine"]


@pytest.mark.parametrize(
    "arguments",
    [["bench"], ["verify"], ["separate", "-m"], ["beats", "-m"]],
    ids=lambda one: one[0],
)
def test_what_is_not_found_is_answered_with_every_folder(
    tmp_path: Path, arguments: list[str]
) -> None:
    last = ["song.wav"] if "-m" in arguments else []
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "song.wav").write_bytes(b"not looked at")
    done = in_empty_folder(tmp_path, *arguments, "htdemucs", *last)
    assert done.returncode == 3, done.stderr
    said = done.stdout + done.stderr
    tried = f"{tmp_path}/empty/artifacts, {tmp_path}/data/stemline/artifacts"
    assert f"htdemucs is not exported in {tried}" in said
    assert "stemline export htdemucs" in said


def test_export_says_where_the_artifacts_are(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "tiny.yaml").write_text(CONFIG)
    export = (
        "export", "tiny", "--family", "mdx23c", "--config", "tiny.yaml", "--weights", "random"
    )  # fmt: skip
    done = in_empty_folder(tmp_path, *export)
    assert done.returncode == 0, done.stderr
    assert f"the artifacts are in {tmp_path}/empty/artifacts\n" in done.stderr
    again = in_empty_folder(tmp_path, *export, "--json")
    (artifact,) = json.loads(again.stdout)["artifacts"]
    assert artifact["folder"] == f"{tmp_path}/empty/artifacts/tiny.fp32"
