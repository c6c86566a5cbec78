"""The worker's study: its figures are medians field by field, and its tables name each once."""

from pathlib import Path

import pytest
from worker_helpers import write_models, write_noise

from stemline.bench.studies.worker import Clip, Resident, Row, Start, markdown, medians

MACHINE = {"versions": {"python": "3"}, "cpu": "a core", "threads": 1, "date": "2026-11-28T00"}


def test_medians_are_of_each_field() -> None:
    clips = [Clip(4.0, 1.0, 0.5, 300.0), Clip(4.0, 3.0, 0.1, 100.0), Clip(4.0, 2.0, 0.2, 200.0)]
    assert medians(clips) == Clip(4.0, 2.0, 0.2, 200.0)
    assert medians(clips).ratio == pytest.approx(10)


def test_the_page_has_what_was_measured() -> None:
    found = {
        "start": Start(0.4, 0.25, 0.002, 1.1),
        "clips": [Clip(0.5, 1.0, 0.1, 200.0)],
        "row": Row(200, 20.0, 201.0, 202.0),
    }
    text = markdown(found, MACHINE, "study", "mini")
    assert "| first `load_model` | 0.25 |" in text
    assert "| 0.5 s | 1 | 0.1 | 10 × | 200 |" in text
    assert "0.1 s each; the worker has 201 MB before them and 202 MB after" in text


def test_a_resident_worker_answers_and_says_what_failed(tmp_path: Path) -> None:
    write_models(tmp_path, "mine")
    clip = write_noise(tmp_path / "clip.wav", 0.1)
    with Resident(tmp_path, tmp_path / "out") as worker:
        worker.separate(clip, "mine")
        assert (tmp_path / "out" / "clip" / "drums.wav").is_file()
        with pytest.raises(RuntimeError, match="UnknownModelError"):
            worker.separate(clip, "another")
