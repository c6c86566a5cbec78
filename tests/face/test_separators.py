"""Loaded separators: stems of known answers, and those that the command writes."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from beat_helpers import GAINS
from cli_helpers import separate as command
from demucs_track_helpers import through
from face_helpers import ORDER, RATE
from helpers import in_blocks, music

import stemline
from stemline.artifacts import artifact_roots
from stemline.errors import (
    AudioError,
    EngineError,
    RequestError,
    UnknownModelError,
    UnknownStemError,
    UntrainedError,
    WrongModelError,
)
from stemline.separators import Separator
from stemline.serving.stem_origin import mark, models_in

# float32 through two Fourier transforms that add nothing, beside float64.
EXACT = {"rtol": 0, "atol": 2e-6}


@pytest.fixture(scope="module")
def separator(artifacts: Path) -> Iterator[Separator]:
    with stemline.load_separator("tiny", artifacts=artifacts, device="cpu", threads=1) as separator:
        yield separator


def test_it_says_what_it_is(separator: Separator) -> None:
    assert separator.model == "tiny"
    assert separator.stems == ORDER
    assert separator.sample_rate_hz == RATE
    assert repr(separator) == "<Separator tiny.fp32: drums, bass, other, vocals>"


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("n_samples", [1, 4410, 70_001])
def test_stems_of_an_array_are_known(separator: Separator, channels: int, n_samples: int) -> None:
    mixture = music(n_samples, channels)
    progress: list[tuple[int, int | None]] = []
    stems = separator.separate(mixture, RATE, on_progress=lambda *said: progress.append(said))
    assert tuple(stems) == ORDER
    assert (stems.model, stems.sample_rate_hz, stems.n_samples) == ("tiny", RATE, n_samples)
    assert stems.seconds["wall"] > 0
    for stem, samples in stems.items():
        assert (samples.dtype, samples.shape) == (np.float32, (channels, n_samples))
        assert samples.flags.c_contiguous
        np.testing.assert_allclose(samples, through(GAINS[stem], mixture), **EXACT)
    assert progress[-1] == (n_samples, n_samples)
    assert all(one[0] < other[0] for one, other in pairwise(progress))


def test_a_file_and_its_samples_have_the_same_stems(
    separator: Separator, song: Path, clicks: np.ndarray
) -> None:
    of_file = separator.separate(song)
    for samples in (clicks, clicks.astype(np.float64), np.asfortranarray(clicks)):
        of_array = separator.separate(samples, RATE)
        for stem in ORDER:
            np.testing.assert_array_equal(of_array[stem], of_file[stem])
    once = stemline.separate(song, model="tiny", artifacts=separator._library.folders[0], threads=1)
    np.testing.assert_array_equal(once["drums"], of_file["drums"])


def test_only_what_is_wanted_and_the_rest(separator: Separator) -> None:
    mixture = music(9_000)
    for wanted in ("vocals", ["Vocals"], ("VOCALS",)):
        stems = separator.separate(mixture, RATE, stems=wanted, residual=True)
        assert list(stems) == ["vocals", "no_vocals"]
        np.testing.assert_allclose(stems["vocals"] + stems["no_vocals"], mixture, atol=1e-6)
    several = separator.separate(mixture, RATE, stems=["other", "drums"], residual=True)
    assert list(several) == ["drums", "other", "residual"]
    with pytest.raises(UnknownStemError, match="it has drums, bass, other, vocals"):
        separator.separate(mixture, RATE, stems="piano")


def test_transposed_arrays_are_refused(separator: Separator) -> None:
    with pytest.raises(RequestError, match=r"pass its transpose, samples\.T"):
        separator.separate(music(100).T, RATE)
    with pytest.raises(AudioError, match="1 to 8 channels; got 9"):
        separator.separate(np.zeros((9, 9)), RATE)


def test_bad_samples_are_refused(separator: Separator) -> None:
    mixture = music(100).astype(np.float64)
    for bad in (np.nan, np.inf, 1e300):
        mixture[1, 7] = bad
        with pytest.raises(AudioError, match="sample 7 of channel 1"):
            separator.separate(mixture, RATE)
    with pytest.raises(AudioError, match="no samples"):
        separator.separate(np.zeros((2, 0)), RATE)


@pytest.mark.parametrize("once", [True, False])
def test_a_stream_has_the_stems_of_the_whole(separator: Separator, once: bool) -> None:
    mixture = music(50_000)
    blocks = list(in_blocks(mixture, 997))
    with separator.stream(iter(blocks) if once else blocks, RATE, 2, stems="bass") as separation:
        assert separation.stems == ("bass",)
        parts = []
        for block in separation:
            assert block.offset_samples == sum(part.shape[1] for part in parts)
            parts.append(block.stems["bass"])
    whole = separator.separate(mixture, RATE, stems="bass")
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole["bass"])


def test_a_stream_of_other_blocks_fails_where_it_is_read(separator: Separator) -> None:
    with (
        pytest.raises(RequestError, match=r"of shape \(2, n\); got \[1, 100\]"),
        separator.stream([music(100, 1)], RATE, 2) as separation,
    ):
        list(separation)


def test_stems_are_those_of_the_command(exported: Path, tmp_path: Path) -> None:
    mixture = 0.5 * music(30_000)
    soundfile.write(tmp_path / "song.wav", mixture.T, RATE, "FLOAT")
    done = command(
        exported, tmp_path / "song.wav", "-m", "tiny", "--threads", "1", "--bits", "32",
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with stemline.load_separator(
        "tiny", artifacts=exported, threads=1, allow_untrained=True
    ) as separator:
        stems = separator.separate(tmp_path / "song.wav")
        of_array = separator.separate(mixture, RATE)
    saved = stems.save(tmp_path / "saved", bits=32)
    assert list(stems) == ["vocals", "instrumental"]
    for stem, path in saved.items():
        np.testing.assert_array_equal(of_array[stem], stems[stem])
        written = tmp_path / "out" / "song" / f"{stem}.wav"
        assert path.read_bytes() == written.read_bytes()


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("asked", "options"),
    [
        ({}, []),
        ({"format": "flac", "bits": 24}, ["--flac", "--bits", "24"]),
        (
            {"format": "mp3", "bitrate_kbps": 128, "stems": "vocals", "residual": True},
            ["--mp3", "--mp3-bitrate", "128", "--two-stems", "vocals"],
        ),
        (
            {"bits": 32, "overlap": 2, "filename": "{model}/{track}_{stem}.{ext}"},
            ["--float32", "--overlap", "2", "--filename", "{model}/{track}_{stem}.{ext}"],
        ),
    ],
)
def test_files_are_those_of_the_command(
    exported: Path, tmp_path: Path, asked: dict[str, Any], options: list[str]
) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, 0.5 * music(30_001).T, 48000, "FLOAT")
    done = command(
        exported, song, "-m", "tiny", "--threads", "1", *options, "-o", tmp_path / "command"
    )
    assert done.returncode == 0, done.stderr
    progress: list[tuple[int, int | None]] = []
    made = stemline.separate_file(
        str(song), tmp_path / "api", model="tiny", artifacts=exported, threads=1,
        allow_untrained=True, on_progress=lambda *said: progress.append(said), **asked,
    )  # fmt: skip
    written = files_of(tmp_path / "api")
    assert written == files_of(tmp_path / "command")
    assert {path.relative_to(tmp_path / "api").as_posix() for path in made.stems.values()} == set(
        written
    )
    assert (made.n_samples, made.sample_rate_hz, made.faults) == (30_001, 48000, ())
    assert progress[-1] == (30_001, 30_001)
    assert all(one[0] < other[0] for one, other in pairwise(progress))


def test_what_is_wrong_with_a_file_and_what_was_clipped_come_back(
    separator: Separator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = tmp_path / "song.wav"
    soundfile.write(whole, 4 * music(20_000).T, RATE, "FLOAT")
    short = tmp_path / "short.wav"
    short.write_bytes(whole.read_bytes()[:-8_000])  # 1000 frames of two floats
    made = separator.separate_file(short, tmp_path / "out")
    assert made.n_samples == 19_000
    (fault,) = made.faults
    assert "announces 0.45 s, and 0.43 s of it can be read" in fault
    assert made.clipped_samples["drums"] > 0
    assert fault in caplog.text
    assert f"{made.clipped_samples['drums']} samples of drums" in caplog.text
    with pytest.raises(AudioError):
        separator.separate_file(short, tmp_path / "strict", strict=True)
    assert not (tmp_path / "strict").exists()


def test_what_fails_leaves_what_was_there(
    separator: Separator, song: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = separator.separate_file(song, tmp_path / "out", stems="bass")
    before = files_of(tmp_path / "out")

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        separator.separate_file(song, tmp_path / "out", on_progress=stop)
    assert files_of(tmp_path / "out") == before
    caplog.clear()
    assert separator.separate_file(song, tmp_path / "out", stems="bass").stems == made.stems
    assert f"{made.stems['bass']}, which is there, will be replaced" in caplog.text


@pytest.mark.parametrize("name", ["...wav", "..wav", ".wav", "[id] \u202e.wav", "a\\b.wav"])
def test_no_name_leads_out_of_the_folder(
    separator: Separator, song: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "in").mkdir()
    track = song.rename(tmp_path / "in" / name)
    made = separator.separate_file(track, tmp_path / "a" / "out", stems="bass")
    (path,) = made.stems.values()
    assert path.resolve().is_relative_to((tmp_path / "a" / "out").resolve())
    assert path.parent.parent == tmp_path / "a" / "out"
    assert [one.name for one in (tmp_path / "a").iterdir()] == ["out"]


def test_stems_of_a_second_model_stand_beside_the_first(
    separator: Separator, artifacts: Path, song: Path, tmp_path: Path
) -> None:
    mark([song], "probe")
    if models_in(song.parent) != {"probe"}:
        pytest.skip("this file system keeps no extended attributes")
    first = separator.separate_file(song, tmp_path, stems="bass")
    second = stemline.separate_file(
        song, tmp_path, model="noise", artifacts=artifacts, allow_untrained=True, stems="bass"
    )
    assert first.stems["bass"] == tmp_path / "song" / "bass.wav"
    assert second.stems["bass"] == tmp_path / "song" / "noise" / "bass.wav"


def test_what_a_file_cannot_be_written_of_is_said(
    separator: Separator, song: Path, clicks: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match="takes the path of an audio file"):
        separator.separate_file(clicks)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="all stems would be one file"):
        separator.separate_file(song, tmp_path, filename="{track}.{ext}")
    with pytest.raises(RequestError, match="leads out"):
        separator.separate_file(song, tmp_path, filename="../{stem}.{ext}")
    drums = song.rename(tmp_path / "drums.wav")
    with pytest.raises(RequestError, match="written over the input"):
        separator.separate_file(drums, tmp_path, filename="{stem}.{ext}", stems="drums")
    assert drums.stat().st_size > 1_000_000


def test_models_have_several_names(artifacts: Path) -> None:
    path = artifacts / "tiny.fp32" / "1" / "model.onnx"
    for model in ("tiny", "tiny.fp32", path, str(path), None, ""):
        with stemline.load_separator(model, artifacts=artifacts, threads=1) as separator:
            assert separator.model == "tiny"
    for model in ("tiny", None):
        with stemline.load_separator(
            model, precision="fp32", artifacts=str(artifacts), threads=1
        ) as separator:
            assert separator.model == "tiny"
    with pytest.raises(RequestError, match="leave 'fp32' out"):
        stemline.load_separator(path, precision="fp32")
    with pytest.raises(UnknownModelError, match=r"no model 'tiny\.int8'"):
        stemline.load_separator("tiny", precision="int8", artifacts=artifacts)


def test_models_that_cannot_be_loaded(artifacts: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="stemline export mini"):
        stemline.load_separator("mini", artifacts=tmp_path)
    with pytest.raises(WrongModelError, match="finds beats"):
        stemline.load_separator("clicks", artifacts=artifacts)
    with pytest.raises(UntrainedError):
        stemline.load_separator("noise", artifacts=artifacts)
    with stemline.load_separator("noise", artifacts=artifacts, allow_untrained=True) as separator:
        assert separator.model == "noise"


def test_what_is_closed_is_no_longer_used(artifacts: Path) -> None:
    separator = stemline.load_separator("tiny", artifacts=artifacts, threads=1)
    separator.close()
    separator.close()
    with pytest.raises(EngineError, match="closed"):
        separator.separate(music(10), RATE)


def test_artifacts_are_where_the_command_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STEMLINE_ARTIFACTS", raising=False)
    assert artifact_roots()[0] == Path("artifacts")
    monkeypatch.setenv("STEMLINE_ARTIFACTS", "")
    assert artifact_roots()[0] == Path("artifacts")
    monkeypatch.setenv("STEMLINE_ARTIFACTS", str(tmp_path))
    assert artifact_roots() == (tmp_path,)
    assert artifact_roots("here") == (Path("here"),)
