"""Where the command writes what, over a tiny exported network."""

import json
from pathlib import Path

import pytest
import soundfile
from cli_helpers import RATE, separate
from helpers import music


def write_song(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, music(3000, seed=seed).T, RATE, format="WAV")
    return path


def files_below(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())


@pytest.mark.parametrize("name", ["...wav", "..wav", ".wav"])
def test_no_name_of_an_input_leads_out_of_its_own_folder(
    artifacts: Path, tmp_path: Path, name: str
) -> None:
    write_song(tmp_path / "in" / name)
    done = separate(artifacts, tmp_path / "in" / name, "-o", tmp_path / "x" / "out")
    assert done.returncode == 0, done.stderr
    assert files_below(tmp_path / "x") == [f"out/{name}/instrumental.wav", f"out/{name}/vocals.wav"]


def test_a_template_skipping_and_a_word_before_anything_is_replaced(
    artifacts: Path, tmp_path: Path
) -> None:
    songs = [write_song(tmp_path / side / "01.wav", seed) for seed, side in enumerate("ab")]
    command = (*songs, "-o", tmp_path / "out", "--filename", "{parent}/{track}_{stem}.{ext}")
    done = separate(artifacts, *command)
    assert done.returncode == 0, done.stderr
    assert files_below(tmp_path / "out") == [
        "a/01_instrumental.wav", "a/01_vocals.wav", "b/01_instrumental.wav", "b/01_vocals.wav",
    ]  # fmt: skip
    assert "replaced" not in done.stderr
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.wav")}

    (tmp_path / "out" / "b" / "01_vocals.wav").unlink()
    done = separate(artifacts, *command, "--skip-existing", "--json")
    assert done.returncode == 0, done.stderr
    skipped, separated = map(json.loads, done.stdout.splitlines())
    assert (skipped["input"], skipped["skipped"]) == (str(songs[0]), True)
    assert skipped["stems"]["vocals"] == str(tmp_path / "out" / "a" / "01_vocals.wav")
    assert separated["input"] == str(songs[1])
    assert "01_instrumental.wav, which is there, will be replaced" in done.stderr
    kept = tmp_path / "out" / "a" / "01_vocals.wav"
    assert kept.stat().st_mtime_ns == before[kept]


def test_a_template_that_makes_one_file_of_several_stems_is_refused_before_any_work(
    artifacts: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "none.wav"
    done = separate(artifacts, missing, "-o", tmp_path / "out", "--filename", "{track}.{ext}")
    assert done.returncode == 2
    assert "has no {stem}" in done.stderr
    song = write_song(tmp_path / "song.wav")
    done = separate(
        artifacts, song, "-o", tmp_path / "out", "--filename", "{track}.{ext}", "--stems", "vocals"
    )
    assert done.returncode == 0, done.stderr
    assert files_below(tmp_path / "out") == ["song.wav"]
