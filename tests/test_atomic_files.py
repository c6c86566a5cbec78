from pathlib import Path

import pytest

from stemline.atomic_files import replaced


def test_of_two_writers_the_last_to_end_wins(tmp_path: Path) -> None:
    path = tmp_path / "song.txt"
    with replaced(path) as first:
        with replaced(path) as second:
            assert first != second
            first.write_text("first")
            second.write_text("second")
            assert not path.exists()
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_named_by_the_file_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "none" / "song.txt"
    with pytest.raises(FileNotFoundError) as raised, replaced(path):
        pass
    assert raised.value.filename == str(path)
