"""An array of rows whose number is not known in advance."""

import numpy as np
from numpy.typing import NDArray


class GrowingRows:
    """Rows in one array that doubles when it is full, so that each is copied once on the average.

    Those idle at its end have never been touched: memory that is lent by the page is not taken.
    """

    def __init__(self, n_columns: int) -> None:
        self._places = np.empty((0, n_columns), np.float32)
        self._n_rows = 0

    def append(self, rows: NDArray[np.float32]) -> None:
        """Append rows (n, n_columns)."""
        end = self._n_rows + len(rows)
        if end > len(self._places):
            grown = np.empty((max(end, 2 * len(self._places)), self._places.shape[1]), np.float32)
            grown[: self._n_rows] = self.rows
            self._places = grown
        self._places[self._n_rows : end] = rows
        self._n_rows = end

    @property
    def n_bytes(self) -> int:
        """What the rows so far take."""
        return self.rows.nbytes

    @property
    def rows(self) -> NDArray[np.float32]:
        """All rows so far, (n_rows, n_columns): a view that is valid until the next `append`."""
        return self._places[: self._n_rows]
