import csv
import errno
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import in_blocks, music

from stemline.atomic_files import replaced
from stemline.errors import EncodingError, MissingExtraError
from stemline.families.beats import BeatActivations
from stemline.postprocessing.sections import Section
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.beat_files import (
    beats_csv,
    beats_json,
    beats_text,
    tempo_words,
    write_activations,
    write_text,
)
from stemline.serving.beat_plot import plot_beats, waveform_of
from stemline.serving.click_track import (
    BEAT_HZ,
    CLICK_GAIN,
    CLICK_S,
    DOWNBEAT_HZ,
    TRACK_GAIN,
    Clicks,
    check_click_track,
    click,
    click_format,
    write_click_track,
)
from stemline.serving.jobs import Beat, Beats

FOUND = Beats(
    bpm=120.0,
    beats=(Beat(0.57, 4), Beat(1.07, 1), Beat(1.58, 2)),
    # 57 · 441 / 44100 is not 0.57 in floats.
    segments=(
        Section(0.0, 1.0700000000000003, "intro"),
        Section(1.0700000000000003, 2.0, "verse, quiet"),
    ),
    duration_s=2.0,
    seconds={"engine": 1.0},
)
NOTHING = Beats(
    bpm=None, beats=(), segments=(Section(0.0, 0.5, "start"),), duration_s=0.5, seconds={}
)


def test_text_is_a_line_a_beat_as_mir_eval_reads_it() -> None:
    assert beats_text(FOUND) == "0.570\t4\n1.070\t1\n1.580\t2\n"
    assert beats_text(NOTHING) == ""


def test_csv_has_every_event_in_order_of_time() -> None:
    assert beats_csv(FOUND) == (
        "event,start,end,value\n"
        "tempo,0.000,2.000,120.0\n"
        "section,0.000,1.070,intro\n"
        "beat,0.570,,4\n"
        'section,1.070,2.000,"verse, quiet"\n'
        "beat,1.070,,1\n"
        "beat,1.580,,2\n"
    )
    assert list(csv.reader(io.StringIO(beats_csv(NOTHING)))) == [
        ["event", "start", "end", "value"],
        ["section", "0.000", "0.500", "start"],
    ]


def test_json_has_the_documented_shape_and_no_rounding_errors() -> None:
    assert json.loads(json.dumps(beats_json(FOUND), allow_nan=False)) == {
        "bpm": 120.0,
        "beats": [
            {"time": 0.57, "position": 4},
            {"time": 1.07, "position": 1},
            {"time": 1.58, "position": 2},
        ],
        "downbeats": [1.07],
        "segments": [
            {"start": 0.0, "end": 1.07, "label": "intro"},
            {"start": 1.07, "end": 2.0, "label": "verse, quiet"},
        ],
    }
    assert beats_json(NOTHING) == {
        "bpm": None,
        "beats": [],
        "downbeats": [],
        "segments": [{"start": 0.0, "end": 0.5, "label": "start"}],
    }


def test_a_tempo_that_drifts_has_its_range_and_a_steady_one_has_none() -> None:
    drifting = replace(FOUND, bpm=118.4, bpm_range=(116.0, 121.2))
    assert beats_json(drifting)["bpm_range"] == [116.0, 121.2]
    assert "bpm_range" not in beats_json(FOUND)
    assert tempo_words(drifting) == "118.4 bpm (116.0 to 121.2)"
    assert (tempo_words(FOUND), tempo_words(NOTHING)) == ("120.0 bpm", "no tempo")


@pytest.mark.parametrize(
    ("rate_hz", "block_samples"), [(8000, 1), (8000, 100), (44100, 997), (48000, 1 << 16)]
)
def test_clicks_begin_at_the_sample_of_their_beat(rate_hz: int, block_samples: int) -> None:
    n_samples = 2 * rate_hz
    clicks = Clicks(FOUND.beats, rate_hz)
    silence = np.zeros((2, n_samples), np.float32)
    mixed = np.concatenate([clicks.mixed(b) for b in in_blocks(silence, block_samples)], axis=1)
    wanted = np.zeros(n_samples + rate_hz)
    for beat in FOUND.beats:
        start = round(beat.time_s * rate_hz)
        sound = click(DOWNBEAT_HZ if beat.position == 1 else BEAT_HZ, rate_hz)
        if start < n_samples:
            wanted[start : start + len(sound)] = sound
    np.testing.assert_array_equal(mixed, np.stack([wanted[:n_samples].astype(np.float32)] * 2))
    # A sine begins at 0: the first sample that moves is the one after.
    assert int(np.flatnonzero(mixed[0])[0]) == round(0.57 * rate_hz) + 1


