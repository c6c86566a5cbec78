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
from .cancel_token import RunStop
from .onnx_metadata import read_onnx_metadata
from .runtimes import open_engine

__all__ = [
    "Artifact",
    "ArtifactError",
    "BeatInfo",
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
    "RunStop",
    "StftInfo",
    "StoppableEngine",
    "TensorSpec",
    "list_artifacts",
    "open_engine",
    "read_artifact",
    "read_onnx_metadata",
]
