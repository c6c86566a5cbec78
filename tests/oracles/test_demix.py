"""Whole tracks against a plain `demix`: every chunk, the whole track in memory, all in torch.

The rule is that of Music-Source-Separation-Training at batch size 1, written anew from its facts:
nothing is streamed, no chunk is left out, and the network is audio-separator's.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from export_helpers import build_network, input_specs, output_specs, tiny_config
from oracle_helpers import original_network

from stemline.engines import open_engine
from stemline.engines.artifact import ModelInfo, StftInfo
from stemline.evaluation.parity import snr_db
from stemline.evaluation.signal import music_like
from stemline.export.models import MODELS
from stemline.export.torch_to_onnx import export_onnx
from stemline.families.common.checkpoint import load_strictly, read_checkpoint
from stemline.families.mdx23c.config import Mdx23cConfig
from stemline.serving.jobs import SeparateOptions
from stemline.serving.separator import Separator

pytestmark = pytest.mark.oracles

RATE = 44100
# The budget. Float32 sums in another order and Winograd's transforms leave 80 dB and more.
BUDGET_DB = 65.0

OFFICIAL = cast(Mdx23cConfig, MODELS["mdx23c"].config)

CHUNK = OFFICIAL.chunk_samples
LENGTHS = [1, RATE // 2, CHUNK - 1, CHUNK, CHUNK + 1, int(21.3 * RATE)]


def demix(
    network: Callable[[torch.Tensor], torch.Tensor], mix: torch.Tensor, chunk: int, n_overlap: int
) -> torch.Tensor:
    """Mixture (channels, n) -> stems (S, channels, n)."""
    step = chunk // n_overlap
    border = chunk - step
    bordered = mix.shape[1] > 2 * border
    track = torch.nn.functional.pad(mix, (border, border), mode="reflect") if bordered else mix
    length = track.shape[1]
    ramp = torch.linspace(0, 1, chunk // 10)
    total = weight = None
    for start in range(0, length, step):
        part = track[:, start : start + chunk]
        valid, missing = part.shape[1], chunk - part.shape[1]
        mode = "reflect" if valid > chunk // 2 else "constant"
        with torch.inference_mode():
            stems = network(torch.nn.functional.pad(part, (0, missing), mode=mode)[None])[0]
        window = torch.ones(chunk)
        window[: len(ramp)], window[-len(ramp) :] = ramp, ramp.flip(0)
        if start == 0:
            window[: len(ramp)] = 1
        elif start + step >= length:
            window[-len(ramp) :] = 1
        if total is None or weight is None:
            total, weight = torch.zeros(*stems.shape[:2], length), torch.zeros(length)
        total[..., start : start + valid] += (stems * window)[..., :valid]
        weight[start : start + valid] += window[:valid]
    assert total is not None and weight is not None
    out = torch.nan_to_num(total / weight)
    return out[..., border:-border] if bordered else out


@cache
def both(module: Any, config: Mdx23cConfig, folder: Path) -> tuple[Any, Separator]:
    """The original network, and ours from its checkpoint through ONNX."""
    theirs = original_network(module, config)
    torch.save(theirs.state_dict(), folder / "theirs.ckpt")
    with torch.device("meta"):
        ours = build_network(config)
    load_strictly(ours, read_checkpoint(folder / "theirs.ckpt"), "theirs")
    export_onnx(ours, input_specs(config), output_specs(config), folder / "model.onnx")
    info = ModelInfo(
        model="oracle", family="mdx23c", precision="fp32", stems=config.stems,
        sample_rate_hz=RATE, channels=2, chunk_samples=config.chunk_samples, default_overlap=4,
        stft=StftInfo(config.n_fft, config.hop_samples, config.n_bins), trained=True,
        weights_sha256="", licence="", exporter="",
    )  # fmt: skip
    return theirs, Separator(open_engine(folder / "model.onnx", device="cpu"), info)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demix")


def check(module: Any, config: Mdx23cConfig, folder: Path, n_samples: int, overlap: int) -> None:
    theirs, separator = both(module, config, folder)
    mixture = music_like(n_samples, RATE, 2, seed=7)
    got = separator.separate(mixture, RATE, SeparateOptions(overlap=overlap))
    wanted = demix(theirs, torch.from_numpy(mixture), config.chunk_samples, overlap).numpy()
    for index, stem in enumerate(config.stems):
        for where, part in (
            ("all of it", slice(None)),
            ("its first second", slice(0, RATE)),
            ("its last second", slice(-RATE, None)),
        ):
            db = snr_db(wanted[index][:, part], got[stem][:, part])
            print(f"{n_samples} samples, overlap {overlap}, {stem}, {where}: {db:.1f} dB")
            assert db >= BUDGET_DB, f"{stem}, {where}: {db:.1f} dB"


@pytest.mark.parametrize("overlap", [2, 4, 8])
@pytest.mark.parametrize("n_samples", LENGTHS)
def test_whole_tracks_at_the_official_chunk_and_stft(
    original: Any, folder: Path, n_samples: int, overlap: int
) -> None:
    """InstVoc HQ's STFT, chunk and depth with fewer channels, so that every case is affordable."""
    config = tiny_config(
        n_fft=OFFICIAL.n_fft,
        hop_samples=OFFICIAL.hop_samples,
        n_bins=OFFICIAL.n_bins,
        chunk_samples=CHUNK,
        num_scales=OFFICIAL.num_scales,
        num_channels=4,
        growth=4,
    )
    check(original, config, folder, n_samples, overlap)


def test_a_whole_track_at_the_full_network(original: Any, folder: Path) -> None:
    """InstVoc HQ at its real size on one chunk and a sample: both borders, two chunks. Minutes."""
    check(original, OFFICIAL, folder, CHUNK + 1, 2)