@pytest.mark.parametrize("frequency_hz", [BEAT_HZ, DOWNBEAT_HZ])
def test_a_click_is_a_short_sine_of_its_pitch_that_dies_away(frequency_hz: float) -> None:
    sound = click(frequency_hz, 44100)
    assert len(sound) == CLICK_S * 44100
    assert sound[0] == 0
    assert abs(sound[-1]) < 1e-6
    assert CLICK_GAIN * 0.9 < np.abs(sound).max() <= CLICK_GAIN
    spectrum = np.abs(np.fft.rfft(sound, 44100))  # bins of 1 Hz
    # The main lobe of 40 ms is wide, its summit is where the pitch is.
    assert abs(int(spectrum.argmax()) - frequency_hz) < 10


def test_the_track_is_under_the_clicks_and_full_scale_does_not_clip() -> None:
    loud = np.where(np.arange(44100 * 2) // 50 % 2, -1, 1)[None].astype(np.float32)
    mixed = Clicks(FOUND.beats, 44100).mixed(loud)
    assert np.abs(mixed).max() <= 1.0
    np.testing.assert_array_equal(mixed[:, :25000], TRACK_GAIN * loud[:, :25000])


def test_beats_at_either_end_and_close_together_are_all_heard() -> None:
    beats = (Beat(0.0, 1), Beat(0.001, 2), Beat(0.999, 3), Beat(1.0, 4), Beat(7.0, 1))
    mixed = Clicks(beats, 1000).mixed(np.zeros((1, 1000), np.float32))
    low, high = click(BEAT_HZ, 1000), click(DOWNBEAT_HZ, 1000)
    wanted = np.zeros(1100, np.float32)
    wanted[:40] += high
    wanted[1:41] += low
    wanted[999:1039] += low
    np.testing.assert_array_equal(mixed[0], wanted[:1000])


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_click_track_is_as_long_as_its_track(tmp_path: Path, channels: int) -> None:
    track = 0.1 * music(90001, channels)
    path = tmp_path / "click.FLAC"
    audio = AudioFormat(44100, channels, track.shape[1])
    write_click_track(path, in_blocks(track, 7000), audio, FOUND.beats)
    info = soundfile.info(path)
    assert (info.format, info.samplerate, info.frames) == ("FLAC", 44100, 90001)
    assert info.channels == min(channels, 2)
    if channels <= 2:
        got = soundfile.read(path, dtype="float32", always_2d=True)[0].T
        wanted = Clicks(FOUND.beats, 44100).mixed(track)
        np.testing.assert_allclose(got, wanted, atol=2.0**-16)  # half a step of 16 bits


def test_a_click_track_of_an_unknown_kind_is_refused_before_any_work() -> None:
    assert click_format(Path("a.mp3")).container == "mp3"
    for name in ("clicks", "clicks.ogg"):
        with pytest.raises(EncodingError, match="wav, flac or mp3"):
            click_format(Path(name))


@pytest.mark.parametrize("rate_hz", [8000, 44100, 65_537, 96_000, 655_350, 768_000])
@pytest.mark.parametrize("container", ["wav", "flac", "mp3"])
def test_a_click_track_is_refused_beforehand_exactly_where_it_would_be(
    tmp_path: Path, container: str, rate_hz: int
) -> None:
    path = tmp_path / f"click.{container}"
    audio = AudioFormat(rate_hz, 6, 3000)  # 6 channels become 2, which MP3 has
    track = [np.zeros((6, 3000), np.float32)]

    def is_refused(work: Callable[[], None]) -> bool:
        try:
            work()
        except EncodingError:
            return True
        return False

    beforehand = is_refused(lambda: check_click_track(path, audio))
    assert beforehand == is_refused(lambda: write_click_track(path, track, audio, FOUND.beats))
    assert beforehand == (
        (container == "mp3" and rate_hz != 44100)  # 8 kHz has no 192 kbit/s
        or (container == "flac" and rate_hz in (65_537, 768_000))
    )


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "song.beats"
    with pytest.raises(OSError, match="No space left") as raised, replaced(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as a write does: of no name
    assert raised.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


def test_a_click_track_that_fails_half_way_leaves_no_file(tmp_path: Path) -> None:
    def blocks():
        yield music(1000)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_click_track(
            tmp_path / "click.wav", blocks(), AudioFormat(44100, 2, None), FOUND.beats
        )
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_whole_or_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "song.beats"
    write_text(path, beats_text(FOUND))
    with pytest.raises(RuntimeError), replaced(path) as part:
        part.write_text("half of")
        raise RuntimeError
    assert path.read_bytes() == b"0.570\t4\n1.070\t1\n1.580\t2\n"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        write_text(tmp_path, "")


def test_activations_come_back_from_their_file(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    beat, downbeat, section = random.random((3, 50)).astype(np.float32)
    function = random.random((2, 50)).astype(np.float32)
    given = BeatActivations(beat, downbeat, section, function, ("verse", "chorus"), 100.0)
    write_activations(tmp_path / "song.activations", given)
    with np.load(tmp_path / "song.activations", allow_pickle=False) as read:
        for name in ("beat", "downbeat", "section", "function"):
            np.testing.assert_array_equal(read[name], getattr(given, name))
        assert tuple(read["labels"]) == given.labels
        assert read["frame_rate_hz"] == 100.0


@pytest.mark.parametrize("block_samples", [1, 441, 5000])
@pytest.mark.parametrize("n_samples", [1, 881, 882, 883, 10_000])
def test_an_outline_has_the_extremes_of_every_stretch(n_samples: int, block_samples: int) -> None:
    samples = music(n_samples)
    found = waveform_of(in_blocks(samples, block_samples), 44100)
    assert found.duration_s == n_samples / 44100
    assert found.stretch_s == 882 / 44100
    stretches = np.split(samples, range(882, n_samples, 882), axis=1)
    np.testing.assert_array_equal(found.low, [part.min() for part in stretches])
    np.testing.assert_array_equal(found.high, [part.max() for part in stretches])


@pytest.mark.parametrize("found", [FOUND, NOTHING])
def test_a_plot_is_a_png_with_a_row_a_minute(tmp_path: Path, found: Beats) -> None:
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("matplotlib.image")
    outline = waveform_of([0.1 * music(8000 * 3, sample_rate_hz=8000)], 8000)
    heights = []
    for minutes in (1, 3):
        long = replace(outline, duration_s=60.0 * minutes)
        plot_beats(tmp_path / "song.png", "song", long, found)
        heights.append(image.imread(tmp_path / "song.png").shape[0])
    assert heights == [320, 700]
    assert [path.name for path in tmp_path.iterdir()] == ["song.png"]


def test_lines_of_beats_are_drawn_where_they_are(tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image")
    quiet = waveform_of([np.zeros((1, 80000), np.float32)], 8000)  # 10 s

    def columns(beats: tuple[Beat, ...]) -> np.ndarray:
        found = replace(NOTHING, beats=beats)
        plot_beats(tmp_path / "song.png", "song", quiet, found)
        return image.imread(tmp_path / "song.png")[60:200, :, :3].mean(axis=0)

    plain = columns(())
    places = []
    for time_s in (2.0, 5.0, 8.0):
        drawn = columns((Beat(time_s, 1),))
        places.append(float(np.flatnonzero(np.abs(drawn - plain).sum(axis=1) > 0.1).mean()))
    # Equal steps of time are equal steps across, within a pixel either way.
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=2)
    assert places[0] < places[1] < places[2]


def test_a_plot_without_matplotlib_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match="pip install"):
        plot_beats(tmp_path / "x.png", "x", waveform_of([music(10)], 44100), FOUND)
