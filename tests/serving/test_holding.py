"""What a track says that it holds is what it holds."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from beat_helpers import FACTS, RATE, ClickEngine, click_separator
from helpers import gain_separator, in_blocks, music, tiny_info

from stemline.errors import LimitError
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.separator import Separator


class Held:
    """Takes note, and has room for `most` bytes of memory."""

    def __init__(self, most: float = float("inf")) -> None:
        self.parts: dict[str, int] = {}
        self.on_disk = 0
        self._most = most

    def memory(self, part: str, n_bytes: int) -> None:
        self.parts[part] = n_bytes
        if sum(self.parts.values()) > self._most:
            raise LimitError("no room")

    def disk(self, part: str, n_bytes: int) -> None:
        self.on_disk = n_bytes


def chunked(root: Path) -> Separator:
    return gain_separator(tiny_info(n_fft=4096, hop_samples=1024, n_frames=128))


def reading_twice(root: Path) -> Separator:
    info = tiny_info(n_fft=4096, hop_samples=1024, n_frames=128)
    return gain_separator(replace(info, track_level=True))


@pytest.mark.parametrize("make", [chunked, reading_twice])
def test_a_separation_holds_what_it_says(make: Callable[[Path], Separator], tmp_path: Path) -> None:
    """Half to one and a half times of it: buffers of a block or a chunk come besides."""
    samples = music(20 * 44100)
    audio = AudioFormat(44100, 2, samples.shape[1])
    with_blocks = list(in_blocks(samples, 1 << 16))
    separator, held = make(tmp_path), Held()
    try:
        list(separator.stream(with_blocks[:2], audio))  # what is made once
        tracemalloc.start()
        with separator.stream(iter(with_blocks), audio, holding=held) as separation:
            for _ in separation:
                pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        separator.close()
    said = sum(held.parts.values())
    assert 0.5 * said < peak < 1.5 * said


def test_what_is_kept_moves_from_memory_to_the_disk(tmp_path: Path) -> None:
    held, separator = Held(), gain_separator(replace(tiny_info(), track_level=True))
    samples = music(200 * 44100)
    blocks = list(in_blocks(samples, 1 << 16))
    with separator.stream(iter(blocks), AudioFormat(44100, 2, None), holding=held) as separation:
        next(separation)
        assert held.parts["kept"] == 0
        assert samples.nbytes < held.on_disk < 1.001 * samples.nbytes
    separator.close()


@pytest.mark.parametrize(("most", "said"), [(10_000, {"stems"}), (200_000, {"stems", "inputs"})])
def test_no_room_ends_a_track_at_its_first_piece(most: float, said: set[str]) -> None:
    separator, held = gain_separator(), Held(most)
    samples = music(44100)
    with (
        pytest.raises(LimitError, match="no room"),
        separator.stream([samples], AudioFormat(44100, 2, 44100), holding=held) as separation,
    ):
        next(separation)
    assert set(held.parts) == said
    separator.close()


def test_the_features_of_a_beat_network_count_as_they_come() -> None:
    """81 bands of each of four stems, a hundred times a second, in float32."""
    held, separator = Held(), click_separator()
    tracker = BeatTracker(ClickEngine(), FACTS, separator)
    samples = music(30 * RATE, sample_rate_hz=RATE)
    with tracker.stream([samples], AudioFormat(RATE, 2, None), holding=held) as analysis:
        for _ in analysis:
            pass
    # The frames of the last second come when there are no more samples.
    assert held.parts["features"] == pytest.approx(30 * 100 * 4 * 81 * 4, rel=0.03)
    assert {"stems", "inputs", "outputs"} < set(held.parts)
    full = Held(most=sum(held.parts.values()) - 1_000_000)
    with (
        pytest.raises(LimitError, match="no room"),
        tracker.stream([samples], AudioFormat(RATE, 2, None), holding=full) as analysis,
    ):
        for _ in analysis:
            pass
    tracker.close()
    separator.close()
