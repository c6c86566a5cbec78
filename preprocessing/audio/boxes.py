"""MP4, M4A and QuickTime: whether more follows the boxes of the file (ISO/IEC 14496-12)."""

from typing import BinaryIO

from .behind import is_name
from .byte_window import ByteWindow
from .part import MOST_CHUNKS
from .tags import tag_bytes

_HEAD_BYTES = 32


def boxes_fault(file: BinaryIO, start: int, end: int) -> str | None:
    """What is wrong with them, a sentence without its subject; None of any other file."""
    data = ByteWindow(file, end)
    at = start
    for _ in range(MOST_CHUNKS):
        head = data.at(at, _HEAD_BYTES)
        if at == start and head[4:8] != b"ftyp":
            return None
        if at > start and head[4:8] == b"ftyp":
            return f"holds another file of {end - at} bytes behind its sound, which is not read"
        size = _size(head, end - at)
        if at + size > end:
            return f"ends early: {at + size - end} bytes that it announces are not there"
        if not size:
            break
        at += size
    else:
        return None
    if not data.holds_more_than_blanks(at, end):
        return None
    return f"has {end - at} bytes behind its sound that are no part of it, which are not read"


def _size(head: bytes, left: int) -> int:
    """Of a box with its head, or of a tag; 0 where neither begins."""
    if tag := tag_bytes(head, left):
        return tag
    if len(head) < 8 or not is_name(head[4:8].replace(b"\xa9", b"c")):
        return 0
    size = int.from_bytes(head[:4], "big")
    if size == 1:  # the size is behind the name
        return int.from_bytes(head[8:16], "big")
    return left if size == 0 else size if size >= 8 else 0
