"""The study of containers and faults: a quick form of it, its page, and the committed page."""

import struct
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from stemline.bench.containers.comparing import compare
from stemline.bench.containers.faults import FAULTS
from stemline.bench.containers.header_lengths import HEADER_LENGTHS
from stemline.bench.containers.kinds import KINDS
from stemline.bench.containers.making import music
from stemline.bench.studies.containers import Row, layout_rows, rows
from stemline.bench.studies.containers_markdown import containers_markdown

PAGE = Path(__file__).parents[3] / "docs" / "containers.md"
QUICK = ["WAV PCM 16", "AIFF", "FLAC", "Ogg Vorbis", "MP3 VBR, LAME", "m4a AAC", "WebM Opus"]
MACHINE = {"cpu": "a CPU", "threads": 1, "versions": {"PyAV": "18"}, "date": "2026-11-28T10:00"}


@pytest.mark.parametrize("kind", QUICK)
def test_every_fault_is_right_or_said_or_refused(kind: str) -> None:
    found = {row.fault: row for row in rows([kind], list(FAULTS), 30_000)}
    assert {row.verdict for row in found.values()} <= {"right", "said", "refused"}
    good = found["none"]
    assert (good.verdict, good.words) == ("right", "")
    assert good.against_pyav is not None
    assert (good.against_pyav.n_more, good.against_pyav.lag) == (0, 0)
    assert good.against_pyav.worst_db >= KINDS[kind].least_db
    assert found["tag in front"].verdict == "right"
    if kind in QUICK[3:5]:
        joined = found["joined twice"]
        assert joined.verdict == "right" and joined.n_samples > 1.4 * good.n_samples


def test_the_channels_of_every_layout_are_ffmpegs() -> None:
    found = list(layout_rows(8192))
    assert {row.container for row in found} == {"WAV", "W64", "FLAC", "Opus", "m4a", "Matroska"}
    assert min(min(row.error_db) for row in found) > 60


def test_the_committed_page_has_every_container_and_nothing_wrong() -> None:
    text = PAGE.read_text(encoding="utf-8")
    matrix = text.split("## By fault")[0]
    assert [kind for kind in KINDS if f"| {kind} |" not in matrix] == []
    assert [fault for fault in FAULTS if fault not in matrix] == []
    assert "**wrong**" not in matrix


def test_the_page_says_what_is_wrong() -> None:
    difference = compare(music(500), np.zeros((2, 480), np.float32))
    row = Row("FLAC", "a | fault", "wrong", "a | b", 500, difference, None, None)
    layouts = [{"container": "WAV", "layout": "5.1", "error_db": (200.0, 41.6)}]
    text = containers_markdown({"machine": MACHINE, "rows": [asdict(row)], "layouts": layouts})
    assert "| FLAC | **wrong** |" in text
    assert "| +20, +0, " in text and "a \\| b" in text
    assert "| WAV | same, 42 |" in text


def test_a_decoding_that_comes_late_is_said_by_how_much() -> None:
    right = music(4000)
    late = np.concatenate([np.zeros((2, 7), np.float32), right], axis=1)
    found = compare(late, right)
    assert (found.n_more, found.lag) == (7, 7)
    assert compare(late[:, 9:], right).lag == -2
    assert found.worst_db < 3
    swapped = compare(np.stack([right[0], -right[1]]), right)
    assert swapped.error_db[0] > 200 and swapped.error_db[1] == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("kind", HEADER_LENGTHS)
def test_a_header_with_the_right_length_is_the_file_itself(kind: str) -> None:
    data = KINDS[kind].make(music(20_000))
    change = HEADER_LENGTHS[kind]
    assert change(data, 1) == data
    sizes = {len(change(data, share)) for share in (None, 0, 0.5, 2)}
    assert sizes == {len(data)}
    assert len({change(data, share) for share in (None, 0.5, 2, 1)}) == 4


def test_half_the_length_of_a_wav_is_half_its_bytes() -> None:
    data = HEADER_LENGTHS["WAV PCM 16"](KINDS["WAV PCM 16"].make(music(1000)), 0.5)
    assert struct.unpack("<I", data[40:44]) == (2000,)
