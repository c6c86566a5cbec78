"""How good a separated stem is: SI-SDR, and its improvement over the mixture's.

Le Roux, Wisdom, Erdogan and Hershey, "SDR – half-baked or well done?" (ICASSP 2019), eq. 5. The
channels of a stem are taken as one signal, and no mean is removed.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

SILENT_RMS = 1e-4
"""A stem quieter than this (−80 dB of full scale) is silence: no ratio to it means anything."""


def si_sdr_db(estimate: ArrayLike, reference: ArrayLike) -> float:
    """The scale-invariant signal-to-distortion ratio of two signals of one shape.

    With a = ⟨estimate, reference⟩ / ‖reference‖², it is
    10 · log10(‖a · reference‖² / ‖estimate − a · reference‖²). Infinite where the estimate is a
    multiple of the reference, −inf where it has nothing of it, NaN where the reference is silent.
    """
    given, wanted = _flat(estimate), _flat(reference)
    if given.shape != wanted.shape:
        raise ValueError(
            f"SI-SDR wants two signals of one length; got {given.size} and {wanted.size} samples"
        )
    if is_silent(wanted):
        return float("nan")
    power = float(wanted @ wanted)
    target = (float(given @ wanted) / power) * wanted
    error = given - target
    found, lost = np.float64(target @ target), np.float64(error @ error)
    if found == 0:  # also for an estimate of zeros, where the ratio would be 0 / 0
        return float("-inf")
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(found / lost))


def si_sdr_improvement_db(estimate: ArrayLike, reference: ArrayLike, mixture: ArrayLike) -> float:
    """SI-SDR of the estimate minus that of the mixture taken for the stem; NaN for silence."""
    return si_sdr_db(estimate, reference) - si_sdr_db(mixture, reference)


def is_silent(reference: ArrayLike) -> bool:
    """Whether a stem has nothing that a separation could be measured by."""
    signal = _flat(reference)
    return signal.size == 0 or float(np.sqrt(signal @ signal / signal.size)) < SILENT_RMS


def _flat(signal: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(signal, np.float64).reshape(-1)
