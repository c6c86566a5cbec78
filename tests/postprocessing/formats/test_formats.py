import pytest

from stemline.errors import EncodingError
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
