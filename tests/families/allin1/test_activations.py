import numpy as np

from stemline.families.allin1.activations import downbeat_activations
from stemline.postprocessing.dbn import DownbeatTracker
from stemline.postprocessing.sigmoid import sigmoid


def test_probabilities_are_exact_at_the_ends_and_without_warning() -> None:
    with np.errstate(all="raise", under="ignore"):
        got = sigmoid(np.array([-1000.0, -np.inf, 0.0, np.inf, 1000.0]))
    np.testing.assert_array_equal(got, np.array([0, 0, 0.5, 1, 1], np.float32))


def test_the_columns_are_shares_of_beat_downbeat_and_neither() -> None:
    beat, downbeat = np.array([0.9, 0.8, 0.1, 0.2]), np.array([0.1, 0.7, 0.1, 0.6])
    got = downbeat_activations(np.log(beat / (1 - beat)), np.log(downbeat / (1 - downbeat)))
    other = np.maximum(1e-8, beat - downbeat)
    neither = 1 - (beat + downbeat) / 2
    wanted = np.stack([other, downbeat], axis=1) / (other + downbeat + neither)[:, np.newaxis]
    assert got.dtype == np.float32
    # Logits are rounded to float32, then some eight operations in it.
    np.testing.assert_allclose(got, wanted, rtol=2e-6)


def test_no_activation_is_impossible_however_sure_the_network_is() -> None:
    logits = np.array([-60.0, 60.0])
    got = downbeat_activations(np.repeat(logits, 2), np.tile(logits, 2))
    assert (got[:, 0] > 0).all() and (got.sum(axis=1) <= 1).all()


def test_a_network_that_is_sure_of_every_beat_is_heard() -> None:
    beat, downbeat = np.full(1200, -8.0), np.full(1200, -8.0)
    beat[20::50], downbeat[20::150] = 5.0, 5.0  # a downbeat is a beat too
    beats = DownbeatTracker(threshold=0.19)(downbeat_activations(beat, downbeat))
    np.testing.assert_array_equal(beats[:, 0], np.arange(20, 1200, 50) / 100)
    np.testing.assert_array_equal(beats[:, 1], np.arange(24) % 3 + 1)
