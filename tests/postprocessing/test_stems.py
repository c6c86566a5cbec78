import numpy as np

from stemline.postprocessing.stems import residual, residual_name


def test_the_residual_is_what_the_stems_leave() -> None:
    random = np.random.default_rng(0)
    stems = random.standard_normal((3, 2, 100)).astype(np.float32)
    mixture = random.standard_normal((2, 100)).astype(np.float32)
    before = mixture.copy()
    rest = residual(mixture, stems)
    # A sum of four float32 numbers near 1.
    np.testing.assert_allclose(rest + stems.sum(axis=0), mixture, atol=1e-6)
    np.testing.assert_array_equal(mixture, before)


def test_without_stems_all_is_left() -> None:
    mixture = np.ones((2, 5), np.float32)
    np.testing.assert_array_equal(residual(mixture, np.zeros((0, 2, 5), np.float32)), mixture)


def test_its_name_tells_what_is_missing() -> None:
    assert residual_name(["vocals"]) == "no_vocals"
    assert residual_name(["vocals", "drums"]) == "residual"
