"""Bytes become lines wherever reads end; a line too long takes no memory."""

import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from stemline.serving.worker.lines import LongLine, lines_of

MOST = 10


def read(parts: list[bytes]) -> list[bytes | None]:
    """The lines of what is written part by part; None for one that is too long."""
    reading, writing = os.pipe()

    def write() -> None:
        for part in parts:
            os.write(writing, part)
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    found = [None if isinstance(one, LongLine) else one for one in lines_of(reading, MOST)]
    writer.join()
    os.close(reading)
    return found


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"a\nbc\n", [b"a", b"bc"]),
        (b"a\nbc", [b"a", b"bc"]),
        (b"\n\na", [b"", b"", b"a"]),
        (b"x" * MOST + b"\ny\n", [b"x" * MOST, b"y"]),
        (b"x" * (MOST + 1) + b"\ny\n", [None, b"y"]),
        (b"y\n" + b"x" * (MOST + 1), [b"y", None]),
        (b"x" * 3 * MOST + b"\n" + b"z" * 2 * MOST + b"\ny", [None, None, b"y"]),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_lines_are_whole_wherever_reads_end(
    content: bytes, lines: list[bytes | None], step: int
) -> None:
    assert read([content[i : i + step] for i in range(0, len(content), step)]) == lines


def test_a_line_of_any_length_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "long"
    with path.open("wb") as file:
        file.truncate(200_000_000)
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast")
    descriptor = os.open(path, os.O_RDONLY)
    tracemalloc.start()
    found = list(lines_of(descriptor))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    os.close(descriptor)
    assert isinstance(found[0], LongLine) and found[1:] == [b"last"]
    assert peak < 5_000_000
