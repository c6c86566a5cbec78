"""Matroska and WebM: whether the file is whole, which FFmpeg does not say (RFC 8794, RFC 9559)."""

from typing import BinaryIO, Final

from .byte_window import ByteWindow

_HEADER, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_KNOWN: Final = {
    # Of a segment: seek head, info, tracks, cues, attachments, chapters, tags.
    0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367,
    # Of a cluster: time, silent tracks, position, size of the one before, blocks.
    0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF,
    # Of both: padding and checksum.
    0xEC, 0xBF,
}  # fmt: skip
_LONGEST_HEAD: Final = 12
# An hour of packets; of films not all of the file. Behind these FFmpeg is believed.
_MOST_ELEMENTS: Final = 200_000
_MOST_BYTES: Final = 1 << 28


def matroska_fault(file: BinaryIO, start: int, end: int) -> str | None:
    """What is wrong with its elements, a sentence without its subject; None of any other file."""
    data = ByteWindow(file, end)
    at, is_inside = start, False
    for _ in range(_MOST_ELEMENTS):
        if at >= end or at - start > _MOST_BYTES:
            break
        head = data.at(at, _LONGEST_HEAD)
        name, at_size = _name(head)
        size, at_body = _size(head, at_size)
        if at == start and name != _HEADER:
            return None
        if is_inside and name == _HEADER:
            return f"holds another file of {end - at} bytes behind its sound, which is not read"
        if at > start and name not in _KNOWN | {_SEGMENT, _CLUSTER}:
            n_left = end - at if data.holds_more_than_blanks(at, end) else 0
            return (
                f"is damaged: {n_left} bytes before its end it does not go on" if n_left else None
            )
        at += at_body
        if size is not None and at + size > end:
            return f"ends early: {at + size - end} bytes that it announces are not there"
        is_inside = is_inside or name == _SEGMENT
        if name not in (_SEGMENT, _CLUSTER):
            at += size or 0
    return None


def _name(head: bytes) -> tuple[int, int]:
    """An element's, and how many bytes it has; 0 where none begins."""
    if not head or head[0] < 0x10:
        return 0, 1
    length = 9 - head[0].bit_length()
    return int.from_bytes(head[:length], "big"), length


def _size(head: bytes, at: int) -> tuple[int | None, int]:
    """Of an element's body, None where that is not known; and where the body begins.

    As many zero bits as there are more bytes, a one, and the number, of ones for an unknown one.
    """
    if at >= len(head) or head[at] == 0:
        return None, at + 1
    length = 9 - head[at].bit_length()
    most = (1 << 7 * length) - 1
    number = int.from_bytes(head[at : at + length], "big") & most
    return None if number == most else number, at + length
