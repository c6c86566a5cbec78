"""The attack: samples, rates and channel counts that native libraries abort at, or choke on.

Each batch of cases has a process of its own, which says each case before it tries it: one that
ends the process is the last that it said.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from beat_helpers import GAINS, write_beat_artifact
from demucs_track_helpers import gain_info, write_gains
from extreme_cases import BATCHES
from face_helpers import ORDER

import stemline
from stemline.errors import EngineError

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
