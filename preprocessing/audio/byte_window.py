"""A file's bytes by their place, for what looks at a few at a time and goes on."""

from typing import BinaryIO, Final

WINDOW_BYTES: Final = 1 << 20


class ByteWindow:
    """Read in blocks, so that a look at the next bytes costs neither a read nor a seek."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        """Nothing is read yet; nothing from `end` on will be."""
        self._file = file
        self.end = end
        self._start, self._block = 0, b""

    def at(self, place: int, size: int) -> bytes:
        """The bytes from a place on; fewer only at the end, none behind it."""
        if place >= self.end:  # whoever follows lengths that a file announces may land anywhere
            return b""
        size = min(size, self.end - place)
        offset = place - self._start
        if offset < 0 or offset + size > len(self._block):
            self._start = max(0, place - _BEHIND_BYTES) if self._block else place
            offset = place - self._start
            self._file.seek(self._start)
            self._block = self._file.read(
                min(offset + max(size, WINDOW_BYTES), self.end - self._start)
            )
        return self._block[offset : offset + size]

    def holds_more_than_blanks(self, start: int, end: int, *, text: bool = False) -> bool:
        """Whether there is anything but padding: zeros and white space; with `text`, ASCII."""
        blanks = _TEXT if text else _PADDING
        for at in range(start, min(end, self.end), _LOOK_BYTES):
            if self.at(at, min(_LOOK_BYTES, end - at)).strip(blanks):
                return True
        return False


# Kept before the place that is read for: who looks ahead and comes back does not read twice.
_BEHIND_BYTES: Final = 1 << 14
_LOOK_BYTES: Final = WINDOW_BYTES // 2
_PADDING: Final = b"\0 \r\n\t"
_TEXT: Final = _PADDING + bytes(range(0x20, 0x7F))
