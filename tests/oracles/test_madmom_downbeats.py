"""madmom's own beats and downbeats against ours: features, activations, and the beats at last.

It lives in a virtual environment of its own, as its pins rule out sharing one; MADMOM_PYTHON names
another interpreter than that which make test-oracles makes. Its networks are read from there and
stay there.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stemline.band import play
from stemline.engines import BeatInfo, open_engine
from stemline.evaluation.beat_scores import f_measure
from stemline.families.madmom.checkpoint.installed import find_madmom, madmom_digest, read_madmom
from stemline.families.madmom.features import downbeat_features
from stemline.families.madmom.graph import export_madmom
from stemline.families.madmom.network import MadmomBlstm
from stemline.preprocessing.resample import Resampler
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.jobs import Beats

pytestmark = pytest.mark.oracles

RATE = 44100
_INSTALLED = Path(__file__).parents[2] / ".venv/madmom/bin/python"
PYTHON = Path(os.environ.get("MADMOM_PYTHON", _INSTALLED))
SCRIPT = Path(__file__).with_name("madmom_downbeats.py")
FACTS = BeatInfo("madmom", stems=(), labels=(), best_threshold_downbeat=0.05, n_bins=314)
# Of the band's songs: 4/4 at 123, 3/4 at 93, 4/4 at 163, 3/4 at 138 and 4/4 at 79 beats a minute.
SEEDS = (700, 703, 705, 710, 707)
SECONDS = 40.0


@dataclass(frozen=True)
class Piece:
    """A track as we are given it and as madmom is."""

    given: NDArray[np.float32]
    """(channels, n_samples)."""
    rate_hz: int
    madmoms: NDArray[Any]
    """(n_samples,) or (n_samples, channels) of 44.1 kHz, float32 or int16."""
    beats_s: NDArray[np.float64]
    """Where they are."""
    downbeats_s: NDArray[np.float64]


def pieces() -> dict[str, Piece]:
    found = {}
    for seed in SEEDS:
        song = play(seed, SECONDS)
        stereo = np.asarray(song.mixture, np.float32)
        beats = song.truth.beats
        truth = (
            np.array([beat.time_s for beat in beats]),
            np.array([beat.time_s for beat in beats if beat.position == 1]),
        )
        found[f"{seed}-stereo"] = Piece(stereo, RATE, stereo.T, *truth)
        if seed == SEEDS[0]:
            mono = stereo.mean(axis=0)
            found[f"{seed}-mono"] = Piece(mono[None], RATE, mono, *truth)
        if seed == SEEDS[1]:
            # A file of 48 kHz: madmom has others resample it, so both get ours.
            other = resampled(stereo, RATE, 48000)
            found[f"{seed}-48000"] = Piece(
                other, 48000, resampled(other, 48000, RATE).T.copy(), *truth
            )
        # A file of 16 bits, and the same file as floats of full scale 1; then what madmom hears of
        # it, the mean of its channels cut to 16 bits, where 32767 is full scale.
        steps = np.clip(np.round(stereo * 32768), -32768, 32767).astype(np.int16)
        found[f"{seed}-16-bit"] = Piece(steps.astype(np.float32) / 32768, RATE, steps.T, *truth)
        if seed in SEEDS[:2]:
            cut = steps.mean(axis=0).astype(np.int16)
            ours = (cut / 32767).astype(np.float32)[None]
            found[f"{seed}-16-bit-cut"] = Piece(ours, RATE, cut, *truth)
    return found


def resampled(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    resampler = Resampler(from_hz, to_hz, len(samples))
    return np.concatenate([resampler.push(samples), resampler.flush()], axis=1)


@dataclass(frozen=True)
class Compared:
    """Both sides of one piece."""

    piece: Piece
    features: NDArray[np.float32]
    activations: NDArray[np.float32]
    beats: NDArray[np.float64]
    """madmom's; (n, 2): time and position."""
    ours: Beats

    @property
    def our_beats(self) -> NDArray[np.float64]:
        """As madmom gives them."""
        return np.array([(beat.time_s, beat.position) for beat in self.ours.beats]).reshape(-1, 2)

    @property
    def our_activations(self) -> NDArray[np.float32]:
        """As madmom gives them."""
        assert self.ours.activations is not None
        return np.stack([self.ours.activations.beat, self.ours.activations.downbeat], axis=1)


@pytest.fixture(scope="module")
def models() -> Path:
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} is not there; make test-oracles makes it")
    found = find_madmom(PYTHON.parents[1])
    assert found is not None
    return found


@pytest.fixture(scope="module")
def network(models: Path) -> MadmomBlstm:
    return read_madmom(models).network()


@pytest.fixture(scope="module")
def engine_path(network: MadmomBlstm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("engine") / "model.onnx"
    export_madmom(network, path)
    return path


@pytest.fixture(scope="module")
def compared(engine_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Compared]:
    folder, given = tmp_path_factory.mktemp("pieces"), pieces()
    np.savez(folder / "in.npz", **{name: piece.madmoms for name, piece in given.items()})
    command = [str(PYTHON), str(SCRIPT), str(folder / "in.npz"), str(folder / "out.npz")]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, timeout=900, env=one_thread)
    tracker = BeatTracker(open_engine(engine_path, "cpu", threads=1), FACTS)
    found = {}
    with np.load(folder / "out.npz") as theirs:
        for name, piece in given.items():
            ours = tracker.track(piece.given, piece.rate_hz, with_activations=True)
            parts = [theirs[f"{name}/{part}"] for part in ("features", "activations", "beats")]
            found[name] = Compared(piece, *parts, ours)
            stages = ("spectrogram", "engine", "decode")
            ratios = theirs[f"{name}/seconds"] / [ours.seconds[stage] for stage in stages]
            print(
                name,
                "its CPU time over our wall time:",
                dict(zip(stages, ratios.round(1).tolist(), strict=True)),
            )
    tracker.close()
    return found


