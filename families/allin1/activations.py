"""All-In-One's logits of beats and downbeats to the activations that are decoded."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemline.postprocessing.sigmoid import sigmoid

# Below it a logarithm would make a frame in which the downbeat is the likelier impossible.
_LEAST = np.float32(1e-8)


def downbeat_activations(
    beat_logits: NDArray[Any], downbeat_logits: NDArray[Any]
) -> NDArray[np.float32]:
    """Logits of beats and downbeats (n_frames,) -> activations for DownbeatTracker (n_frames, 2).

    A downbeat is a beat too: the first column is b - d, a beat that is no downbeat, the second d.
    With (1 - b + 1 - d) / 2, neither, they are scaled to sum to 1; that third column is left
    out. All-In-One's `postprocess_metrical_structure`.
    """
    beat, downbeat = sigmoid(beat_logits), sigmoid(downbeat_logits)
    other_beat = np.maximum(_LEAST, beat - downbeat)
    neither = ((1 - beat) + (1 - downbeat)) / 2
    total = other_beat + downbeat + neither
    return np.asarray(np.stack([other_beat, downbeat], axis=1) / total[:, np.newaxis])
