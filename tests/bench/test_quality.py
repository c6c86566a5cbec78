"""Quality by overlap and engine: songs whose stems are known, through workers."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemline.band import play, write_song
from stemline.bench.markdown import QUALITY, portable_command, quality_markdown
from stemline.bench.quality import QualityOptions, check_quality
from stemline.bench.recordings import SongRef, band_songs, folder_songs, known_song
from stemline.bench.results import Report
from stemline.bench.run import BenchOptions, run_bench
from stemline.engines import ModelInfo, open_engine, read_artifact
from stemline.errors import BenchError, OverlapError, RequestError
from stemline.evaluation.held_out import held_out, truth_for
from stemline.evaluation.quality import measure_quality


@pytest.fixture(scope="module")
def info(trained: Path) -> ModelInfo:
    return read_artifact(trained / "tiny.fp32").info


@pytest.fixture(scope="module")
def own_songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two songs in files. Not to be changed."""
    root = tmp_path_factory.mktemp("own")
    for seed in (5, 6):
        write_song(play(seed, 2.0), root / f"song {seed}", layers=True)
    (root / "notes").mkdir()  # no song: it has no mixture
    return root


# What is measured.


def test_every_engine_has_a_row_at_every_overlap_pytorch_first(quality_report: Report) -> None:
    assert [(row.engine, row.overlap) for row in quality_report.quality] == [
        ("torch", 2),
        ("torch", 4),
        ("onnx", 2),
        ("onnx", 4),
    ]
    assert quality_report.failures == ()
    for row in quality_report.quality:
        assert (row.n_songs, row.audio_s, row.precision) == (2, 2.0, "fp32")
        assert [stem.stem for stem in row.stems] == ["vocals", "instrumental"]
        assert row.seconds > 0
        assert row.realtime_factor == pytest.approx(row.audio_s / row.seconds)
        assert row.songs == ("2 songs of the synthetic band, 1 s each, seeds 1000000 to 1000001")
        for mean_db, figures in (
            (row.mean_improvement_db, [stem.improvement_db for stem in row.stems]),
            (row.mean_si_sdr_db, [stem.si_sdr_db for stem in row.stems]),
        ):
            assert mean_db == pytest.approx(np.mean(figures))


def test_the_figures_are_those_that_a_card_has(quality_report: Report, trained: Path) -> None:
    artifact = read_artifact(trained / "tiny.fp32")
    engine = open_engine(artifact.engine_path, "cpu", 1)
    wanted = measure_quality(engine, artifact.info, held_out(2, 1.0), overlap=2)
    engine.close()
    (row,) = [r for r in quality_report.quality if (r.engine, r.overlap) == ("onnx", 2)]
    assert wanted is not None
    assert row.mean_improvement_db == pytest.approx(wanted.mean_improvement_db, abs=1e-4)


def test_onnx_is_compared_with_pytorch_at_the_same_overlap(quality_report: Report) -> None:
    torch = {row.overlap: row for row in quality_report.quality if row.engine == "torch"}
    for row in quality_report.quality:
        if row.engine == "torch":
            assert row.against_torch_db is None
            continue
        assert row.against_torch_db == pytest.approx(
            row.mean_improvement_db - torch[row.overlap].mean_improvement_db
        )
        assert abs(row.against_torch_db) < 0.001


def test_a_batch_of_several_songs_changes_nothing_that_is_audible(
    quality_report: Report,
) -> None:
    assert [row.engine for row in quality_report.batch_independence] == ["torch", "onnx"]
    for row in quality_report.batch_independence:
        assert (row.batch, row.n_songs, row.overlap) == (4, 2, 4)
        assert row.snr_db is None or row.snr_db > 90
        assert row.si_sdr_difference_db < 1e-3
        assert row.seconds_alone > 0 and row.seconds_together > 0


def test_the_rows_are_plain_json(quality_report: Report) -> None:
    values = json.loads(json.dumps(quality_report.to_json(), allow_nan=False))
    assert values["quality"][0]["stems"][0]["stem"] == "vocals"
    assert values["batch_independence"][0]["batch"] == 4


def test_songs_of_your_own_are_measured(trained: Path, own_songs: Path) -> None:
    options = BenchOptions(
        models=("tiny",),
        engines=("onnx",),
        batches=(1,),
        rounds=1,
        quality=QualityOptions((2,), n_songs=9, song_s=1.0, folder=own_songs),
    )
    report = run_bench(trained, options)
    (row,) = report.quality
    assert (row.n_songs, row.audio_s, row.against_torch_db) == (2, 2.0, None)
    assert row.songs == f"2 songs of {own_songs.name}, at most 1 s each"


