"""The newcomer's story counts every file once, in an environment that knows nothing of us."""

from pathlib import Path

import pytest

from stemline.bench.studies.first_stem import clean_variables, sizes_mb


def test_sizes_are_those_of_all_files_below(tmp_path: Path) -> None:
    (tmp_path / "alone.py").write_bytes(bytes(500_000))
    (tmp_path / "package" / "below").mkdir(parents=True)
    (tmp_path / "package" / "one.so").write_bytes(bytes(1_000_000))
    (tmp_path / "package" / "below" / "two.so").write_bytes(bytes(2_000_000))
    assert sizes_mb(tmp_path) == {"alone.py": 0.5, "package": 3.0}


def test_the_newcomer_has_none_of_our_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMLINE_ARTIFACTS", "here")
    monkeypatch.setenv("PYTHONPATH", "here")
    monkeypatch.setenv("XDG_DATA_HOME", "here")
    found = clean_variables(tmp_path)
    assert "here" not in found.values()
    assert found["XDG_DATA_HOME"] == str(tmp_path / "data")
    assert "PATH" in found
