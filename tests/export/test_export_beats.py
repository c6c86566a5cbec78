"""Folds of All-In-One to artifacts: one, several averaged, official, your own, random."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from allin1_helpers import small_allin1, spectrograms
from export_helpers import FileServer

from stemline.engines import open_engine, read_artifact
from stemline.engines.artifact import read_manifest
from stemline.errors import (
    ArtifactError,
    BeatQualityError,
    CheckpointError,
    ConfigError,
    ParityError,
    WeightsError,
)
from stemline.evaluation.beat_quality import LOSS, BeatQuality, agreement, beat_quality_from_json
from stemline.export import verify
from stemline.export.card import card_from_json
from stemline.export.export import export_custom, export_model
from stemline.export.models import MODELS
from stemline.export.precisions import find_precision
from stemline.export.verify import verify_artifact
from stemline.families import allin1, find_family
from stemline.families.allin1.config import AllInOneConfig
from stemline.families.model_spec import ModelSpec

SIZES = {"depth": 3, "dim_embed": 8, "mlp_ratio": 2.0}
BUDGET = find_precision("fp32").budgets["beats"]
SMALL = AllInOneConfig(depth=3, dim_embed=8, mlp_ratio=2.0)


@pytest.fixture(autouse=True)
def short_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What artifacts are judged on: five seconds are as good a test as thirty."""
    monkeypatch.setattr(allin1, "_TEST_S", 5.0)


def write_fold(folder: Path, seed: int, threshold: float = 0.2) -> Path:
    """As allin1's own files are."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"harmonix-fold{seed}.pth"
    config = {**SIZES, "data": {"num_labels": 10}, "best_threshold_downbeat": threshold}
    torch.save({"config": config, "state_dict": small_allin1(seed=seed).state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three folds. Not to be changed."""
    folder = tmp_path_factory.mktemp("folds")
    for seed, threshold in enumerate((0.1, 0.2, 0.6)):
        write_fold(folder, seed, threshold)
    return folder


