"""`stemline band`: songs on disk as the band plays them."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_helpers import run

from stemline.band import STEMS, play


def test_songs_are_written_as_the_band_plays_them(tmp_path: Path) -> None:
    done = run("band", "--seed", "7", "--count", "2", "--duration-s", "3", "-o", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    songs = json.loads(done.stdout)
    assert [song["seed"] for song in songs] == [7, 8]
    for song in songs:
        folder = Path(song["folder"])
        played = play(song["seed"], 3.0)
        sounds = {"mixture": played.mixture, **{stem: played.stems[stem] for stem in STEMS}}
        assert {path.name for path in folder.iterdir()} == {
            "truth.json", *(f"{name}.wav" for name in sounds)
        }  # fmt: skip
        for name, samples in sounds.items():
            got, rate = soundfile.read(folder / f"{name}.wav", dtype="float32")
            assert rate == 44100
            np.testing.assert_allclose(got.T, samples, atol=1e-6)  # another process's rounding
        truth = json.loads((folder / "truth.json").read_text())
        of = {part["namespace"]: part["data"] for part in truth["annotations"]}
        assert truth["file_metadata"]["duration"] == song["duration_s"] == 3.0
        assert of["tempo"][0]["value"] == song["tempo_bpm"]
        assert [section["value"] for section in of["segment_open"]] == song["sections"]
        assert of["key_mode"][0]["value"] == song["key"].replace(" ", ":")


def test_the_layers_of_the_drums_add_up_to_them(tmp_path: Path) -> None:
    done = run("band", "--duration-s", "3", "--layers", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    header, row = (line.split("\t") for line in done.stdout.splitlines())
    assert header == ["seed", "tempo", "meter", "key", "sections", "duration", "folder"]
    assert (row[0], row[-2], row[-1]) == ("7", "3.0 s", str(tmp_path / "7"))
    layers = [soundfile.read(path)[0] for path in (tmp_path / "7" / "drums").glob("*.wav")]
    assert len(layers) == 6
    drums = soundfile.read(tmp_path / "7" / "drums.wav")[0]
    np.testing.assert_allclose(sum(layers), drums, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--duration-s", "0.1"], 2, "0.5 to 600 seconds"),
        (["--duration-s", "nan"], 2, "0.5 to 600 seconds"),
        (["--duration-s", "1e9"], 2, "0.5 to 600 seconds"),
        (["--count", "0"], 2, "count"),
        (["--seed", "-1"], 2, "seed"),
    ],
)
def test_what_is_asked_wrongly_is_said(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    done = run("band", "-o", tmp_path / "songs", *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "songs").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("band", "--duration-s", "1", "-o", tmp_path / "file")
    assert done.returncode == 1
    (tmp_path / "7" / "mixture.wav").mkdir(parents=True)
    again = run("band", "--duration-s", "1", "-o", tmp_path)
    assert again.returncode == 1
    for said in (done.stderr, again.stderr):
        assert "error: " in said and str(tmp_path) in said
        assert "Traceback" not in said
