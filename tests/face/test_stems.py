"""Stems as users hold them: a mapping that knows its rate, and files that are whole."""

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import music

from stemline.errors import EncodingError
from stemline.preprocessing.tags import read_tags
from stemline.serving.stem_tags import TrackTags
from stemline.stems import Stems
from stemline.tags import Tags

RATE = 48000


@pytest.fixture
def stems() -> Stems:
    """Two stems of 1.5 seconds, within full scale."""
    arrays = {name: 0.5 * music(72_000, seed=seed) for seed, name in enumerate(["vocals", "AC/DC"])}
    return Stems(arrays, RATE, "tiny", {"wall": 1.0})


def test_stems_are_a_mapping_in_the_models_order(stems: Stems) -> None:
    assert list(stems) == ["vocals", "AC/DC"]
    assert len(stems) == 2
    assert str(stems.keys()) == "dict_keys(['vocals', 'AC/DC'])"
    assert stems["vocals"].shape == (2, 72_000)
    assert "drums" not in stems
    with pytest.raises(KeyError):
        stems["drums"]
    assert (stems.sample_rate_hz, stems.n_samples, stems.duration_s) == (RATE, 72_000, 1.5)
    assert repr(stems) == "<Stems of tiny: vocals, AC/DC; 1.50 s at 48000 Hz>"


@pytest.mark.parametrize(
    ("container", "bits", "subtype", "step"),
    [
        ("wav", 16, "PCM_16", 2.0**-15),
        ("wav", 24, "PCM_24", 2.0**-23),
        ("wav", 32, "FLOAT", 0.0),
        ("flac", 16, "PCM_16", 2.0**-15),
        ("flac", 24, "PCM_24", 2.0**-23),
    ],
)
def test_files_hold_the_samples(
    stems: Stems, tmp_path: Path, container: str, bits: int, subtype: str, step: float
) -> None:
    paths = stems.save(tmp_path / "new" / "out", format=container, bits=bits)
    assert paths == {
        "vocals": tmp_path / "new" / "out" / f"vocals.{container}",
        "AC/DC": tmp_path / "new" / "out" / f"AC_DC.{container}",
    }
    for stem, path in paths.items():
        assert soundfile.info(path).subtype == subtype
        samples, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
        assert rate_hz == RATE
        assert samples.shape == (72_000, 2)
        # An integer is the nearest one, half a step away at the most.
        np.testing.assert_allclose(samples.T, stems[stem], rtol=0, atol=step / 2)
    assert sorted(one.name for one in (tmp_path / "new" / "out").iterdir()) == sorted(
        path.name for path in paths.values()
    )


def test_mp3_has_the_bitrate(stems: Stems, tmp_path: Path) -> None:
    path = stems.save(str(tmp_path), "mp3", bitrate_kbps=128)["vocals"]
    assert soundfile.info(path).samplerate == RATE
    assert path.stat().st_size == pytest.approx(1.5 * 128_000 / 8, rel=0.1)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"format": "ogg"}, "the format must be wav, flac or mp3; got 'ogg'"),
        ({"bits": 8}, "wav has 16, 24 or 32 bits; got 8"),
        ({"format": "flac", "bits": 32}, "float is wav's alone"),
        ({"format": "mp3", "bitrate_kbps": 100}, "MP3 bitrates are"),
    ],
)
def test_a_format_that_is_none_leaves_nothing(
    stems: Stems, tmp_path: Path, chosen: dict[str, object], words: str
) -> None:
    with pytest.raises(EncodingError, match=words):
        stems.save(tmp_path / "out", **chosen)
    assert not list(tmp_path.iterdir())


def test_all_stems_are_written_or_none(stems: Stems, tmp_path: Path) -> None:
    (tmp_path / "AC_DC.wav").mkdir()
    with pytest.raises(IsADirectoryError):
        stems.save(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["AC_DC.wav"]
    odd = Stems({"vocals": music(10)}, 44099, "tiny", {})
    with pytest.raises(EncodingError, match="MP3 has no rate of 44099 Hz"):
        odd.save(tmp_path / "new", "mp3")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("format", ["wav", "flac", "mp3"])
def test_clipping_is_said(
    stems: Stems, format: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loud = music(100)
    loud[1, 3] = -1.5
    with caplog.at_level(logging.WARNING):
        stems.save(tmp_path, format)
        assert not caplog.messages
        Stems({"vocals": loud}, RATE, "tiny", {}).save(tmp_path, format)
    assert caplog.messages == [
        "1 samples of vocals went beyond full scale and were clipped; "
        "format='wav', bits=32 keeps them"
    ]


@pytest.mark.parametrize("format", ["wav", "flac", "mp3"])
def test_files_have_the_tracks_tags_unless_they_are_to_have_none(
    stems: Stems, format: str, tmp_path: Path
) -> None:
    tags = TrackTags("song", Tags({"title": ("Song",), "artist": ("A",)}))
    tagged = Stems({"vocals": stems["vocals"]}, RATE, "tiny", {}, tags)
    path = tagged.save(tmp_path, format)["vocals"]
    assert read_tags(path).tags.fields == {
        "title": ("Song (vocals)",),
        "artist": ("A",),
        "stemline_model": ("tiny",),
    }
    assert not read_tags(tagged.save(tmp_path, format, tags=False)["vocals"]).tags.fields
    of_samples = stems.save(tmp_path, format)["vocals"]
    assert read_tags(of_samples).tags.fields["title"] == ("vocals",)
