"""Run in madmom's environment: its features, activations and beats of signals in an npz file.

`python madmom_downbeats.py IN OUT`: IN has signals of 44.1 kHz by name, (n_samples,) or (n_samples,
channels); OUT gets `NAME/features`, `NAME/activations`, `NAME/beats` and `NAME/seconds`.
"""

import sys
import time
import warnings

warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
from madmom.audio.signal import Signal  # noqa: E402
from madmom.features.downbeats import (  # noqa: E402
    DBNDownBeatTrackingProcessor,
    RNNDownBeatProcessor,
)

found = {}
with np.load(sys.argv[1]) as given:
    for name in given.files:
        # Anew for each: it keeps the window of the first signal, scaled by the type of its samples.
        features_of, networks, without_none = RNNDownBeatProcessor().processors
        times = [time.process_time()]
        features = features_of(Signal(given[name], sample_rate=44100))
        times.append(time.process_time())
        activations = without_none(networks(features))
        times.append(time.process_time())
        beats = DBNDownBeatTrackingProcessor(beats_per_bar=[3, 4], fps=100)(activations)
        times.append(time.process_time())
        found[f"{name}/features"] = np.asarray(features)
        found[f"{name}/activations"] = activations
        found[f"{name}/beats"] = beats
        found[f"{name}/seconds"] = np.diff(times)
np.savez(sys.argv[2], **found)
