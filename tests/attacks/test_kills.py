"""The attack: SIGKILL at random moments of commands, exports and servers.

Here some of them; `python -m stemline.bench.attack.kills` has hundreds.
"""

from pathlib import Path

import pytest

from stemline.bench.attack.kill_subjects import Subject
from stemline.bench.attack.kills import SERVE, SHARES, kill_all, shares_of

FEW = {"folder": 4, "piped": 3, "remote": 2, SERVE: 3}


def test_nothing_half_is_under_a_final_name_and_the_next_run_removes_what_is_left(
    tmp_path: Path,
) -> None:
    outcomes = kill_all(FEW, 13, tmp_path)
    assert {name: outcome.wrong for name, outcome in outcomes.items()} == {name: [] for name in FEW}
    assert {name: outcome.kills for name, outcome in outcomes.items()} == FEW
    assert sum(outcome.with_parts for outcome in outcomes.values()) >= 3  # or it killed too late
    assert all(outcome.runs for name, outcome in outcomes.items() if name != SERVE)


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """A command that writes two files."""
    folder = tmp_path / "out"
    folder.mkdir()
    found = Subject("x", [], folder)
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(b"whole")
    found.learn()
    return found


def test_a_half_file_is_found_and_one_that_is_left(subject: Subject) -> None:
    """What the long form rests on: it would find what it looks for."""
    assert subject.wrong_when_killed() == subject.wrong_when_done() == []
    (subject.folder / "a.wav").unlink()
    assert subject.wrong_when_killed() == []
    assert subject.wrong_when_done() == ["a.wav is missing after a run"]
    (subject.folder / "a.wav").write_bytes(b"who")
    assert subject.wrong_when_killed() == ["a.wav is not whole"]
    (subject.folder / "a.wav").write_bytes(b"whole")
    (subject.folder / "a.wav.0123abcd.part").write_bytes(b"who")
    assert subject.wrong_when_killed() == [] and len(subject.left()) == 1
    assert subject.wrong_when_done() == ["a.wav.0123abcd.part is left after a run"]
    (subject.folder / "a.wav.half").write_bytes(b"who")
    assert subject.wrong_when_killed() == ["a.wav.half is not whole"]


@pytest.mark.parametrize("n_kills", [30, 100, 300, 1000])
def test_kills_are_shared_and_none_is_lost(n_kills: int) -> None:
    shares = shares_of(n_kills)
    assert sum(shares.values()) == n_kills and set(shares) == set(SHARES)
    assert min(shares.values()) >= 1
