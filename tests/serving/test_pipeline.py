import threading
from dataclasses import replace

import numpy as np
import pytest
from helpers import GAINS, GainEngine, gain_separator, in_blocks, music, snr_db, tiny_info

from stemline.errors import AudioError, OverlapError, SeparationClosedError, UnknownStemError
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.jobs import SeparateOptions
from stemline.serving.separator import Separator

CHUNK = tiny_info().chunk_samples  # 3968
RATE = 44100

# The gain engine keeps all but the Nyquist bin, so a stem is its gain times the mixture without
# that bin; float32 transforms leave about 120 dB, and the mixture's noise at Nyquist costs more.
SAME_DB = 40.0


@pytest.mark.parametrize("overlap", [2, 4, 8, 0.25])
@pytest.mark.parametrize(
    "n_samples", [1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 17]
)
def test_stems_are_the_gains_of_the_mixture_to_the_sample(n_samples: int, overlap: float) -> None:
    mixture = music(n_samples)
    separator = gain_separator()
    stems = separator.separate(mixture, RATE, SeparateOptions(overlap=overlap))
    assert list(stems) == ["vocals", "instrumental"]
    for gain, stem in zip(GAINS, stems.values(), strict=True):
        assert stem.shape == mixture.shape
        assert np.isfinite(stem).all()
        if n_samples > 1:  # a lone sample is an impulse: half its energy may be at Nyquist
            assert snr_db(gain * mixture, stem) > SAME_DB
    separator.close()


@pytest.mark.parametrize("n_samples", [1, CHUNK, 5 * CHUNK + 17])
def test_a_model_that_wants_it_has_the_tracks_level_taken_out_and_put_back(n_samples: int) -> None:
    """MSST's `normalize_audio` and `denormalize_audio`, in its formulas."""
    mixture = 0.1 * music(n_samples) + np.float32(0.25)
    mono = mixture.mean(axis=0)
    mean, deviation = mono.mean(), mono.std() or np.float32(1)
    engines = [GainEngine(tiny_info()) for _ in range(2)]
    plain = Separator(engines[0], tiny_info(), batch_size=1)
    levelled = Separator(engines[1], replace(tiny_info(), track_level=True), batch_size=1)
    wanted = plain.separate((mixture - mean) / deviation, RATE)
    got = levelled.separate(mixture, RATE)
    assert len(engines[0].values) == len(engines[1].values)
    np.testing.assert_allclose(engines[1].values, engines[0].values, atol=1e-3)
    for stem, samples in wanted.items():
        np.testing.assert_allclose(got[stem], samples * deviation + mean, atol=1e-5)
    audio = AudioFormat(RATE, 2, None)
    with levelled.stream(in_blocks(mixture, 997), audio) as separation:
        blocks = [block.stems["vocals"] for block in separation]
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), got["vocals"], atol=1e-6)
    silence = levelled.separate(np.zeros((2, n_samples), np.float32), RATE)
    assert not silence["vocals"].any()
    plain.close()
    levelled.close()


@pytest.mark.parametrize("rate_hz", [8000, 22050, 48000, 96000, 192000])
@pytest.mark.parametrize("n_samples", [1, 777, 30011])
def test_any_rate_comes_back_aligned_with_exactly_its_samples(rate_hz: int, n_samples: int) -> None:
    # Within the band of either rate, so that resampling loses nothing.
    time_s = np.arange(n_samples) / rate_hz
    mixture = np.stack([np.sin(2 * np.pi * f * time_s) for f in (440, 1000)]).astype(np.float32)
    mixture *= np.hanning(n_samples + 2)[1:-1].astype(np.float32)
    separator = gain_separator()
    stem = separator.separate(mixture, rate_hz)["vocals"]
    assert stem.shape == mixture.shape
    if n_samples > 1000:
        assert snr_db(GAINS[0] * mixture, stem) > SAME_DB
    separator.close()


@pytest.mark.parametrize(("channels", "expected"), [(1, 1), (2, 2), (3, 2), (8, 2)])
def test_mono_gives_mono_and_more_than_two_channels_give_stereo(
    channels: int, expected: int
) -> None:
    separator = gain_separator()
    mixture = music(2 * CHUNK, channels)
    stems = separator.separate(mixture, RATE)
    assert stems["vocals"].shape == (expected, 2 * CHUNK)
    if channels <= 2:
        assert snr_db(GAINS[0] * mixture, stems["vocals"]) > SAME_DB
    separator.close()


@pytest.mark.parametrize("block_samples", [997, 4096, 100_000])
@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("rate_hz", [RATE, 48000])
def test_blocks_and_batches_do_not_change_a_bit(
    block_samples: int, batch_size: int, rate_hz: int
) -> None:
    mixture = music(7 * CHUNK + 5, sample_rate_hz=rate_hz)
    whole = gain_separator()
    wanted = whole.separate(mixture, rate_hz)
    whole.close()
    separator = gain_separator(batch_size=batch_size)
    audio = AudioFormat(rate_hz, 2, None)
    with separator.stream(in_blocks(mixture, block_samples), audio) as separation:
        blocks = list(separation)
    offsets = [block.offset_samples for block in blocks]
    lengths = [block.stems["vocals"].shape[1] for block in blocks]
    assert offsets == [0, *np.cumsum(lengths)[:-1].tolist()]
    for stem, samples in wanted.items():
        np.testing.assert_array_equal(
            np.concatenate([block.stems[stem] for block in blocks], axis=1), samples
        )
    separator.close()


