import json
from dataclasses import replace

import numpy as np
import pytest
from helpers import snr_db as snr_of_the_tests

from stemline.errors import ParityError
from stemline.evaluation.parity import Parity, at_golden, compare, sample_output, snr_db
from stemline.evaluation.quality import Quality, StemQuality
from stemline.evaluation.signal import music_like
from stemline.export.card import Card, card_from_json
from stemline.export.precisions import find_precision


def noise(*shape: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_an_error_of_a_thousandth_is_sixty_decibels() -> None:
    wanted = noise(2, 1000)
    got = wanted + np.float32(1e-3) * noise(2, 1000, seed=1)
    assert snr_db(wanted, got) == pytest.approx(60, abs=0.5)  # two noises of 2000 draws
    assert snr_db(wanted, got) == pytest.approx(snr_of_the_tests(wanted, got), abs=0.01)


def test_snr_of_equal_of_silent_and_of_broken_signals() -> None:
    one, zero = np.ones((1, 4), np.float32), np.zeros((1, 4), np.float32)
    assert snr_db(one, one) == np.inf
    assert snr_db(zero, zero) == np.inf
    assert snr_db(zero, one) == -np.inf
    assert np.isnan(snr_db(one, one * np.float32(np.nan)))


def test_each_stem_is_compared_on_its_own() -> None:
    wanted = noise(3, 2, 4, 8, 8)
    got = wanted.copy()
    got[2, 1] += 0.5  # one row of the second stem
    first, second = compare("stems", ("a", "b"), wanted, got, 3)
    assert (first.stem, first.snr_db, first.max_abs) == ("a", np.inf, 0)
    assert (second.stem, second.batch) == ("b", 3)
    assert second.max_abs == pytest.approx(0.5, abs=1e-6)
    assert second.snr_db < 15


def test_golden_values_are_found_again_and_hold_the_loudest() -> None:
    reference = noise(3, 4, 32, 32)
    reference[1, 2, 3, 4] = 100
    golden = sample_output(reference, 3, seed=5)
    assert golden.values.size <= 4096
    assert np.array_equal(at_golden(reference, golden), golden.values)
    assert golden.values[1].max() == 100
    assert all(np.all(np.diff(row) >= 0) for row in golden.positions)


def test_a_signal_is_the_same_each_time_differs_by_seed_and_channel_and_does_not_clip() -> None:
    signal = music_like(44100, 44100, seed=3)
    assert signal.shape == (2, 44100) and signal.dtype == np.float32
    assert np.array_equal(signal, music_like(44100, 44100, seed=3))
    assert snr_db(signal, music_like(44100, 44100, seed=4)) < 3
    assert 0.5 < np.abs(signal).max() < 1
    assert snr_db(signal[:1], signal[1:]) < 40


BUDGET = find_precision("fp32").budgets["separate"]
CARD = Card(
    reference="pytorch",
    budget_db=70.0,
    parity=(Parity("stems", "a", 1, 1e-5, 90.0), Parity("stems", "b", 1, 0.0, float("inf"))),
    node_dtypes={"float32": 1.0},
    weight_dtypes={"float32": 1.0},
    size_bytes=10,
    seconds=2.0,
    reference_seconds=5.0,
    machine={"cpu": "x", "threads": 1},
    versions={"torch": "2"},
)


def test_a_card_survives_json_infinity_included() -> None:
    assert card_from_json(CARD.to_json()) == CARD
    assert CARD.to_json()["latency_ratio"] == 2.5
    CARD.check("x.fp32", BUDGET)


QUALITY = Quality((1, 2), 3.0, 4, (StemQuality("a", 9.0, 12.0, 2),))


def test_a_card_keeps_the_quality_and_one_of_before_it_was_measured_has_none() -> None:
    card = replace(CARD, quality=QUALITY)
    values = json.loads(json.dumps(card.to_json(), allow_nan=False))
    assert card_from_json(values).quality == QUALITY
    assert values["quality"]["mean_improvement_db"] == 12.0
    assert CARD.to_json()["quality"] is None
    skipped = replace(CARD, quality_skipped="it takes an hour")
    assert card_from_json(skipped.to_json()) == skipped
    with pytest.raises(TypeError, match="quality_skipped is text"):
        card_from_json({**values, "quality_skipped": None})
    del values["quality"], values["quality_skipped"]
    assert card_from_json(values) == CARD


@pytest.mark.parametrize("snr", [69.9, float("nan"), float("-inf")])
def test_a_stem_below_the_budget_fails_the_card_and_is_named(snr: float) -> None:
    card = replace(CARD, parity=(*CARD.parity, Parity("stems", "c", 3, 1.0, snr)))
    with pytest.raises(ParityError, match=r"x.fp32: stem 'c' .* at batch 3; the budget is 70 dB"):
        card.check("x.fp32", BUDGET)