@pytest.fixture(scope="module")
def mean(folds: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The artifact of all three. Not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(allin1, "_TEST_S", 5.0)
        root = tmp_path_factory.mktemp("artifacts")
        export_custom("mine", "allin1", None, folds, root=root)
        yield root / "mine.fp32"


def official(folds: Path, server: FileServer, n_served: int = 3) -> ModelSpec:
    """A model of the table whose folds lie on a server."""
    one = ModelSpec(
        "eight", "allin1", "eight", SMALL, (), None, None, "MIT", trained_on_stems_of="band"
    )
    files = sorted(folds.iterdir())
    urls = [
        server.serve(f.name, f.read_bytes()) if i < n_served else f"{server.url}/gone{i}.pth"
        for i, f in enumerate(files)
    ]
    of_folds = tuple(
        replace(one, name=f"eight-fold{i}", urls=(url,), fold=i) for i, url in enumerate(urls)
    )
    return replace(one, folds=of_folds)


def test_an_artifact_says_what_it_hears_and_how_its_beats_are_decoded(mean: Path) -> None:
    info = read_artifact(mean).info
    assert (info.family, info.stems, info.trained) == ("allin1", (), True)
    assert info.beats is not None
    assert info.beats.stems == ("bass", "drums", "other", "vocals")
    assert info.beats.labels[-1] == "chorus"
    assert info.beats.best_threshold_downbeat == pytest.approx(0.3)  # the mean of 0.1, 0.2, 0.6
    assert (info.beats.min_bpm, info.beats.max_bpm) == (55.0, 215.0)


def test_its_logits_are_the_means_of_the_folds(mean: Path) -> None:
    x = spectrograms(2, 70)
    engine = open_engine(mean / "1/model.onnx", "cpu", 1)
    got = engine.run({"spectrogram": x.numpy()})
    engine.close()
    with torch.inference_mode():
        of_folds = [small_allin1(seed=seed)(x) for seed in range(3)]
    for index, name in enumerate(("beat", "downbeat", "section", "function")):
        wanted = np.mean([fold[index].numpy() for fold in of_folds], axis=0)
        # float32 sums of a few hundred products in another order; logits are below 10
        np.testing.assert_allclose(got[name], wanted, atol=2e-5)


def test_the_card_judges_every_label_and_the_beats_themselves(mean: Path) -> None:
    card = read_manifest(mean)["card"]
    assert card["budget_db"] == 80 and card["snr_db"] > 100
    function = [row["stem"] for row in card["parity"] if row["output"] == "function"]
    assert sorted(set(function)) == sorted(SMALL.labels) and len(function) == 20
    assert {row["stem"] for row in card["parity"] if row["output"] == "beat"} == {"beat"}
    assert card["beat_agreement"] == 1.0
    quality = card["beat_quality"]
    assert quality["n_beats"] > 4 and quality["inputs"] == "true stems"
    assert json.loads(json.dumps(card_from_json(card).to_json())) == card


def test_other_beats_than_the_reference_s_fail_the_card(mean: Path) -> None:
    card = card_from_json(read_manifest(mean)["card"])
    card.check("mine", BUDGET)
    with pytest.raises(ParityError, match=r"F-measure of 0\.980; the budget is 0\.99"):
        replace(card, beat_agreement=0.98).check("mine", BUDGET)
    rows = tuple(replace(row, snr_db=75.0) for row in card.parity)
    with pytest.raises(ParityError, match="budget is 80 dB"):
        replace(card, parity=rows).check("mine", BUDGET)


def test_beats_agree_to_the_lower_of_both_f_measures() -> None:
    beats = np.array([(0.5, 1), (1.0, 2), (1.5, 3), (2.0, 1)])
    none = np.empty((0, 2))
    assert agreement(beats, beats) == agreement(none, none) == 1.0
    assert agreement(beats, none) == 0.0
    moved = beats.copy()
    moved[:, 1] = (2, 3, 1, 2)  # the same beats in other bars
    assert agreement(beats, moved) == 0.0
    unbarred = beats[1:3]
    assert agreement(unbarred, unbarred) == 1.0


def test_verifying_runs_pytorch_again_where_the_folds_are_at_hand(mean: Path, folds: Path) -> None:
    card = verify_artifact(mean, folds)
    assert (card.reference, card.beat_agreement) == ("pytorch", 1.0)
    assert card.beat_quality is not None and card.snr_db > 100
    assert verify_artifact(mean).reference == "golden"


def test_verifying_refuses_other_folds(mean: Path, folds: Path, tmp_path: Path) -> None:
    others = Path(shutil.copytree(folds, tmp_path / "others"))
    write_fold(others, 1, threshold=0.7)
    with pytest.raises(WeightsError, match="1 of the 3 checkpoints"):
        verify_artifact(mean, others)
    with pytest.raises(WeightsError, match="the folder of its folds"):
        verify_artifact(mean, next(folds.iterdir()))


def test_what_hears_worse_than_at_export_is_told() -> None:
    stored = BeatQuality(
        (1, 2), 30.0, "mixtures", 100, beat=0.9, downbeat=0.8, boundary=0.7, label=0.6
    )
    assert beat_quality_from_json(json.loads(json.dumps(stored.to_json()))) == stored
    replace(stored, beat=0.9 - LOSS / 2, label=0.1).check(stored, "mine")
    with pytest.raises(BeatQualityError, match=r"downbeats with an F-measure of 0\.780"):
        replace(stored, downbeat=0.78).check(stored, "mine")
    replace(stored, n_beats=99, downbeat=0.1).check(stored, "mine")  # another band's songs


def test_eight_folds_are_downloaded_once_and_averaged(
    folds: Path, server: FileServer, tmp_path: Path
) -> None:
    spec = official(folds, server)
    (result,) = export_model(spec, root=tmp_path)
    assert (result.status, result.trained) == ("exported", True)
    info = read_artifact(result.folder).info
    assert info.beats is not None and info.beats.trained_on_stems_of == "band"
    assert info.beats.best_threshold_downbeat == pytest.approx(0.3)
    assert read_manifest(result.folder)["weights"]["kind"] == "official"
    asked = list(server.asked)
    (again,) = export_model(spec, root=tmp_path)
    assert again.status == "unchanged" and server.asked == asked
    assert verify_artifact(result.folder, folds).beat_agreement == 1.0


def test_random_weights_stand_for_all_folds_where_one_is_not_to_be_had(
    folds: Path, server: FileServer, tmp_path: Path
) -> None:
    spec = official(folds, server, n_served=2)
    (result,) = export_model(spec, root=tmp_path)
    assert not result.trained and "gone2.pth" in result.reason
    assert read_artifact(result.folder).info.beats is not None
    assert result.card.beat_quality is None and result.card.beat_agreement == 1.0


def test_one_fold_is_a_model_too(folds: Path, tmp_path: Path) -> None:
    path = next(iter(sorted(folds.iterdir())))
    (result,) = export_custom("one", "allin1", None, path, root=tmp_path)
    info = read_artifact(result.folder).info
    assert info.beats is not None and info.beats.best_threshold_downbeat == 0.1
    assert verify_artifact(result.folder, path).reference == "pytorch"


@pytest.mark.parametrize(
    ("weights", "config", "kind", "words"),
    [
        ("nowhere.pth", None, WeightsError, "no such file"),
        ("empty", None, WeightsError, "no folder with files of networks"),
        ("text.pth", None, CheckpointError, "text.pth"),
        ("fold", "network.yaml", ConfigError, "a fold has its own configuration"),
    ],
)
def test_what_is_no_fold_is_refused_and_nothing_is_written(
    weights: str, config: str | None, kind: type[Exception], words: str, tmp_path: Path, folds: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.pth").write_text("no network")
    given: Any = folds if weights == "fold" else tmp_path / weights
    with pytest.raises(kind, match=words):
        export_custom(
            "mine", "allin1", Path(config) if config else None, given, root=tmp_path / "artifacts"
        )
    assert not (tmp_path / "artifacts").exists()


def test_folds_of_the_table_want_a_file_each(folds: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"allin1 has 8 folds; .* holds 3 files"):
        export_model(MODELS["allin1"], weights=folds, root=tmp_path)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["verse", "verse"], "labels must be different names"),
        ("verse", "labels cannot be 'verse'"),
        ([], "the graph's metadata and the manifest do not agree"),
    ],
)
def test_a_damaged_fold_s_artifact_is_found_out(
    labels: object, words: str, mean: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(mean, tmp_path / "mine.fp32"))
    manifest = json.loads((broken / "manifest.json").read_text())
    manifest["model"]["beats"]["labels"] = labels
    (broken / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=words):
        verify_artifact(broken)


def test_the_table_has_the_ensemble_its_folds_and_the_one_that_ships() -> None:
    ensemble, first = MODELS["allin1"], MODELS["allin1-fold0"]
    assert [fold.name for fold in ensemble.folds] == [f"allin1-fold{i}" for i in range(8)]
    assert first.urls[0].endswith("/harmonix-fold0-0vra4ys2.pth")
    assert len({fold.urls for fold in ensemble.folds}) == 8
    assert {fold.seed for fold in ensemble.folds} == set(range(8))
    trained_on = [MODELS[name].trained_on_stems_of for name in ("allin1", "mini-beats")]
    assert trained_on == ["htdemucs", "mini"]
    for name in ("allin1", "allin1-fold7", "mini-beats"):
        assert find_family(MODELS[name].family).task == "beats"
    assert find_family(MODELS["htdemucs"].family).task == "separate"
    assert find_family("allin1").describe(ensemble.config).stems == ()


def test_songs_are_those_of_the_stored_card(mean: Path) -> None:
    stored = read_manifest(mean)["card"]["beat_quality"]
    assert tuple(stored["seeds"]) == verify.CARD_BEAT_SONGS.seeds
