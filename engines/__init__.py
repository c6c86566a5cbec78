"""Run a network: named arrays in, named arrays out; knows tensors, not music."""

from stemline.errors import (
    ArtifactError,
    DeviceError,
    EngineError,
    EngineInputError,
    EngineMemoryError,
    EngineStoppedError,
    MissingExtraError,
)

from .artifact import Artifact, MemberInfo, ModelInfo, StftInfo, list_artifacts, read_artifact
from .base import Engine, EngineSpec, StoppableEngine, TensorSpec
from .beat_info import BeatInfo
from .cancel_token import CancelToken
from .device import Device, parse_device
from .onnx_metadata import read_onnx_metadata
from .runtimes import device_names, open_engine
from .text_info import TextInfo

__all__ = [
    "Artifact",
    "ArtifactError",
    "BeatInfo",
    "CancelToken",
    "Device",
    "DeviceError",
    "Engine",
    "EngineError",
    "EngineInputError",
    "EngineMemoryError",
    "EngineSpec",
    "EngineStoppedError",
    "MemberInfo",
    "MissingExtraError",
    "ModelInfo",
    "StftInfo",
    "StoppableEngine",
    "TensorSpec",
    "TextInfo",
    "device_names",
    "list_artifacts",
    "open_engine",
    "parse_device",
    "read_artifact",
    "read_onnx_metadata",
]
