"""A song is its stems, its layers and its truth, and the seed is all it depends on."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from scipy.fft import rfftfreq

from stemline.band import (
    LAYERS,
    SAMPLE_RATE_HZ,
    STEMS,
    Song,
    compose,
    perform,
    play,
    truth_digest,
    truth_json,
    write_song,
)
from stemline.band.dice import Dice
from stemline.band.synth.effects import channel, compress, equaliser, loudness, room, saturate

LENGTH_S = 12.0


@pytest.fixture(scope="module", params=[1, 2, 3])
def song(request: pytest.FixtureRequest) -> Song:
    return play(request.param, LENGTH_S)


def test_shapes_and_levels(song: Song) -> None:
    assert tuple(song.stems) == STEMS
    for sound in (*song.stems.values(), song.mixture):
        assert sound.shape == (2, round(LENGTH_S * SAMPLE_RATE_HZ))
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
    assert 0.499 < np.abs(song.mixture).max() < 0.901
    assert song.n_samples == round(LENGTH_S * SAMPLE_RATE_HZ)


def test_the_mixture_is_the_sum_of_the_stems(song: Song) -> None:
    total = song.stems["drums"].copy()
    for name in STEMS[1:]:
        total += song.stems[name]
    np.testing.assert_array_equal(song.mixture, total)


def test_the_layers_add_up_to_the_drums(song: Song) -> None:
    assert tuple(song.drums) == LAYERS
    total = np.zeros((2, song.n_samples), np.float32)
    for name in LAYERS:
        total += song.drums[name]
    np.testing.assert_allclose(total, song.stems["drums"], rtol=0, atol=1e-6)


def test_the_same_seed_makes_the_same_song(song: Song) -> None:
    again = play(song.score.seed, LENGTH_S)
    assert again.score == song.score
    for name in STEMS:
        np.testing.assert_array_equal(again.stems[name], song.stems[name])


def test_another_seed_makes_another_song(song: Song) -> None:
    other = play(song.score.seed + 100, LENGTH_S)
    assert other.truth != song.truth
    assert np.abs(other.mixture - song.mixture).max() > 0.1


def test_no_length_given_leaves_it_to_the_seed() -> None:
    assert 60 <= compose(7).duration_s <= 200


def test_a_song_of_nothing_is_silent() -> None:
    score = compose(1, 3.0)
    rest = perform(replace(score, drums=(), bass=(), other=(), vocals=()))
    assert not rest.mixture.any()


def test_written_songs_are_read_back(song: Song, tmp_path: Path) -> None:
    write_song(song, tmp_path / "new" / "song", layers=True)
    folder = tmp_path / "new" / "song"
    sounds = {"mixture": song.mixture} | song.stems
    sounds |= {f"drums/{name}": song.drums[name] for name in LAYERS}
    for name, expected in sounds.items():
        found, rate_hz = soundfile.read(folder / f"{name}.wav", dtype="float32")
        assert rate_hz == SAMPLE_RATE_HZ
        np.testing.assert_array_equal(found.T, expected)
    assert json.loads((folder / "truth.json").read_text(encoding="utf-8")) == json.loads(
        json.dumps(truth_json(song))
    )


def test_layers_are_written_only_when_asked_for(song: Song, tmp_path: Path) -> None:
    write_song(song, tmp_path)
    assert not (tmp_path / "drums").exists()
    assert (tmp_path / "drums.wav").exists()


def golden_module() -> ModuleType:
    path = Path(__file__).parent / "golden" / "write_golden.py"
    spec = importlib.util.spec_from_file_location("write_golden", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_songs_sound_as_they_did() -> None:
    """Within 1e-3: the rounding of float32 sines and sums differs by instruction set."""
    module = golden_module()
    golden = json.loads(module.PATH.read_text())
    assert len(golden) == len(module.SONGS)
    for seed, length_s in module.SONGS:
        expected = golden[f"{seed} {length_s}"]
        found = module.figures(play(seed, length_s))
        assert found["truth_sha256"] == expected["truth_sha256"]
        for name in STEMS:
            for key in ("rms", "peak", "bands"):
                np.testing.assert_allclose(
                    found[name][key], expected[name][key], rtol=1e-3, atol=1e-6, err_msg=name
                )


def test_the_digest_is_of_the_truth_alone(song: Song) -> None:
    assert truth_digest(song.score) == truth_digest(compose(song.score.seed, LENGTH_S))
    assert len(truth_digest(song.score)) == 64


def test_a_channel_is_its_impulse_response() -> None:
    """Overlap-add over many blocks equals one convolution of the whole."""
    strip = channel(Dice(5, "c"), reach_db=5.0, wet_db=(-12.0, -6.0), dry_chance=0.0)
    sound = Dice(1, "noise").noise(2 * 300_000).reshape(2, 300_000)
    found = strip.apply(sound)
    impulse = np.fft.irfft(strip.responses, strip.block, axis=1)[:, : strip.ringing]
    whole = 1 << 20
    expected = np.fft.irfft(np.fft.rfft(sound, whole) * np.fft.rfft(impulse, whole), whole)
    error = found - expected[:, :300_000]
    assert np.abs(error).max() < 1e-3 * np.abs(expected).max()


def test_a_room_dies_away_by_60_db_in_its_decay_time() -> None:
    for seed in range(4):
        impulse = room(Dice(seed, "r"), wet_db=0.0, decay_s=1.5).astype(np.float64)
        tail = impulse[:, int(0.07 * SAMPLE_RATE_HZ) :]
        # Schroeder's backward integration; the low band, whose decay time is the given one.
        left = np.cumsum((tail**2).sum(axis=0)[::-1])[::-1]
        level_db = 10 * np.log10(left / left[0])
        from_s, to_s = 0.2, 0.6
        slope = (level_db[int(to_s * 44100)] - level_db[int(from_s * 44100)]) / (to_s - from_s)
        assert -60 / slope == pytest.approx(1.5, rel=0.35)


def test_an_equaliser_stays_within_its_reach() -> None:
    for seed in range(20):
        gains = np.abs(equaliser(Dice(seed, "e"), rfftfreq(8192, 1 / 44100), reach_db=4.0))
        assert np.abs(20 * np.log10(gains)).max() <= 4.0 * 5 + 1
        assert gains.std() > 0


def test_saturation_keeps_quiet_sounds_and_the_sign() -> None:
    sound = np.array([[0.001, 1.0], [-0.001, -0.5]], np.float32)
    soft = saturate(sound, 0.5)
    np.testing.assert_allclose(soft[:, 0], sound[:, 0], rtol=1e-3)
    np.testing.assert_array_equal(np.sign(soft), np.sign(sound))
    assert np.abs(soft).max() < 0.5
    assert not saturate(np.zeros((2, 3), np.float32), 0.0).any()


def test_compression_brings_loud_and_quiet_nearer_to_each_other() -> None:
    noise = Dice(1, "n").noise(2 * 44100).reshape(2, 44100)
    even = compress(np.concatenate((noise, 0.3 * noise), axis=1), 0.5)
    ratio = loudness(even[:, :40000]) / loudness(even[:, 48000:])
    assert 1.6 < ratio < 2.2  # of 3.3; half as many decibels would be 1.8
    rest = np.zeros((2, 1000), np.float32)
    assert not compress(rest, 0.5).any()


def test_loudness_leaves_rests_out() -> None:
    noise = Dice(1, "n").noise(2 * 44100).reshape(2, 44100)
    half = np.concatenate((noise, np.zeros((2, 3 * 44100), np.float32)), axis=1)
    assert loudness(half) == pytest.approx(loudness(noise), rel=0.03)
    assert loudness(noise) == pytest.approx(np.sqrt(1 / 3), rel=0.02)
    assert loudness(np.zeros((2, 44100), np.float32)) == 0.0
