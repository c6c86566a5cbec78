"""Our All-In-One against the class of allin1 1.1.0, at the published sizes.

allin1's neighbourhood attention is the rule it follows, one neighbour at a time
(`bench/studies/real/allin1_original.py`); ours works by blocks and another order.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stemline.bench.studies.real.allin1_original import original_modules
from stemline.evaluation.parity import snr_db
from stemline.families.allin1.config import OUTPUTS, AllInOneConfig, config_from_fold
from stemline.families.allin1.graph.writer import export_allin1
from stemline.families.allin1.network.all_in_one import AllInOne
from stemline.families.common.checkpoint import load_strictly

pytestmark = pytest.mark.oracles

# 10 s, 60 s, both sides of the 10,240 frames that the last block works on at least, and 3 minutes,
# which no dilation above 1 divides.
LENGTHS = {"10 s": 1000, "60 s": 6000, "102.3 s": 10230, "102.5 s": 10250, "3 min": 18001}
BUDGET_DB = 80.0


@pytest.fixture(scope="module")
def original() -> Iterator[Any]:
    """The modules of allin1's network and configuration, without the packages it imports."""
    with original_modules() as modules:
        yield modules


def random_original(original: Any, **changes: Any) -> Any:
    """allin1's network, seeded, its norms and biases away from where they start."""
    torch.manual_seed(5)
    config = original.config.Config(data=original.config.HarmonixConfig(), **changes)
    network = original.network(config).eval()
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.ndim == 1:
                low, high = (-0.3, 0.3) if name.endswith("bias") else (0.4, 1.4)
                value.copy_(torch.rand(value.shape, generator=generator) * (high - low) + low)
            elif name.endswith("rpb"):
                value.copy_(torch.randn(value.shape, generator=generator))
    return network


def ours_like(theirs: Any) -> AllInOne:
    with torch.device("meta"):
        network = AllInOne(config_from_fold(vars(theirs.cfg) | {"data": vars(theirs.cfg.data)}))
    assert set(network.state_dict()) == set(theirs.state_dict())
    load_strictly(network, theirs.state_dict(), "theirs")
    return network.eval()


def spectrogram(n_frames: int, batch: int = 1) -> Tensor:
    """Of the values that music's have: most below 1, beats louder, rows that differ."""
    generator = torch.Generator().manual_seed(n_frames)
    level = torch.rand(batch, 4, n_frames, 1, generator=generator) ** 3
    return level * torch.rand(batch, 4, n_frames, 81, generator=generator) * 2


def theirs_of(theirs: Any, x: Tensor) -> dict[str, Tensor]:
    with torch.inference_mode():
        found = theirs(x)
    return {name: getattr(found, f"logits_{name}") for name in OUTPUTS}


@pytest.fixture(scope="module")
def reference(original: Any) -> tuple[Any, dict[str, dict[str, Tensor]]]:
    """allin1's network, and its logits at every length."""
    theirs = random_original(original)
    return theirs, {name: theirs_of(theirs, spectrogram(n)) for name, n in LENGTHS.items()}


def test_it_has_the_folds_weights(original: Any) -> None:
    network = ours_like(random_original(original))
    assert network.config == AllInOneConfig()
    assert len(network.state_dict()) == 491
    assert sum(value.numel() for value in network.parameters()) == 300631


@pytest.mark.parametrize("length", LENGTHS)
def test_our_logits_are_its_own(reference: Any, length: str) -> None:
    theirs, wanted = reference[0], reference[1][length]
    network, x = ours_like(theirs), spectrogram(LENGTHS[length])
    with torch.inference_mode():
        got = dict(zip(OUTPUTS, network(x), strict=True))
    found = {name: snr_db(wanted[name].numpy(), got[name].numpy()) for name in OUTPUTS}
    print(length, found)
    assert min(found.values()) >= BUDGET_DB, found


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 5, 6, 9, 10, 11, 19, 20, 21, 39, 40, 41, 97])
def test_short_clips_are_its_own(original: Any, n_frames: int) -> None:
    theirs = random_original(original, depth=4, num_heads=3, dim_embed=12, qkv_bias=False)
    network, x = ours_like(theirs), spectrogram(n_frames, batch=2)
    wanted = theirs_of(theirs, x)
    with torch.inference_mode():
        got = dict(zip(OUTPUTS, network(x), strict=True))
    for name in OUTPUTS:
        assert snr_db(wanted[name].numpy(), got[name].numpy()) > 100, name  # float32, small


def test_one_graph_gives_its_logits_at_every_length(reference: Any, tmp_path: Path) -> None:
    import onnxruntime

    theirs, wanted = reference
    export_allin1([ours_like(theirs)], tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
    )
    found = {}
    for length, n_frames in LENGTHS.items():
        got = session.run(list(OUTPUTS), {"spectrogram": spectrogram(n_frames).numpy()})
        for name, value in zip(OUTPUTS, got, strict=True):
            found[length, name] = snr_db(wanted[length][name].numpy(), value)
    print(found)
    assert min(found.values()) >= BUDGET_DB, found
