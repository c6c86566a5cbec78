"""WAV and FLAC: what goes in comes out."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from encode_helpers import LOSSLESS, noise, write

from stemline.postprocessing.formats import OutputFormat


@pytest.mark.parametrize("output", LOSSLESS)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("n_samples", [1, 2, 2345])
def test_a_lossless_file_reads_back_to_half_a_step(
    tmp_path: Path, output: OutputFormat, channels: int, n_samples: int
) -> None:
    path = tmp_path / f"vocals.{output.container}"
    samples = noise(channels, n_samples)
    write(path, output, samples, 48000)
    found, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert (found.T.shape, rate) == (samples.shape, 48000)
    half_step = 0.0 if output.bits == 32 else 2.0**-output.bits
    np.testing.assert_allclose(found.T, samples, atol=half_step, rtol=0)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("output", LOSSLESS)
def test_the_subtype_is_what_was_asked(tmp_path: Path, output: OutputFormat) -> None:
    write(tmp_path / "a", output, noise(2, 100))
    info = soundfile.info(tmp_path / "a")
    assert info.format == output.container.upper()
    assert info.subtype == ("FLOAT" if output.bits == 32 else f"PCM_{output.bits}")
