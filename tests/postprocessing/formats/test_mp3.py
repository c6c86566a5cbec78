import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from encode_helpers import RATE, noise, write

from stemline.postprocessing.formats import OutputFormat


# Frames of these are large enough for the tag that tells the encoder's delay.
@pytest.mark.parametrize("kbps", [64, 96, 128, 160, 192, 224, 256, 320])
def test_an_mp3_has_its_bitrate_length_and_level_and_no_delay(tmp_path: Path, kbps: int) -> None:
    path = tmp_path / "a.mp3"
    time_s = np.arange(5 * RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 440 * time_s))[np.newaxis].repeat(2, axis=0)
    write(path, OutputFormat("mp3", bitrate_kbps=kbps), tone.astype(np.float32))
    # The tag and the encoder's delay: four frames of 26 ms more than 5 s.
    assert path.stat().st_size * 8 / 5000 == pytest.approx(kbps, rel=0.025)
    found, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert (found.shape, rate) == ((5 * RATE, 2), RATE)
    # A codec's noise; one sample's delay would be 0.03, LAME's own level up to 0.025.
    assert np.abs(found.T - tone)[:, 2000:-2000].max() < 0.002


@pytest.mark.parametrize(
    ("rate", "kbps"),
    [(44100, 32), (48000, 40), (32000, 64), (24000, 160), (22050, 8), (16000, 144), (8000, 64)],
)
def test_every_rate_has_its_own_bitrates(tmp_path: Path, rate: int, kbps: int) -> None:
    path = tmp_path / "a.mp3"
    write(path, OutputFormat("mp3", bitrate_kbps=kbps), noise(1, 10 * rate), rate)
    # Four frames of up to 72 ms more than 10 s.
    assert path.stat().st_size * 8 / 10_000 == pytest.approx(kbps, rel=0.035)
    assert soundfile.info(path).samplerate == rate


# LAME ends the process, or hangs in it, so that it has one of its own.
HOSTILE = """
import sys
from pathlib import Path
import numpy as np
from stemline.postprocessing.encode import OutputFormat, StemWriter
samples = eval(sys.argv[2]).astype(np.float32)
with StemWriter(Path(sys.argv[1]), OutputFormat("mp3"), 44100, samples.shape[0]) as writer:
    writer.write(samples)
print(writer.clipped_samples)
"""
NOISE = "np.random.default_rng(0).standard_normal((2, 44100))"


@pytest.mark.parametrize(
    ("samples", "n_clipped"),
    [
        ("np.full((2, 44100), 2.0**31)", 88200),
        ("np.full((2, 44100), -(2.0**31))", 88200),
        ("np.full((1, 44100), np.nan)", 44100),
        ("np.tile([[np.inf, -np.inf, 3e38, 0.5]], (2, 11025))", 66150),
        (f"1e5 * {NOISE}", 88200),
        (f"0.1 * {NOISE}", 0),
    ],
)
def test_no_samples_end_the_process(tmp_path: Path, samples: str, n_clipped: int) -> None:
    path = tmp_path / "a.mp3"
    arguments = [sys.executable, "-W", "error", "-c", HOSTILE, str(path), samples]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    # Of 1e5 times noise the odd sample lies within ±1.
    assert int(done.stdout) == pytest.approx(n_clipped, abs=10)
    found, _ = soundfile.read(path, dtype="float32", always_2d=True)
    assert len(found) == 44100
    assert np.isfinite(found).all()


def test_what_is_beyond_full_scale_is_clipped_before_it_is_encoded(tmp_path: Path) -> None:
    tone = 1.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    loud = tone[np.newaxis].astype(np.float32)
    output = OutputFormat("mp3", bitrate_kbps=320)
    writer = write(tmp_path / "a.mp3", output, loud)
    found, _ = soundfile.read(tmp_path / "a.mp3", dtype="float32", always_2d=True)
    assert writer.clipped_samples == np.count_nonzero(np.abs(loud) > 1) > 20_000
    # A codec's noise, which rings at the edges of what is clipped; without it, up to 0.5.
    np.testing.assert_allclose(found.T[:, 2000:-2000], loud.clip(-1, 1)[:, 2000:-2000], atol=0.05)
