"""How many chunks a device takes at once."""

import math
import shutil
import subprocess

from .base import BATCH, EngineSpec
from .device import CUDA, parse_device

MAX_AUTO_BATCH = 8
# The activations alive at once while the U-Net runs, in multiples of one chunk's input: at the
# widest place a TFC-TDF holds about six tensors of 8 to 16 times its input. Taken high, since a
# batch that does not fit is halved at run time anyway.
_ACTIVATION_FACTOR = 128
_USABLE_SHARE = 0.8


def auto_batch_size(spec: EngineSpec) -> int:
    """Chunks a run that pay on the engine's device.

    On a CPU one: measured, a larger batch takes as long per chunk and more memory. On a CUDA
    device as many as its free memory should hold, up to eight.
    """
    device = parse_device(spec.device)
    if device.kind != CUDA:
        return 1
    if any(axis != BATCH for t in spec.inputs for axis in t.shape if isinstance(axis, str)):
        return 1  # what a chunk of any length takes is not known here
    free_bytes = _free_cuda_bytes(device.index or 0)
    per_chunk = _ACTIVATION_FACTOR * sum(
        4 * math.prod(axis for axis in tensor.shape if isinstance(axis, int))
        for tensor in spec.inputs
        if BATCH in tensor.shape
    )
    if free_bytes is None or per_chunk == 0:
        return 1
    return max(1, min(MAX_AUTO_BATCH, int(_USABLE_SHARE * free_bytes) // per_chunk))


def _free_cuda_bytes(index: int) -> int | None:
    """Free memory of a CUDA device, or None where the driver's tool does not say."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = [tool, f"--id={index}", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    first = done.stdout.strip().partition("\n")[0]
    return int(first) << 20 if done.returncode == 0 and first.isdigit() else None
