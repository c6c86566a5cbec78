from pathlib import Path

import pytest

from stemline.serving.output_names import track_name


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("song.wav", "song"),
        ("a.b.flac", "a.b"),
        ("song", "song"),
        (".wav", ".wav"),
        ("..wav", "..wav"),  # its stem is this folder
        ("...wav", "...wav"),  # its stem is the folder above
        ("....wav", "..."),
        ("...", "..."),
    ],
)
def test_the_name_of_a_track_stays_in_its_folder(name: str, wanted: str) -> None:
    folder = Path("out")
    assert track_name(Path("songs") / name) == wanted
    assert (folder / wanted).resolve().parent == folder.resolve()
