from typing import final

import numpy as np
from numpy.typing import NDArray

def instruction_sets() -> tuple[str, ...]: ...

@final
class Space:
    def __init__(
        self,
        intervals: NDArray[np.int32],
        heads: NDArray[np.int32],
        sources: NDArray[np.int32],
        offsets: NDArray[np.int32],
        weights: NDArray[np.float64],
        log_initial: float,
    ) -> None: ...
    def workspace_size(self, n_frames: int) -> int: ...
    def best_path(
        self,
        log_densities: NDArray[np.float64],
        workspace: NDArray[np.float64],
        instruction_set: str,
        exact: bool,
    ) -> tuple[float, NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], bool]: ...
