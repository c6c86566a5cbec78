"""What `mini` learns from: windows of the band's songs, remixed, in an order the seed decides."""

import hashlib
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import stemline.band
from stemline.arrays import Array
from stemline.band.compose import compose, excerpt
from stemline.band.dice import Dice
from stemline.band.song import SAMPLE_RATE_HZ, STEMS, perform

FIRST_SEED = 1
"""Training's songs have the seeds from here up; held-out ones begin at a million."""
_FULL_SCALE = 16384  # int16 steps at 1.0: a stem alone may peak above its mixture
_GAIN_DB = 6.0
_DROPPED = 0.08  # share of stems left out
_REMIXED = 0.25  # share of examples whose stems come from four songs: more cost quality when tried


def render(folder: Path, n_songs: int, excerpt_s: float, n_workers: int) -> NDArray[np.int16]:
    """Excerpts of songs, (n_songs, 4, 2, n_samples), kept in `folder` and made only once."""
    n_samples = round(excerpt_s * SAMPLE_RATE_HZ)
    shape = (n_songs, len(STEMS), 2, n_samples)
    path, made_of = folder / "songs.npy", folder / "songs.json"
    info = {"band": _band_digest(), "first_seed": FIRST_SEED, "shape": list(shape)}
    if not made_of.is_file() or json.loads(made_of.read_text()) != info:
        folder.mkdir(parents=True, exist_ok=True)
        made_of.unlink(missing_ok=True)
        songs = np.lib.format.open_memmap(path, "w+", np.int16, shape)
        seeds = range(FIRST_SEED, FIRST_SEED + n_songs)
        with ProcessPoolExecutor(n_workers, get_context("spawn")) as pool:
            made = pool.map(_excerpt, seeds, [n_samples] * n_songs, chunksize=4)
            for index, stems in enumerate(made):
                songs[index] = stems
        songs.flush()
        made_of.write_text(json.dumps(info))
    loaded: NDArray[np.int16] = np.load(path, mmap_mode="r")
    return loaded


def _band_digest() -> str:
    """Digest of the sources of the band and of this file: others would make other songs."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(Path(stemline.band.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _excerpt(seed: int, n_samples: int) -> NDArray[np.int16]:
    """A window of one whole song, its place chosen by the seed, (4, 2, n_samples)."""
    score = compose(seed)
    length_s = n_samples / SAMPLE_RATE_HZ
    start_s = Dice(seed, "training window").uniform(0.0, max(0.0, score.duration_s - length_s))
    song = perform(excerpt(score, start_s, length_s))
    stems = np.zeros((len(STEMS), 2, n_samples), np.float32)
    for index, name in enumerate(STEMS):
        stem = song.stems[name][:, :n_samples]
        stems[index, :, : stem.shape[1]] = stem
    return np.clip(stems * _FULL_SCALE, -32768, 32767).astype(np.int16)


def example(songs: NDArray[np.int16], window_samples: int, dice: Dice) -> Array:
    """One remixed window, (4, 2, window_samples): other gains, sides and signs, stems left out."""
    n_songs, n_stems, _, n_samples = songs.shape
    remixed = dice.chance(_REMIXED)
    song = dice.integer(0, n_songs - 1)
    start = dice.integer(0, n_samples - window_samples)
    swapped = dice.chance(0.5)
    stems = np.zeros((n_stems, 2, window_samples), np.float32)
    for index in range(n_stems):
        if remixed:
            song = dice.integer(0, n_songs - 1)
            start = dice.integer(0, n_samples - window_samples)
            swapped = dice.chance(0.5)
        gain_db = dice.uniform(-_GAIN_DB, _GAIN_DB)
        sign = -1.0 if dice.chance(0.5) else 1.0
        if dice.chance(_DROPPED):
            continue
        window = songs[song, index, :, start : start + window_samples]
        scale = np.float32(sign * 10 ** (gain_db / 20) / _FULL_SCALE)
        stems[index] = (window[::-1] if swapped else window) * scale
    return stems
