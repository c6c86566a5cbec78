from pathlib import Path

import pytest

from stemline.errors import ArtifactWriteError
from stemline.export.staging import staged_folder


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """The file of an artifact `x` that is there already."""
    (tmp_path / "x").mkdir()
    (tmp_path / "x/file").write_text("old")
    return tmp_path / "x/file"


def stop(monkeypatch: pytest.MonkeyPatch, *errors: BaseException | None) -> None:
    """Make the first renames end with these errors; None lets one through."""
    rename, left = Path.rename, list(errors)

    def stopped(self: Path, target: Path) -> Path:
        error = left.pop(0) if left else None
        if error is not None:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stopped)


def replace(root: Path) -> None:
    with staged_folder(root, "x") as folder:
        (folder / "file").write_text("new")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk"), SystemExit()])
def test_the_old_folder_is_put_back_when_the_new_one_cannot_take_its_place(
    error: BaseException, artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, None, error)
    with pytest.raises(ArtifactWriteError if isinstance(error, OSError) else type(error)):
        replace(tmp_path)
    assert artifact.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_interrupt_while_it_is_put_back_loses_nothing_either(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(monkeypatch, None, KeyboardInterrupt(), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        replace(tmp_path)
    assert not artifact.exists()
    with pytest.raises(KeyError), staged_folder(tmp_path, "x"):
        raise KeyError  # the next run, whatever becomes of it
    assert artifact.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
