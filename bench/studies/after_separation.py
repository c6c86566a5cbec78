"""What is left of `beats` when stems are there and the network costs nothing."""

from collections.abc import Callable

import numpy as np

from stemline.arrays import Array, Arrays
from stemline.engines import BeatInfo, EngineSpec, TensorSpec
from stemline.engines.base import BATCH, FRAMES
from stemline.engines.beat_info import BEAT, DOWNBEAT, FUNCTION, SECTION, SPECTROGRAM
from stemline.postprocessing.sections import HARMONIX_LABELS
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.jobs import Beats

STEMS = ("bass", "drums", "other", "vocals")
_INFO = BeatInfo("allin1", STEMS, HARMONIX_LABELS, best_threshold_downbeat=0.19)


class PreparedEngine:
    """An engine whose outputs for any spectrogram are the logits it was made with."""

    def __init__(self, logits: dict[str, Array]) -> None:
        """By name: `beat`, `downbeat`, `section` (n_frames,), `function` (10, n_frames)."""
        self._outputs = {name: values[np.newaxis] for name, values in logits.items()}

    @property
    def spec(self) -> EngineSpec:
        """The inputs and outputs of an All-In-One network."""
        frames, n_labels = (BATCH, FRAMES), len(_INFO.labels)
        return EngineSpec(
            name="prepared",
            inputs=(TensorSpec(SPECTROGRAM, "float32", (BATCH, len(STEMS), FRAMES, _INFO.n_bins)),),
            outputs=(
                *(TensorSpec(name, "float32", frames) for name in (BEAT, DOWNBEAT, SECTION)),
                TensorSpec(FUNCTION, "float32", (BATCH, n_labels, FRAMES)),
            ),
            provider="prepared",
            device="cpu",
        )

    def run(self, inputs: Arrays) -> dict[str, Array]:
        """The logits. Raises ValueError for another number of frames."""
        n_frames = inputs[SPECTROGRAM].shape[2]
        if self._outputs[BEAT].shape[1] != n_frames:
            raise ValueError(
                f"the logits are of {self._outputs[BEAT].shape[1]} frames, the stems of {n_frames}"
            )
        return self._outputs

    def close(self) -> None:
        """Nothing is held."""


def beats_of_stems(
    stems: Array, activations: Array, boundaries: Array, labels: Array
) -> Callable[[], Beats]:
    """The whole call on stems (4, channels, n_samples) of 44.1 kHz in memory.

    `activations` (n_frames, 2) are of beats that are no downbeats and of downbeats; `boundaries`
    (n_frames,) and `labels` (10, n_frames) are logits.
    """
    downbeat = activations[:, 1].astype(np.float64)
    beat = np.minimum(activations[:, 0] + downbeat, 1 - 1e-6)
    prepared = {
        BEAT: np.log(beat / (1 - beat)).astype(np.float32),
        DOWNBEAT: np.log(downbeat / (1 - downbeat)).astype(np.float32),
        SECTION: boundaries,
        FUNCTION: labels,
    }
    tracker = BeatTracker(PreparedEngine(prepared), _INFO)
    by_name = dict(zip(STEMS, stems, strict=True))
    return lambda: tracker.track_stems(by_name, _INFO.sample_rate_hz)
