"""Tags that programs put before and behind any kind of audio."""


def tag_bytes(head: bytes, left: int) -> int:
    """The length of the tag that begins with these bytes; 0 where none does.

    `head` is at least 32 bytes where there are as many, `left` all that are left of the file.
    Known are ID3 (id3.org), its version 1 at the end, APE and Lyrics3.
    """
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        footer = 10 if head[5] & 0x10 else 0
        return min(left, 10 + size + footer)
    if head[:8] == b"APETAGEX" and len(head) >= 32:
        is_header = head[23] & 0x20
        size = int.from_bytes(head[12:16], "little")
        return min(left, size + 32 if is_header else 32)
    if head[:3] == b"TAG" and left <= 128 + 227:
        return left
    if head[:11] == b"LYRICSBEGIN":
        return left
    return 0
