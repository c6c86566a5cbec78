"""A beat network whose answers are known without training: it hears clicks.

The stems of a track carry one thing each: `drums` a click on every beat, `bass` on downbeats,
`other` where a section begins, `vocals` a low tone in every chorus.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from helpers import GainEngine, tiny_info
from onnx import helper, numpy_helper

from stemline.arrays import Array, Arrays
from stemline.engines import BeatInfo, EngineSpec, ModelInfo, TensorSpec
from stemline.engines.artifact import SCHEMA_VERSION
from stemline.engines.base import checked_inputs
from stemline.serving.separator import Separator

RATE = 44100
STEMS = ("bass", "drums", "other", "vocals")
LABELS = ("verse", "chorus")
MODEL = "clicks"
FACTS = BeatInfo("allin1", STEMS, LABELS, best_threshold_downbeat=0.2, trained_on_stems_of="tiny")

# A click of this amplitude is heard; the spectrum of one sample is as high as the sample.
HEARD_FROM = 0.25
# The gains by which one track of clicks in three strengths becomes the four stems: of 0.3, 0.6 and
# 1.0 drums keep all above HEARD_FROM, bass two and other one.
GAINS = {"bass": 0.5, "drums": 1.0, "other": 0.3, "vocals": 1.0}
BEAT, DOWNBEAT, BOUNDARY = 0.3, 0.6, 1.0

_CLICK_BANDS, _TONE_BANDS = slice(50, 81), slice(0, 12)
_TONE_HZ, _TONE = 100.0, 0.05
# A network is less and less sure 1, 2, ... frames beside a beat, and further off says no.
_BY_DISTANCE, _NO = (6.0, 3.0, 0.0, -3.0), -7.0
# Where no section begins the probability is 0: among frames that are all alike, every one is a
# highest.
_YES, _NEVER = 6.0, -200.0


def _spec(info: BeatInfo) -> EngineSpec:
    return EngineSpec(
        name=MODEL,
        inputs=(
            TensorSpec("spectrogram", "float32", ("batch", len(info.stems), "frames", info.n_bins)),
        ),
        outputs=(
            *(
                TensorSpec(name, "float32", ("batch", "frames"))
                for name in ("beat", "downbeat", "section")
            ),
            TensorSpec("function", "float32", ("batch", len(info.labels), "frames")),
        ),
        provider="ClickProvider",
        device="cpu",
    )


class ClickEngine:
    """Hears clicks and tones in spectrograms; `frames` records how many came."""

    def __init__(self, info: BeatInfo = FACTS) -> None:
        self._spec = _spec(info)
        self._stems = info.stems
        self.frames: list[int] = []
        self.is_closed = False

    @property
    def spec(self) -> EngineSpec:
        return self._spec

    def run(self, inputs: Arrays) -> dict[str, Array]:
        checked_inputs(self._spec, inputs)
        spectrogram = inputs["spectrogram"]
        self.frames.append(spectrogram.shape[2])
        by_stem = dict(zip(self._stems, spectrogram.swapaxes(0, 1), strict=True))
        has_tone = by_stem["vocals"][:, :, _TONE_BANDS].max(axis=-1) > 0.5
        return {
            "beat": _widened(_clicks(by_stem["drums"])),
            "downbeat": _widened(_clicks(by_stem["bass"])),
            "section": np.where(_clicks(by_stem["other"]), _YES, _NEVER).astype(np.float32),
            "function": np.stack([~has_tone, has_tone], axis=1).astype(np.float32) * 4,
        }

    def close(self) -> None:
        self.is_closed = True


def _clicks(spectrogram: Array) -> np.ndarray:
    """(batch, frames, bands) → the frames nearest to a click that is heard, (batch, frames)."""
    level = np.median(spectrogram[:, :, _CLICK_BANDS], axis=-1)
    padded = np.pad(level, ((0, 0), (3, 3)))
    highest = np.lib.stride_tricks.sliding_window_view(padded, 7, axis=1).max(axis=-1)
    return (level == highest) & (level > np.log10(1 + HEARD_FROM))


def _widened(clicks: np.ndarray) -> Array:
    """Frames of clicks (batch, frames) → logits, highest there."""
    logits = np.full(clicks.shape, _NO, np.float32)
    frames = np.arange(clicks.shape[1])
    for row, frame in np.argwhere(clicks):
        distance = np.abs(frames - frame)
        near = distance < len(_BY_DISTANCE)
        logits[row, near] = np.maximum(logits[row, near], np.take(_BY_DISTANCE, distance[near]))
    return logits


class RestlessEngine(ClickEngine):
    """Hears something in every frame, whatever there is: every logit is 0."""

    def run(self, inputs: Arrays) -> dict[str, Array]:
        return {name: np.zeros_like(values) for name, values in super().run(inputs).items()}


def click_times(duration_s: float, bpm: float, beats_per_bar: int) -> list[tuple[float, int]]:
    """Beats from half a second on and their places in the bar."""
    n_beats = int((duration_s - 0.5) * bpm / 60)
    return [(0.5 + i * 60 / bpm, i % beats_per_bar + 1) for i in range(n_beats)]


def click_stems(
    beats: Sequence[tuple[float, int]],
    boundaries_s: Sequence[float],
    choruses_s: Sequence[tuple[float, float]],
    duration_s: float,
    rate_hz: int = RATE,
    channels: int = 2,
) -> dict[str, Array]:
    """Stems of a track, each with its own clicks, (channels, n_samples)."""
    n_samples = round(duration_s * rate_hz)
    stems = {name: np.zeros((channels, n_samples), np.float32) for name in STEMS}
    for time_s, position in beats:
        sample = round(time_s * rate_hz)
        stems["drums"][:, sample] = 0.5
        if position == 1:
            stems["bass"][:, sample] = 0.5
    for time_s in boundaries_s:
        stems["other"][:, round(time_s * rate_hz)] = 0.5
    stems["vocals"][:] = _tone(choruses_s, n_samples, rate_hz)
    return stems


def click_mixture(
    beats: Sequence[tuple[float, int]],
    boundaries_s: Sequence[float],
    choruses_s: Sequence[tuple[float, float]],
    duration_s: float,
    rate_hz: int = RATE,
    channels: int = 2,
) -> Array:
    """One track that `click_separator` takes apart: beats at each boundary are the loudest."""
    n_samples = round(duration_s * rate_hz)
    mixture = np.repeat(_tone(choruses_s, n_samples, rate_hz), channels, axis=0)
    for time_s, position in beats:
        loudness = DOWNBEAT if position == 1 else BEAT
        if any(abs(time_s - boundary_s) < 1e-6 for boundary_s in boundaries_s):
            loudness = BOUNDARY
        # A resampled click is as wide as before in seconds, so lower by the ratio of the rates.
        mixture[:, round(time_s * rate_hz)] += loudness * rate_hz / RATE
    return mixture


def _tone(choruses_s: Sequence[tuple[float, float]], n_samples: int, rate_hz: int) -> Array:
    time_s = np.arange(n_samples) / rate_hz
    sung = sum(
        (
            np.clip(np.minimum(time_s - start, end - time_s) / 0.2, 0, 1)
            for start, end in choruses_s
        ),
        np.zeros(n_samples),
    )
    return (_TONE * sung * np.sin(2 * np.pi * _TONE_HZ * time_s)).astype(np.float32)[np.newaxis]


def click_separator() -> Separator:
    """Each stem is the mixture times its gain; the order is Demucs's, not the beat network's."""
    names = ("drums", "bass", "other", "vocals")
    info = replace(tiny_info(names, n_frames=256), default_overlap=2)
    return Separator(GainEngine(info, [GAINS[name] for name in names]), info)


def write_beat_artifact(
    root: Path, beat_info: BeatInfo = FACTS, model: str = MODEL, *, trained: bool = True
) -> Path:
    """An artifact as export writes them, of a network that hears how loud drums and bass are.

    Its logits follow the level of a stem in each frame; all labels are equally likely.
    """
    info = replace(
        tiny_info((), model=model, trained=trained), family="allin1", stft=None, beats=beat_info
    )
    return _write_artifact(root, info, _loudness_graph(beat_info), info.to_metadata())


def write_separator(
    root: Path,
    model: str,
    stems: Sequence[str] = ("drums", "bass", "other", "vocals"),
    *,
    trained: bool = True,
) -> Path:
    """What a library lists as a separator; its graph is none."""
    info = tiny_info(stems, model=model, trained=trained)
    nodes = [helper.make_node("Identity", ["mixture"], ["stems"])]
    axes = ("batch", 4, 256, 32)
    graph = helper.make_graph(nodes, model, [_value("mixture", axes)], [_value("stems", axes)])
    return _write_artifact(root, info, graph, info.to_metadata())


def _loudness_graph(info: BeatInfo) -> onnx.GraphProto:
    """logit = 60 · mean of the bands of one stem − 7."""
    n_stems, n_bins, n_labels = len(info.stems), info.n_bins, len(info.labels)
    heard = {"beat": "drums", "downbeat": "bass", "section": "other"}
    constants = {
        "last": np.array([3]),
        "first": np.array([1]),
        "seven": np.array(7, np.float32),
        "nothing": np.zeros((1, n_labels, 1), np.float32),
        "gain": np.array(60 / n_bins, np.float32),
    }
    nodes = [helper.make_node("ReduceSum", ["spectrogram", "last"], ["level"], keepdims=0)]
    for name, stem in heard.items():
        weights = np.zeros((1, n_stems, 1), np.float32)
        weights[0, info.stems.index(stem)] = 1
        constants[f"{name}_stem"] = weights
        nodes += [
            helper.make_node("Mul", ["level", f"{name}_stem"], [f"{name}_levels"]),
            helper.make_node(
                "ReduceSum", [f"{name}_levels", "first"], [f"{name}_level"], keepdims=0
            ),
            helper.make_node("Mul", [f"{name}_level", "gain"], [f"{name}_gained"]),
            helper.make_node("Sub", [f"{name}_gained", "seven"], [name]),
        ]
    nodes += [
        helper.make_node("Unsqueeze", ["beat", "first"], ["beat_row"]),
        helper.make_node("Add", ["beat_row", "nothing"], ["function"]),
    ]
    return helper.make_graph(
        nodes,
        MODEL,
        [_value("spectrogram", ("batch", n_stems, "frames", n_bins))],
        [
            *(_value(name, ("batch", "frames")) for name in heard),
            _value("function", ("batch", n_labels, "frames")),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )


def _value(name: str, axes: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, axes)


def _write_artifact(
    root: Path, info: ModelInfo, graph: onnx.GraphProto, metadata: dict[str, str]
) -> Path:
    folder = root / f"{info.model}.fp32"
    (folder / "1").mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, metadata)
    engine = folder / "1" / "model.onnx"
    onnx.save(model, engine)
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "engine": "1/model.onnx",
        "model": info.to_json(),
        "files": {"1/model.onnx": {"sha256": hashlib.sha256(engine.read_bytes()).hexdigest()}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
