"""Damage by chance: what disks, networks, editors and attackers do to a file's bytes."""

import struct
from collections.abc import Callable
from typing import Final

import numpy as np

_EXTREMES: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEADER_BYTES: Final = 512
Random = np.random.Generator
Mutation = Callable[[bytes, Random], bytes]


def _span(data: bytes, random: Random, most_share: float = 0.3) -> tuple[int, int]:
    """A stretch of a byte up to a share of the file, short ones as likely as long ones."""
    most = max(2, int(len(data) * most_share))
    size = int(np.exp(random.uniform(0, np.log(most))))
    start = int(random.integers(0, max(1, len(data) - size)))
    return start, start + size


def flip_bytes(data: bytes, random: Random) -> bytes:
    """One to forty bytes anywhere."""
    damaged = bytearray(data)
    for place in random.integers(0, len(data), int(random.integers(1, 41))):
        damaged[place] ^= int(random.integers(1, 256))
    return bytes(damaged)


def flip_header_bits(data: bytes, random: Random) -> bytes:
    """One to four bits of the first bytes."""
    damaged = bytearray(data)
    for place in random.integers(0, min(_HEADER_BYTES, len(data)), int(random.integers(1, 5))):
        damaged[place] ^= 1 << int(random.integers(0, 8))
    return bytes(damaged)


def set_header_field(data: bytes, random: Random) -> bytes:
    """A field of 1, 2 or 4 bytes of the first ones at an extreme, in either order."""
    size, code = ((1, "B"), (2, "H"), (4, "I"))[int(random.integers(0, 3))]
    value = int(_EXTREMES[int(random.integers(0, len(_EXTREMES)))]) & ((1 << 8 * size) - 1)
    place = int(random.integers(0, min(_HEADER_BYTES, len(data) - size)))
    packed = struct.pack(("<", ">")[int(random.integers(0, 2))] + code, value)
    return data[:place] + packed + data[place + size :]


def delete(data: bytes, random: Random) -> bytes:
    """A stretch is gone."""
    start, end = _span(data, random)
    return data[:start] + data[end:]


def duplicate(data: bytes, random: Random) -> bytes:
    """A stretch is there twice."""
    start, end = _span(data, random)
    return data[:end] + data[start:]


def zero(data: bytes, random: Random) -> bytes:
    """A stretch is zeros, as a sparse download leaves it."""
    start, end = _span(data, random)
    return data[:start] + bytes(end - start) + data[end:]


def overwrite(data: bytes, random: Random) -> bytes:
    """A stretch is noise."""
    start, end = _span(data, random)
    return data[:start] + random.bytes(end - start) + data[end:]


def truncate(data: bytes, random: Random) -> bytes:
    """The end is gone."""
    return data[: int(random.integers(1, len(data)))]


def behead(data: bytes, random: Random) -> bytes:
    """The beginning is gone."""
    return data[int(np.exp(random.uniform(0, np.log(len(data) * 0.6)))) :]


def insert_junk(data: bytes, random: Random) -> bytes:
    """Noise, zeros or text somewhere in it."""
    size = int(np.exp(random.uniform(0, np.log(20_000))))
    junk = (random.bytes(size), bytes(size), (b"not audio\r\n" * size)[:size])
    place = int(random.integers(0, len(data) + 1))
    return data[:place] + junk[int(random.integers(0, 3))] + data[place:]


def append_junk(data: bytes, random: Random) -> bytes:
    """Noise, zeros or text behind it."""
    size = int(random.integers(1, 20_000))
    junk = (random.bytes(size), bytes(size), (b"not audio\r\n" * size)[:size])
    return data + junk[int(random.integers(0, 3))]


def swap_blocks(data: bytes, random: Random) -> bytes:
    """Two stretches of one length have changed places."""
    size = int(np.exp(random.uniform(0, np.log(len(data) / 4))))
    first = int(random.integers(0, len(data) // 2 - size))
    second = int(random.integers(len(data) // 2, len(data) - size))
    return (
        data[:first]
        + data[second : second + size]
        + data[first + size : second]
        + data[first : first + size]
        + data[second + size :]
    )


MUTATIONS: Final[tuple[Mutation, ...]] = (
    flip_bytes,
    flip_header_bits,
    set_header_field,
    delete,
    duplicate,
    zero,
    overwrite,
    truncate,
    behead,
    insert_junk,
    append_junk,
    swap_blocks,
)
