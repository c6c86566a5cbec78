"""What users see is what it was: the committed record, made again and compared.

A change that is meant is followed by `python tests/record/write_golden.py`.
"""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record.behaviour import Record, differences, make_record
from record.golden_files import read_stretches, read_texts, stretches_of, texts_of

BOUND_DB = 100.0
"""Between machines, whose processors add in other orders."""
MINI_DB = 80.0
"""Of `mini`, which agrees with PyTorch to 92 dB on one machine."""
ROUNDED_DB = 50.0
"""Of whole numbers and MP3: a sample between two steps may go to either."""
_ROUNDED = ("16 bits", "mp3", "shorts", "clipped", "flac", "analyze")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    work = tmp_path_factory.mktemp("record").resolve()
    return make_record(Path(sys.executable), work, small=True)


def test_texts_exit_codes_json_and_beats_are_what_they_were(record: Record) -> None:
    found = list(differences(_plain(read_texts()), _plain(texts_of(record))))
    assert not found, "\n".join(found)


def test_stems_are_what_they_were(record: Record) -> None:
    golden = read_stretches()
    now = {
        case: np.concatenate([stem.ravel() for stem in stems.values()])
        for case, stems in stretches_of(record).items()
    }
    assert list(now) == list(golden)
    snr_db = {case: _snr_db(golden[case], now[case]) for case in golden}
    assert {case: value for case, value in snr_db.items() if not value >= _bound_db(case)} == {}


def _bound_db(case: str) -> float:
    if any(word in case for word in _ROUNDED):
        return ROUNDED_DB
    is_of_mini = "mini" in case or "beats" in case
    return MINI_DB if is_of_mini else BOUND_DB


def _snr_db(wanted: np.ndarray, got: np.ndarray) -> float:
    if wanted.shape != got.shape:
        return -np.inf
    noise = float(np.sum((wanted.astype(np.float64) - got) ** 2))
    signal = float(np.sum(wanted.astype(np.float64) ** 2))
    return float("inf") if noise == 0 else 10 * float(np.log10(max(signal, 1e-300) / noise))


def _plain(value: Any) -> Any:
    """Without the frames that are drawn around help, and however its lines are broken."""
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case str():
            return " ".join(re.sub("[╭╮╰╯─│]", " ", value).split())
    return value
