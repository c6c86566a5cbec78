"""Small networks of the Demucs family, and their export, shared by the tests of both."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stemline.export.torch_to_onnx import evaluating
from stemline.families.common.graph import OPSET
from stemline.families.demucs.config import DemucsConfig
from stemline.families.demucs.kwargs import config_from_kwargs

STEMS = ["drums", "bass", "vocals"]
# A hop of 64 samples: three layers over frequency and one over time.
SMALL_HDEMUCS: dict[str, Any] = {
    "sources": STEMS,
    "channels": 8,
    "depth": 4,
    "nfft": 256,
    "norm_starts": 3,
    "dconv_attn": 3,
    "dconv_lstm": 3,
    "dconv_comp": 2,
    "segment": Fraction(64 * 433 + 7, 44100),
}
SMALL_HTDEMUCS: dict[str, Any] = {
    "sources": STEMS,
    "channels": 8,
    "depth": 2,
    "nfft": 512,
    "dconv_mode": 3,
    "bottom_channels": 32,
    "t_layers": 4,
    "t_heads": 2,
    "segment": Fraction(1, 5),
}


def small_htdemucs(**changes: Any) -> DemucsConfig:
    """Of a few thousand weights; `changes` replace arguments of demucs's class."""
    return config_from_kwargs("HTDemucs", {**SMALL_HTDEMUCS, **changes})


def small_hdemucs(**changes: Any) -> DemucsConfig:
    """The same of the other class."""
    return config_from_kwargs("HDemucs", {**SMALL_HDEMUCS, **changes})


def unsettled(network: nn.Module, seed: int = 1) -> None:
    """Norms' and scales' parameters away from the values that hide what they do."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.ndim == 1:
                low, high = (-0.2, 0.2) if name.endswith("bias") else (0.3, 1.2)
                value.copy_(torch.rand(value.shape, generator=generator) * (high - low) + low)


def inputs_of(config: DemucsConfig, batch: int, n_samples: int | None = None) -> list[Tensor]:
    """A waveform and a spectrogram, its rows of different levels, of any length."""
    generator = torch.Generator().manual_seed(3)
    inputs = []
    for shape in config.inputs.values():
        axes = list(shape)
        if n_samples is not None:
            frames = -(-n_samples // config.hop_samples)
            axes[-1] = n_samples if len(axes) == 2 else frames
        level = torch.linspace(0.1, 1, batch).reshape(-1, *(1 for _ in axes))
        inputs.append(level * torch.randn(batch, *axes, generator=generator))
    return inputs


def export_demucs(
    network: nn.Module, config: DemucsConfig, path: Path, *, free_length: bool = False
) -> None:
    """Write an ONNX file of a network with two inputs and two outputs; its batch is free."""
    axes: list[dict[int, Any]] = [{0: torch.export.Dim("batch")} for _ in range(2)]
    if free_length:
        axes[0][2] = torch.export.Dim("samples", min=2)
        axes[1][3] = torch.export.Dim("frames", min=2)
    with evaluating(network), torch.no_grad():
        program = torch.onnx.export(
            network,
            tuple(inputs_of(config, 2)),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=tuple(axes),
            input_names=list(config.inputs),
            output_names=list(config.outputs),
            verbose=False,
        )
    assert program is not None
    program.save(path, external_data=False)
