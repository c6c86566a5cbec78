"""The tables of docs/real.md: of the figures that were measured."""

from typing import Any

import pytest

from stemline.bench.studies.real.page import real_markdown

MACHINE = {"cpu": "a CPU", "threads": 1, "versions": {"torch": "2"}, "date": "2026-11-28T10:00:00"}
STEM = {
    "clip": "a song",
    "seconds": 20.0,
    "stem": "bass",
    "snr_db": 72.96,
    "below_mixture_db": 88.0,
    "si_sdr_db": None,
    "original_si_sdr_db": None,
}
BEAT = {
    "clip": "a song",
    "bpm": 135.0,
    "model": "fold 1",
    "found_bpm": 134.96,
    "grid_f": 0.9876,
    "n_beats": 45,
    "n_original": 45,
    "moved_s": 0.0,
}
ACTIVATION = {
    "clip": "a song",
    "n_frames": 2000,
    "largest": 1.5e-6,
    "rms": 2e-8,
    "n_beats": 45,
    "same_beats": True,
}


def page(**rows: Any) -> str:
    report = {"stems": [], "beats": [], "activations": [], **rows}
    packages = [{"title": "npm some 1.0", "licence": "MIT"}]
    return real_markdown({"machine": MACHINE, "packages": packages, **report})


def test_every_section_has_its_figures() -> None:
    found = page(stems=[STEM], beats=[BEAT], activations=[ACTIVATION])
    assert "a CPU, 1 thread(s); torch 2; 2026-11-28.\n" in found
    assert "| a song, 20 s | bass | 73.0 dB | 88.0 dB |  |  |\n" in found
    assert "| a song | 135.0 | fold 1 | 135.0 | 0.988 | 45 | the same |\n" in found
    assert "| a song | 2000 | 1.5e-06 | 2.0e-08 | 45, the same |\n" in found
    assert "| npm some 1.0 | MIT |\n" in found


def test_true_stems_have_their_si_sdr() -> None:
    row = {**STEM, "si_sdr_db": 10.0204, "original_si_sdr_db": -0.35}
    assert "| 88.0 dB | 10.020 dB | -0.350 dB |\n" in page(stems=[row])


def test_sections_that_were_left_out_are_not_there() -> None:
    assert "All-In-One" not in page(stems=[STEM])
    assert "htdemucs" not in page(beats=[]).replace("trained htdemucs", "")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"moved_s": 0.01}, "| 45 | within 10 ms |"),
        ({"moved_s": None, "n_original": 44}, "| 45 | OTHERS, 44 |"),
        ({"moved_s": None, "n_original": None}, "| 45 |  |"),
        ({"found_bpm": None}, "| fold 1 | none |"),
    ],
)
def test_beats_that_are_not_the_originals_are_said_to_be_others(
    changed: dict[str, Any], words: str
) -> None:
    assert words in page(beats=[{**BEAT, **changed}])


def test_activations_with_other_beats_are_said_to_be_others() -> None:
    assert "| 45, OTHERS |" in page(activations=[{**ACTIVATION, "same_beats": False}])
