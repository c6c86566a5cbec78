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


WITHOUT_TORCH = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnx", "onnxscript", "yaml", "pooch"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoTorch())
from stemline.serving.cli.app import main
sys.argv = ["stemline", *sys.argv[1:]]
main()
"""


def run_without_torch(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """As `run`, in a process that finds none of export's packages."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
