"""Where the command writes what, over a tiny exported network."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from cli_helpers import RATE, separate
from helpers import music
from tagged_files import COVER, TEXTS, tagged_mp3

from stemline.preprocessing.tags import read_tags
from stemline.serving.stem_origin import models_in


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


def test_the_inputs_tags_go_to_the_stems_unless_they_are_to_have_none(
    artifacts: Path, tmp_path: Path
) -> None:
    tagged_mp3(tmp_path / "song.mp3")
    for options, n_fields in [(("--flac",), len(TEXTS) + 3), (("--flac", "--no-tags"), 0)]:
        done = separate(artifacts, tmp_path / "song.mp3", "-o", tmp_path / "out", *options)
        assert done.returncode == 0, done.stderr
        found = read_tags(tmp_path / "out" / "song" / "vocals.flac").tags
        assert len(found.fields) == n_fields
        assert (found.cover == COVER) == bool(n_fields)
        if n_fields:
            assert found.fields["title"] == (f"{TEXTS['title']} (vocals)",)
            assert found.fields["stemline_model"] == ("tiny",)
        assert models_in(tmp_path / "out" / "song") <= {"tiny"}


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


def piped(
    artifacts: Path, audio: bytes, *arguments: str | Path
) -> subprocess.CompletedProcess[bytes]:
    command = [Path(sys.executable).parent / "stemline", "separate", "--artifacts", artifacts]
    return subprocess.run(
        [*command, "--allow-untrained", *arguments], input=audio, capture_output=True, check=False
    )


def test_a_pipe_in_and_one_stem_out(artifacts: Path, tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.wav")
    local = separate(artifacts, song, "-o", tmp_path / "out")
    assert local.returncode == 0, local.stderr
    done = piped(artifacts, song.read_bytes(), "-", "--stems", "vocals", "-o", "-")
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "out" / "song" / "vocals.wav").read_bytes()
    of_samples = slice(
        8, 44 + 4 * 3000
    )  # the title has the name of the input, which a pipe has not
    assert done.stdout[of_samples] == written[of_samples]
    (tmp_path / "piped.wav").write_bytes(done.stdout)
    assert read_tags(tmp_path / "piped.wav").tags.fields["title"] == ("stdin (vocals)",)
    local = separate(artifacts, song, "-o", tmp_path / "out", "--no-tags")
    done = piped(artifacts, song.read_bytes(), "-", "--stems", "vocals", "-o", "-", "--no-tags")
    assert done.returncode == local.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "out" / "song" / "vocals.wav").read_bytes()
    done = piped(artifacts, song.read_bytes(), "-", "-o", tmp_path / "piped")
    assert done.returncode == 0, done.stderr
    assert files_below(tmp_path / "piped") == ["stdin/instrumental.wav", "stdin/vocals.wav"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-", "-o", "-"], b"one stem of one input"),
        (["-", "none.wav", "-o", "-", "--stems", "vocals"], b"one stem of one input"),
        (["-", "-o", "-", "--two-stems", "vocals"], b"one stem of one input"),
        (["-", "-o", "-", "--stems", "vocals", "--json"], b"--json"),
        (["http://a.b/song.mp3"], b"is an address"),
    ],
)
def test_what_cannot_be_piped_is_refused_before_any_work(
    artifacts: Path, arguments: list[str], says: bytes
) -> None:
    done = piped(artifacts, b"", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert says in done.stderr
