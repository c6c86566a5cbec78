"""The attack: samples, rates and channel counts that native libraries abort at, or choke on.

Each batch of cases has a process of its own, which says each case before it tries it: one that
ends the process is the last that it said.
"""

import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from beat_helpers import GAINS, write_beat_artifact
from demucs_track_helpers import gain_info, write_gains
from extreme_cases import BATCHES
from face_helpers import ORDER

import stemline
from stemline.bench.containers.making import by_soundfile
from stemline.errors import EngineError
from stemline.preprocessing.audio import open_audio

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("batch", BATCHES)
def test_extremes_are_right_or_clipped_or_refused(batch: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(TESTS / "extreme_cases.py"), batch]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=_environment()
    )
    said = done.stdout.splitlines()
    assert done.returncode == 0, f"{said[-1:]}: {done.stderr[-2000:]}"
    assert done.stderr == ""
    assert int(said[-1]) == len(said) - 1 >= 50  # every case was tried


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TESTS)}


@pytest.mark.parametrize("gain", [np.nan, np.inf, 3e38])
def test_beats_of_stems_that_are_no_sound_are_refused(tmp_path: Path, gain: float) -> None:
    """Of a network that overflows they went on to the beats, whose decoding raised ValueError."""
    write_beat_artifact(tmp_path)
    gains = [gain if name == "bass" else GAINS[name] for name in ORDER]
    write_gains(tmp_path, gain_info("broken", stems=ORDER), gains)
    samples = np.random.default_rng(0).standard_normal((2, 44100)).astype(np.float32)
    with pytest.raises(EngineError, match="no beats can be found in bass: it reaches"):
        stemline.find_beats(samples, 44100, model="clicks", separator="broken", artifacts=tmp_path)


def test_little_that_becomes_much_is_made_in_small_pieces() -> None:
    """A minute at 1 kHz behind what is at 655 kHz was 300 MB at once."""
    silence = np.zeros((2, 60_000), np.float32)
    first = by_soundfile(silence, "FLAC", "PCM_16", 655_350)
    second = by_soundfile(silence, "FLAC", "PCM_16", 1000)
    tracemalloc.start()
    try:
        with open_audio(io.BytesIO(first + second)) as reader:
            n_samples = sum(block.shape[1] for block in reader.blocks())
        assert n_samples == 60_000 + 60 * 655_350
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
