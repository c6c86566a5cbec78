import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemline.errors import EncodingError
from stemline.postprocessing.encode import StemWriter
from stemline.postprocessing.formats import FORMATS, OutputFormat, find_format


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_has_the_name_it_is_found_by(name: str) -> None:
    assert find_format(name).name == name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"container": "ogg"}, "wav, flac or mp3; got 'ogg'"),
        ({"container": "wav", "bits": 8}, "16, 24 or 32 bits; got 8"),
        ({"container": "flac", "bits": 32}, "16 or 24 bits; got 32; float is wav's alone"),
        ({"container": "mp3", "bitrate_kbps": 100}, "bitrates are .* got 100"),
    ],
)
def test_a_format_no_encoder_knows_is_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(EncodingError, match=said):
        OutputFormat(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "rate", "said"),
    [
        ("wav", 0, "1 Hz or more; got 0 Hz"),
        ("flac", -1, "1 Hz or more; got -1 Hz"),
        ("wav", 134_217_728, "no rate of 134217728 Hz, only up to 134217727 Hz"),
        ("flac", 2**31 - 1, "no rate of 2147483647 Hz; choose wav"),
        ("mp3", 2**31 - 1, "no rate of 2147483647 Hz, only 8000, "),
    ],
)
def test_a_rate_that_no_header_holds_is_refused(name: str, rate: int, said: str) -> None:
    with pytest.raises(EncodingError, match=said):
        OutputFormat(name).check(rate, 2)


def test_the_greatest_rate_is_one_of_eight_channels_of_floats() -> None:
    file = io.BytesIO()
    with StemWriter(file, OutputFormat("wav", bits=32), 134_217_727, 8) as writer:
        writer.write(np.zeros((8, 10), np.float32))
    assert soundfile.info(io.BytesIO(file.getvalue())).samplerate == 134_217_727


@pytest.mark.parametrize("name", ["flac", "mp3"])
def test_a_format_that_holds_nothing_says_so_and_leaves_no_file(tmp_path: Path, name: str) -> None:
    """It was an empty file."""
    with (
        pytest.raises(EncodingError, match=f"{name} holds one sample at the least; got none"),
        StemWriter(tmp_path / "a", OutputFormat(name), 44100, 2) as writer,
    ):
        writer.write(np.zeros((2, 0), np.float32))
    assert list(tmp_path.iterdir()) == []