def test_the_networks_are_those_of_madmom_0_16_1(models: Path) -> None:
    assert (
        madmom_digest(models) == "117d21c28dd1f01fe0a108f042c0fb8382ec0a5f640762df250a53a215c6b289"
    )


def heard_alike(compared: dict[str, Compared]) -> dict[str, Compared]:
    """The pieces of which both sides hear the same samples."""
    return {name: one for name, one in compared.items() if not name.endswith("16-bit")}


def test_beats_and_their_places_in_the_bar_are_madmoms(compared: dict[str, Compared]) -> None:
    for name, one in heard_alike(compared).items():
        np.testing.assert_array_equal(one.our_beats, one.beats, err_msg=name)
        assert len(one.our_beats) > 30, name
        downbeats_s = one.our_beats[one.our_beats[:, 1] == 1, 0]
        print(
            f"{name}: {len(one.our_beats)} beats as madmom's; against the truth F "
            f"{f_measure(one.piece.beats_s, one.our_beats[:, 0]):.3f} of beats, "
            f"{f_measure(one.piece.downbeats_s, downbeats_s):.3f} of downbeats"
        )


def test_stereo_files_of_16_bits_are_cut_by_madmom_and_their_beats_move_by_a_frame_at_most(
    compared: dict[str, Compared],
) -> None:
    """It cuts the mean of the channels to 16 bits, we do not: up to a step less.

    So much noise moves the peaks of some activations to the next frame.
    """
    for seed in SEEDS:
        one = compared[f"{seed}-16-bit"]
        np.testing.assert_array_equal(one.our_beats[:, 1], one.beats[:, 1])
        moved = np.abs(one.our_beats[:, 0] - one.beats[:, 0])
        print(f"{seed}: {np.count_nonzero(moved > 1e-9)} of {len(moved)} beats moved by a frame")
        assert moved.max() < 0.0101


def test_features_are_madmoms(compared: dict[str, Compared]) -> None:
    worst: dict[str, float] = {}
    for name, one in compared.items():
        samples, kind = one.piece.madmoms, "16 bits"
        if samples.dtype == np.int16:  # cut to whole steps, and full scale is 32767
            mono = samples.reshape(len(samples), -1).mean(axis=1).astype(np.int16) / 32767
        else:
            mono, kind = samples.reshape(len(samples), -1).mean(axis=1), "float"
        for dtype, most in ((np.float64, 1e-6), (np.float32, 4e-6)):
            ours = downbeat_features(mono.astype(dtype), RATE)
            assert ours.shape == one.features.shape
            error = float(np.abs(ours - one.features).max())
            # The budgets of the spectrogram, which it keeps for any frame.
            assert error <= most, (name, dtype)
            key = f"{kind} in {dtype.__name__}"
            worst[key] = max(error, worst.get(key, 0.0))
    print("farthest from madmom's features:", worst)


def test_on_madmoms_features_the_networks_give_its_activations(
    compared: dict[str, Compared], network: MadmomBlstm, engine_path: Path
) -> None:
    """Rounding grows along 4000 frames: madmom's own activations are as far from exact ones."""
    engine = open_engine(engine_path, "cpu", threads=1)
    exact_network = read_madmom(find_madmom(PYTHON.parents[1]) or Path()).network().double()
    for name in (f"{SEEDS[0]}-stereo", f"{SEEDS[1]}-16-bit"):
        one = compared[name]
        outputs = engine.run({"features": one.features[None]})
        ours = np.stack([outputs["beat"][0], outputs["downbeat"][0]], axis=1)
        with torch.inference_mode():
            given = torch.from_numpy(one.features)[None]
            torchs = torch.stack(network(given), -1)[0].numpy()
            exact = torch.stack(exact_network(given.double()), -1)[0].numpy()
        errors = {
            "ours": ours - exact,
            "torch's": torchs - exact,
            "madmom's": one.activations - exact,
            "ours from madmom's": ours - one.activations,
        }
        print(name, {key: (float(np.abs(e).max()), rms(e)) for key, e in errors.items()})
        # 6e-8, the last bit of float32, and what the networks make of it: at single frames, in
        # the worst of pieces, 3e-4. On the whole little is left of that.
        assert rms(errors["ours from madmom's"]) < 1e-5
        assert np.abs(errors["ours from madmom's"]).max() < 1e-3
        # Ours are as exact as others in float32, but for a factor of two.
        assert rms(errors["ours"]) <= 2 * max(rms(errors["torch's"]), rms(errors["madmom's"]))
    engine.close()


def rms(values: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def test_activations_of_whole_pieces_are_near_madmoms(compared: dict[str, Compared]) -> None:
    for name, one in compared.items():
        error = one.our_activations - one.activations
        print(name, "activations off by", float(np.abs(error).max()), "rms", rms(error))
        # Features differ by 4e-6 at most, see above for what the networks make of that; and of
        # what is cut to 16 bits by what a cut makes.
        assert rms(error) < (5e-3 if name.endswith("16-bit") else 5e-5), name
