"""The verbs, near misses, and the habits of other tools' users."""

import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import soundfile
from cli_helpers import RATE, run, separate
from helpers import music

from stemline.errors import RequestError
from stemline.postprocessing.formats import OutputFormat
from stemline.serving.cli.separate_options import output_format, unused
from stemline.serving.cli.verbs import VERBS


@pytest.mark.parametrize("name", VERBS)
def test_what_help_says_of_a_verb_is_the_first_sentence_of_its_docstring(name: str) -> None:
    verb = VERBS[name]
    own = verb.function or name
    function = getattr(import_module(f"stemline.serving.cli.{own}"), own)
    first = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
    assert verb.help == first


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["song.wav"], "stemline separate song.wav; for its beats: stemline beats song.wav"),
        (["albums/*.flac"], "stemline separate albums/*.flac"),
        (["https://a.b/c.mp3"], "https://a.b/c.mp3 is no command"),
        (["-n", "htdemucs", "song.wav"], "Options follow the command"),
        (["seperate", "song.wav"], "did you mean: stemline separate?"),
        (["separate", "a.wav", "--steems", "x"], "did you mean --stems?"),
        (["separate", "a.wav", "--two_stems", "x"], "did you mean --two-stems?"),
        (["separate", "a.wav", "--output_dir", "x"], "did you mean --out?"),
        (["separate", "a.wav", "--model_filename", "x"], "did you mean --model?"),
        (["separate", "a.wav", "--output", "x"], "did you mean --out?"),
        (["separate", "--list-models"], "did you mean stemline models?"),
        (["separate", "-l"], "did you mean stemline models?"),
        (["beats", "a.wav", "--plots", "x"], "did you mean --plot?"),
    ],
)
def test_a_near_miss_is_named(arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["separate", "a.wav", "--clip-mode", "rescale"],
        ["beats", "a.wav", "--output_dir", "x"],
        ["beats", "a.wav", "--zzz"],
    ],
)
def test_what_is_near_nothing_is_not_guessed(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    said = " ".join(done.stderr.replace("│", " ").split())
    assert f"No such option: {arguments[2]}" in said
    assert "did you mean" not in said


def test_version_help_and_list_have_their_usual_short_names() -> None:
    assert run("-V").stdout == run("--version").stdout
    assert run("-h").stdout == run("--help").stdout
    assert run("beats", "-h").stdout == run("beats", "--help").stdout
    assert run("list").stdout == run("models").stdout


def test_the_shell_completes_verbs_and_options() -> None:
    def completed(words: str) -> list[str]:
        env = {
            **os.environ,
            "_STEMLINE_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
        command = Path(sys.executable).parent / "stemline"
        done = subprocess.run([command], capture_output=True, text=True, check=False, env=env)
        return done.stdout.split()

    assert completed("stemline se") == ["separate", "serve"]
    assert "--skip-existing" in completed("stemline separate --sk")


def test_the_flags_of_demucs_do_what_they_do_there(artifacts: Path, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, music(3000).T, RATE)
    done = separate(
        artifacts, song, "-n", "tiny", "-d", "cpu", "-j", "1", "-o", tmp_path / "out",
        "--flac", "--int24", "--segment", "7", "--filename", "{track}_{stem}.{ext}", "-q",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("warning")] == []
    assert soundfile.info(tmp_path / "out" / "song_vocals.flac").subtype == "PCM_24"
    done = separate(artifacts, song, "-o", tmp_path / "v", "--segment", "7", "-v")
    assert "--segment is not needed" in done.stderr


@pytest.mark.parametrize(
    ("container", "bits", "short", "wanted"),
    [
        ("wav", 16, "", ("wav", 16)),
        ("wav", 16, "mp3", ("mp3", 16)),
        ("wav", 16, "flac int24", ("flac", 24)),
        ("flac", 24, "flac int24", ("flac", 24)),
        ("wav", 16, "float32", ("wav", 32)),
    ],
)
def test_short_flags_stand_for_a_format(
    container: str, bits: int, short: str, wanted: tuple[str, int]
) -> None:
    found = output_format(container, bits, 320, dict.fromkeys(short.split(), True))
    assert found == OutputFormat(*wanted, 320)


@pytest.mark.parametrize(
    ("container", "bits", "short", "says"),
    [
        ("wav", 16, "mp3 flac", "exclude each other"),
        ("mp3", 16, "flac", "flac and mp3 exclude"),
        ("wav", 16, "int24 float32", "24 and 32 bits"),
        ("wav", 32, "int24", "24 and 32 bits"),
    ],
)
def test_flags_that_disagree_are_refused(container: str, bits: int, short: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        output_format(container, bits, 192, dict.fromkeys(short.split(), True))


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (OutputFormat("wav", 16, 192), ""),
        (OutputFormat("wav", 32, 192), ""),
        (OutputFormat("mp3", 16, 128), ""),
        (OutputFormat("wav", 16, 128), "wav has no bitrate; --mp3 asks for what has"),
        (OutputFormat("flac", 24, 320), "flac has no bitrate; --mp3 asks for what has"),
        (OutputFormat("mp3", 24, 192), "mp3 has a bitrate and no bits; 24 bits change nothing"),
    ],
)
def test_what_is_asked_for_and_is_nothing_of_the_format_is_said(
    output: OutputFormat, says: str
) -> None:
    assert unused(output) == says
