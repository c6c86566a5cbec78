import numpy as np
import pytest

from stemline.preprocessing.growing_rows import GrowingRows


@pytest.mark.parametrize("lengths", [[], [0], [1], [3, 0, 5], [64] * 9, [1] * 300, [7, 1000, 2]])
def test_rows_come_back_in_order(lengths: list[int]) -> None:
    wanted = np.random.default_rng(0).random((sum(lengths), 5)).astype(np.float32)
    growing = GrowingRows(5)
    for part in np.split(wanted, np.cumsum(lengths)[:-1]) if lengths else []:
        growing.append(part)
        assert len(growing.rows) <= len(wanted)
    np.testing.assert_array_equal(growing.rows, wanted, strict=True)


def test_growing_copies_each_row_about_once() -> None:
    growing = GrowingRows(1)
    row = np.zeros((1, 1), np.float32)
    n_moved, address = 0, 0
    for n_rows in range(10_000):
        growing.append(row)
        begins = growing.rows.ctypes.data
        n_moved += n_rows if begins != address else 0
        address = begins
    # Copied when there were 1, 2, 4, … 8192: fewer than twice as many in all.
    assert n_moved < 20_000
