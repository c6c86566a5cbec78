"""The voice sings what the score says; a machine cannot hear it, so its spectra are measured."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from stemline.band.dice import Dice
from stemline.band.score import Syllable
from stemline.band.synth import voice as voice_module
from stemline.band.synth.character import Character, draw_character
from stemline.band.synth.formants import (
    FORMANTS_HZ,
    HOP_SAMPLES,
    frame_times_s,
    through_tract,
    tract_response,
    upper_tract,
)
from stemline.band.synth.glottis import Pulse, lf_period, pulse_tables
from stemline.band.synth.prosody import phrases, spoken
from stemline.band.synth.voice import render_voice

RATE = 44100


def sung(
    start_s: float,
    pitch: float = 57.0,
    duration_s: float = 1.0,
    vowel: Literal["a", "e", "i", "o", "u"] = "a",
    consonant: Literal["", "s", "t", "k", "m", "n", "l", "h", "f", "b", "d"] = "",
    legato: bool = False,
) -> Syllable:
    return Syllable(start_s, duration_s, pitch, 0.8, vowel, consonant, legato)


def power(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    windowed = samples.astype(np.float64) * np.hanning(samples.size)
    spectrum: NDArray[np.float64] = np.abs(np.fft.rfft(windowed)) ** 2
    return spectrum


def plain(seed: int = 3) -> Character:
    """A singer as drawn, without what would move the pitch or blur the formants."""
    drawn = draw_character(Dice(seed, "character"))
    return replace(
        drawn,
        speech=False,
        pulse=replace(drawn.pulse, second=1.0, second_shift=0.0, tilt=0.0),
        singers_formant=False,
        breath=0.02,
        voicing=1.0,
        width_scale=1.0,
        vibrato_semitones=0.0,
        jitter_semitones=0.0,
        lowpass_hz=0.0,
        intake=0.0,
        tract_scale=1.0,
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("pitch_hz", [110.0, 220.0, 440.0])
def test_a_note_has_its_harmonics_where_its_pitch_says(
    seed: int, pitch_hz: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice_module, "draw_character", lambda dice: plain(seed))
    pitch = 69 + 12 * np.log2(pitch_hz / 440)
    sound = render_voice([sung(0.2, pitch, 2.0)], 3 * RATE, Dice(seed, "voice"))[0]
    middle = power(sound[RATE : RATE + RATE // 2])  # bins of 2 Hz
    for harmonic in (1, 2, 3):
        near = np.arange(int(harmonic * pitch_hz * 0.45), int(harmonic * pitch_hz * 0.55) + 1)
        found_hz = 2.0 * near[np.argmax(middle[near])]
        assert found_hz == pytest.approx(harmonic * pitch_hz, rel=0.02)


@pytest.mark.parametrize("vowel", ["a", "e", "i", "o", "u"])
def test_a_vowels_formants_are_those_of_the_table(vowel: str) -> None:
    """White noise through the tract: its spectrum peaks where the table says, within 8 %."""
    source = Dice(1, "white").noise(20 * RATE)
    frames = frame_times_s(source.size).size
    formants = np.tile(FORMANTS_HZ[vowel], (frames, 1))
    response = tract_response(formants, np.ones(frames), upper_tract(1.0))
    sound = through_tract(source, response)
    pieces = sound[: 400 * 2048].reshape(400, 2048) * np.hanning(2048)
    spectrum = (np.abs(np.fft.rfft(pieces, axis=1)) ** 2).mean(axis=0)
    smooth = np.convolve(spectrum, np.hanning(5), "same")
    bin_hz = RATE / 2048
    peaks = bin_hz * np.flatnonzero((smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] > smooth[2:])) + 1
    for expected_hz in FORMANTS_HZ[vowel][:3]:
        nearest = peaks[np.argmin(np.abs(peaks - expected_hz))]
        assert nearest == pytest.approx(expected_hz, rel=0.08, abs=1.5 * bin_hz)


def test_sung_i_and_a_differ_as_their_formants_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """/a/ is strong about 900 Hz, where /i/ has nothing; /i/ about 2.6 kHz and below 350 Hz."""
    monkeypatch.setattr(voice_module, "draw_character", lambda dice: plain())
    bands = {}
    for vowel in ("a", "i"):
        syllable = sung(0.2, 45.0, 2.5, vowel)  # type: ignore[arg-type]
        spectrum = power(render_voice([syllable], 3 * RATE, Dice(5, "v"))[0, RATE : 2 * RATE])
        total = spectrum.sum()
        bands[vowel] = [
            spectrum[low:high].sum() / total for low, high in ((0, 350), (650, 1250), (2000, 3200))
        ]
    assert bands["i"][0] > 4 * bands["a"][0]
    assert bands["a"][1] > 20 * bands["i"][1]
    assert bands["i"][2] > 4 * bands["a"][2]


def test_a_tract_that_passes_everything_changes_nothing() -> None:
    source = Dice(2, "white").noise(5 * HOP_SAMPLES + 77)
    frames = frame_times_s(source.size).size
    response = np.ones((frames, HOP_SAMPLES + 1), np.complex64)
    np.testing.assert_allclose(through_tract(source, response), source, atol=2e-6)


@pytest.mark.parametrize("seed", range(8))
def test_silence_where_there_are_no_syllables(seed: int) -> None:
    song = [sung(1.0, consonant="t"), sung(4.0, consonant="s"), sung(5.0, 60.0, legato=True)]
    sound = render_voice(song, 8 * RATE, Dice(seed, "voice"))
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    # A breath is taken up to 0.6 s before a phrase; a tract rings for a frame.
    assert not sound[:, : int(0.3 * RATE)].any()
    assert not sound[:, int(2.2 * RATE) : int(3.3 * RATE)].any()
    assert not sound[:, int(6.2 * RATE) :].any()
    for start_s, end_s in ((1.1, 1.9), (4.2, 4.9), (5.1, 5.9)):
        assert np.sqrt(np.mean(sound[:, int(start_s * RATE) : int(end_s * RATE)] ** 2)) > 0.003


def test_no_syllables_no_sound() -> None:
    assert not render_voice([], RATE, Dice(1, "voice")).any()
    assert render_voice([], 0, Dice(1, "voice")).shape == (2, 0)


def test_notes_that_hang_over_the_ends_are_cut() -> None:
    sound = render_voice([sung(0.0), sung(1.5, 60.0, 3.0)], 2 * RATE, Dice(1, "voice"))
    assert sound.shape == (2, 2 * RATE)
    assert sound[:, -RATE // 10 :].any()


def test_the_dice_are_all_that_voices_differ_by() -> None:
    def voice(seed: int) -> NDArray[np.float32]:
        return render_voice([sung(0.2, consonant="s"), sung(1.2)], 3 * RATE, Dice(seed, "v"))

    np.testing.assert_array_equal(voice(4), voice(4))
    assert np.abs(voice(4) - voice(5)).max() > 0.01


def test_phrases_end_where_the_voice_rests_and_overlaps_are_cut() -> None:
    parts = phrases([sung(3.0), sung(0.0, duration_s=1.5), sung(1.0), sung(3.005)])
    assert [[s.start_s for s in part] for part in parts] == [[0.0, 1.0], [3.005]]
    assert parts[0][0].duration_s == 1.0


def test_speech_stays_within_the_melodys_time() -> None:
    words: Sequence[Syllable] = [sung(1.0, duration_s=1.3), sung(2.3, legato=True), sung(5.0)]
    said = spoken(words, replace(plain(), speech=True), Dice(1, "speech"))
    assert len(said) > 2 * len(words)
    assert said[0].start_s == 1.0
    for word in said:
        end_s = word.start_s + word.duration_s
        assert end_s <= 3.3 + 1e-9 or 5.0 - 1e-9 <= word.start_s
        assert end_s <= 6.0 + 1e-9


def test_a_pulse_closes_fast_and_leaves_no_flow() -> None:
    pulse = Pulse(0.6, 0.4, 0.01, 0.0, 1.0, 0.0)
    period = lf_period(pulse, 4096)
    assert np.argmin(period) / 4096 == pytest.approx(0.6, abs=0.01)
    # The flow is the derivative's running sum; it starts and ends with the folds closed.
    flow = np.cumsum(period)
    assert abs(flow[-1]) < 1e-6 * flow.max()
    assert np.argmax(flow) / 4096 == pytest.approx(0.6 / 1.4, abs=0.02)


def test_tables_have_no_harmonics_past_half_the_sample_rate() -> None:
    tables = pulse_tables(Pulse(0.5, 0.5, 0.004, 0.4, 0.5, 0.1))
    for level, table in enumerate(tables):
        spectrum = np.abs(np.fft.rfft(table))
        highest_hz = 40 * 2 ** (level / 2)
        above = int(2 * 20000 / highest_hz) + 1
        assert spectrum[above:].max() < 1e-4 * spectrum.max()
