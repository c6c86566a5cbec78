"""The recipe of `mini-beats`: everything that decides its weights."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Recipe:
    """The settings that decide the weights, with the exported `mini` and the kind of CPU."""

    songs: int = 100
    window_s: float = 60.0
    """Seconds of each song, from a place its seed decides."""
    cycles: int = 5
    """How often the learning rate falls; each cycle begins with the weights of the one before."""
    steps: int = 450
    """Steps of each cycle but the last."""
    last_steps: int = 300
    """Steps of the last cycle, which comes after those and begins lower."""
    batch: int = 1
    crop_frames: int = 2560
    """Frames of a song in a step: as many as the widest attention spans, or a little more."""
    learning_rate: float = 3e-3
    last_rate: float = 1e-3
    """The highest learning rate of the last cycle."""
    warm_up_steps: int = 50
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    validation_songs: int = 8
    """Number of songs that the log's figures are measured on."""
    threshold_songs: int = 12
    """Number of songs that the decoder's threshold is chosen on."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (
            "songs",
            "cycles",
            "steps",
            "last_steps",
            "batch",
            "crop_frames",
            "validation_songs",
            "threshold_songs",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more; got {getattr(self, name)}")
        if not self.window_s * 100 >= self.crop_frames:
            raise ValueError(
                f"crop_frames must fit in window_s, {self.window_s:g} s; got {self.crop_frames}"
            )

    def steps_of(self, cycle: int) -> int:
        """Steps of one cycle, 0 to `cycles`, which is the last."""
        return self.steps if cycle < self.cycles else self.last_steps

    def same_but_for_length(self, other: "Recipe") -> bool:
        """Whether both do the same in the cycles before the last that both have."""
        lengths = {"cycles": 1, "last_steps": 1, "last_rate": 1.0, "threshold_songs": 1}
        return replace(self, **lengths) == replace(other, **lengths)  # type: ignore[arg-type]

    def rate_at(self, cycle: int, step: int) -> float:
        """Learning rate: in each cycle up over the warm-up, then down half a cosine to 2 %."""
        highest = self.learning_rate if cycle < self.cycles else self.last_rate
        if step < self.warm_up_steps:
            return highest * (step + 1) / self.warm_up_steps
        done = (step - self.warm_up_steps) / max(1, self.steps_of(cycle) - self.warm_up_steps)
        return highest * (0.02 + 0.98 * (0.5 + 0.5 * float(np.cos(np.pi * done))))
