"""How the tests of originals share cores: one each, and the longest files first."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from core_helpers import core_of, longest_first


@pytest.mark.parametrize(
    ("worker", "n_workers", "cores", "wanted"),
    [
        ("gw0", 2, [4, 7], 4),
        ("gw1", 2, [4, 7], 7),
        ("gw2", 3, [4, 7], None),  # more workers than cores: it goes where there is room
        ("gw0", 1, [4, 7], None),  # fewer: cores would idle
    ],
)
def test_a_worker_has_a_core_alone(
    worker: str, n_workers: int, cores: list[int], wanted: int | None
) -> None:
    assert core_of(worker, n_workers, cores) == wanted


def test_long_files_come_first_and_the_rest_stays_in_order() -> None:
    items: Any = [
        SimpleNamespace(path=Path(name), name=number)
        for number, name in enumerate(["a.py", "long.py", "b.py", "longest.py", "long.py"])
    ]
    longest_first(items, ["longest.py", "long.py"])
    assert [item.name for item in items] == [3, 1, 4, 0, 2]


def test_every_long_file_is_there() -> None:
    from oracles.conftest import LONGEST_FIRST

    folder = Path(__file__).parent / "oracles"
    assert [name for name in LONGEST_FIRST if not (folder / name).is_file()] == []
