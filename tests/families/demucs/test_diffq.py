from dataclasses import replace

import numpy as np
import pytest
from package_helpers import BIG, PARAMETERS, pack

from stemline.errors import DiffqError
from stemline.families.demucs.checkpoint.diffq import (
    DiffqState,
    QuantizedParameter,
    dequantize,
    unpack,
)


@pytest.mark.parametrize("length", [0, 1, 31, 33, 2047, 2048, 2049, 5000])
@pytest.mark.parametrize("n_bits", [1, 2, 14])
def test_numbers_come_back_from_planes_of_bits(length: int, n_bits: int) -> None:
    numbers = np.random.default_rng(length).integers(0, 1 << n_bits, length)
    assert unpack(pack(numbers.tolist(), n_bits), length).tolist() == numbers.tolist()


def test_planes_of_no_bits_are_zeros() -> None:
    assert unpack(np.zeros((1, 0, 32), np.int64), 3).tolist() == [0, 0, 0]


def test_a_bit_has_its_place() -> None:
    words = np.zeros((2, 3, 32), np.int64)
    words[1, 2, 5] = np.int64(-(1 << 63))  # the highest bit of a word
    numbers = unpack(words, 4096)
    assert np.flatnonzero(numbers).tolist() == [2048 + 63 * 32 + 5]
    assert numbers.max() == 1 << 2


@pytest.mark.parametrize(
    "planes",
    [
        np.zeros((16, 20), np.int16),  # torch_pack's
        np.zeros((1, 2, 16), np.int64),
        np.zeros((1, 2, 32), np.int32),
        np.zeros((2, 2, 32), np.int64),  # for 2049 numbers and more
        np.zeros((0, 2, 32), np.int64),
        np.zeros((1, 15, 32), np.int64),
    ],
)
def test_other_packings_are_refused(
    planes: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
) -> None:
    with pytest.raises(DiffqError):
        unpack(planes, 2048)


def state() -> DiffqState:
    levels: list[np.ndarray[tuple[int, ...], np.dtype[np.int64]] | None] = [None] * 14
    levels[1] = pack([0, 3, 1, 2, 3, 3], 2)
    levels[2] = pack([7, 0, 1, 6], 3)
    levels[13] = pack([16383, 8191], 14)
    big = QuantizedParameter(tuple(levels), -1.0, 2.0, pack([0, 1, 0, 0, 12, 1], 4))
    return DiffqState((big,), (np.array([0.25, 4.0], np.float32),), 8 * 4 / 2**20, 2, 2)


def test_levels_become_weights_between_low_and_high() -> None:
    weights = dequantize(state(), PARAMETERS)
    assert list(weights) == ["big", "small"]
    assert weights["big"].dtype == np.float32
    # float32 knows 1.2e-7 of a span of 3, and three roundings are made.
    np.testing.assert_allclose(weights["big"], BIG, atol=6e-7)
    assert weights["small"].tolist() == [0.25, 4.0]


def test_kept_and_quantised_parameters_are_told_apart_by_size_alone() -> None:
    assert state().max_kept_weights == 8
    swapped = list(reversed(PARAMETERS))
    assert dequantize(state(), swapped)["small"].tolist() == [0.25, 4.0]
    exactly = replace(state(), kept=(np.zeros(8, np.float32),))
    assert dequantize(exactly, [("big", (4, 3)), ("eight", (8,))])["eight"].shape == (8,)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([("big", (4, 3))], "1 parameters more than the network"),
        ([*PARAMETERS, ("more", (1,))], "more: the state has no whole parameter left"),
        ([*PARAMETERS, ("more", (9, 9))], "more: the state has no quantised parameter left"),
        ([("big", (4, 3)), ("small", (1, 2))], r"small: the state has \(2,\) here, the network"),
        ([("big", (3, 3)), ("small", (2,))], "big: 9 weights are no whole groups of 2"),
        ([("big", (4, 600)), ("small", (2,))], "big: .* does the configuration belong"),
    ],
)
def test_other_parameters_do_not_fit(
    parameters: list[tuple[str, tuple[int, ...]]], message: str
) -> None:
    with pytest.raises(DiffqError, match=message):
        dequantize(state(), parameters)


def changed(**changes: object) -> DiffqState:
    entry = replace(state().quantized[0], **changes)  # type: ignore[arg-type]
    return replace(state(), quantized=(entry,))


def test_a_group_of_15_bits_is_an_error_not_noise() -> None:
    with pytest.raises(DiffqError, match="big: it has groups of 15 bits, which the file does not"):
        dequantize(changed(bits=pack([0, 1, 0, 0, 13, 1], 4)), PARAMETERS)


def test_groups_without_levels_are_an_error() -> None:
    with pytest.raises(DiffqError, match="big: its groups of 2 bits are missing"):
        dequantize(changed(levels=(None,) * 14), PARAMETERS)


def test_levels_that_do_not_fit_their_groups_are_an_error() -> None:
    levels = list(state().quantized[0].levels)
    for planes, message in (
        (None, "its groups of 3 bits are missing"),
        (pack([7, 0, 1, 2], 2), "its groups of 3 bits have 2 planes"),
        (pack([7] * 2049, 3), "2 lines of 3 bits are not 4 numbers"),
    ):
        levels[2] = planes
        with pytest.raises(DiffqError, match=message):
            dequantize(changed(levels=tuple(levels)), PARAMETERS)


@pytest.mark.parametrize(
    "change",
    [{"group_size": 0}, {"min_bits": 0}, {"min_bits": 15}, {"min_size_mb": float("nan")}],
)
def test_options_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(DiffqError, match="must be"):
        replace(state(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(("low", "high"), [(1, 0), (0, float("nan")), (0, 1e39), (-1e300, 0)])
def test_a_range_that_is_none_is_refused(low: float, high: float) -> None:
    with pytest.raises(DiffqError, match="no range of weights"):
        changed(low=low, high=high)
