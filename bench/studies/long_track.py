"""Peak memory of `stemline separate` on a long track beside a short one: it must not grow.

    python -m stemline.bench.studies.long_track [--minutes 2,60] [--folder DIR]

A tiny network with random weights stands for a real one: what could grow with the track is
everything around the network. Writes about 2 GB for 60 minutes, and removes it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from .common import run_measured

RATE_HZ = 44100
_CONFIG = """
audio: {chunk_size: 130560, dim_f: 1024, dim_t: 256, hop_length: 512, n_fft: 2048,
  num_channels: 2, sample_rate: 44100}
model: {act: gelu, bottleneck_factor: 4, growth: 2, norm: InstanceNorm, num_blocks_per_scale: 1,
  num_channels: 2, num_scales: 2, num_subbands: 4, scale: [2, 2]}
training: {instruments: [Vocals, Instrumental], target_instrument: null}
inference: {num_overlap: 2}
"""


def write_track(path: Path, minutes: float) -> None:
    """A stereo WAV of decaying tones in noise, written a second at a time."""
    random = np.random.default_rng(0)
    time_s = np.arange(RATE_HZ) / RATE_HZ
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, "PCM_16") as file:
        for _ in range(round(60 * minutes)):
            tone = np.exp(-3 * time_s) * np.sin(2 * np.pi * random.uniform(80, 2000) * time_s)
            noise = 0.05 * random.standard_normal((RATE_HZ, 2))
            file.write(0.3 * tone[:, None] + noise)


def main() -> None:
    """Print the peak for each length, and the difference, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", default="2,60")
    parser.add_argument("--folder", type=Path, help="Where to write; a temporary folder if unset.")
    given = parser.parse_args()
    stemline = str(Path(sys.executable).parent / "stemline")
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        (folder / "tiny.yaml").write_text(_CONFIG)
        options = ["--artifacts", str(folder / "artifacts")]
        subprocess.run(
            [stemline, "export", "tiny", "--family", "mdx23c", "--config", folder / "tiny.yaml",
             "--weights", "random", *options],
            check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        peaks = {}
        for minutes in (float(text) for text in given.minutes.split(",")):
            track = folder / f"{minutes:g} minutes.wav"
            write_track(track, minutes)
            command = [stemline, "separate", str(track), "--allow-untrained", *options]
            _, peak_mb = run_measured([*command, "-o", str(folder / "stems")])
            peaks[f"{minutes:g}"] = round(peak_mb)
            track.unlink()
    growth = max(peaks.values()) - min(peaks.values())
    print(json.dumps({"peak_rss_mb_by_minutes": peaks, "growth_mb": growth}))


if __name__ == "__main__":
    main()
