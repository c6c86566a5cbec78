"""Quality on the band's songs, by engines whose stems are known without a network."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from helpers import GainEngine, tiny_info

from stemline.arrays import Array, Arrays
from stemline.band import LAYERS, STEMS, Song, play
from stemline.engines import EngineSpec, ModelInfo
from stemline.errors import ArtifactError, OverlapError, QualityError
from stemline.evaluation.held_out import FIRST_SEED, knows_stems
from stemline.evaluation.quality import (
    LIMIT_DB,
    HeldOut,
    Quality,
    StemQuality,
    StemScore,
    can_measure,
    estimated_seconds,
    held_out,
    mean_over,
    measure_quality,
    quality_from_json,
    scores_of,
    truth_for,
)
from stemline.evaluation.separation import separate_together, separate_whole
from stemline.families.common.chunked import chunk_plan
from stemline.families.mdx23c.processing import network_input
from stemline.preprocessing.chunks import iter_chunks
from stemline.preprocessing.stft import Stft
from stemline.serving.jobs import SeparateOptions
from stemline.serving.separator import Separator

SONGS = held_out(2, 1.5)
# An STFT of every bin, so that the only loss is float32's.
INFO = replace(tiny_info(STEMS), stft=replace(tiny_info().stft, n_bins=257))  # type: ignore[type-var]


@pytest.fixture(scope="module")
def song() -> Song:
    return play(FIRST_SEED, 1.5)


class Oracle:
    """Knows the truth of every chunk by the chunk's spectrogram, and gives it back."""

    def __init__(self, info: ModelInfo, songs: HeldOut, overlap: float) -> None:
        self._engine = GainEngine(info, [1.0] * len(info.stems))
        self._answers: dict[bytes, Array] = {}
        for played in songs.play():
            truth = truth_for(info.stems, played)
            assert truth is not None
            wanted = [spectrograms(info, truth[1][stem], overlap) for stem in info.stems]
            for row, mixture in enumerate(spectrograms(info, truth[0], overlap)):
                self._answers[mixture.tobytes()] = np.stack([stem[row] for stem in wanted])

    @property
    def spec(self) -> EngineSpec:
        return self._engine.spec

    def run(self, inputs: Arrays) -> dict[str, Array]:
        return {"stems": np.stack([self._answers[row.tobytes()] for row in inputs["mixture"]])}

    def close(self) -> None:
        pass


def spectrograms(info: ModelInfo, samples: Array, overlap: float) -> list[Array]:
    """What the network would be given of a song, a row a chunk."""
    assert info.stft is not None
    stft = Stft(info.stft.n_fft, info.stft.hop_samples, info.stft.n_bins)
    chunks = iter_chunks([samples], chunk_plan(info, overlap))
    return [network_input(chunk.samples[None], stft)[0] for chunk in chunks]


@dataclass
class Parts:
    """A recording of parts that are told apart by their numbers."""

    stems: dict[str, Array] = field(default_factory=lambda: numbered(STEMS, 0))
    drums: dict[str, Array] = field(default_factory=lambda: numbered(LAYERS, 10))

    @property
    def mixture(self) -> Array:
        return np.full((2, 4), 99, np.float32)


def numbered(names: Sequence[str], first: int) -> dict[str, Array]:
    """Powers of two, so that a sum tells its parts."""
    return {name: np.full((2, 4), 2.0 ** (first + k), np.float32) for k, name in enumerate(names)}


# What the truth is.

DRUMS, BASS, OTHER, VOCALS = 1, 2, 4, 8
KICK, SNARE, TOMS, HATS, RIDE, CRASH = (2**k for k in range(10, 16))


