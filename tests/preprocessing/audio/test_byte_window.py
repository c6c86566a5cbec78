"""Bytes by their place, and how often the file is read for them."""

import io

import numpy as np

from stemline.bench.containers.strict_file import StrictFile
from stemline.preprocessing.audio.byte_window import WINDOW_BYTES, ByteWindow


class CountedFile(io.BytesIO):
    n_reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.n_reads += 1
        return super().read(size)


def test_the_bytes_of_every_place_are_the_files() -> None:
    random = np.random.default_rng(0)
    data = random.bytes(3 * WINDOW_BYTES + 17)
    end = len(data) - 5
    window = ByteWindow(StrictFile(data), end)
    for place in (0, 5, WINDOW_BYTES - 3, WINDOW_BYTES + 2, 7, end - 1, end, end + 9):
        for size in (0, 1, 100, WINDOW_BYTES + 1):
            assert window.at(place, size) == data[place : min(end, place + size)]


def test_looking_ahead_and_coming_back_reads_once() -> None:
    file = CountedFile(bytes(2 * WINDOW_BYTES))
    window = ByteWindow(file, 2 * WINDOW_BYTES)
    window.at(0, 10)
    for place in range(WINDOW_BYTES - 100, WINDOW_BYTES, 10):
        window.at(place, 4)
        window.at(place + 5000, 4)
    assert file.n_reads == 2


def test_padding_is_no_sound_and_text_only_where_it_is_meant() -> None:
    def holds_more(data: bytes, *, text: bool = False) -> bool:
        return ByteWindow(io.BytesIO(data), len(data)).holds_more_than_blanks(
            0, len(data), text=text
        )

    assert not holds_more(b"\0 \r\n\t" * WINDOW_BYTES)
    assert holds_more(bytes(WINDOW_BYTES) + b"\1")
    assert holds_more(b"ICY 200 OK\r\n")
    assert not holds_more(b"ICY 200 OK\r\n~", text=True)
    assert holds_more(b"ICY 200 OK\x7f", text=True)
