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
