"""Code that must type-check and mistakes that must not: checked by `make types`, never run."""

from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import stemline
from stemline.client import ServerModel
from stemline.serving.files import SeparatedFile
from stemline.serving.jobs import Beats
from stemline.stems import Stems


def progress(done: int, total: int | None) -> None:
    """Say how far it is."""


def separating(
    path: Path, samples: NDArray[np.float64], blocks: Iterator[NDArray[np.float32]]
) -> None:
    with stemline.load_separator("htdemucs", device="cpu", threads=2) as separator:
        stems = separator.separate(path, stems="vocals", residual=True, on_progress=progress)
        assert_type(stems, Stems)
        assert_type(stems["vocals"], NDArray[np.float32])
        assert_type(stems.save(path, format="flac", bits=24), dict[str, Path])
        separator.separate(samples, 44100, stems=["drums", "bass"])
        with separator.stream(blocks, 44100, 2) as separation:
            for block in separation:
                assert_type(block.stems, dict[str, NDArray[np.float32]])
        assert_type(separator.separate_file(path, path, stems="vocals").faults, tuple[str, ...])
    assert_type(stemline.separate("song.wav"), Stems)
    made = stemline.separate_file("song.wav", out=path, format="flac", on_progress=progress)
    assert_type(made, SeparatedFile)
    assert_type(made.stems, dict[str, Path])


def finding_beats(path: Path, samples: NDArray[np.float32]) -> None:
    with stemline.load_beat_tracker(separator="htdemucs") as tracker:
        assert_type(tracker.track(samples, 48000), Beats)
        tracker.track_stems(stemline.separate(path))
        tracker.track_stems({"drums": samples}, 44100)
    assert_type(stemline.find_beats(path, activations=True).bpm, float | None)


def calling_a_server(path: Path) -> None:
    with stemline.Client("127.0.0.1:8500", token="secret", tls_ca=path) as client:
        assert_type(client.models(), list[ServerModel])
        assert_type(client.separate(path, model="htdemucs"), Stems)
        assert_type(client.separate_file(path, model="htdemucs"), SeparatedFile)
        assert_type(client.track(str(path)), Beats)
    assert_type(stemline.__version__, str)
    assert_type(stemline.errors.RemoteError("NOT_FOUND", "").exit_code, int)


def mistakes(path: Path, integers: NDArray[np.int16]) -> None:
    stemline.load_seperator("htdemucs")  # type: ignore[attr-defined]
    stemline.separate(integers, 44100)  # type: ignore[arg-type]
    stemline.separate(path, "mini")  # type: ignore[arg-type]
    stemline.separate_file(integers)  # type: ignore[arg-type]
    stemline.load_separator("htdemucs", "artifacts")  # type: ignore[call-arg]
    stemline.find_beats(path, residual=True)  # type: ignore[call-arg]
