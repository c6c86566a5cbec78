"""Write songs.json: figures of two songs, as they sounded when the band was last changed.

Run it where a change of the sound is meant, and say so in the commit:

    python tests/band/golden/write_golden.py
"""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np

from stemline.band import STEMS, Song, play, truth_digest
from stemline.band.song import SAMPLE_RATE_HZ

PATH = Path(__file__).with_name("songs.json")
SONGS = ((1, 20.0), (2, 20.0))
"""Seeds and lengths in seconds."""
EDGES_HZ = (0, 200, 1000, 4000, 22050)


def figures(song: Song) -> dict[str, object]:
    """What is compared: exact truth, and for each stem RMS, peak and energies of four bands."""
    result: dict[str, object] = {"truth_sha256": truth_digest(song.score)}
    for name in STEMS:
        sound = song.stems[name].astype(np.float64)
        spectrum = np.abs(np.fft.rfft(sound, axis=1)) ** 2
        edges = [int(edge * song.n_samples / SAMPLE_RATE_HZ) for edge in EDGES_HZ]
        total = spectrum.sum()
        bands = [
            float(spectrum[:, low:high].sum() / total) if total else 0.0
            for low, high in pairwise(edges)
        ]
        rms = float(np.sqrt(np.mean(sound**2)))
        result[name] = {"rms": rms, "peak": float(np.abs(sound).max()), "bands": bands}
    return result


if __name__ == "__main__":
    golden = {f"{seed} {length_s}": figures(play(seed, length_s)) for seed, length_s in SONGS}
    PATH.write_text(json.dumps(golden, indent=1) + "\n")