def test_only_the_wanted_stems_are_given_in_the_networks_order_in_any_case() -> None:
    info = tiny_info(("kick", "snare", "toms"))
    separator = gain_separator(info, (0.5, 0.3, 0.2))
    options = SeparateOptions(stems=("TOMS", "kick", "kick"))
    stems = separator.separate(music(CHUNK), RATE, options)
    assert list(stems) == ["kick", "toms"]
    separator.close()


def test_stem_and_residual_add_up_to_the_mixture() -> None:
    separator = gain_separator()
    for rate_hz in (RATE, 48000):
        mixture = music(3 * CHUNK + 11, sample_rate_hz=rate_hz)
        options = SeparateOptions(stems=("vocals",), residual=True)
        stems = separator.separate(mixture, rate_hz, options)
        assert list(stems) == ["vocals", "no_vocals"]
        # One float32 subtraction and one addition: an error of an ulp of the larger term.
        np.testing.assert_allclose(sum(stems.values()), mixture, atol=2e-7)
    separator.close()


def test_stems_for_anothers_use_change_neither_the_wanted_nor_the_residual() -> None:
    separator = gain_separator(tiny_info(("a", "b", "c")), (0.5, 0.25, 0.125))
    mixture = music(3 * CHUNK + 11)
    wanted = SeparateOptions(stems=("B",), residual=True)
    alone = separator.separate(mixture, RATE, wanted)
    both = separator.separate(mixture, RATE, replace(wanted, also=("c", "b")))
    assert (list(alone), list(both)) == (["b", "no_b"], ["b", "c", "no_b"])
    for name in alone:
        np.testing.assert_array_equal(both[name], alone[name])
    every = separator.separate(mixture, RATE, SeparateOptions(residual=True, also=("c",)))
    assert list(every) == ["a", "b", "c", "residual"]
    with pytest.raises(UnknownStemError, match="'d'"):
        separator.check(replace(wanted, also=("d",)))
    separator.close()


def test_stems_leave_before_the_track_has_ended() -> None:
    separator = gain_separator()
    mixture = music(10 * CHUNK)
    go_on = threading.Event()

    def blocks():
        yield mixture[:, : 6 * CHUNK]
        assert go_on.wait(10), "no stem was given before the end of the track"
        yield mixture[:, 6 * CHUNK :]

    with separator.stream(blocks(), AudioFormat(RATE, 2, None)) as separation:
        first = next(separation)
        assert first.offset_samples == 0
        go_on.set()
        assert sum(b.stems["vocals"].shape[1] for b in separation) > 0
    assert separation.n_samples_done == mixture.shape[1]
    separator.close()


def test_many_callers_at_once_each_get_their_own_track() -> None:
    separator = gain_separator(batch_size=4)
    tracks = [music((n + 1) * CHUNK + n, seed=n) for n in range(8)]
    alone = gain_separator()
    wanted = [alone.separate(track, RATE)["vocals"] for track in tracks]
    got: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(
            target=lambda n=n: got.__setitem__(n, separator.separate(tracks[n], RATE)["vocals"])
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for n in range(8):
        np.testing.assert_array_equal(got[n], wanted[n])
    alone.close()
    separator.close()


def test_a_closed_separation_frees_its_chunks_and_says_so() -> None:
    gate = threading.Event()
    separator = gain_separator(gate=gate)
    mixture = music(30 * CHUNK)
    separation = separator.stream(in_blocks(mixture, 4096), AudioFormat(RATE, 2, None))
    errors: list[BaseException] = []

    def drain() -> None:
        try:
            list(separation)
        except SeparationClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=drain)
    thread.start()
    separation.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(errors) == 1
    assert separator.n_queued == 0
    gate.set()
    assert separator.separate(music(CHUNK), RATE)["vocals"].shape == (2, CHUNK)
    separator.close()


def test_what_the_reader_raises_reaches_the_caller_and_the_separator_goes_on() -> None:
    separator = gain_separator()

    def broken():
        yield music(CHUNK)
        raise AudioError("the file ends early")

    with (
        separator.stream(broken(), AudioFormat(RATE, 2, None)) as separation,
        pytest.raises(AudioError, match="ends early"),
    ):
        list(separation)
    separator.separate(music(CHUNK), RATE)
    separator.close()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_refused(bad: float) -> None:
    separator = gain_separator()
    mixture = music(3 * CHUNK)
    mixture[1, 2 * CHUNK + 3] = bad
    with pytest.raises(AudioError):
        separator.separate(mixture, RATE)
    separator.close()


def test_no_samples_at_all_is_refused() -> None:
    separator = gain_separator()
    with pytest.raises(AudioError):
        separator.separate(np.zeros((2, 0), np.float32), RATE)
    separator.close()


def test_wrong_options_are_refused_at_once() -> None:
    separator = gain_separator()
    audio = AudioFormat(RATE, 2, None)
    with pytest.raises(UnknownStemError, match="it has vocals, instrumental"):
        separator.stream([], audio, SeparateOptions(stems=("drums",)))
    for overlap in (0, 1, -3, 2.5, 0.01, float("nan"), 1e9):
        with pytest.raises(OverlapError):
            separator.stream([], audio, SeparateOptions(overlap=overlap))
    separator.close()
