"""Blocks that are read twice: from where they came, or from what was kept of them."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stemline.arrays import Array
from stemline.preprocessing.rereadable import Rereadable

_OPEN_FILES = Path("/proc/self/fd")


def blocks_of(lengths: list[int], channels: int = 2) -> list[Array]:
    random = np.random.default_rng(2)
    return [random.standard_normal((channels, n)).astype(np.float32) for n in lengths]


def assert_blocks(got: list[Array], wanted: list[Array]) -> None:
    assert len(got) == len(wanted)
    for ours, theirs in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def spooled_files(folder: Path) -> list[str]:
    """Open files without a name that lie in a folder."""
    found = []
    for link in _OPEN_FILES.iterdir():
        try:
            target = os.readlink(link)
        except OSError:  # the one that lists the folder
            continue
        if target.startswith(f"{folder}/") and target.endswith("(deleted)"):
            found.append(target)
    return found


@pytest.fixture
def spool_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files of the test go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("in_memory_bytes", [1, 1000, 1 << 20], ids=["file", "both", "memory"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_an_iterator_can_be_read_again_and_again(in_memory_bytes: int, channels: int) -> None:
    blocks = blocks_of([300, 0, 1, 77, 1024], channels)
    with Rereadable(iter(blocks), in_memory_bytes) as again:
        for _ in range(3):
            assert_blocks(list(again), blocks)


def test_a_long_one_goes_to_a_file_that_is_gone_when_closed(spool_folder: Path) -> None:
    if not _OPEN_FILES.is_dir():
        pytest.skip("open files are listed on Linux alone")
    again = Rereadable(iter(blocks_of([500] * 10)), in_memory_bytes=10_000)
    first = iter(again)
    for _ in range(2):
        next(first)
    assert spooled_files(spool_folder) == []  # 8 kB are kept in memory
    list(first)
    assert len(spooled_files(spool_folder)) == 1
    assert list(spool_folder.iterdir()) == []  # it has no name, so nothing is left by a crash
    again.close()
    assert spooled_files(spool_folder) == []


def test_what_can_be_read_again_is_and_nothing_is_kept(spool_folder: Path) -> None:
    class Twice:
        n_times = 0

        def __iter__(self) -> Iterator[Array]:
            self.n_times += 1
            yield from blocks_of([10_000] * 4)

    source = Twice()
    with Rereadable(source, in_memory_bytes=1) as again:
        for _ in range(2):
            assert_blocks(list(again), blocks_of([10_000] * 4))
        assert source.n_times == 2
        if _OPEN_FILES.is_dir():
            assert spooled_files(spool_folder) == []


def test_a_list_is_read_again_too() -> None:
    blocks = blocks_of([5, 6])
    again = Rereadable(blocks)
    for _ in range(2):
        assert all(got is block for got, block in zip(again, blocks, strict=True))


def test_what_goes_wrong_in_the_first_reading_comes_out() -> None:
    def failing() -> Iterator[Array]:
        yield from blocks_of([4])
        raise OSError("the disk went away")

    with Rereadable(failing()) as again:
        first = iter(again)
        assert next(first).shape == (2, 4)
        with pytest.raises(OSError, match="the disk went away"):
            next(first)


def test_blocks_come_as_they_are_read_and_not_before() -> None:
    """Stems of a stream that still comes in may not wait for a whole read-ahead."""
    given = []

    def counted() -> Iterator[Array]:
        for block in blocks_of([3, 3]):
            given.append(block)
            yield block

    with Rereadable(counted()) as again:
        first = iter(again)
        assert given == []
        next(first)
        assert len(given) == 1


def test_samples_of_another_layout_are_kept_as_they_are() -> None:
    """Interleaved memory, as decoders give it."""
    block = np.arange(12, dtype=np.float32).reshape(6, 2).T
    assert not block.flags.c_contiguous
    with Rereadable(iter([block])) as again:
        list(again)
        assert_blocks(list(again), [block])
