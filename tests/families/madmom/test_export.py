"""`madmom-downbeats` from an installed madmom to an artifact."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from madmom_helpers import random_madmom, write_madmom

from stemline.band import play
from stemline.engines import open_engine, read_artifact
from stemline.engines.artifact import read_manifest
from stemline.errors import ConfigError, WeightsError
from stemline.evaluation.beat_quality import network_inputs_of
from stemline.export.export import export_custom, export_model
from stemline.export.models import MODELS
from stemline.export.verify import verify_artifact
from stemline.families import beat_decoder, madmom
from stemline.families.madmom.checkpoint import installed
from stemline.families.madmom.checkpoint.installed import madmom_digest
from stemline.families.madmom.config import MadmomConfig
from stemline.postprocessing.dbn import DownbeatTracker

SPEC = MODELS["madmom-downbeats"]
BELOW = Path("lib/python3.11/site-packages/madmom/models/downbeats/2016")


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is installed beside the tests; and five seconds are as good a test as thirty."""
    found = installed.find_madmom

    def elsewhere_only(path: Path | None = None) -> Path | None:
        return None if path is None else found(path)

    monkeypatch.setattr(installed, "find_madmom", elsewhere_only)
    monkeypatch.setattr(madmom, "_TEST_S", 5.0)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with networks of the official size in it. Not to be changed."""
    root = tmp_path_factory.mktemp("venv")
    write_madmom(root / BELOW, random_madmom(MadmomConfig()))
    return root


@pytest.fixture(scope="module")
def artifacts(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder with the artifact of it. Not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(madmom, "_TEST_S", 5.0)
        root = tmp_path_factory.mktemp("artifacts")
        export_model(SPEC, weights=environment, root=root)
        yield root


def test_an_artifact_hears_the_mixture_and_names_whose_weights_it_has(
    artifacts: Path, environment: Path
) -> None:
    info = read_artifact(artifacts / "madmom-downbeats.fp32").info
    assert (info.family, info.stems, info.trained) == ("madmom", (), True)
    assert info.licence == "CC BY-NC-SA 4.0 (madmom)"
    assert info.weights_sha256 == madmom_digest(environment / BELOW)
    assert info.beats is not None
    assert (info.beats.stems, info.beats.labels) == ((), ())
    assert (info.beats.family, info.beats.n_bins) == ("madmom", 314)
    assert info.beats.best_threshold_downbeat == 0.05


def test_its_card_has_the_beats_and_no_sections(artifacts: Path) -> None:
    card = read_manifest(artifacts / "madmom-downbeats.fp32")["card"]
    assert card["snr_db"] > card["budget_db"] == 80
    assert {row["output"] for row in card["parity"]} == {"beat", "downbeat"}
    assert card["beat_agreement"] == 1.0
    assert card["beat_quality"]["boundary"] is None and card["beat_quality"]["n_beats"] > 4


def test_probabilities_are_decoded_as_they_are(artifacts: Path) -> None:
    info = read_artifact(artifacts / "madmom-downbeats.fp32").info.beats
    assert info is not None
    engine = open_engine(artifacts / "madmom-downbeats.fp32/1/model.onnx", "cpu", 1)
    outputs = engine.run(network_inputs_of(play(1_000_000, 5.0), info))
    engine.close()
    beat, downbeat = outputs["beat"][0], outputs["downbeat"][0]
    assert ((beat >= 0) & (downbeat >= 0) & (beat + downbeat <= 1 + 1e-6)).all()
    tracker = DownbeatTracker((3, 4), threshold=0.05)
    wanted = tracker(np.stack([beat, downbeat], axis=1))
    found = beat_decoder(info)({"beat": beat, "downbeat": downbeat}).beats
    assert len(found) > 2
    np.testing.assert_array_equal(found, wanted)


def test_it_is_kept_where_madmom_is_no_longer_installed(artifacts: Path) -> None:
    (result,) = export_model(SPEC, root=artifacts)
    assert (result.status, result.trained) == ("unchanged", True)


def test_verifying_wants_the_same_madmom(
    artifacts: Path, environment: Path, tmp_path: Path
) -> None:
    folder = artifacts / "madmom-downbeats.fp32"
    assert verify_artifact(folder, environment).reference == "pytorch"
    assert verify_artifact(folder).reference == "golden"
    write_madmom(tmp_path / BELOW, random_madmom(MadmomConfig(), seed=1))
    with pytest.raises(WeightsError, match="was made from is not"):
        verify_artifact(folder, tmp_path)


def test_without_madmom_random_weights_stand_for_it_unless_official_ones_are_wanted(
    tmp_path: Path,
) -> None:
    (result,) = export_model(SPEC, root=tmp_path)
    assert not result.trained and "--weights PATH" in result.reason
    assert result.card.snr_db > 80
    with pytest.raises(WeightsError, match="from a madmom that you installed"):
        export_model(SPEC, weights="official", root=tmp_path)
    with pytest.raises(WeightsError, match="holds no madmom"):
        export_model(SPEC, weights=tmp_path, root=tmp_path)
    with pytest.raises(ConfigError, match="stemline export madmom-downbeats"):
        export_custom("mine", "madmom", None, tmp_path, root=tmp_path)
