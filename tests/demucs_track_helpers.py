"""Demucs models for tests of whole tracks: graphs that multiply, and packages of tiny networks."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from stemline.arrays import Array
from stemline.engines import MemberInfo, ModelInfo, StftInfo
from stemline.engines.artifact import MANIFEST, SCHEMA_VERSION
from stemline.engines.base import BATCH, FRAMES, SAMPLES
from stemline.families.common.digest import file_sha256

RATE = 44100
STEMS = ("drums", "bass", "vocals")
IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
"""A network for each stem, as htdemucs_ft has it."""
EQUAL = ((1.0,) * 3,) * 3
"""All networks count for all stems, as in mdx_extra."""
GAINS = ((0.5, 2.0, -1.0), (0.25, -0.5, 3.0), (1.5, 0.125, 0.75))
"""Of three networks: what each multiplies the mixture by for each stem."""
SIGNATURES = ("aaaa1111", "bbbb2222", "cccc3333")

TINY_HTDEMUCS: dict[str, Any] = {
    "sources": ["drums", "vocals"],
    "channels": 8,
    "depth": 1,
    "nfft": 128,
    "dconv_mode": 0,
    "bottom_channels": 8,
    "t_layers": 2,
    "t_heads": 1,
    "segment": Fraction(1, 10),
}
"""As small as it is still one of its kind: an export takes a few seconds."""


def gain_info(model: str = "mine", **changes: object) -> ModelInfo:
    """A trained Demucs model of a tenth of a second; `changes` replace fields."""
    info = ModelInfo(
        model=model,
        family="demucs",
        precision="fp32",
        stems=STEMS,
        sample_rate_hz=RATE,
        channels=2,
        chunk_samples=4410,
        default_overlap=0.25,
        stft=StftInfo(n_fft=64, hop_samples=16, n_bins=32),
        trained=True,
        weights_sha256="test",
        licence="MIT",
        exporter="stemline test",
    )
    return replace(info, **changes)  # type: ignore[arg-type]


def write_gains(
    root: Path, info: ModelInfo, gains: Sequence[float], *, by_place: bool = False
) -> Path:
    """An artifact whose network gives, of a chunk x, gain · x for every stem -> its folder.

    `by_place` has it give gain · x · cos(n / 500) instead, n being the place within the chunk:
    where segments begin then shows in the stems.
    """
    folder = root / f"{info.artifact_stem}.{info.precision}"
    engine = folder / "1" / "model.onnx"
    engine.parent.mkdir(parents=True)
    assert info.stft is not None
    n_stems, n_frames = len(info.stems), -(-info.chunk_samples // info.stft.hop_samples)
    free = info.dynamic_length
    waveform = [info.channels, SAMPLES if free else info.chunk_samples]
    rows = info.channels * (2 if info.stft.complex_as_channels else 1)
    spectrogram = [rows, info.stft.n_bins, FRAMES if free else n_frames]
    values = np.asarray(gains, np.float32)[None, :, None, None]
    if by_place:
        values = values * np.cos(np.arange(info.chunk_samples, dtype=np.float32) / 500)
    constants = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("gains", TensorProto.FLOAT, values.shape, values.ravel()),
        helper.make_tensor("zeros", TensorProto.FLOAT, [1, n_stems, 1, 1, 1], [0.0] * n_stems),
    ]
    nodes = [
        helper.make_node("Unsqueeze", ["waveform", "axis"], ["wave"]),
        helper.make_node("Mul", ["wave", "gains"], ["waveforms"]),
        helper.make_node("Unsqueeze", ["spectrogram", "axis"], ["spectra"]),
        helper.make_node("Mul", ["spectra", "zeros"], ["spectrograms"]),
    ]

    def value(name: str, *axes: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *axes])

    graph = helper.make_graph(
        nodes,
        "gains",
        [value("waveform", *waveform), value("spectrogram", *spectrogram)],
        [value("waveforms", n_stems, *waveform), value("spectrograms", n_stems, *spectrogram)],
        constants,
    )
    opset = helper.make_opsetid("", 18)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    helper.set_model_props(model, info.to_metadata())
    onnx.save(model, engine)
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "engine": "1/model.onnx",
        "model": info.to_json(),
        "files": {"1/model.onnx": {"sha256": file_sha256(engine), "bytes": engine.stat().st_size}},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def write_gain_bag(
    root: Path,
    weights: Sequence[Sequence[float]],
    model: str = "mine",
    gains: Sequence[Sequence[float]] = GAINS,
    *,
    by_place: bool = False,
    **changes: object,
) -> list[Path]:
    """A bag of such networks -> their folders, in order."""
    signatures = SIGNATURES[: len(weights)]
    rows = tuple(map(tuple, weights))
    folders = []
    for name, row in zip(signatures, gains, strict=True):
        info = gain_info(model, member=MemberInfo(name, signatures, rows), **changes)
        folders.append(write_gains(root, info, row, by_place=by_place))
    return folders


def through(gain: float, samples: Array) -> Array:
    """What a stem of gain g is: the track's level is taken out before and put back after it.

    x (channels, n) of mean m -> g · (x − m) + m, in float64.
    """
    mean = samples.astype(np.float64).mean()
    out: Array = gain * (samples - mean) + mean
    return out


def write_network(
    path: Path,
    kwargs: dict[str, Any],
    seed: int = 0,
    klass: str = "HTDemucs",
    wrap: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> Any:
    """The package of a random network, `.th` or `.safetensors` by the path -> our network.

    `wrap` makes the package's state of the network's.

    Its weights are those of the package, which holds half precision.
    """
    # Most who use this file need no networks, and torch takes seconds to import.
    from demucs_network_helpers import unsettled
    from package_helpers import stand_in, write_safetensors, write_th

    from stemline.export.weights import random_network
    from stemline.families.demucs.kwargs import config_from_kwargs

    network = random_network(config_from_kwargs(klass, kwargs), seed)
    unsettled(network, seed)
    network.half().float()
    made = stand_in(f"demucs.{klass.lower()}.{klass}")
    state = {name: value.half() for name, value in network.state_dict().items()}
    content = {
        "klass": made,
        "args": (),
        "kwargs": kwargs,
        "state": wrap(state),
        "training_args": {},
    }
    if path.suffix == ".safetensors":
        write_safetensors(path, content)
    else:
        write_th(path, content, made)
    return network


def write_bag_yaml(path: Path, signatures: Sequence[str], **entries: object) -> Path:
    """Demucs's YAML of a bag; JSON is YAML."""
    path.write_text(json.dumps({"models": list(signatures), **entries}))
    return path
