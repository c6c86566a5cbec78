"""Matroska and WebM: whether the file holds all of its segment (RFC 8794, RFC 9559)."""

from typing import BinaryIO, Final

_SEGMENT: Final = bytes.fromhex("18538067")
_MAGIC: Final = bytes.fromhex("1a45dfa3")


def missing_bytes(file: BinaryIO, start: int, end: int) -> int:
    """How many bytes its segment says there are behind the file's end; 0 for any other file."""
    file.seek(start)
    head = file.read(4096)
    if not head.startswith(_MAGIC):
        return 0
    header = _size(head, 4)
    if header is None:
        return 0
    at = header[0] + header[1]
    if head[at : at + 4] != _SEGMENT:
        return 0
    segment = _size(head, at + 4)
    return 0 if segment is None else max(0, start + segment[0] + segment[1] - end)


def _size(head: bytes, at: int) -> tuple[int, int] | None:
    """Where an element's body begins, and its size; None where that is not known.

    As many zero bits as there are more bytes, a one, and the number, of ones for an unknown one.
    """
    if at >= len(head) or head[at] == 0:
        return None
    length = 9 - head[at].bit_length()
    number = int.from_bytes(head[at : at + length], "big") & (1 << 7 * length) - 1
    if number == (1 << 7 * length) - 1:
        return None
    return at + length, number
