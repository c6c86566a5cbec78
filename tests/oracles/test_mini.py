"""`mini` on the songs that its published figures are of: twelve minutes that nobody trained on."""

from pathlib import Path

import pytest

from stemline.engines import open_engine, read_artifact
from stemline.evaluation.quality import BENCH_SONGS, measure_quality
from stemline.export.export import export_model
from stemline.export.models import find_model

pytestmark = pytest.mark.oracles

WANTED_DB = {"drums": 11.0, "bass": 11.0, "other": 9.0, "vocals": 8.0}
WANTED_MEAN_DB = 11.0


def test_held_out_songs_come_out_as_much_better_as_is_claimed(tmp_path: Path) -> None:
    (result,) = export_model(find_model("mini"), root=tmp_path)
    artifact = read_artifact(result.folder)
    engine = open_engine(artifact.engine_path, device="cpu")
    quality = measure_quality(engine, artifact.info, BENCH_SONGS, overlap=2)
    engine.close()
    assert quality is not None
    found = {stem.stem: stem.improvement_db for stem in quality.stems}
    print({name: round(db, 2) for name, db in found.items()}, quality.mean_improvement_db)
    assert {name: db for name, db in found.items() if not db >= WANTED_DB[name]} == {}
    assert quality.mean_improvement_db >= WANTED_MEAN_DB
