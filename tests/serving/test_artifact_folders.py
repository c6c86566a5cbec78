from pathlib import Path

import pytest
from demucs_track_helpers import gain_info, write_gains

from stemline.errors import UnknownModelError
from stemline.serving import artifact_folders as module
from stemline.serving.artifact_folders import artifact_folders
from stemline.serving.library import Library


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, a user's data folder, and a wheel's."""
    monkeypatch.delenv("STEMLINE_ARTIFACTS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(module, "_BUNDLED", tmp_path / "bundled")
    (tmp_path / "bundled").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def test_models_are_looked_for_here_then_in_the_users_data_then_in_the_wheel(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_user = home / "data" / "stemline" / "artifacts"
    assert artifact_folders() == (Path("artifacts"), of_user, home / "bundled")
    (home / "bundled").rmdir()
    assert artifact_folders() == (Path("artifacts"), of_user)
    # One that was chosen is the only one.
    monkeypatch.setenv("STEMLINE_ARTIFACTS", str(home / "env"))
    assert artifact_folders() == (home / "env",)
    assert artifact_folders("mine") == (Path("mine"),)


def test_the_first_folder_that_has_a_model_is_taken(home: Path) -> None:
    folders = artifact_folders()
    for index, names in enumerate((["one"], ["one", "two"], ["one", "two", "mini"])):
        for name in names:
            write_gains(folders[index], gain_info(name), [1.0] * 4)
    library = Library(folders)
    assert [model.name for model in library.models()] == ["mini.fp32", "one.fp32", "two.fp32"]
    for name, folder in zip(("one", "two.fp32", "mini"), folders, strict=True):
        (artifact,) = library.named(name).artifacts
        assert artifact.engine_path.is_relative_to(folder)


def test_what_ships_does_not_stand_in_for_what_a_user_exported(home: Path) -> None:
    folders = artifact_folders()
    write_gains(folders[2], gain_info("mini"), [1.0] * 4)
    assert Library(folders).find().info.model == "mini"
    write_gains(folders[0], gain_info("own"), [1.0] * 4)
    assert Library(folders).find().info.model == "own"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("htdemucs", "htdemucs is not exported in {}; export it with: stemline export htdemucs"),
        (
            "htdemucs.int8",
            "htdemucs.int8 is not exported in {}; export it with: stemline export htdemucs "
            "--variants int8",
        ),
        ("htdemocs", "no model 'htdemocs' in {}; did you mean htdemucs? there are mini.fp32"),
        ("mimi", "no model 'mimi' in {}; did you mean mini? there are mini.fp32"),
        ("xyz", "no model 'xyz' in {}; there are mini.fp32"),
    ],
)
def test_a_model_that_is_not_there_is_answered_with_the_folders_and_what_to_type(
    home: Path, name: str, says: str
) -> None:
    folders = artifact_folders()
    write_gains(folders[2], gain_info("mini"), [1.0] * 4)
    with pytest.raises(UnknownModelError) as raised:
        Library(folders).find(name)
    tried = f"{home / 'work' / 'artifacts'}, {folders[1]}, {folders[2]}"
    assert str(raised.value) == says.format(tried)


def test_where_nothing_is_exported_every_folder_is_named(home: Path) -> None:
    (home / "bundled").rmdir()
    with pytest.raises(UnknownModelError) as raised:
        Library(artifact_folders()).find()
    tried = f"{home / 'work' / 'artifacts'}, {home / 'data' / 'stemline' / 'artifacts'}"
    assert str(raised.value).startswith(f"nothing is exported in {tried}; stemline export mini ")


def test_whoever_asks_from_elsewhere_is_told_no_folder(home: Path) -> None:
    with pytest.raises(UnknownModelError) as raised:
        Library(artifact_folders(), where="on this server").find("xyz")
    assert str(raised.value) == "no model 'xyz' on this server; nothing is exported there"
