"""The spectrogram against madmom's, which lives in a virtual environment of its own.

Its pins (numpy before 1.24) rule out sharing one. MADMOM_PYTHON names another interpreter than that
which make test-oracles makes.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stemline.preprocessing.spectrogram import log_spectrogram

pytestmark = pytest.mark.oracles

RATE = 44100
_INSTALLED = Path(__file__).parents[2] / ".venv/madmom/bin/python"
PYTHON = Path(os.environ.get("MADMOM_PYTHON", _INSTALLED))
# As allin1 sets madmom up, with a fresh processor for every signal: it keeps the window of the
# first, which it scales by the type of the samples.
MADMOM = """
import sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from madmom.audio.signal import FramedSignalProcessor, Signal
from madmom.audio.spectrogram import FilteredSpectrogramProcessor, LogarithmicSpectrogramProcessor
from madmom.audio.stft import ShortTimeFourierTransformProcessor
from madmom.processors import SequentialProcessor

def spectrogram(samples):
    return np.asarray(SequentialProcessor([
        FramedSignalProcessor(frame_size=2048, fps=100),
        ShortTimeFourierTransformProcessor(),
        FilteredSpectrogramProcessor(num_bands=12, fmin=30, fmax=17000, norm_filters=True),
        LogarithmicSpectrogramProcessor(mul=1, add=1),
    ])(Signal(samples, sample_rate=44100)))

given = np.load(sys.argv[1])
found = {name: spectrogram(given[name]) for name in given.files}
np.savez(sys.argv[2], **found)
"""


def madmom(signals: dict[str, NDArray[np.generic]], folder: Path) -> dict[str, NDArray[np.float32]]:
    """madmom's spectrograms of mono signals (n_samples,), by name."""
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} is not there; make test-oracles makes it")
    np.savez(folder / "in.npz", **signals)
    command = [str(PYTHON), "-c", MADMOM, str(folder / "in.npz"), str(folder / "out.npz")]
    subprocess.run(command, check=True, timeout=600)
    with np.load(folder / "out.npz") as found:
        return dict(found)


def music(n_samples: int, seed: int) -> NDArray[np.float64]:
    """Decaying tones and noise, at full scale where they are loudest."""
    random = np.random.default_rng(seed)
    time = np.arange(n_samples) / RATE
    tone = sum(np.sin(2 * np.pi * hz * time) for hz in random.uniform(40, 5000, 6))
    mixed = (tone + random.standard_normal(n_samples)) * np.exp(-3 * (time % 0.5))
    return np.asarray(mixed / max(1e-9, np.abs(mixed).max()))


LENGTHS = [*range(1, 8), 100, *range(439, 444), *range(881, 885), *range(1022, 1027)]
LENGTHS += [*range(2046, 2051), 4410, 44099, 44100, 44101, 441 * 64, 441 * 64 + 1, 30 * RATE + 17]


def test_all_lengths_are_within_the_budgets(tmp_path: Path) -> None:
    exact = {str(n): music(n, seed=n) for n in LENGTHS}
    wanted = madmom(exact, tmp_path)
    worst = {}
    for dtype, most in ((np.float64, 1e-6), (np.float32, 4e-6)):
        for name, samples in exact.items():
            got = log_spectrogram(samples.astype(dtype)[None], RATE)[0]
            assert got.shape == wanted[name].shape, name
            error = float(np.abs(got - wanted[name]).max())
            worst[dtype.__name__] = max(error, worst.get(dtype.__name__, 0.0))
            assert error <= most, (name, dtype)
    print("farthest from madmom:", worst)


def test_16_bit_files_as_madmom_reads_them_are_near(tmp_path: Path) -> None:
    """Of the stems in memory, rounded to 16 bits, and of stereo ones the mean cut to 16 bits."""
    left, right = music(10 * RATE, 1), music(10 * RATE, 2)
    files = [np.round(channel * 32767).astype(np.int16) for channel in (left, right)]
    mean = np.mean(np.stack(files), axis=0).astype(np.int16)
    wanted = madmom({"mono": files[0], "stereo": mean}, tmp_path)
    mono = log_spectrogram(left[None], RATE)[0]
    stereo = log_spectrogram((left + right)[None] / 2, RATE)[0]
    errors = [float(np.abs(mono - wanted["mono"]).max())]
    errors.append(float(np.abs(stereo - wanted["stereo"]).max()))
    print("16-bit mono and stereo:", errors)
    # Rounding is noise of 1/√12 of a step of 1/32767, cutting one of up to a step: times the
    # window's energy √768 that is 2.4e-4 and 8.5e-4 a bin, in units of log10(1 + x) 0.43 of that.
    assert max(errors) < 1.5e-3