@pytest.mark.parametrize(
    ("given", "stems"),
    [
        (99, {"drums": DRUMS, "bass": BASS, "other": OTHER, "vocals": VOCALS}),
        (99, {"vocals": VOCALS, "instrumental": DRUMS + BASS + OTHER}),
        (99, {"vocals": VOCALS, "other": DRUMS + BASS + OTHER}),
        (99, {"drums": DRUMS, "other": BASS + OTHER + VOCALS}),
        (99, {"vocals": VOCALS}),
        (99, {"other": OTHER}),
        (
            DRUMS,
            {"kick": KICK, "snare": SNARE, "toms": TOMS, "hh": HATS, "ride": RIDE, "crash": CRASH},
        ),
        (
            DRUMS,
            {"kick": KICK, "snare": SNARE, "toms": TOMS, "hh": HATS, "cymbals": RIDE + CRASH},
        ),
        (DRUMS, {"kick": KICK, "cymbals": HATS + RIDE + CRASH}),
    ],
)
def test_every_stem_is_the_sum_of_its_parts(given: int, stems: dict[str, int]) -> None:
    truth = truth_for(tuple(stems), Parts())
    assert truth is not None
    assert np.all(truth[0] == given)
    assert {name: float(sound[0, 0]) for name, sound in truth[1].items()} == stems
    assert list(truth[1]) == list(stems)
    assert knows_stems(tuple(stems))


@pytest.mark.parametrize(
    "stems", [("vocals", "guitar"), ("kick", "vocals"), ("speech",), ("drums", "hh")]
)
def test_of_other_stems_nothing_is_known(stems: tuple[str, ...]) -> None:
    assert truth_for(stems, Parts()) is None
    assert not knows_stems(stems)
    assert not can_measure(replace(INFO, stems=stems))


def test_what_has_no_truth_or_no_training_is_not_measured() -> None:
    assert can_measure(INFO)
    assert not can_measure(replace(INFO, trained=False))
    assert not can_measure(replace(INFO, family="other"))
    assert not can_measure(replace(INFO, sample_rate_hz=48000))


def test_held_out_songs_are_the_same_each_time_and_of_the_length_asked() -> None:
    first, again = next(SONGS.play()), next(SONGS.play())
    np.testing.assert_array_equal(first.mixture, again.mixture)
    assert first.mixture.shape == (2, round(1.5 * 44100))
    assert SONGS.seeds == (1_000_000, 1_000_001)
    assert held_out(24, 30.0).seeds[:6] == held_out(6, 12.0).seeds


# Separating.


def test_whole_songs_come_out_as_serving_gives_them(song: Song) -> None:
    info = tiny_info()
    engine = GainEngine(info)
    separated = separate_whole(engine, info, song.mixture, overlap=3)
    separator = Separator(engine, info)
    wanted = separator.separate(song.mixture, 44100, SeparateOptions(overlap=3))
    separator.close()
    for stem in info.stems:
        np.testing.assert_array_equal(separated[stem], wanted[stem])


@pytest.mark.parametrize("batch", [1, 2, 4, 100])
def test_songs_that_share_batches_stay_apart(batch: int) -> None:
    info = tiny_info()
    random = np.random.default_rng(0)
    mixtures = [
        random.standard_normal((2, n)).astype(np.float32) for n in (30_000, 700, 1, 12_345, 0)
    ]
    together_engine = GainEngine(info)
    together = separate_together(together_engine, info, mixtures, 2, batch)
    for mixture, stems in zip(mixtures, together, strict=True):
        alone = separate_whole(GainEngine(info), info, mixture, 2)
        for stem in info.stems:
            assert stems[stem].shape == mixture.shape
            np.testing.assert_allclose(stems[stem], alone[stem], atol=1e-6)
    assert max(together_engine.batches) == min(batch, sum(together_engine.batches))


def test_rows_of_a_batch_are_of_different_songs() -> None:
    info = tiny_info()
    engine = GainEngine(info)
    mixtures = [np.full((2, 20_000), value, np.float32) for value in (0.1, 0.2, 0.3)]
    separate_together(engine, info, mixtures, 2, 3)
    for row in engine.values[1:-1]:  # inner chunks: constants, told apart by their sums
        assert len({round(abs(value), 4) for value in row}) == 3


def test_an_overlap_or_a_family_that_cannot_be_is_an_error(song: Song) -> None:
    info = tiny_info()
    with pytest.raises(OverlapError):
        separate_whole(GainEngine(info), info, song.mixture, overlap=1.5)
    with pytest.raises(ArtifactError, match="other"):
        other = replace(info, family="other")
        separate_whole(GainEngine(info), other, song.mixture)


