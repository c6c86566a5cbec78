import numpy as np
from numpy.typing import NDArray

FRAME_SAMPLES: int

def power_spectra(
    samples: NDArray[np.float32], hop_samples: int, out: NDArray[np.float32]
) -> None: ...
