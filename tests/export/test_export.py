import hashlib
import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from export_helpers import FileServer, spec_of, tiny_config
from helpers import music, snr_db

from stemline.engines import list_artifacts, open_engine, read_artifact, read_onnx_metadata
from stemline.engines.artifact import info_from_metadata, read_manifest
from stemline.errors import (
    ArtifactError,
    ArtifactWriteError,
    CheckpointError,
    ConfigError,
    ParityError,
    QualityError,
    UnknownVariantError,
    WeightsError,
)
from stemline.export import fingerprint, verify
from stemline.export.export import ExportResult, export_custom, export_model
from stemline.export.manifest import stored_quality
from stemline.export.models import MODELS
from stemline.export.precisions import Budget, find_precision
from stemline.export.reference import reference_engine
from stemline.export.staging import staged_folder
from stemline.export.verify import signal_rows, verify_artifact
from stemline.export.weights import random_network
from stemline.families.mdx23c.config import Mdx23cConfig
from stemline.serving.cli.export import export as export_command
from stemline.serving.library import Library


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of artifacts with `tiny.fp32`, of random weights, in it. Not to be changed."""
    root = tmp_path_factory.mktemp("artifacts")
    export_model(spec_of(tiny_config()), weights="random", root=root)
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    """The same, of a checkpoint. Not to be changed."""
    root = tmp_path_factory.mktemp("artifacts")
    export_model(spec_of(tiny_config()), weights=checkpoint, root=root)
    return root


@pytest.fixture
def root(exported: Path, tmp_path: Path) -> Path:
    """A copy of `exported` that may be changed."""
    return Path(shutil.copytree(exported, tmp_path / "artifacts"))


def one(results: list[ExportResult]) -> ExportResult:
    (result,) = results
    return result


def test_an_artifact_describes_itself_in_the_manifest_and_inside_the_graph(exported: Path) -> None:
    (artifact,) = list_artifacts(exported)
    assert artifact.name == "tiny.fp32"
    info = artifact.info
    assert (info.model, info.family, info.precision) == ("tiny", "mdx23c", "fp32")
    assert (info.stems, info.trained) == (("vocals", "instrumental"), False)
    assert info.weights_sha256 == "random:0"
    inside = read_onnx_metadata(artifact.engine_path)
    assert info_from_metadata(inside, "model.onnx") == info


def test_the_manifest_has_the_digest_of_every_other_file(exported: Path) -> None:
    folder = exported / "tiny.fp32"
    manifest = read_manifest(folder)
    written = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert written == {"1/model.onnx", "config.pbtxt", "golden.npz", "manifest.json"}
    assert set(manifest["files"]) == written - {"manifest.json"}
    for name, info in manifest["files"].items():
        data = (folder / name).read_bytes()
        assert info == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert 'name: "tiny.fp32"' in (folder / "config.pbtxt").read_text()


def test_the_card_has_every_stem_at_batch_1_and_3_and_what_the_graph_is_made_of(
    exported: Path,
) -> None:
    stored = read_manifest(exported / "tiny.fp32")["card"]
    rows = [(row["stem"], row["batch"]) for row in stored["parity"]]
    assert rows == [("vocals", 1), ("instrumental", 1), ("vocals", 3), ("instrumental", 3)]
    assert stored["snr_db"] > 100  # so small a network loses next to nothing
    assert stored["node_dtypes"] == {"float32": 1.0}
    assert stored["weight_dtypes"]["float32"] > 0.99  # the rest are the shapes of reshapes
    assert stored["machine"]["threads"] >= 1 and stored["seconds"] > 0


def test_an_unchanged_export_is_skipped_with_its_card(exported: Path) -> None:
    path = exported / "tiny.fp32/1/model.onnx"
    before = path.stat().st_mtime_ns
    result = one(export_model(spec_of(tiny_config()), weights="random", root=exported))
    assert (result.status, result.trained) == ("unchanged", False)
    assert result.card.snr_db > 100
    assert path.stat().st_mtime_ns == before


def test_a_change_of_the_band_exports_again_what_was_measured_on_it(
    trained: Path, checkpoint: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song, file_of = tmp_path / "song.py", fingerprint._file_of
    original = file_of("stemline.band.song")
    assert original is not None
    song.write_bytes(original.read_bytes() + b"# changed\n")
    for root in (trained, exported):
        shutil.copytree(root, tmp_path / "artifacts", dirs_exist_ok=True)
        weights = checkpoint if root == trained else "random"
        (before,) = export_model(spec_of(tiny_config()), weights=weights, root=root)
        assert before.status == "unchanged"
        with monkeypatch.context() as patch:
            patch.setattr(
                fingerprint,
                "_file_of",
                lambda module: song if module == "stemline.band.song" else file_of(module),
            )
            spec = spec_of(tiny_config())
            (after,) = export_model(spec, weights=weights, root=tmp_path / "artifacts")
        assert after.status == ("exported" if root == trained else "unchanged")


def test_the_reason_for_no_quality_is_on_the_card_and_verify_keeps_it(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "LONGEST_QUALITY_S", 0.0)
    spec = spec_of(tiny_config())
    result = one(export_model(spec, weights=checkpoint, root=tmp_path))
    assert result.card.quality is None
    assert "stemline bench tiny.fp32 --engines onnx --quality" in result.card.quality_skipped
    again = verify_artifact(tmp_path / "tiny.fp32")
    assert (again.quality, again.quality_skipped) == (None, result.card.quality_skipped)
    again = one(export_model(spec, weights=checkpoint, root=tmp_path)).card
    assert again == result.card  # unchanged: it does not hang on the songs


def test_a_damaged_artifact_is_exported_again(root: Path, config: Mdx23cConfig) -> None:
    engine = root / "tiny.fp32/1/model.onnx"
    whole = engine.read_bytes()
    engine.write_bytes(whole[:-1])
    result = one(export_model(spec_of(config), weights="random", root=root))
    assert result.status == "exported"
    assert engine.read_bytes() == whole


def test_a_checkpoint_exported_is_what_the_engine_runs(
    tmp_path: Path, yaml_file: Path, checkpoint: Path
) -> None:
    result = one(export_custom("own", "mdx23c", yaml_file, checkpoint, root=tmp_path / "a"))
    assert (result.artifact, result.trained) == ("own.fp32", True)
    artifact = read_artifact(result.folder)
    assert artifact.info.weights_sha256 == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert artifact.info.default_overlap == 8
    assert str(checkpoint.parent) not in (result.folder / "manifest.json").read_text()
    reference = reference_engine(result.folder, checkpoint)
    inputs = signal_rows(artifact.info)[0]
    wanted = reference.run(inputs)["stems"]
    got = open_engine(artifact.engine_path, device="cpu").run(inputs)["stems"]
    np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())


def test_a_yaml_that_normalises_makes_an_artifact_that_does(
    config: Mdx23cConfig, yaml_file: Path, checkpoint: Path, tmp_path: Path
) -> None:
    yaml_file.write_text(yaml_file.read_text().replace("num_overlap: 8", "normalize: true"))
    export_custom("mine", "mdx23c", yaml_file, checkpoint, root=tmp_path)
    artifact = read_artifact(tmp_path / "mine.fp32")
    assert artifact.info.track_level
    inside = read_onnx_metadata(artifact.engine_path)
    assert info_from_metadata(inside, "model.onnx").track_level
    separator = Library(tmp_path).separator("mine")
    mixture = music(9000)
    louder = separator.separate(4 * mixture, 44100)["vocals"]
    assert snr_db(4 * separator.separate(mixture, 44100)["vocals"], louder) > 80


def test_what_was_taken_off_a_checkpoints_keys_is_said_in_one_line(
    config: Mdx23cConfig, yaml_file: Path, tmp_path: Path
) -> None:
    state = random_network(config, seed=7).state_dict()
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "ddp.ckpt")
    lines: list[str] = []
    export_custom(
        "mine", "mdx23c", yaml_file, tmp_path / "ddp.ckpt", root=tmp_path, report=lines.append
    )
    said = [line for line in lines if "begins with" in line]
    assert said == ["mine.fp32: every key begins with 'module.', which was taken off"]


@pytest.mark.parametrize(
    ("name", "family", "message"),
    [
        ("own", "other", "--family 'other' is not known; there is mdx23c, demucs"),
        ("mdx23c", "mdx23c", "is a model of the table"),
        ("htdemucs_ft-f7e0c4bc", "demucs", "is a model of the table"),
        ("../own", "mdx23c", "is no name for a model"),
        (".own", "mdx23c", "is no name for a model"),
        ("", "mdx23c", "is no name for a model"),
    ],
)
def test_a_custom_model_wants_a_new_plain_name_and_a_known_family(
    name: str, family: str, message: str, yaml_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        export_custom(name, family, yaml_file, "random", root=tmp_path / "a")


@pytest.mark.parametrize("variant", ["int8", "fp16", "tensorrt", "coreml", ""])
def test_a_variant_that_cannot_be_made_is_refused_before_anything_is_done(
    variant: str, config: Mdx23cConfig, tmp_path: Path
) -> None:
    with pytest.raises(UnknownVariantError, match="not available yet; there is fp32"):
        export_model(spec_of(config), ("fp32", variant), "random", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_checkpoint_of_another_configuration_leaves_nothing(
    config: Mdx23cConfig, checkpoint: Path, tmp_path: Path
) -> None:
    spec = spec_of(replace(config, growth=4))
    with pytest.raises(CheckpointError, match="the configuration wants"):
        export_model(spec, weights=checkpoint, root=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_failing_card_leaves_the_artifact_of_before(
    root: Path, config: Mdx23cConfig, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets = find_precision("fp32").budgets
    monkeypatch.setitem(budgets, "separate", Budget(snr_db=1000.0))  # type: ignore[arg-type]
    with pytest.raises(ParityError, match="the budget is 1000 dB"):
        export_model(spec_of(config), weights=checkpoint, root=root)
    assert not read_artifact(root / "tiny.fp32").info.trained
    assert [path.name for path in root.iterdir()] == ["tiny.fp32"]


# Weights from the network, and from nowhere.


def test_auto_without_a_network_takes_random_weights_and_says_why_each_time(
    root: Path, config: Mdx23cConfig, server: FileServer
) -> None:
    spec = spec_of(config, f"{server.url}/gone.ckpt")
    result = one(export_model(spec, root=root))
    assert (result.status, result.trained) == ("unchanged", False)
    assert "HTTP 404" in result.reason


def test_a_download_that_works_again_replaces_random_weights_and_is_not_repeated(
    root: Path, config: Mdx23cConfig, checkpoint: Path, server: FileServer, cache: Path
) -> None:
    spec = spec_of(config, server.serve("tiny.ckpt", checkpoint.read_bytes()))
    result = one(export_model(spec, root=root))
    assert (result.status, result.trained, result.reason) == ("exported", True, "")
    assert [path.name for path in root.iterdir()] == ["tiny.fp32"]
    (cache / "tiny.ckpt").unlink()
    server.asked.clear()
    assert one(export_model(spec, root=root)).status == "unchanged"
    assert server.asked == []  # the artifact is made of it already


def test_a_trained_artifact_is_never_replaced_by_random_weights_unasked(
    trained: Path, config: Mdx23cConfig, server: FileServer, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(trained, tmp_path / "artifacts"))
    spec = spec_of(config, f"{server.url}/gone.ckpt")
    kept = one(export_model(spec, root=root))
    assert (kept.status, kept.trained) == ("kept", True)
    assert "HTTP 404" in kept.reason
    asked_for = one(export_model(spec, weights="random", root=root))
    assert (asked_for.status, asked_for.trained) == ("exported", False)


def test_the_command_says_why_a_trained_artifact_was_kept(
    trained: Path,
    config: Mdx23cConfig,
    server: FileServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(MODELS, "tiny", spec_of(config, f"{server.url}/gone.ckpt"))
    export_command(["tiny"], artifacts=trained)
    said = capsys.readouterr().err
    assert "warning: tiny.fp32" in said and "was kept" in said and "HTTP 404" in said


# Whole or not at all.


def test_a_block_that_raises_leaves_nothing_and_one_that_ends_leaves_it_whole(
    tmp_path: Path,
) -> None:
    with pytest.raises(KeyError), staged_folder(tmp_path, "x") as folder:
        (folder / "file").write_text("half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    for text in ("first", "second"):
        with staged_folder(tmp_path, "x") as folder:
            (folder / "file").write_text(text)
            assert not list(tmp_path.glob("*/file")) or text == "second"
        assert [p.name for p in tmp_path.iterdir()] == ["x"]
        assert (tmp_path / "x/file").read_text() == text


_STAGE_AND_WAIT = """
import sys, time
from pathlib import Path
from stemline.export.staging import staged_folder
with staged_folder(Path(sys.argv[1]), "x") as folder:
    (folder / "manifest.json").write_text("{}")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of writing `x`."""
    process = subprocess.Popen(
        [sys.executable, "-c", _STAGE_AND_WAIT, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_killed_export_leaves_no_artifact_and_the_next_one_cleans_up(
    tmp_path: Path, at_work: subprocess.Popen[str]
) -> None:
    assert list_artifacts(tmp_path) == []
    at_work.kill()
    at_work.wait()
    assert list_artifacts(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 1  # what it left, hidden
    with staged_folder(tmp_path, "x") as folder:
        (folder / "file").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_export_at_work_is_not_cleaned_away(
    tmp_path: Path, at_work: subprocess.Popen[str]
) -> None:
    with staged_folder(tmp_path, "x"):
        pass
    assert at_work.poll() is None
    assert len(list(tmp_path.glob(".x.*/x/manifest.json"))) == 1


def test_a_run_killed_between_its_two_renames_loses_no_artifact(tmp_path: Path) -> None:
    holder = tmp_path / ".x.abc"
    (holder / "replaced").mkdir(parents=True)
    (holder / "replaced/file").write_text("old")
    with pytest.raises(KeyError), staged_folder(tmp_path, "x"):
        raise KeyError
    assert (tmp_path / "x/file").read_text() == "old"


def test_a_folder_that_cannot_be_written_is_one_clear_line(
    config: Mdx23cConfig, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactWriteError, match="choose another --artifacts folder") as caught:
        export_model(spec_of(config), weights="random", root=tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_a_disk_that_is_full_leaves_nothing(config: Mdx23cConfig, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # files end here
    try:
        with pytest.raises(ArtifactWriteError, match="cannot be written"):
            export_model(spec_of(config), weights="random", root=tmp_path / "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "a").iterdir()) == []


# Verify.


def test_verify_measures_against_torch_and_without_the_weights_against_the_golden(
    exported: Path, trained: Path, checkpoint: Path, tmp_path: Path
) -> None:
    measured = verify_artifact(exported / "tiny.fp32")
    assert measured.reference == "pytorch" and measured.latency_ratio is not None
    golden = verify_artifact(trained / "tiny.fp32")
    assert golden.reference == "golden" and golden.snr_db > 100
    assert verify_artifact(trained / "tiny.fp32", checkpoint).reference == "pytorch"
    other = tmp_path / "other.ckpt"
    other.write_bytes(b"other")
    with pytest.raises(WeightsError, match="is not the checkpoint"):
        verify_artifact(trained / "tiny.fp32", other)


def test_verify_needs_no_torch(exported: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'yaml', 'pooch'): sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from stemline.export.verify import verify_artifact\n"
        "from stemline.export.models import MODELS\n"
        "print(verify_artifact(Path(sys.argv[1])).reference)\n"
    )
    command = [sys.executable, "-c", code, str(exported / "tiny.fp32")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("golden\n", "")


def with_quality(trained: Path, root: Path, gain_db: float, songs_db: float = 0.0) -> Path:
    """A copy of the trained artifact whose manifest tells of better stems, or of other songs."""
    folder = Path(shutil.copytree(trained, root)) / "tiny.fp32"
    manifest = read_manifest(folder)
    for stem in manifest["card"]["quality"]["stems"]:
        stem["improvement_db"] += gain_db
        stem["si_sdr_db"] += gain_db + songs_db
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_trained_artifact_has_its_quality_and_verify_finds_it_again(
    trained: Path, checkpoint: Path
) -> None:
    stored = stored_quality(trained / "tiny.fp32")
    assert stored is not None
    assert (stored.songs, stored.overlap) == (verify.CARD_SONGS, 4)
    assert [stem.stem for stem in stored.stems] == ["vocals", "instrumental"]
    for weights in (None, checkpoint):  # against the golden values, and against PyTorch
        again = verify_artifact(trained / "tiny.fp32", weights).quality
        assert again is not None and again.has_songs_of(stored)
        assert again.mean_improvement_db == pytest.approx(stored.mean_improvement_db, abs=1e-3)


def test_random_weights_have_no_quality(exported: Path) -> None:
    assert stored_quality(exported / "tiny.fp32") is None
    assert verify_artifact(exported / "tiny.fp32").quality is None


def test_what_would_take_long_is_left_to_the_bench(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = read_artifact(trained / "tiny.fp32")
    said: list[str] = []
    monkeypatch.setattr(verify, "LONGEST_QUALITY_S", 0.01)
    none, why = verify.first_quality(artifact.engine_path, artifact.info, 1.0, said.append)
    assert none is None
    assert (
        "more than 0 s; this measures it: stemline bench tiny.fp32 --engines onnx --quality" in why
    )
    assert said == [f"tiny.fp32: quality is not measured: {why}"]
    said.clear()
    monkeypatch.setattr(verify, "LONGEST_QUALITY_S", 1000.0)
    quality, why = verify.first_quality(artifact.engine_path, artifact.info, 1.0, said.append)
    assert (quality, why) == (stored_quality(trained / "tiny.fp32"), "")
    assert said[0].startswith("tiny.fp32: separating 2 held-out songs, ")


def test_an_artifact_that_separates_worse_than_export_measured_fails(
    trained: Path, tmp_path: Path
) -> None:
    verify_artifact(with_quality(trained, tmp_path / "near", 0.05))
    with pytest.raises(QualityError, match=r"tiny.fp32: improves SI-SDR by .* on the same songs"):
        verify_artifact(with_quality(trained, tmp_path / "far", 0.2))
    verify_artifact(with_quality(trained, tmp_path / "others", 3.0, songs_db=1.0))


def test_a_damaged_quality_is_told_as_such(trained: Path, tmp_path: Path) -> None:
    folder = with_quality(trained, tmp_path / "damaged", 0.0)
    manifest = read_manifest(folder)
    del manifest["card"]["quality"]["stems"][0]["stem"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="damaged; export it again"):
        stored_quality(folder)
    with pytest.raises(ArtifactError, match="export it again"):
        verify_artifact(folder)


@pytest.mark.parametrize("name", ["1/model.onnx", "golden.npz", "config.pbtxt"])
def test_verify_names_a_file_that_was_changed(name: str, root: Path) -> None:
    path = root / "tiny.fp32" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ArtifactError, match=f"{name} is not what export wrote"):
        verify_artifact(path.parents[name.count("/")])


def test_golden_values_that_do_not_agree_fail(root: Path) -> None:
    """The values of one stem moved by a hundredth, 40 dB: the card must see it, and say which."""
    folder = root / "tiny.fp32"
    with np.load(folder / "golden.npz") as arrays:
        changed = {name: arrays[name].copy() for name in arrays}
    changed["stems.values"][1] *= 1.01
    np.savez(folder / "golden.npz", **changed)
    manifest = read_manifest(folder)
    manifest["weights"]["sha256"] = "0" * 64  # nobody has these weights: the golden decides
    data = (folder / "golden.npz").read_bytes()
    manifest["files"]["golden.npz"]["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ParityError, match=r"stem 'instrumental' .* golden to 40"):
        verify_artifact(folder)
