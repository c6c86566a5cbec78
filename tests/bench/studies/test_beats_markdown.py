"""The tables of docs/beats.md: of the figures that were measured."""

from typing import Any

import pytest

from stemline.bench.studies.beats_markdown import comparison_markdown, quality_markdown

MACHINE = {
    "cpu": "a CPU",
    "threads": 1,
    "load_average": 0.5,
    "versions": {"madmom": "0.16.1"},
    "date": "2026-11-21T10:00:00+00:00",
}
ROW = {
    "row": "dbn",
    "length_s": 180,
    "original_cpu_ms": 1894.4,
    "ours_cpu_ms": 24.93,
    "times_faster": 75.98,
    "times_faster_min": 61.66,
    "original_peak_growth_mb": 1070.4,
    "ours_peak_growth_mb": 36.54,
    "same_result": True,
    "tolerance": 0.0,
    "largest_difference": 0.0,
}


def comparison(**changed: Any) -> str:
    report = {"machine": MACHINE, "rows": [{**ROW, **changed}], "after_separation": []}
    return comparison_markdown(report)


def test_a_comparison_has_its_figures() -> None:
    row = "| dbn | 180 s | 1894 ms | 24.9 ms | 76.0× | 61.7× | 1070 → 36.5 MB | the same |"
    assert row in comparison()
    assert "a CPU, 1 thread(s), load 0.5 before; madmom 0.16.1; 2026-11-21.\n" in comparison()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"largest_difference": 4e-7, "tolerance": 4e-6}, "| within 4.0e-07 |"),
        (
            {"largest_difference": 1e-2, "same_result": False},
            "| DIFFER: within 1.0e-02, not 0e+00 |",
        ),
        ({"largest_difference": None, "same_result": False}, "| DIFFER |"),
    ],
)
def test_a_comparison_says_how_near_the_results_are(changed: dict[str, Any], words: str) -> None:
    assert words in comparison(**changed)


def test_what_is_left_after_separation_has_a_table_of_its_own() -> None:
    alone = {
        "length_s": 180,
        "wall_ms": 295.6,
        "cpu_ms": 295.1,
        "stages_ms": {"spectrogram": 256.2, "decode": 25.61},
        "peak_growth_mb": 285.6,
    }
    page = comparison_markdown({"machine": MACHINE, "rows": [], "after_separation": [alone]})
    assert "| 180 s | 296 ms | 295 ms | 256 ms | 25.6 ms | 286 MB |" in page


def test_quality_counts_the_songs_that_are_found() -> None:
    score = {"beat": 0.95}
    means = dict.fromkeys(
        ("beat", "downbeat", "tempo", "boundary_half", "boundary_three", "inner_half", "label"), 0.5
    )
    rows = [
        {"engine": "onnx", "seconds": 2.0, "score": score},
        {"engine": "onnx", "seconds": 4.0, "score": {"beat": 0.2}},
    ]
    for row, agreement in zip(rows, (1.0, 0.875), strict=True):
        row |= {"beat_agreement": agreement, "downbeat_agreement": 1.0}
    page = quality_markdown(
        {
            "machine": MACHINE,
            "beats": "mini-beats.fp32",
            "separator": "mini.fp32",
            "songs": {"seeds": [7, 8], "seconds_each": 30.0},
            "means": {"onnx": {**means, "inner_three": None}},
            "rows": rows,
        }
    )
    row = "| onnx | 0.500 | 0.500 | 0.50 | 0.50 / 0.50 | 0.50 / – | 0.50 | 1 of 2 | 3.00 |"
    assert row in page
    assert "2 songs of the synthetic band, 30 s each, seeds 7 to 8" in page
    assert "agree least: 0.8750 beats, 1.0000 downbeats" in page
