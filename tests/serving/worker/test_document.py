"""The session in docs/worker.md is what a worker says."""

import json
from pathlib import Path
from typing import Any

from demucs_track_helpers import gain_info, write_gains
from worker_helpers import WorkerProcess, write_noise

PAGE = Path(__file__).parents[3] / "docs" / "worker.md"
STEMS = ("drums", "bass", "other", "vocals")
EVENT = {"id", "event", "fraction", "left_s"}


def lines_of_session() -> list[tuple[str, str]]:
    """Each line as (mark, text); those that were broken for the page are put together."""
    session = PAGE.read_text().split("## A session")[1].split("```")[1]
    found: list[tuple[str, str]] = []
    for line in session.strip().splitlines():
        if line[0] in "→←":
            found.append((line[0], line[1:].strip()))
        else:
            mark, text = found.pop()
            found.append((mark, f"{text} {line.strip()}"))
    return found


def differences(said: Any, found: Any, where: str = "") -> list[str]:
    """Where an answer is not as the page has it; measured numbers and digests are any."""
    if isinstance(said, dict) and isinstance(found, dict):
        if list(said) != list(found):
            return [f"{where}: {list(said)} but {list(found)}"]
        return [one for key in said for one in differences(said[key], found[key], f"{where}.{key}")]
    if isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        pairs = enumerate(zip(said, found, strict=True))
        return [one for index, two in pairs for one in differences(*two, f"{where}[{index}]")]
    if where.endswith("sha256"):
        return [] if isinstance(found, str) else [where]
    if isinstance(said, float) and isinstance(found, int | float):
        return []
    return [] if said == found else [f"{where}: {said!r} but {found!r}"]


def test_the_session_of_the_page_is_what_a_worker_says(tmp_path: Path) -> None:
    write_gains(tmp_path / "artifacts", gain_info("mini", stems=STEMS), (0.5, 0.25, -1.0, 0.1))
    write_noise(tmp_path / "song.wav", 3)
    session = lines_of_session()
    assert len(session) > 15
    options = ("--memory-mb", "4000")
    with WorkerProcess(tmp_path / "artifacts", *options, cwd=tmp_path) as worker:
        for mark, text in session:
            if mark == "→":
                worker.write(text)
                continue
            said = json.loads(text)
            if "event" in said:
                assert set(said) == EVENT
                continue
            assert differences(said, worker.answer(said["id"])) == []
        assert worker.exit_code() == 0


def test_every_parameter_is_on_the_page(tmp_path: Path) -> None:
    page = PAGE.read_text()
    with WorkerProcess(tmp_path) as worker:
        for method in ("separate", "beats", "analyze", "load_model"):
            error = worker.error(method, **{"no such parameter": 1, "file": "x"})
            names = error["message"].split("fields are: ")[1].split(", ")
            assert len(names) >= 1
            for name in names:
                assert f"`{name}`" in page, f"{name} of {method}"
        error = worker.error("no such method")
        for name in error["message"].split("there are ")[1].split(", "):
            assert f"**`{name}`**" in page, name
