"""What the tests of the face share: the exported models' stems, and the beats of the track."""

import numpy as np
from beat_helpers import click_times

from stemline.serving.jobs import Beats

RATE = 44100
ORDER = ("drums", "bass", "other", "vocals")
"""The stems of `tiny`."""
BEATS = click_times(8, 120, 4)
"""Time in seconds and place in the bar."""


def assert_beats(found: Beats) -> None:
    """Those of the track; the network's logits follow loudness, so a frame may be the next one."""
    times_s, places = zip(*BEATS, strict=True)
    np.testing.assert_allclose([beat.time_s for beat in found.beats], times_s, atol=0.015)
    assert tuple(beat.position for beat in found.beats) == places
