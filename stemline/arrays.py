"""The arrays that travel between the folders. It imports numpy alone, so any folder may use it."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
"""Samples, spectrograms and what networks make of them; shapes stand where they are used."""
Arrays = Mapping[str, Array]
"""Inputs or outputs of an engine, by their names."""
