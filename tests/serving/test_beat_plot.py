"""The picture of beats: what is drawn can be seen, told apart and read."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contrast import contrast, rgb

from stemline.postprocessing.sections import Section
from stemline.serving.beat_plot import WAVE, Waveform, draw_beats, plot_beats
from stemline.serving.jobs import Beat, Beats
from stemline.serving.section_colours import section_colour

pytest.importorskip("matplotlib")

USUAL = ("intro", "verse", "chorus", "verse", "chorus", "bridge", "solo", "outro")
OWN = ("a label of one's own, and a long one", "$x$_y", *(f"part {i}" for i in range(30)))


def waveform(duration_s: float, level: float = 1.0) -> Waveform:
    """A track as loud as that from the first to the last sample."""
    outline = np.full(round(duration_s * 50), level, np.float32)
    return Waveform(-outline, outline, 0.02, duration_s)


def found_in(duration_s: float, bpm: float, labels: tuple[str, ...]) -> Beats:
    """Even beats in bars of four, and sections of one length."""
    times_s = np.arange(0.25, duration_s - 0.1, 60 / bpm) if bpm else np.empty(0)
    edges_s = np.linspace(0, duration_s, len(labels) + 1)
    return Beats(
        bpm=bpm or None,
        beats=tuple(Beat(float(time_s), i % 4 + 1) for i, time_s in enumerate(times_s)),
        segments=tuple(
            Section(float(begin_s), float(end_s), label)
            for begin_s, end_s, label in zip(edges_s[:-1], edges_s[1:], labels, strict=True)
        ),
        duration_s=duration_s,
        seconds={},
    )


CASES = {
    "short": ("song.wav", 8.0, 120.0, USUAL[:3]),
    "one frame": ("x.wav", 0.02, 0.0, ("start",)),
    "ten minutes": ("song.wav", 600.0, 174.0, USUAL * 3),
    "many sections": ("song.wav", 90.0, 128.0, (*USUAL, *OWN) * 2),
    "a long name": ("so long a name " * 30 + ".wav", 70.0, 120.0, USUAL),
    "silence": ("silence.wav", 20.0, 0.0, ()),
}


def texts(figure: Any) -> list[Any]:
    """All that can be read in a picture."""
    from matplotlib.text import Text

    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text() and _in_view(text)
    ]


def _in_view(text: Any) -> bool:
    """Not the number of a tick outside the axes, which is never drawn."""
    axes = text.axes
    if axes is None or text not in axes.get_xticklabels():
        return True
    low, high = sorted(axes.get_xlim())
    return bool(low <= text.get_position()[0] <= high)


@pytest.mark.parametrize("case", CASES)
def test_no_text_lies_on_another_or_leads_out_of_the_picture(case: str) -> None:
    name, duration_s, bpm, labels = CASES[case]
    figure = draw_beats(name, waveform(duration_s), found_in(duration_s, bpm, labels))
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    assert len(boxes) >= 4
    for (one, box), (other, its) in combinations(boxes, 2):
        assert not box.overlaps(its), (one, other)
    for text, box in boxes:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width, text
        assert box.y0 >= 0 and box.y1 <= figure.bbox.height, text


@pytest.mark.parametrize("case", CASES)
def test_every_label_is_named_in_its_colour(case: str) -> None:
    from matplotlib.colors import to_hex

    name, duration_s, bpm, labels = CASES[case]
    figure = draw_beats(name, waveform(duration_s), found_in(duration_s, bpm, labels))
    (legend,) = figure.legends
    shown = {
        text.get_text(): to_hex(patch.get_facecolor())
        for text, patch in zip(legend.get_texts()[2:], legend.get_patches(), strict=True)
    }
    assert shown == {label: section_colour(label) for label in labels}


def pixels(path: Path, beats: Beats, loud: Waveform) -> np.ndarray:
    from matplotlib import image

    plot_beats(path, "song", loud, beats)
    return np.asarray(image.imread(path))[:, :, :3]


@pytest.mark.parametrize("bpm", [60.0, 117.3, 215.0])
def test_every_beat_is_seen_in_a_track_that_is_loud_throughout(tmp_path: Path, bpm: float) -> None:
    beats = found_in(60.0, bpm, ("verse",))
    drawn = pixels(tmp_path / "song.png", beats, waveform(60.0))
    is_wave = (np.abs(drawn - rgb(WAVE)) < 0.01).all(axis=2)
    line = drawn[int(np.argmax(is_wave.sum(axis=1))) + 60]  # well inside the waveform
    seen = np.array([contrast(pixel, rgb(WAVE)) for pixel in line]) >= 3
    inside = np.flatnonzero((np.abs(line - rgb(WAVE)) < 0.01).all(axis=1))
    seen = seen[inside[0] : inside[-1] + 1]
    n_lines = int(np.count_nonzero(np.diff(seen.astype(int)) == 1))
    assert n_lines == len(beats.beats)


def test_a_label_has_one_colour_in_the_pictures_of_two_songs(tmp_path: Path) -> None:
    quiet = waveform(60.0, level=0.0)
    one = pixels(tmp_path / "one.png", found_in(60.0, 0, ("verse", "chorus")), quiet)
    other = pixels(tmp_path / "other.png", found_in(60.0, 0, ("hook", "chorus", "verse")), quiet)
    for label in ("verse", "chorus"):
        for picture in (one, other):
            there = (np.abs(picture - rgb(section_colour(label))) < 0.01).all(axis=2)
            # The strip over the waveform, not the legend alone.
            assert np.count_nonzero(there) > 5000, label


def test_a_title_and_a_label_are_text_and_no_formula() -> None:
    figure = draw_beats("$a_b$.wav", waveform(8.0), found_in(8.0, 120.0, ("$x$_y",)))
    read = [text.get_text() for text in texts(figure)]
    assert "$a_b$.wav: 120.0 bpm, 16 beats, 4 downbeats" in read
    assert read.count("$x$_y") == 2
    assert not any(text.get_parse_math() for text in texts(figure) if "$" in text.get_text())


def test_one_beat_is_said_in_the_singular() -> None:
    beats = found_in(0.5, 120.0, ("verse",))
    figure = draw_beats("x.wav", waveform(0.5), beats)
    assert "1 beat, 1 downbeat" in figure.get_suptitle()
