"""Networks that hear the mixture and tell no sections: no separator, and nothing made up."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from beat_helpers import FACTS, RATE, ClickEngine, click_mixture, click_separator, click_times
from helpers import in_blocks, music
from mixture_beat_helpers import MIXTURE_FACTS, MixtureClickEngine, write_random_madmom
from typer.testing import CliRunner, Result

from stemline.engines import BeatInfo
from stemline.engines.typed_json import from_json
from stemline.errors import ArtifactError, AudioError, RequestError
from stemline.families import beat_decoder
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.beat_features import MIXTURE
from stemline.serving.beat_files import beats_csv, beats_json, write_activations
from stemline.serving.beat_plot import plot_beats, waveform_of
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.cli.beats import beats

DURATION_S = 12.0
FRAME_S = 0.01
WANTED = click_times(DURATION_S, 120, 4)


@pytest.fixture
def tracker() -> BeatTracker:
    return BeatTracker(MixtureClickEngine(), MIXTURE_FACTS)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [RATE, 48000, 22050])
def test_a_mixture_of_any_rate_is_heard_without_a_separator(
    tracker: BeatTracker, rate_hz: int, channels: int
) -> None:
    assert not tracker.needs_separator
    found = tracker.track(click_mixture(WANTED, (), (), DURATION_S, rate_hz, channels), rate_hz)
    assert [beat.position for beat in found.beats] == [position for _, position in WANTED]
    np.testing.assert_allclose(
        [beat.time_s for beat in found.beats],
        [time_s for time_s, _ in WANTED],
        # Of the network's own rate clicks are exactly on frames.
        atol=1e-9 if rate_hz == RATE else FRAME_S,
    )
    assert found.bpm == 120
    assert found.segments == ()
    assert found.duration_s == pytest.approx(DURATION_S)


@pytest.mark.parametrize("beats_per_bar", [3, 4])
def test_bars_of_three_and_four_are_told_apart(tracker: BeatTracker, beats_per_bar: int) -> None:
    wanted = click_times(DURATION_S, 100, beats_per_bar)
    found = tracker.track(click_mixture(wanted, (), (), DURATION_S), RATE)
    assert [beat.position for beat in found.beats] == [position for _, position in wanted]


@pytest.mark.parametrize("block_samples", [997, 1 << 16])
def test_blocks_that_come_once_give_what_the_whole_gives(
    tracker: BeatTracker, block_samples: int
) -> None:
    mixture = click_mixture(WANTED, (), (), DURATION_S, 48000)
    whole = tracker.track(mixture, 48000, with_activations=True)
    seen: list[tuple[int, int | None]] = []
    found = tracker.track_blocks(
        in_blocks(mixture, block_samples),
        AudioFormat(48000, 2, None),
        with_activations=True,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert found == whole
    assert found.activations is not None and whole.activations is not None
    np.testing.assert_array_equal(found.activations.beat, whole.activations.beat)
    assert seen[-1][1] is None
    assert seen[-1][0] == pytest.approx(mixture.shape[1], abs=2)  # of another rate, rounded


def test_the_mixture_may_come_by_its_name_and_stems_may_not(tracker: BeatTracker) -> None:
    mixture = click_mixture(WANTED, (), (), DURATION_S)
    assert tracker.track_stems({MIXTURE: mixture}, RATE) == tracker.track(mixture, RATE)
    with pytest.raises(RequestError, match="there is no mixture, only drums"):
        tracker.track_stems({"drums": mixture}, RATE)
    with pytest.raises(AudioError, match="mixture"):
        tracker.track_stems({MIXTURE: np.full((1, 9), np.nan, np.float32)}, RATE)


def test_stems_that_are_wanted_besides_do_not_change_the_beats(tracker: BeatTracker) -> None:
    separator = click_separator()
    both = tracker.with_separator(separator)
    mixture = click_mixture(WANTED, (), (), DURATION_S)
    assert both.track(mixture, RATE) == tracker.track(mixture, RATE)
    separator.close()


@pytest.mark.parametrize("n_samples", [1, 440, 441, 442, 3 * RATE])
def test_silence_and_the_shortest_tracks_have_no_beats(
    tracker: BeatTracker, n_samples: int
) -> None:
    found = tracker.track(np.zeros((2, n_samples), np.float32), RATE)
    assert (found.beats, found.bpm, found.segments) == ((), None, ())
    assert found.duration_s == pytest.approx(-(-n_samples // 441) * FRAME_S)


def test_activations_are_the_networks_and_of_sections_there_are_none(tracker: BeatTracker) -> None:
    mixture = click_mixture(WANTED, (), (), DURATION_S)
    given = tracker.track(mixture, RATE, with_activations=True).activations
    assert given is not None
    frames = [round(time_s / FRAME_S) for time_s, position in WANTED if position == 1]
    assert np.flatnonzero(given.downbeat > 0.5).tolist() == frames
    assert (given.section.shape, given.function.shape) == ((0,), (0, 1200))
    assert given.labels == ()
    assert given.frame_rate_hz == 100


def test_files_hold_beats_and_no_sections(tracker: BeatTracker, tmp_path: Path) -> None:
    mixture = click_mixture(WANTED, (), (), DURATION_S)
    found = tracker.track(mixture, RATE, with_activations=True)
    rows = list(csv.reader(io.StringIO(beats_csv(found))))
    assert rows[1] == ["tempo", "0.000", "12.000", "120.0"]
    assert {row[0] for row in rows[2:]} == {"beat"}
    assert beats_json(found)["segments"] == []
    assert found.activations is not None
    write_activations(tmp_path / "song.npz", found.activations)
    with np.load(tmp_path / "song.npz", allow_pickle=False) as read:
        np.testing.assert_array_equal(read["beat"], found.activations.beat)
        assert (read["section"].shape, read["labels"].shape) == ((0,), (0,))
    pytest.importorskip("matplotlib")
    plot_beats(tmp_path / "song.png", "song", waveform_of([mixture], RATE), found)
    assert (tmp_path / "song.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (replace(MIXTURE_FACTS, n_bins=81), r"\(44100, 441, 81\); this stemline makes"),
        (replace(MIXTURE_FACTS, hop_samples=882), "this stemline makes"),
        (FACTS, "do not belong together"),
    ],
)
def test_an_engine_of_other_facts_is_refused(info: BeatInfo, words: str) -> None:
    with pytest.raises(ArtifactError, match=f"mixture-clicks.*{words}"):
        BeatTracker(MixtureClickEngine(), info)
    with pytest.raises(ArtifactError, match="clicks: the graph"):
        BeatTracker(ClickEngine(), MIXTURE_FACTS)


def test_facts_come_back_from_json_and_must_name_their_family() -> None:
    for facts in (MIXTURE_FACTS, FACTS):
        values = json.loads(json.dumps(facts.to_json()))
        assert from_json(BeatInfo, values, "beats.") == facts
        del values["family"]
        with pytest.raises(ValueError, match=r"no field beats\.family"):
            from_json(BeatInfo, values, "beats.")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"family": "mel"},
            "is of family 'mel'; this stemline knows allin1, audiosep, demucs, madmom",
        ),
        ({"family": "mdx23c"}, "is of family 'mdx23c', which finds no beats"),
        ({"stems": ["drums"]}, "beats.stems there are none of madmom"),
        ({"labels": ["verse"]}, "beats.labels there are none of madmom"),
        ({"family": "allin1", "n_bins": 81}, "beats.stems must be names; there are none"),
        (
            {"family": "allin1", "n_bins": 81, "stems": ["drums"]},
            "beats.labels must be names; there are none",
        ),
    ],
)
def test_facts_that_cannot_be_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        beat_decoder(from_json(BeatInfo, {**MIXTURE_FACTS.to_json(), **change}, "beats."))


app = typer.Typer()
app.command()(beats)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song, and a network as export writes it, of random weights."""
    root = tmp_path_factory.mktemp("mixtures")
    soundfile.write(root / "song.wav", music(3 * RATE).T, RATE)
    write_random_madmom(root / "model.onnx")
    return root


def run(folder: Path, *arguments: object) -> Result:
    command = [folder / "song.wav", "-m", folder / "model.onnx", "--artifacts", folder / "none"]
    command += [*arguments, "--threads", 1, "--device", "cpu"]
    return CliRunner().invoke(app, [str(one) for one in command])


def test_the_command_needs_no_separator(folder: Path, tmp_path: Path) -> None:
    done = run(
        folder, "--allow-untrained", "--json", "--csv", tmp_path / "song.csv",
        "--activations", tmp_path / "song.npz",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["model"] == "madmom-downbeats"
    assert report["stems_from"] is None
    assert report["segments"] == []
    with np.load(tmp_path / "song.npz", allow_pickle=False) as read:
        assert read["beat"].shape == (300,)
        assert read["beat"].std() > 1e-3  # random weights hear the music
    assert run(folder, "--allow-untrained").exit_code == 0


@pytest.mark.parametrize("option", ["--separator", "--stems-from"])
def test_the_command_takes_no_stems_for_it(folder: Path, option: str) -> None:
    done = run(folder, "--allow-untrained", option, "mini")
    assert isinstance(done.exception, RequestError)
    assert "hears the mixture" in str(done.exception)