# Measuring.


@pytest.mark.parametrize("overlap", [2, 4])
def test_an_engine_that_halves_the_mixture_improves_nothing(overlap: float) -> None:
    info = replace(INFO, stems=("vocals", "instrumental"))
    quality = measure_quality(GainEngine(info, (0.5, 0.5)), info, SONGS, overlap)
    assert quality is not None
    assert [stem.stem for stem in quality.stems] == ["vocals", "instrumental"]
    for stem in quality.stems:
        assert stem.improvement_db == pytest.approx(0, abs=1e-3)
    assert quality.mean_improvement_db == pytest.approx(0, abs=1e-3)
    assert (quality.songs, quality.overlap) == (SONGS, overlap)


def test_an_engine_that_knows_the_truth_is_as_good_as_float32() -> None:
    quality = measure_quality(Oracle(INFO, SONGS, 2), INFO, SONGS, 2)
    assert quality is not None
    for stem in quality.stems:
        assert stem.si_sdr_db > 60
        assert stem.improvement_db > 50
        assert 1 <= stem.n_songs <= len(SONGS.seeds)


def test_an_engine_that_swaps_its_stems_is_found_out() -> None:
    swapped = ("vocals", "bass", "other", "drums")
    oracle = Oracle(replace(INFO, stems=swapped), SONGS, 2)
    quality = measure_quality(oracle, INFO, SONGS, 2)
    assert quality is not None
    by_stem = {stem.stem: stem for stem in quality.stems}
    assert by_stem["drums"].improvement_db < -10
    assert by_stem["bass"].si_sdr_db > 60


def test_a_mono_network_is_measured_on_mono_songs() -> None:
    info = replace(INFO, channels=1, stems=("vocals", "instrumental"))
    quality = measure_quality(GainEngine(info, (1.0, 1.0)), info, held_out(1, 1.0))
    assert quality is not None
    assert quality.overlap == info.default_overlap
    assert quality.mean_improvement_db == pytest.approx(0, abs=1e-3)


def test_the_figures_of_a_song_are_those_of_the_definition() -> None:
    time = np.arange(44100) / 44100
    tones = {
        stem: np.stack([np.sin(2 * np.pi * f * time)] * 2).astype(np.float32)
        for stem, f in (("vocals", 440), ("drums", 100))
    }
    mixture = tones["vocals"] + tones["drums"]
    separated = {
        "vocals": tones["vocals"] + np.float32(0.1) * tones["drums"],
        "drums": tones["drums"] + np.float32(0.01) * tones["vocals"],
    }
    vocals, drums = scores_of(separated, mixture, tones)
    assert (vocals.stem, drums.stem) == ("vocals", "drums")
    assert vocals.si_sdr_db == pytest.approx(20, abs=1e-2)
    assert vocals.improvement_db == pytest.approx(20, abs=1e-2)
    assert drums.improvement_db == pytest.approx(40, abs=1e-2)


def test_a_stem_that_is_silent_or_alone_is_not_counted(song: Song) -> None:
    silence = np.zeros_like(song.mixture)
    truth = {"vocals": silence, "instrumental": song.mixture}
    assert scores_of({"vocals": silence, "instrumental": song.mixture}, song.mixture, truth) == []


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_stem_that_is_missing_is_bad_and_finite(song: Song, value: float) -> None:
    truth = {"vocals": song.stems["vocals"], "drums": song.stems["drums"]}
    nothing = np.full_like(song.mixture, value)
    for score in scores_of({"vocals": nothing, "drums": nothing}, song.mixture, truth):
        assert score.si_sdr_db == -LIMIT_DB
        assert np.isfinite(score.improvement_db)


def test_a_mean_is_over_the_songs_that_have_the_stem() -> None:
    songs = [
        [StemScore("a", 1.0, 10.0), StemScore("b", 4.0, 5.0)],
        [StemScore("a", 3.0, 20.0)],
        [],
    ]
    assert mean_over(("b", "a", "c"), songs) == (
        StemQuality("b", 4.0, 5.0, 1),
        StemQuality("a", 2.0, 15.0, 2),
    )
    assert mean_over(("a",), []) == ()


