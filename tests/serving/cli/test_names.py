"""Where the command writes what, over a tiny exported network."""

from pathlib import Path

import pytest
import soundfile
from cli_helpers import RATE, separate
from helpers import music


def write_song(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, music(3000, seed=seed).T, RATE, format="WAV")
    return path


def files_below(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())


@pytest.mark.parametrize("name", ["...wav", "..wav", ".wav"])
def test_no_name_of_an_input_leads_out_of_its_own_folder(
    artifacts: Path, tmp_path: Path, name: str
) -> None:
    write_song(tmp_path / "in" / name)
    done = separate(artifacts, tmp_path / "in" / name, "-o", tmp_path / "x" / "out")
    assert done.returncode == 0, done.stderr
    assert files_below(tmp_path / "x") == [f"out/{name}/instrumental.wav", f"out/{name}/vocals.wav"]
