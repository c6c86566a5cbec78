"""Segments, shifts, weights and both ends of the network against the demucs package itself.

Its `apply_model` runs a probe in a network's place: it is instant, and every sample that goes in
shows in what comes out. The ends are compared with the methods of its own two classes.
"""

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from stemline.arrays import Array
from stemline.evaluation.parity import snr_db
from stemline.evaluation.signal import music_like
from stemline.families.demucs.istft import DemucsIstft, stem_chunks
from stemline.families.demucs.stft import DemucsStft, network_inputs
from stemline.postprocessing.level import restored
from stemline.postprocessing.mean import WeightedMean
from stemline.postprocessing.triangle_add import TriangleAdd
from stemline.preprocessing.level import level_of, normalised
from stemline.preprocessing.segments import (
    SegmentPlan,
    iter_segments,
    segment_hop_samples,
    shift_leads,
)

pytestmark = pytest.mark.oracles


RATE = 44100
HT_SEGMENT = 343_980  # 7.8 s
LENGTHS = [1, RATE, HT_SEGMENT - 1, HT_SEGMENT, HT_SEGMENT + 1, int(23.4 * RATE), 61 * RATE]
N_STEMS = 3
# The budget; a probe adds no error of its own, so what is left is float32 sums.
BUDGET_DB = 65.0
# A chunk's own: torch's and scipy's transforms in float32.
CHUNK_DB = 110.0
# 65 to 130 dB, by how many bins of a chunk hold nothing but rounding (below).
PHASES_DB = 50.0


def probe(samples: Any, positions: Any) -> Any:
    """Samples (..., n) -> stems (N_STEMS, ..., n) that no shift or other fill would give.

    A sum of neighbours, weights by the position within the chunk, and the mean of the chunk; of
    numpy arrays and tensors alike.
    """
    near = samples.copy() if isinstance(samples, np.ndarray) else samples.clone()
    near[..., 3:] += 0.5 * samples[..., :-3]
    near[..., :-2] -= 0.25 * samples[..., 2:]
    level = samples.mean() if isinstance(samples, np.ndarray) else samples.mean(-1).mean()
    return [near * (1 + stem * positions) + level for stem in range(N_STEMS)]


def positions_of(n_samples: int) -> Array:
    return np.cos(np.arange(n_samples, dtype=np.float32) * np.float32(1e-3))


class Probe(torch.nn.Module):
    """What `apply_model` runs: any length (HDemucs) or a training length (HTDemucs)."""

    def __init__(self, segment: Fraction, *, fixed: bool) -> None:
        super().__init__()
        self.sources = [f"stem {index}" for index in range(N_STEMS)]
        self.samplerate, self.audio_channels, self.segment = RATE, 2, segment
        self.register_parameter("unused", torch.nn.Parameter(torch.zeros(1)))
        if fixed:
            self.valid_length = lambda length: int(segment * RATE)

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        """(1, 2, n) -> (1, N_STEMS, 2, n)."""
        positions = torch.from_numpy(positions_of(mix.shape[-1]))
        return torch.stack(probe(mix[0], positions))[None]


def separated(track: Array, plan: SegmentPlan, leads: Sequence[int] = (0,)) -> Array:
    """A track (2, n) through our segments, the probe and our sums -> (N_STEMS, 2, n)."""
    adders = [TriangleAdd(N_STEMS, 2, plan.segment_samples, plan.hop_samples) for _ in leads]
    mean = WeightedMean(np.ones((len(leads), N_STEMS), np.float32))
    # Blocks of a prime length, so that no segment ends where a block does.
    blocks = (track[:, start : start + 9973] for start in range(0, track.shape[1], 9973))
    out = []
    for cut in iter_segments(blocks, plan, leads):
        stems = np.stack(probe(cut.samples, positions_of(cut.samples.shape[1])))
        adder = adders[cut.shift]
        final = adder.add(stems, cut.start, cut.valid, cut.skip, cut.final_until)
        out.append(mean.add(cut.shift, final))
    return np.concatenate(out, axis=-1)