def test_the_time_it_takes_is_told_from_the_chunks_it_runs() -> None:
    engine = GainEngine(INFO, (0.25,) * 4)
    measure_quality(engine, INFO, SONGS, 2)
    assert estimated_seconds(INFO, 0.5, SONGS, 2) == 0.5 * len(engine.batches)


# What is kept of it.

QUALITY = Quality(
    seeds=(1, 2),
    seconds_each=3.0,
    overlap=4,
    stems=(StemQuality("vocals", 9.0, 12.0, 2), StemQuality("drums", 5.0, 6.0, 1)),
)


def changed(improved_db: float, songs_db: float = 0.0) -> Quality:
    """QUALITY with stems so much better, on songs so much easier."""
    return replace(
        QUALITY,
        stems=tuple(
            replace(
                stem,
                si_sdr_db=stem.si_sdr_db + improved_db + songs_db,
                improvement_db=stem.improvement_db + improved_db,
            )
            for stem in QUALITY.stems
        ),
    )


def test_it_survives_json_with_its_means_beside_it() -> None:
    values = json.loads(json.dumps(QUALITY.to_json(), allow_nan=False))
    assert quality_from_json(values) == QUALITY
    assert (values["mean_si_sdr_db"], values["mean_improvement_db"]) == (7.0, 9.0)
    assert values["measured_on"] == "held-out songs of the synthetic band"


@pytest.mark.parametrize("damage", [{}, {"stems": [{}]}, {"stems": 3}])
def test_what_is_none_is_refused(damage: dict[str, object]) -> None:
    values = {**QUALITY.to_json(), **damage} if damage else {}
    with pytest.raises((KeyError, TypeError)):
        quality_from_json(values)


@pytest.mark.parametrize(
    "damage",
    [
        {"stems": []},
        {"stems": ["vocals"]},
        {"seeds": []},
        {"seeds": 3},
        {"seeds": "12"},
        {"seeds": [1.5]},
        {"seeds": [True]},
        {"seeds": [-1]},
        {"seeds": [1] * 1001},
        {"seconds_each": 0.2},
        {"seconds_each": 1e9},
        {"seconds_each": math.nan},
        {"seconds_each": None},
        {"overlap": "4"},
        {"overlap": math.inf},
    ],
)
def test_values_that_cannot_have_been_measured_are_refused(damage: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        quality_from_json({**QUALITY.to_json(), **damage})


@pytest.mark.parametrize(
    "damage",
    [
        {"stem": 3},
        {"si_sdr_db": "x"},
        {"si_sdr_db": None},
        {"si_sdr_db": math.nan},
        {"si_sdr_db": 10**400},
        {"improvement_db": math.inf},
        {"improvement_db": True},
        {"n_songs": 0},
        {"n_songs": 1.0},
    ],
)
def test_figures_of_a_stem_that_are_none_are_refused(damage: dict[str, object]) -> None:
    values = QUALITY.to_json()
    values["stems"] = [{**values["stems"][0], **damage}]
    with pytest.raises((TypeError, ValueError)):
        quality_from_json(values)


@pytest.mark.parametrize("improved_db", [0.0, -0.09, 3.0])
def test_as_good_as_stored_passes(improved_db: float) -> None:
    changed(improved_db).check(QUALITY, "x.fp32")


def test_more_than_a_tenth_of_a_decibel_below_fails_with_both_figures() -> None:
    with pytest.raises(QualityError, match=r"x.fp32: .* 8.89 dB, export measured 9.00 dB"):
        changed(-0.11).check(QUALITY, "x.fp32")


def test_other_songs_are_not_compared() -> None:
    """The band of another version plays others: the mixture tells, not the seeds."""
    worse = changed(-3.0, songs_db=0.5)
    assert not worse.has_songs_of(QUALITY)
    assert changed(-3.0).has_songs_of(QUALITY)
    assert not replace(QUALITY, stems=QUALITY.stems[:1]).has_songs_of(QUALITY)
    worse.check(QUALITY, "x.fp32")
