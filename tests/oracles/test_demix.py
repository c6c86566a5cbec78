"""Whole tracks against a plain `demix`: every chunk, the whole track in memory, all in torch.

The rule is that of Music-Source-Separation-Training at batch size 1, written anew from its facts:
nothing is streamed, no chunk is left out, and the network is audio-separator's.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from export_helpers import build_network, input_specs, output_specs, tiny_config
from oracle_helpers import original_network

from stemline.engines import Engine, open_engine
from stemline.engines.artifact import ModelInfo, StftInfo
from stemline.evaluation.parity import snr_db
from stemline.evaluation.signal import music_like
from stemline.export.models import MODELS
from stemline.export.torch_to_onnx import export_onnx
from stemline.families.common.checkpoint import load_strictly, read_checkpoint
from stemline.families.mdx23c.config import Mdx23cConfig
from stemline.families.mdx23c.processing import network_input, stem_chunks
from stemline.postprocessing.istft import Istft
from stemline.preprocessing.stft import Stft
from stemline.serving.jobs import SeparateOptions
from stemline.serving.separator import Separator

pytestmark = pytest.mark.oracles

RATE = 44100
# The budget. Float32 sums in another order and Winograd's transforms leave 80 dB and more.
BUDGET_DB = 65.0

OFFICIAL = cast(Mdx23cConfig, MODELS["mdx23c"].config)

CHUNK = OFFICIAL.chunk_samples
# One chunk and less; both sides of a border at overlap 2 and at overlap 4; and many chunks.
LENGTHS = [
    1,
    RATE // 2,
    CHUNK - 1,
    CHUNK,
    CHUNK + 1,
    3 * CHUNK // 2,
    3 * CHUNK // 2 + 1,
    int(13.1 * RATE),
]


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
def both(module: Any, config: Mdx23cConfig, folder: Path) -> tuple[Any, Engine, Separator]:
    """The original network, and ours from its checkpoint through ONNX, alone and in a separator."""
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
    engine = open_engine(folder / "model.onnx", device="cpu")
    return theirs, engine, Separator(engine, info)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demix")


def check(module: Any, config: Mdx23cConfig, folder: Path, n_samples: int, overlap: int) -> None:
    theirs, _, separator = both(module, config, folder)
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


# Lengths matter by where chunks begin: all of them at the default overlap, and at the others those
# beside the one from which a track has a border.
@pytest.mark.parametrize(
    ("n_samples", "overlap"),
    [
        *((n_samples, 4) for n_samples in LENGTHS),
        *((n_samples, 2) for n_samples in (CHUNK, CHUNK + 1, LENGTHS[-1])),
        (7 * CHUNK // 4 + 1, 8),
    ],
)
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
    """InstVoc HQ at its real size, two chunks that overlap by half. Minutes.

    More chunks, and the border of longer tracks, are the small network's above.
    """
    check(original, OFFICIAL, folder, CHUNK, 2)


def test_the_full_network_through_onnx_gives_its_waveforms(original: Any, folder: Path) -> None:
    """70 dB a stem, at batch 1 and at batch 2 with rows that differ; some 8 GB."""
    theirs, engine, _ = both(original, OFFICIAL, folder)
    chunks = np.stack([music_like(CHUNK, RATE, 2, seed=20 + row) for row in range(2)])
    with torch.inference_mode():
        wanted = np.concatenate([theirs(torch.from_numpy(chunk[None])).numpy() for chunk in chunks])
    stft = Stft(OFFICIAL.n_fft, OFFICIAL.hop_samples, OFFICIAL.n_bins)
    istft = Istft(OFFICIAL.n_fft, OFFICIAL.hop_samples, OFFICIAL.n_bins)
    found = {}
    for batch in (1, 2):
        output = engine.run({"mixture": network_input(chunks[:batch], stft)})["stems"]
        got = stem_chunks(output, istft, None)  # (batch, S, C, chunk_samples)
        for index, stem in enumerate(OFFICIAL.stems):
            found[f"{stem} at batch {batch}"] = snr_db(wanted[:batch, index], got[:, index])
    print(found)
    assert min(found.values()) >= 70, found
