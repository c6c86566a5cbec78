"""The arrays that travel between the folders. It imports numpy alone, so any folder may use it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
"""Samples, spectrograms and what networks make of them; shapes stand where they are used."""
Tokens = NDArray[np.int64]
"""Texts as a vocabulary's ids, (batch, n_tokens)."""
Arrays = Mapping[str, NDArray[Any]]
"""Inputs or outputs of an engine, by their names, each of its own dtype: an `Array` or `Tokens`."""
