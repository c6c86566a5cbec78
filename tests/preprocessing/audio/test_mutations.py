"""Good files of every container, damaged by chance: right, refused before the work, or said."""

import time

import numpy as np
import pytest

from stemline.bench.containers.comparing import compare, snr_db
from stemline.bench.containers.decoding import FfmpegError, by_pyav
from stemline.bench.containers.kinds import KINDS
from stemline.bench.containers.making import Samples, music
from stemline.bench.containers.mutations import MUTATIONS
from stemline.bench.containers.reading import Reading, read

N_FOR_EACH_KIND = 12
N_SAMPLES = 30_000
BLOCK_SAMPLES = 1152
MOST_S = 10.0  # of a machine that does other things too; a hundredth is usual
# Nothing in these numbers their frames or says how many there are: one that is gone as a whole
# leaves no trace.
UNNUMBERED = {"MP3 CBR, bare", "MP3 VBR, bare", "MP3 in RIFF", "MP2", "AAC", "AC-3"}
# Nor has anything in these a checksum: each decoder makes something else of bits that were changed,
# and of the frames that need them.
UNCHECKED = {kind for kind in KINDS if "MP3" in kind or kind in ("MP2", "WAV MS ADPCM")}
# The clocks of these are coarse, and what a codec adds at the ends is counted or not.
COARSE_S = {kind: 0.1 if kind == "WMA" else 0.03 for kind in KINDS if kind in (
    "WMA", "WebM Opus", "Matroska FLAC", "Matroska AAC", "mp4 fragmented", "m4a AAC")}  # fmt: skip


def song() -> Samples:
    """With a quiet stretch, so that frames of a variable bitrate differ in size."""
    samples = music(N_SAMPLES)
    samples[:, N_SAMPLES // 3 : N_SAMPLES // 2] *= 0.05
    return samples


def mutated(data: bytes, seed: int) -> bytes:
    """One mutation, and by chance a second."""
    random = np.random.default_rng(seed)
    for _ in range(1 if random.random() < 0.8 else 2):
        mutate = MUTATIONS[int(random.integers(0, len(MUTATIONS)))]
        if len(data) > 600:
            data = mutate(data, random)
    return data


def wrong(kind: str, data: bytes, reading: Reading, whole: Samples) -> str:
    """What must not be; empty where all is well."""
    if reading.refusal:
        # A sample that is no number can only be met where it is.
        late = reading.n_before_refusal and "must hold" not in reading.refusal
        return f"refused after {reading.n_before_refusal} samples" if late else ""
    found = reading.samples
    if reading.announced_samples not in (None, found.shape[1]) and not reading.faults:
        return f"announced {reading.announced_samples}"
    if reading.faults:
        return ""
    n_coarse = round(COARSE_S.get(kind, 0) * reading.rate_hz)
    is_of_one_shape = len(found) == len(whole)
    is_short = is_of_one_shape and found.shape[1] < whole.shape[1] - n_coarse
    is_as_it_was = is_of_one_shape and likeness(found, whole) >= 0.5
    try:
        by_ffmpeg = by_pyav(data)
    except FfmpegError:  # of what libsndfile or our own reading of the header knows better
        by_ffmpeg = whole
    is_as_ffmpeg = found.shape == by_ffmpeg.shape and likeness(found, by_ffmpeg) >= 0.5
    if is_short and not (is_as_ffmpeg and kind in UNNUMBERED):
        return f"{found.shape[1]} of {whole.shape[1]} samples without a word"
    if is_as_it_was or is_as_ffmpeg or (kind in UNCHECKED and is_of_one_shape):
        return ""
    return f"neither as it was nor as FFmpeg reads it: {found.shape}, {compare(found, by_ffmpeg)}"


def likeness(found: Samples, wanted: Samples) -> float:
    """The share of blocks that are the same."""
    n_shared = min(found.shape[1], wanted.shape[1])
    if len(found) != len(wanted) or n_shared == 0:
        return 0
    least_db = [
        min(
            snr_db(one[first : first + BLOCK_SAMPLES], other[first : first + BLOCK_SAMPLES])
            for one, other in zip(found[:, :n_shared], wanted[:, :n_shared], strict=True)
        )
        for first in range(0, n_shared, BLOCK_SAMPLES)
    ]
    return float(np.mean(np.array(least_db) > 30))


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_read_right_or_refused_or_said(kind: str) -> None:
    data = KINDS[kind].make(song())
    whole = by_pyav(data)
    first_seed = 1000 * list(KINDS).index(kind)
    found = {}
    for seed in range(first_seed, first_seed + N_FOR_EACH_KIND):
        damaged = mutated(data, seed)
        began_s = time.perf_counter()
        reading = read(damaged)
        if said := wrong(kind, damaged, reading, whole):
            found[seed] = said
        if time.perf_counter() - began_s > MOST_S:
            found[seed] = "took too long"
    assert found == {}
