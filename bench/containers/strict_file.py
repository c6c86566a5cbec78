"""A file in memory that is as strict as one on a disk."""

import io


class StrictFile(io.BytesIO):
    """Refuses to read a negative number of bytes, which `BytesIO` takes as all there are."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As a buffered file reads. Raises ValueError as that does."""
        if size is not None and size < -1:
            raise ValueError("read length must be non-negative or -1")
        return super().read(size)