def check(what: str, wanted: torch.Tensor, got: Array, budget_db: float = BUDGET_DB) -> None:
    assert got.shape == tuple(wanted.shape)
    for stem in range(len(got)):
        db = snr_db(wanted[stem].numpy(), got[stem])
        print(f"{what}, stem {stem}: {db:.1f} dB")
        assert db >= budget_db, f"{what}, stem {stem}: {db:.1f} dB"


def plan_of(segment: Fraction, overlap: float, *, fixed: bool) -> SegmentPlan:
    n_samples = int(segment * RATE)
    hop = segment_hop_samples(n_samples, overlap)
    return SegmentPlan(n_samples, hop, n_samples if fixed else None)


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "free"])
@pytest.mark.parametrize("n_samples", LENGTHS)
def test_whole_tracks(n_samples: int, fixed: bool) -> None:
    from demucs.apply import apply_model

    segment = Fraction(39, 5)
    track = music_like(n_samples, RATE, 2, seed=3)
    model: Any = Probe(segment, fixed=fixed)
    wanted = apply_model(model, torch.from_numpy(track)[None], shifts=0)[0]
    got = separated(track, plan_of(segment, 0.25, fixed=fixed))
    check(f"{n_samples} samples, fixed={fixed}", wanted, got)


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.25, 0.4, 0.5, 0.7, 0.75, 0.9])
@pytest.mark.parametrize("seconds", [Fraction(39, 5), Fraction(44, 100), Fraction(1, 3)])
def test_other_overlaps_and_segments(overlap: float, seconds: Fraction) -> None:
    from demucs.apply import apply_model

    n_samples = int(RATE * seconds * Fraction(31, 10))
    track = music_like(n_samples, RATE, 2, seed=4)
    model: Any = Probe(seconds, fixed=True)
    wanted = apply_model(model, torch.from_numpy(track)[None], shifts=0, overlap=overlap)[0]
    got = separated(track, plan_of(seconds, overlap, fixed=True))
    check(f"overlap {overlap}, segments of {seconds} s", wanted, got)


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "free"])
@pytest.mark.parametrize("n_samples", LENGTHS)
def test_shifts_at_given_offsets(
    n_samples: int, fixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demucs.apply import apply_model

    offsets = [0, 22_050, 12_345]
    left = iter(offsets)
    monkeypatch.setattr(random, "randint", lambda low, high: next(left))
    segment = Fraction(39, 5)
    track = music_like(n_samples, RATE, 2, seed=5)
    model: Any = Probe(segment, fixed=fixed)
    wanted = apply_model(model, torch.from_numpy(track)[None], shifts=len(offsets))[0]
    got = separated(track, plan_of(segment, 0.25, fixed=fixed), [22_050 - o for o in offsets])
    check(f"{n_samples} samples, fixed={fixed}, shifted", wanted, got)


@pytest.mark.parametrize("n_shifts", [1, 2, 5])
def test_a_seed_draws_the_shifts_of_the_original(n_shifts: int) -> None:
    from demucs.apply import apply_model

    segment = Fraction(1, 2)
    track = music_like(RATE, RATE, 2, seed=6)
    model: Any = Probe(segment, fixed=True)
    random.seed(42)
    wanted = apply_model(model, torch.from_numpy(track)[None], shifts=n_shifts)[0]
    leads = shift_leads(n_shifts, RATE, random.Random(42))
    check(f"{n_shifts} shifts", wanted, separated(track, plan_of(segment, 0.25, fixed=True), leads))


@pytest.mark.parametrize("n_shifts", [0, 2])
def test_a_bag_is_the_weighted_mean_of_its_members(n_shifts: int) -> None:
    """With shifts, each member draws its own."""
    from demucs.apply import BagOfModels, apply_model

    weights = [[1.0, 0.0, 2.0], [0.5, 1.0, 1.0]]
    segments = [Fraction(1, 2), Fraction(2, 3)]
    members: Any = [Probe(segment, fixed=True) for segment in segments]
    track = music_like(RATE, RATE, 2, seed=8)
    random.seed(1)
    bag = BagOfModels(members, weights)
    wanted = apply_model(bag, torch.from_numpy(track)[None], shifts=n_shifts)[0]
    drawn = random.Random(1)
    mean = WeightedMean(np.array(weights, np.float32))
    out = []
    for index, segment in enumerate(segments):
        leads = shift_leads(n_shifts, RATE, drawn)
        got = separated(track, plan_of(segment, 0.25, fixed=True), leads)
        out.append(mean.add(index, got))
    check(f"a bag, {n_shifts} shifts", wanted, np.concatenate(out, axis=-1))


def test_a_bag_lets_hdemucs_have_segments_of_44_s() -> None:
    """The free length of a whole bag row: one long segment and a short one."""
    from demucs.apply import apply_model

    track = music_like(61 * RATE, RATE, 2, seed=9)
    model: Any = Probe(Fraction(44), fixed=False)
    wanted = apply_model(model, torch.from_numpy(track)[None], shifts=0)[0]
    check("44 s", wanted, separated(track, plan_of(Fraction(44), 0.25, fixed=False)))


def htdemucs(**options: Any) -> Any:
    """As small as the class allows; only what surrounds its layers is used."""
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(0)
    options = {"channels": 8, "t_layers": 1, "t_heads": 1, "bottom_channels": 0, **options}
    return HTDemucs(["drums", "bass", "other", "vocals"], **options).eval()


def test_a_user_segment_below_the_training_length() -> None:
    """Centred in the user's segment, and that with zeros behind it in the network's length.

    HTDemucs itself runs here, once by `apply_model` and once on our segments.
    """
    from demucs.apply import apply_model

    model = htdemucs(segment=Fraction(2))
    track = music_like(int(3.1 * RATE), RATE, 2, seed=10)
    wanted = apply_model(model, torch.from_numpy(track)[None], shifts=0, segment=1.3)[0]
    n_samples = int(1.3 * RATE)
    plan = SegmentPlan(n_samples, segment_hop_samples(n_samples, 0.25), 2 * RATE)
    adder = TriangleAdd(4, 2, plan.segment_samples, plan.hop_samples)
    out = []
    for cut in iter_segments([track], plan):
        with torch.no_grad():
            stems = model(torch.from_numpy(cut.samples)[None])[0].numpy()
        out.append(adder.add(stems, cut.start, cut.valid, cut.skip, cut.final_until))
    check("segments of 1.3 s", wanted, np.concatenate(out, axis=-1))


@pytest.mark.parametrize("n_samples", [2, RATE, 10 * RATE])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_level_is_taken_out_and_put_back(n_samples: int, channels: int) -> None:
    """The original computes it in float32, so it is compared with its formulas in float64 too."""
    track = 0.3 * music_like(n_samples, RATE, channels, seed=11) + np.float32(0.01)
    mix = torch.from_numpy(track)
    reference = mix.mean(0)
    mean, scale = reference.mean(), reference.std() + 1e-8
    wanted = (mix - mean) / scale
    blocks = [track[:, start : start + 997] for start in range(0, n_samples, 997)]
    level = level_of(blocks)
    exact = mix.double().mean(0)
    # Float64 sums of up to 441,000 numbers; at 2 samples the spread is what float32 leaves of it.
    assert level.mean == pytest.approx(float(exact.mean()), rel=1e-11)
    assert level.scale == pytest.approx(float(exact.std()) + 1e-8, rel=1e-11)
    ours = normalised(track, level)
    check("normalised", wanted[None], ours[None], 100)
    back = restored(ours[None], level.mean, level.scale)
    check("restored", (wanted * scale + mean)[None], back, 100)


# The two ends of the network -----------------------------------------------------------------

CHUNKS = [1, 5, 1023, 1024, 1025, 1536, 2049, 4097, 20_000, HT_SEGMENT]


def hdemucs(**options: Any) -> Any:
    from demucs.hdemucs import HDemucs

    return HDemucs(["drums", "bass", "other", "vocals"], channels=4, **options).eval()


NETWORKS = {
    "htdemucs": lambda: htdemucs(),
    "hdemucs": lambda: hdemucs(cac=True),
    "magnitudes": lambda: hdemucs(cac=False),
    "hybrid_old": lambda: hdemucs(cac=False, hybrid_old=True),
    "hybrid_old_complex": lambda: hdemucs(cac=True, hybrid_old=True),
}


@pytest.mark.parametrize("n_samples", CHUNKS)
@pytest.mark.parametrize("name", NETWORKS)
def test_both_ends_are_those_of_the_original(name: str, n_samples: int) -> None:
    network = NETWORKS[name]()
    old = getattr(network, "hybrid_old", False)
    chunks = music_like(n_samples, RATE, 2, seed=12)[None]
    spectrum = network._spec(torch.from_numpy(chunks))
    stft = DemucsStft(network.nfft, zero_ends=old)
    spectra = stft(chunks)
    as_pairs = torch.view_as_real(spectrum)[0].numpy()
    found = np.stack([spectra.real, spectra.imag], axis=-1)[0]
    assert snr_db(as_pairs, found) >= CHUNK_DB
    inputs = network_inputs(chunks, spectra, complex_as_channels=network.cac)
    wanted_input = network._magnitude(spectrum)
    check(f"{name}, {n_samples} samples: input", wanted_input, inputs["spectrogram"], CHUNK_DB)

    # Any outputs will do; a magnitude may come out negative, as nothing stops the network.
    outputs = np.random.default_rng(13)
    spectrograms = outputs.standard_normal((1, 4, *inputs["spectrogram"].shape[1:]))
    spectrograms = spectrograms.astype(np.float32)
    waveforms = outputs.standard_normal((1, 4, 2, n_samples)).astype(np.float32)
    masked = network._mask(spectrum, torch.from_numpy(spectrograms))
    wanted = network._ispec(masked, n_samples) + torch.from_numpy(waveforms)
    istft = DemucsIstft(network.nfft, zero_ends=old)
    their_mixture = None if network.cac else spectrum.numpy()
    got = stem_chunks(spectrograms, waveforms, istft, mixture=their_mixture)
    check(f"{name}, {n_samples} samples: output", wanted[0], got[0], CHUNK_DB)
    if not network.cac:
        # A bin that holds nothing but the rounding of a float32 transform has another phase in
        # every library, and magnitudes that are as great there as anywhere make it heard.
        got = stem_chunks(spectrograms, waveforms, istft, mixture=spectra)
        check(f"{name}, {n_samples} samples: output, our phases", wanted[0], got[0], PHASES_DB)


@pytest.mark.parametrize("zero", ["all", "left", "stretches"])
def test_silent_bins_get_the_phase_of_the_original(zero: str) -> None:
    network = hdemucs(cac=False)
    chunks = music_like(20_000, RATE, 2, seed=14)[None]
    if zero == "all":
        chunks[:] = 0
    elif zero == "left":
        chunks[:, 0] = 0
    else:
        chunks[..., 6000:15_000] = 0
    spectra = DemucsStft(network.nfft)(chunks)
    if zero == "stretches":
        assert (spectra[..., 8:10] == 0).all()
    magnitudes = np.random.default_rng(15).standard_normal((1, 4, *spectra.shape[1:]))
    magnitudes = magnitudes.astype(np.float32)
    spectrum = torch.from_numpy(np.ascontiguousarray(spectra))
    masked = network._mask(spectrum, torch.from_numpy(magnitudes))
    wanted = network._ispec(masked, 20_000)
    waveforms = np.zeros((1, 4, 2, 20_000), np.float32)
    got = stem_chunks(magnitudes, waveforms, DemucsIstft(network.nfft), mixture=spectra)
    check(f"silence {zero}", wanted[0], got[0], CHUNK_DB)
