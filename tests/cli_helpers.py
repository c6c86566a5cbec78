"""The command as a user calls it."""

import os
import subprocess
import sys
from pathlib import Path

CONFIG = """
audio: {chunk_size: 3968, dim_f: 256, dim_t: 32, hop_length: 128, n_fft: 512, num_channels: 2,
  sample_rate: 44100}
model: {act: gelu, bottleneck_factor: 2, growth: 4, norm: InstanceNorm, num_blocks_per_scale: 1,
  num_channels: 4, num_scales: 2, num_subbands: 4, scale: !!python/tuple [2, 2]}
training: {instruments: [Vocals, Instrumental], target_instrument: null}
inference: {batch_size: 1, dim_t: 32, num_overlap: 4}
"""
RATE = 44100


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "stemline"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200"},
    )


def separate(artifacts: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run("separate", "--artifacts", artifacts, "--allow-untrained", *arguments)
