"""Our MDX23C against audio-separator's TFC_TDF_net, an independent implementation.

At its full size, through ONNX, it is compared in test_demix.py, which exports it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from export_helpers import build_network, tiny_config
from oracle_helpers import original_network

from stemline.evaluation.parity import snr_db
from stemline.evaluation.signal import music_like
from stemline.families.common.checkpoint import load_strictly, read_checkpoint
from stemline.families.mdx23c.config import Mdx23cConfig
from stemline.families.mdx23c.processing import network_input, stem_chunks
from stemline.postprocessing.istft import Istft
from stemline.preprocessing.stft import Stft

pytestmark = pytest.mark.oracles


def unsettled(network: Any) -> None:
    """Norm parameters and running statistics away from their start values of 0 and 1."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.ndim == 1 and value.is_floating_point():
                low, high = (-0.5, 0.5) if name.endswith(("bias", "mean")) else (0.5, 1.5)
                value.uniform_(low, high)


def chunks_of(config: Mdx23cConfig, batch: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Rows of music-like audio that differ, (batch, channels, chunk_samples)."""
    shape = (config.chunk_samples, config.sample_rate_hz, config.audio_channels)
    return np.stack([music_like(*shape, seed=20 + row) for row in range(batch)])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"norm": "BatchNorm", "act": "relu"},
        {"norm": "GroupNorm4", "act": "elu1.0"},
        {"norm": None, "act": "elu0.5"},
        {"num_channels": 32, "growth": 64, "bottleneck_factor": 4},
        {"n_fft": 768, "n_bins": 384, "num_subbands": 6, "stems": ("a", "b", "c")},
        {"scale": (4, 2), "num_blocks_per_scale": 3, "n_bins": 192},
    ],
    ids=str,
)
def test_its_weights_load_strictly_and_our_waveforms_are_its_own(
    changes: dict[str, object], original: Any, tmp_path: Path
) -> None:
    config = tiny_config(**{"num_scales": 2, "num_blocks_per_scale": 2, **changes})
    theirs = original_network(original, config)
    unsettled(theirs)
    compare(config, theirs, tmp_path)


def test_a_target_instrument_gives_its_one_stem(original: Any, tmp_path: Path) -> None:
    config = tiny_config(stems=("vocals",))
    theirs = original_network(original, config, target=True)
    compare(config, theirs, tmp_path)


def compare(config: Mdx23cConfig, theirs: Any, folder: Path) -> None:
    torch.save(theirs.state_dict(), folder / "theirs.ckpt")
    with torch.device("meta"):
        ours = build_network(config)
    load_strictly(ours, read_checkpoint(folder / "theirs.ckpt"), "theirs")
    assert list(ours.state_dict()) == list(theirs.state_dict())
    chunks = chunks_of(config, 2)
    with torch.inference_mode():
        wanted = theirs(torch.from_numpy(chunks)).numpy().reshape(2, len(config.stems), 2, -1)
        mixture = network_input(chunks, Stft(config.n_fft, config.hop_samples, config.n_bins))
        output = ours(torch.from_numpy(mixture)).numpy()
    istft = Istft(config.n_fft, config.hop_samples, config.n_bins)
    got = stem_chunks(output, istft, None)
    for stem in range(len(config.stems)):
        assert snr_db(wanted[:, stem], got[:, stem]) > 90  # float32, two FFT libraries
