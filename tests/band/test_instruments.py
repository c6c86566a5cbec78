"""Known answers of the band's instruments: when, how high, how loud, and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from stemline.arrays import Array
from stemline.band.dice import Dice
from stemline.band.score import Hit, Note, OtherKind, OtherPart, Piece
from stemline.band.synth.bass import render_bass
from stemline.band.synth.drums import LAYERS, render_drums
from stemline.band.synth.instruments import Sustained, perform
from stemline.band.synth.oscillator import Body, frequency_hz, phase, places, read, table
from stemline.band.synth.other import render_other
from stemline.band.synth.partials import ringing

RATE = 44100
SECOND = RATE
SEEDS = range(12)
KINDS: tuple[OtherKind, ...] = ("pad", "pluck", "arpeggio", "lead")
PIECES: dict[Piece, str] = {
    "kick": "kick",
    "snare": "snare",
    "tom_high": "toms",
    "tom_mid": "toms",
    "tom_low": "toms",
    "hat_closed": "hats",
    "hat_open": "hats",
    "ride": "ride",
    "crash": "crash",
}


def decibels(wave: Array) -> NDArray[np.float64]:
    window = np.blackman(len(wave))
    magnitude = np.abs(np.fft.rfft(wave.astype(np.float64) * window))
    levels: NDArray[np.float64] = 20 * np.log10(magnitude / magnitude.max() + 1e-12)
    return levels


def rms(wave: Array) -> float:
    return float(np.sqrt(np.mean(np.square(wave), dtype=np.float64)))


def centroid_hz(wave: Array) -> float:
    power = np.square(np.abs(np.fft.rfft(wave[0])))
    return float(np.sum(power * np.fft.rfftfreq(wave.shape[1], 1 / RATE)) / np.sum(power))


def bass(notes: list[Note], n_samples: int, dice: Dice) -> Array:
    return render_bass(notes, n_samples, dice)


def other(kind: OtherKind) -> Callable[[list[Note], int, Dice], Array]:
    return lambda notes, n_samples, dice: render_other(
        OtherPart(kind, tuple(notes)), n_samples, dice
    )


PITCHED = [pytest.param(bass, id="bass"), *(pytest.param(other(k), id=k) for k in KINDS)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bass_note_has_its_fundamental(seed: int) -> None:
    part = render_bass([Note(0.0, 1.5, 33.0, 0.8)], 2 * SECOND, Dice(seed, "bass"))
    mono = part.mean(axis=0)[: int(1.2 * SECOND)]
    spectrum = np.abs(np.fft.rfft(mono * np.hanning(len(mono)), 8 * SECOND))
    frequencies = np.fft.rfftfreq(8 * SECOND, 1 / RATE)

    # The pitch is the candidate whose first harmonics together are the strongest; an octave below
    # every second one of its harmonics is missing, hence the mean.
    candidates = np.arange(30.0, 200.0, 0.125)
    scores = [
        np.mean([np.interp(k * f, frequencies, spectrum) * 0.8**k for k in range(1, 7)])
        for f in candidates
    ]
    found = candidates[int(np.argmax(scores))]
    assert found == pytest.approx(55.0, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_the_other_instruments_play_in_tune(kind: OtherKind, seed: int) -> None:
    part = other(kind)([Note(0.0, 1.0, 69.0, 0.8)], SECOND, Dice(seed, kind))
    mono = part.mean(axis=0)
    power = np.square(np.abs(np.fft.rfft(mono * np.hanning(len(mono)))))[:2310]
    near = sum(power[int(220 * k / 1.025) : int(220 * k * 1.025) + 1].sum() for k in range(1, 11))
    # Bells have partials of their own; the rest of the power is theirs and breath.
    assert near > 0.5 * power.sum()


@pytest.mark.parametrize(("piece", "layer"), PIECES.items())
def test_layers_keep_to_their_pieces(piece: Piece, layer: str) -> None:
    layers = render_drums([Hit(0.1, piece, 0.9)], SECOND, Dice(3, "drums"))
    assert tuple(layers) == LAYERS
    for name, sound in layers.items():
        assert sound.shape == (2, SECOND)
        assert sound.dtype == np.float32
        assert sound.any() == (name == layer)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("seed", range(6))
def test_a_stroke_begins_when_it_is_struck(piece: Piece, seed: int) -> None:
    at_s = 0.25
    layers = render_drums([Hit(at_s, piece, 0.8)], SECOND, Dice(seed, "drums"))
    sound = np.abs(layers[PIECES[piece]]).max(axis=0)
    assert not sound[: round(at_s * RATE)].any()
    onset = int(np.argmax(sound > 0.1 * sound.max()))
    assert onset / RATE == pytest.approx(at_s, abs=0.002)


@pytest.mark.parametrize("render", PITCHED)
def test_nothing_sounds_before_its_note(render: Callable[[list[Note], int, Dice], Array]) -> None:
    for seed in range(4):
        part = render([Note(0.5, 0.2, 60.0, 0.8)], SECOND, Dice(seed, "part"))
        # A chorus and an amplifier's filter follow the note, and never lead it.
        assert not part[:, : SECOND // 2].any()
        assert part[:, SECOND // 2 :].any()


def test_an_open_hat_is_choked_by_the_next_stroke() -> None:
    for seed in range(6):
        alone = render_drums([Hit(0.0, "hat_open", 0.9)], SECOND, Dice(seed, "drums"))["hats"]
        hits = [Hit(0.0, "hat_open", 0.9), Hit(0.06, "hat_closed", 0.0)]
        choked = render_drums(hits, SECOND, Dice(seed, "drums"))["hats"]
        same = int(0.06 * RATE)
        np.testing.assert_array_equal(choked[:, :same], alone[:, :same])
        assert not choked[:, int(0.1 * RATE) :].any()
        assert alone[:, int(0.1 * RATE) :].any()


def test_a_high_note_folds_nothing_back() -> None:
    # The steepest table at a high pitch. The nearest of 4096 points is at most π/4096 of a cycle's
    # angle away: −67 dB for a sine, and the harmonics of a saw add up to some 10 dB.
    dice = Dice(1, "lead")
    plain = Body((), (), (), 0.0)
    for source in ("saw", "square"):
        lead = Sustained(
            source=source,
            body=plain,
            dice=dice,
            attack_s=0.01,
            decay_s=1.0,
            sustain=1.0,
            release_s=0.05,
            dark_hz=18000.0,
            dark_harmonic=1.0,
            dark_slope=2.0,
            glow_attack_s=0.0,
            glow_decay_s=1.0,
            glow_sustain=1.0,
        )
        note = Note(0.0, 2.0, 100.0, 0.9)
        wave = perform((note,), 2 * SECOND, lead, dice, 1.0)[0, SECOND // 2 : SECOND * 3 // 2]
        level = decibels(wave)
        frequencies = np.fft.rfftfreq(len(wave), 1 / RATE)
        fundamental_hz = frequency_hz(100.0)
        away_hz = np.abs(frequencies - fundamental_hz * np.round(frequencies / fundamental_hz))
        assert level[(away_hz > 6) | (frequencies < 100)].max() < -50
        assert level[frequencies > 18100].max() < -50
        assert level[away_hz <= 6].max() > -1e-6


def test_a_table_is_the_sine_it_should_be() -> None:
    wave = table(np.array([0.0, 0.5]), np.array([0.0, np.pi / 3]))
    played = read(wave, places(phase(441.0, 1000)))
    angle = 2 * np.pi * 882 * np.arange(1000) / RATE + np.pi / 3
    # Half a point of the table is π/4096 of the second harmonic's angle times two.
    np.testing.assert_allclose(played, 0.5 * np.sin(angle), atol=0.5 * 2 * np.pi / 4096 + 1e-5)


def test_partials_are_the_damped_sines_they_should_be() -> None:
    frequencies, amplitudes = np.array([220.0, 1234.5]), np.array([1.0, 0.3])
    times, phases = np.array([0.2, 0.05]), np.array([0.0, 1.0])
    played = ringing(frequencies, amplitudes, times, phases, 5000)
    time = np.arange(5000)[:, None] / RATE
    angles = 2 * np.pi * frequencies * time + phases
    wanted = (amplitudes * np.exp(-time / times) * np.sin(angles)).sum(axis=1)
    # Single precision.
    np.testing.assert_allclose(played, wanted, atol=1e-5)


@pytest.mark.parametrize("piece", PIECES)
def test_a_harder_stroke_is_louder_and_brighter(piece: Piece) -> None:
    for seed in range(4):
        soft, hard = (
            render_drums([Hit(0.0, piece, velocity)], SECOND, Dice(seed, "drums"))[PIECES[piece]]
            for velocity in (0.3, 1.0)
        )
        assert rms(hard) > 1.5 * rms(soft)
        assert centroid_hz(hard) > centroid_hz(soft)


@pytest.mark.parametrize("render", PITCHED)
def test_a_harder_note_is_louder(render: Callable[[list[Note], int, Dice], Array]) -> None:
    for seed in SEEDS:
        notes = [Note(0.0, 0.4, 50.0, 0.25), Note(2.0, 0.4, 50.0, 0.95)]
        part = render(notes, 3 * SECOND, Dice(seed, "part"))
        # An amplifier driven hard leaves little of the difference, yet some.
        assert rms(part[:, 2 * SECOND :]) > 1.02 * rms(part[:, :SECOND])


@pytest.mark.parametrize("render", PITCHED)
def test_the_loudness_is_about_the_same_for_all(
    render: Callable[[list[Note], int, Dice], Array],
) -> None:
    for seed in SEEDS:
        notes = [Note(0.5 * n, 0.45, 45.0 + n, 0.75) for n in range(8)]
        part = render(notes, 4 * SECOND, Dice(seed, "part"))
        assert np.isfinite(part).all()
        assert 0.04 < rms(part) < 0.12


@pytest.mark.parametrize("render", PITCHED)
def test_the_same_dice_give_the_same_samples(
    render: Callable[[list[Note], int, Dice], Array],
) -> None:
    notes = [Note(0.0, 0.4, 57.0, 0.7), Note(0.4, 0.4, 60.0, 0.8)]
    first = render(notes, SECOND, Dice(5, "part"))
    np.testing.assert_array_equal(first, render(notes, SECOND, Dice(5, "part")))
    assert not np.array_equal(first, render(notes, SECOND, Dice(6, "part")))


def test_the_same_dice_give_the_same_drums() -> None:
    hits = [Hit(0.0, "kick", 0.8), Hit(0.2, "snare", 0.8), Hit(0.4, "hat_open", 0.8)]
    first = render_drums(hits, SECOND, Dice(5, "drums"))
    again = render_drums(hits, SECOND, Dice(5, "drums"))
    others = render_drums(hits, SECOND, Dice(6, "drums"))
    for layer in ("kick", "snare", "hats"):
        np.testing.assert_array_equal(first[layer], again[layer])
        assert not np.array_equal(first[layer], others[layer])


@pytest.mark.parametrize("render", PITCHED)
def test_nothing_to_play_is_silence(render: Callable[[list[Note], int, Dice], Array]) -> None:
    part = render([], 1000, Dice(0, "part"))
    assert part.shape == (2, 1000)
    assert part.dtype == np.float32
    assert not part.any()
    layers = render_drums([], 1000, Dice(0, "drums"))
    assert not any(layer.any() for layer in layers.values())


@pytest.mark.parametrize("render", PITCHED)
def test_what_runs_past_the_end_is_cut(render: Callable[[list[Note], int, Dice], Array]) -> None:
    for n_samples in (1, 1000, 4410):
        notes = [Note(0.0, 30.0, 60.0, 0.8), Note(5.0, 1.0, 60.0, 0.8)]
        part = render(notes, n_samples, Dice(0, "part"))
        assert part.shape == (2, n_samples)
        assert np.isfinite(part).all()
    layers = render_drums([Hit(0.01, p, 0.8) for p in PIECES], 1000, Dice(0, "drums"))
    assert all(layer.shape == (2, 1000) for layer in layers.values())


@pytest.mark.parametrize("render", PITCHED)
def test_the_end_of_a_note_does_not_click(
    render: Callable[[list[Note], int, Dice], Array],
) -> None:
    for seed in SEEDS:
        part = render([Note(0.0, 0.5, 48.0, 0.8)], 12 * SECOND, Dice(seed, "part"))
        sounding = np.flatnonzero(np.abs(part).max(axis=0) > 1e-6)
        assert len(sounding) > SECOND // 20
        # Where it falls silent, the last samples are already far below its peak.
        assert np.abs(part[:, sounding[-1] - 5 :]).max() < 0.005 * np.abs(part).max()
