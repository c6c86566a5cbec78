"""Our HTDemucs and HDemucs against the classes of demucs 4.1.0, the full official sizes included.

Both get the same random weights, and the same spectrogram, demucs's own; both branches are compared
as the networks give them, before any inverse STFT.
"""

import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from demucs_network_helpers import SMALL_HDEMUCS, SMALL_HTDEMUCS, export_demucs, unsettled
from torch import Tensor

from stemline.evaluation.parity import snr_db
from stemline.evaluation.signal import music_like
from stemline.families.common.checkpoint import load_strictly
from stemline.families.demucs.config import HDEMUCS, HTDEMUCS, HTDEMUCS_6S, DemucsConfig
from stemline.families.demucs.kwargs import config_from_kwargs
from stemline.families.demucs.network import build_demucs
from stemline.families.demucs.network.hybrid import HybridNetwork

pytestmark = pytest.mark.oracles

RATE = 44100
# The 68 dB and the project's 70 dB for fp32, whichever is more.
BUDGET_DB = 70.0


def original(klass: str, kwargs: dict[str, Any]) -> Any:
    """Demucs's own network, seeded, its norms and scales away from where they start."""
    try:
        from demucs.hdemucs import HDemucs  # type: ignore[import-untyped]
        from demucs.htdemucs import HTDemucs  # type: ignore[import-untyped]
    except ImportError as error:
        pytest.fail(f"demucs is not installed ({error}); make test-oracles installs it")
    torch.manual_seed(11)
    network = {"HDemucs": HDemucs, "HTDemucs": HTDemucs}[klass](**kwargs).eval()
    unsettled(network)
    return network


def ours_like(theirs: Any, config: DemucsConfig) -> HybridNetwork:
    with torch.device("meta"):
        network = build_demucs(config)
    assert list(network.state_dict()) == list(theirs.state_dict())
    names = [name for name, _ in theirs.named_parameters()]
    assert [name for name, _ in network.named_parameters()] == names
    load_strictly(network, theirs.state_dict(), "theirs")
    return network