def test_a_song_that_cannot_be_read_is_a_failure_beside_the_rest(
    trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "song").mkdir()
    soundfile.write(tmp_path / "song" / "mixture.wav", np.zeros((100, 2)), 44100)
    options = BenchOptions(
        models=("tiny",),
        engines=("onnx",),
        batches=(1,),
        rounds=1,
        quality=QualityOptions((2,), folder=tmp_path),
    )
    report = run_bench(trained, options)
    (failure,) = report.failures
    assert failure.what == "quality of onnx"
    assert "no vocals.wav" in failure.error
    assert len(report.rows) == 1 and report.quality == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_songs": 0}, "--songs is 1 to 1000; got 0"),
        ({"n_songs": 1001}, "--songs is 1 to 1000; got 1001"),
        ({"song_s": 0.2}, "--song-s is 0.5 to 600 seconds; got 0.2"),
        ({"song_s": 1e7}, "--song-s is 0.5 to 600 seconds"),
        ({"song_s": float("inf")}, "--song-s is 0.5 to 600 seconds"),
        ({"song_s": float("nan")}, "--song-s is 0.5 to 600 seconds"),
        ({"overlaps": ()}, "--quality-overlaps names none"),
        ({"folder": Path("nowhere")}, "no folder with a mixture.wav"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_runs(
    info: ModelInfo, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        check_quality(info, replace(QualityOptions(), **changes))  # type: ignore[arg-type]
    check_quality(info, QualityOptions())


def test_models_without_truth_or_training_are_refused_in_words(
    info: ModelInfo, own_songs: Path
) -> None:
    with pytest.raises(RequestError, match="tiny has random weights"):
        check_quality(replace(info, trained=False), QualityOptions())
    with pytest.raises(RequestError, match=r"no truth for guitar at 44100 Hz; .* --songs-dir"):
        check_quality(replace(info, stems=("guitar",)), QualityOptions())
    check_quality(replace(info, stems=("guitar",)), QualityOptions(folder=own_songs))
    with pytest.raises(OverlapError):
        check_quality(info, QualityOptions(overlaps=(1.5,)))


def test_random_weights_are_refused_by_the_bench(artifacts: Path) -> None:
    announced: list[str] = []
    options = BenchOptions(models=("tiny",), quality=QualityOptions())
    with pytest.raises(RequestError, match="random weights"):
        run_bench(artifacts, options, announced.append)
    assert announced == []


def test_one_song_is_described_as_one() -> None:
    options = QualityOptions(n_songs=1, song_s=1.0)
    assert options.description() == "1 song of the synthetic band, 1 s each, seed 1000000"


# Songs.


def test_songs_of_the_band_are_those_held_out(info: ModelInfo) -> None:
    refs = band_songs(2, 1.0)
    for ref, song in zip(refs, held_out(2, 1.0).play(), strict=True):
        assert SongRef(**json.loads(json.dumps(ref.to_json()))) == ref
        mixture, stems = known_song(ref, info)
        np.testing.assert_array_equal(mixture, song.mixture)
        wanted = truth_for(info.stems, song)
        assert wanted is not None
        for stem in info.stems:
            np.testing.assert_array_equal(stems[stem], wanted[1][stem])


@pytest.mark.parametrize(
    "stems",
    [("vocals", "instrumental"), ("drums", "bass", "other", "vocals"), ("kick", "hh", "cymbals")],
)
def test_files_are_the_songs_that_were_written(
    stems: tuple[str, ...], info: ModelInfo, own_songs: Path
) -> None:
    refs = folder_songs(own_songs, 9, 100.0)
    assert len(refs) == 2 and len(folder_songs(own_songs, 1, 100.0)) == 1
    wanted = truth_for(stems, play(5, 2.0))
    assert wanted is not None
    mixture, known = known_song(refs[0], replace(info, stems=stems))
    np.testing.assert_array_equal(mixture, wanted[0])
    for stem in stems:
        np.testing.assert_array_equal(known[stem], wanted[1][stem])


def test_of_a_long_file_the_middle_is_taken(info: ModelInfo, own_songs: Path) -> None:
    (ref,) = folder_songs(own_songs, 1, 1.0)
    mixture, stems = known_song(ref, info)
    np.testing.assert_array_equal(mixture, play(5, 2.0).mixture[:, 22050 : 22050 + 44100])
    assert stems["vocals"].shape == mixture.shape


def song_of(folder: Path, rate_hz: int = 44100, **n_samples: int) -> SongRef:
    for name, n in n_samples.items():
        soundfile.write(folder / f"{name}.wav", np.full((n, 2), 0.1), rate_hz)
    return SongRef(10.0, folder=str(folder))


def test_a_file_for_each_stem_of_another_model_will_do(info: ModelInfo, tmp_path: Path) -> None:
    ref = song_of(tmp_path, mixture=100, vocals=100, instrumental=100)
    assert set(known_song(ref, info)[1]) == {"vocals", "instrumental"}
    other = replace(info, stems=("guitar",))
    with pytest.raises(BenchError, match=r"no guitar.wav; .*\(guitar\)") as caught:
        known_song(ref, other)
    assert caught.value.exit_code == 2
    song_of(tmp_path, guitar=100)
    assert set(known_song(ref, other)[1]) == {"guitar"}


@pytest.mark.parametrize("seconds", [1.0, 100.0])
@pytest.mark.parametrize("name", ["vocals", "drums/kick"])
def test_the_middle_of_a_file_of_another_length_is_not_taken_for_the_mixtures(
    info: ModelInfo, own_songs: Path, tmp_path: Path, seconds: float, name: str
) -> None:
    """Cut to the seconds that are measured, both would be of one length."""
    root = Path(shutil.copytree(own_songs, tmp_path / "own"))
    (ref,) = folder_songs(root, 1, seconds)
    path = Path(str(ref.folder)) / f"{name}.wav"
    samples, rate_hz = soundfile.read(path, dtype="float32")
    soundfile.write(path, np.concatenate([samples, samples[:4410]]), rate_hz, "FLOAT")
    stems = ("kick", "hh", "cymbals") if name != "vocals" else info.stems
    with pytest.raises(BenchError, match=r"\.wav has 92610 samples, the mixture 88200") as caught:
        known_song(ref, replace(info, stems=stems))
    assert caught.value.exit_code == 2 and name in str(caught.value)


def test_a_mixture_that_cannot_be_read_is_named_and_not_its_stems(
    info: ModelInfo, own_songs: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(own_songs, tmp_path / "own"))
    (ref,) = folder_songs(root, 1, 1.0)
    (Path(str(ref.folder)) / "mixture.wav").write_bytes(b"no sound")
    with pytest.raises(BenchError, match=r"mixture\.wav cannot be read"):
        known_song(ref, replace(info, stems=("kick", "hh", "cymbals")))


@pytest.mark.parametrize("damage", ["rate", "length", "no sound"])
def test_files_that_do_not_fit_are_named(info: ModelInfo, tmp_path: Path, damage: str) -> None:
    ref = song_of(tmp_path, mixture=100, vocals=100, instrumental=100)
    if damage == "rate":
        song_of(tmp_path, rate_hz=48000, vocals=100)
        words = r"vocals.wav has 48000 Hz; the model takes 44100 Hz"
    elif damage == "length":
        song_of(tmp_path, vocals=99)
        words = "vocals.wav has 99 samples, the mixture 100"
    else:
        (tmp_path / "vocals.wav").write_bytes(b"no sound")
        words = "vocals.wav cannot be read"
    with pytest.raises(BenchError, match=words):
        known_song(ref, info)


# The page.


def test_a_page_is_made_and_its_tables_replaced_without_the_words_around_them(
    quality_report: Report, tmp_path: Path
) -> None:
    page = tmp_path / "new" / "quality.md"
    markdown = quality_markdown(quality_report, "stemline bench tiny --quality")
    QUALITY.write(page, markdown)
    first = page.read_text()
    assert first.startswith("# Quality\n")
    page.write_text(first.replace("# Quality\n", "# Quality\n\nWords before.\n") + "\nAfter.\n")
    QUALITY.write(page, markdown)
    second = page.read_text()
    assert "Words before." in second and second.endswith("\nAfter.\n")
    begin, end = QUALITY.marks
    region = second.partition(begin)[2].partition(end)[0]
    assert region == first.partition(begin)[2].partition(end)[0]
    assert "    stemline bench tiny --quality\n" in region
    assert quality_report.machine.cpu in region and "onnxruntime" in region
    rows = [line for line in region.splitlines() if line.startswith("| onnx fp32 |")]
    assert len(rows) == 2
    (row,) = [r for r in quality_report.quality if (r.engine, r.overlap) == ("onnx", 4)]
    assert f"{row.mean_improvement_db:+.2f} ({row.mean_si_sdr_db:.2f})" in rows[1]
    assert "| 1 and 4 |" in region


@pytest.mark.parametrize(
    ("n_songs", "words"),
    [
        (1, "One song with its chunks one by one, and with several of them in each batch: the"),
        (3, "The same 3 songs with their chunks one by one, and with chunks of all 3 by turns"),
    ],
)
def test_what_a_batch_was_made_of_is_said_by_the_number_of_songs(
    quality_report: Report, n_songs: int, words: str
) -> None:
    rows = tuple(replace(row, n_songs=n_songs) for row in quality_report.batch_independence)
    assert words in quality_markdown(replace(quality_report, batch_independence=rows), "x")


def test_the_command_on_a_page_has_no_place_of_this_machine() -> None:
    shown = portable_command(
        [
            "bench", "/home/somebody/tiny.fp32/", "--quality", "--song-s", "1", "--engines",
            "torch,onnx", "--songs-dir=/data/my songs", "--weights", "../secret/tiny.ckpt",
            "--markdown", "quality.md", "--plot", "/",
        ]
    )  # fmt: skip
    assert shown == (
        "stemline bench tiny.fp32 --quality --song-s 1 --engines torch,onnx "
        "'--songs-dir=my songs' --weights tiny.ckpt --markdown quality.md --plot ."
    )


def test_every_row_of_a_table_has_as_many_cells(quality_report: Report, tmp_path: Path) -> None:
    page = tmp_path / "quality.md"
    QUALITY.write(page, quality_markdown(quality_report, "x"))
    tables = [block for block in page.read_text().split("\n\n") if block.startswith("| ")]
    assert len(tables) == 2
    for table in tables:
        assert len({line.count("|") for line in table.splitlines() if line.startswith("|")}) == 1
