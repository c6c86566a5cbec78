"""The recipe of `mini`: everything that decides its weights."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Recipe:
    """The settings that decide the weights, with the kind of CPU."""

    steps: int = 9_500
    decay_steps: int = 5_500
    """The last steps, over which the learning rate falls; before them it is flat."""
    batch: int = 2
    """Examples of each worker in a step."""
    workers: int = 2
    learning_rate: float = 2.5e-3
    warm_up_steps: int = 50
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    songs: int = 600
    excerpt_s: float = 12.0
    """Seconds of each song, from a place its seed decides."""
    held_out_songs: int = 12
    """Number of songs that the log's decibels are measured on, while training."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.decay_steps <= self.steps:
            raise ValueError(
                f"decay-steps must be 1 to steps, {self.steps}; got {self.decay_steps}"
            )
        for name in ("batch", "workers", "songs", "held_out_songs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more; got {getattr(self, name)}")

    def same_until(self, other: "Recipe", step: int) -> bool:
        """Whether both do the same in the steps before `step`: from there on they may differ.

        Step `steps` − `decay_steps` is the last of the full rate: the fall begins after it.
        """
        lengths = {"steps": 1, "decay_steps": 1}
        if self == other:
            return True
        flat_steps = min(recipe.steps - recipe.decay_steps for recipe in (self, other))
        return replace(self, **lengths) == replace(other, **lengths) and step <= flat_steps + 1

    def rate_at(self, step: int) -> float:
        """Learning rate: up over the warm-up, flat, then down along half a cosine to 2 %."""
        if step < self.warm_up_steps:
            return self.learning_rate * (step + 1) / self.warm_up_steps
        done = (step - (self.steps - self.decay_steps)) / self.decay_steps
        fall = 0.5 + 0.5 * float(np.cos(np.pi * min(max(done, 0.0), 1.0)))
        return self.learning_rate * (0.02 + 0.98 * fall)