def branches(theirs: Any, waveform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The spectrogram demucs's network takes in, and both branches it adds up."""
    seen: dict[str, Tensor] = {}
    magnitude = theirs._magnitude
    theirs._magnitude = lambda z: seen.setdefault("in", magnitude(z))
    theirs._mask = lambda z, m: seen.setdefault("out", m)
    theirs._ispec = lambda z, length=None: torch.zeros((), dtype=waveform.dtype)
    try:
        with torch.inference_mode():
            waveforms = theirs(waveform)
    finally:
        del theirs._magnitude, theirs._mask, theirs._ispec
    return seen["in"], waveforms, seen["out"]


def music(n_samples: int, batch: int) -> Tensor:
    """Rows that differ, in level too."""
    rows = [
        torch.from_numpy(music_like(max(n_samples, 100), RATE, seed=20 + row)[:, :n_samples])
        for row in range(batch)
    ]
    return torch.stack(rows) * torch.linspace(1, 0.2, batch)[:, None, None]


def compared(wanted: Tensor, got: Any) -> float:
    assert tuple(wanted.shape) == tuple(got.shape)
    return snr_db(wanted.numpy(), got.numpy() if isinstance(got, Tensor) else got)


VARIANTS = [
    ("HDemucs", {}),
    ("HDemucs", {"cac": False}),
    ("HDemucs", {"cac": False, "hybrid_old": True}),
    ("HDemucs", {"dconv_attn": 1, "dconv_lstm": 2, "norm_starts": 1, "sources": ["a", "b"]}),
    ("HDemucs", {"dconv_mode": 3, "context_enc": 1, "context": 2, "freq_emb": 0}),
    ("HDemucs", {"dconv_mode": 0, "depth": 3}),
    ("HDemucs", {"depth": 5, "growth": 1.5, "dconv_depth": 3, "norm_starts": 9, "dconv_attn": 9}),
    ("HTDemucs", {}),
    ("HTDemucs", {"bottom_channels": 0, "t_layers": 5, "sources": list("abcdef")}),
    ("HTDemucs", {"t_cross_first": True, "t_norm_out": False, "t_layer_scale": False}),
    ("HTDemucs", {"t_gelu": False, "t_weight_pos_embed": 0.5, "t_norm_in": False}),
    ("HTDemucs", {"cac": False, "dconv_mode": 1, "t_max_period": 500, "t_hidden_scale": 2.5}),
]


@pytest.mark.parametrize(("klass", "changes"), VARIANTS, ids=str)
def test_its_weights_load_strictly_and_our_branches_are_its_own(
    klass: str, changes: dict[str, Any]
) -> None:
    kwargs = {**(SMALL_HDEMUCS if klass == "HDemucs" else SMALL_HTDEMUCS), **changes}
    theirs, config = original(klass, kwargs), config_from_kwargs(klass, kwargs)
    network = ours_like(theirs, config)
    waveform = music(config.chunk_samples, 2)
    spectrogram, *wanted = branches(theirs, waveform)
    with torch.inference_mode():
        got = network(waveform, spectrogram)
    for name, theirs_out, ours_out in zip(config.outputs, wanted, got, strict=True):
        assert compared(theirs_out, ours_out) > 100, name  # float32 on a few thousand weights


@pytest.mark.parametrize(
    "n_samples", [1, 2, 63, 64, 65, 64 * 150, 64 * 200, 64 * 200 + 1, 64 * 301 + 5]
)
def test_hdemucs_of_any_length_is_its_own(n_samples: int) -> None:
    theirs = original("HDemucs", SMALL_HDEMUCS)
    network = ours_like(theirs, config_from_kwargs("HDemucs", SMALL_HDEMUCS))
    waveform = music(n_samples, 2)
    spectrogram, *wanted = branches(theirs, waveform)
    with torch.inference_mode():
        got = network(waveform, spectrogram)
    assert min(map(compared, wanted, got)) > 100


FULL = {
    "htdemucs": ("HTDemucs", HTDEMUCS, {"dconv_mode": 3, "bottom_channels": 512}),
    "htdemucs_6s": ("HTDemucs", HTDEMUCS_6S, {"dconv_mode": 3}),
    "hdemucs": ("HDemucs", HDEMUCS, {}),
    "hdemucs, magnitudes": ("HDemucs", HDEMUCS, {"cac": False, "hybrid_old": True}),
}


@pytest.mark.parametrize("name", FULL)
def test_the_full_network_through_onnx_gives_its_branches(name: str, tmp_path: Path) -> None:
    """Official sizes, random weights: at batch 1 and at batch 2 with rows that differ.

    A minute or two each on one core, and some 8 GB.
    """
    import onnxruntime

    klass, config, kwargs = FULL[name]
    is_ht = klass == "HTDemucs"
    # HDemucs takes any length: one sequence of the LSTM in the one layer, several in the other.
    lengths = [config.chunk_samples] if is_ht else [7 * RATE + 1]
    segment = config.segment if is_ht else Fraction(lengths[0], RATE)
    kwargs = {**kwargs, "sources": list(config.stems), "segment": segment}
    theirs, config = original(klass, kwargs), config_from_kwargs(klass, kwargs)
    network = ours_like(theirs, config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_demucs(network, config, tmp_path / "model.onnx", free_length=not is_ht)
    del network
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    waveform = music(lengths[0], 2)
    rows = [branches(theirs, waveform[row, None]) for row in range(2)]
    spectrogram, *wanted = (torch.cat(values) for values in zip(*rows, strict=True))
    found = {}
    for batch in (1, 2):
        inputs = {"waveform": waveform[:batch].numpy(), "spectrogram": spectrogram[:batch].numpy()}
        got = session.run(None, inputs)
        for key, theirs_out, ours_out in zip(config.outputs, wanted, got, strict=True):
            for index, stem in enumerate(config.stems):
                found[f"{key}, {stem}, batch {batch}"] = compared(
                    theirs_out[:batch, index], ours_out[:, index]
                )
    print(name, found)
    assert min(found.values()) >= BUDGET_DB, found
