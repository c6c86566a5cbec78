"""ONNX Runtime: the engine that runs everywhere, on a CPU or a CUDA device."""

import ctypes
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from stemline.arrays import Array, Arrays
from stemline.errors import (
    ArtifactError,
    DeviceError,
    EngineError,
    EngineMemoryError,
    EngineStoppedError,
    MissingExtraError,
)

from .base import EngineSpec, TensorSpec, checked_inputs
from .cancel_token import RunStop
from .onnx_metadata import read_onnx_metadata

_log = logging.getLogger(__name__)

CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"

_LEVELS = {
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_NUMPY_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(int64)": "int64"}
# ONNX Runtime has no error class for this; these are the words of its allocators.
_OUT_OF_MEMORY = ("failed to allocate", "bad_alloc", "bad allocation", "out of memory")


class OnnxEngine:
    """A network loaded by ONNX Runtime; its runs can be ended, each between two operators."""

    def __init__(self, session: Any, spec: EngineSpec, new_run_options: Callable[[], Any]) -> None:
        self._session = session
        self._spec = spec
        self._new_run_options = new_run_options
        self._outputs = [tensor.name for tensor in spec.outputs]

    @property
    def spec(self) -> EngineSpec:
        """Inputs, outputs and the provider in use."""
        return self._spec

    def run(self, inputs: Arrays) -> dict[str, Array]:
        """Every output for these inputs.

        Raises EngineInputError, EngineMemoryError or EngineError.
        """
        return self.run_stoppable(inputs, RunStop())

    def run_stoppable(self, inputs: Arrays, stop: RunStop) -> dict[str, Array]:
        """The same until `stop` is set, within one operator.

        Raises EngineStoppedError then.
        """
        session = self._session
        if session is None:
            raise EngineError(f"{self._spec.name} is closed")
        batch = checked_inputs(self._spec, inputs)
        # Of this run alone: what ends it must not end the next, or another thread's.
        options = self._new_run_options()
        stop.on_set(lambda: setattr(options, "terminate", True))
        try:
            results = session.run(self._outputs, dict(inputs), options)
        except _runtime_errors() as error:
            if stop.is_set:  # ONNX Runtime has no error class for that either
                raise EngineStoppedError(f"{self._spec.name}: the run was ended") from error
            message = str(error)
            if isinstance(error, MemoryError) or any(
                words in message.lower() for words in _OUT_OF_MEMORY
            ):
                raise EngineMemoryError(
                    f"{self._spec.name}: no memory on {self._spec.device} for a batch of {batch}"
                ) from error
            raise EngineError(f"{self._spec.name}: {message}") from error
        return dict(zip(self._outputs, results, strict=True))

    def close(self) -> None:
        """Free the session."""
        self._session = None


def open_onnx(
    path: Path,
    device: str = "auto",
    threads: int | None = None,
    graph_optimization: str | None = None,
) -> OnnxEngine:
    """Load an `.onnx` file.

    Parameters
    ----------
    path
        The file; a lone one is enough, since it carries its own metadata.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`. `auto` takes a CUDA device that works, else the CPU;
        the engine's spec says which.
    threads
        Threads inside one operator on a CPU; all cores when None.
    graph_optimization
        `basic`, `extended` or `all`; what the file's metadata says when None.

    Raises
    ------
    ArtifactError
        The file is missing or is no ONNX file.
    DeviceError
        The device asked for is not here.
    MissingExtraError
        ONNX Runtime is not installed.
    """
    metadata = read_onnx_metadata(path)
    runtime = _runtime()
    wanted, index = _parse_device(device)
    available = runtime.get_available_providers()
    if wanted == "cuda" and CUDA_PROVIDER not in available:
        raise DeviceError(
            f"device {device!r} was asked for, but this onnxruntime has no CUDA "
            f"(it has {', '.join(available)}); install stemline[gpu] in place of stemline[cpu], "
            "or use --device cpu"
        )
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors: they are raised, warnings would be printed
    # Measured at one thread. MDX23C: without an arena 4.0 GB in place of 4.6 GB, and no slower.
    # HTDemucs: with one 1.4 GB in place of 1.55 GB and 15 % faster, for without one every page is
    # asked of the system again; but not with memory patterns, which then hold 2.4 GB.
    options.enable_cpu_mem_arena = metadata.get("stemline.memory_arena") == "true"
    if options.enable_cpu_mem_arena:
        # An arena keeps what it had, and a bag's networks run in turn: one for all of them.
        _share_arena(runtime)
        options.add_session_config_entry("session.use_env_allocators", "1")
        # Weights laid out anew are a second copy: 100 MB, and no faster.
        options.add_session_config_entry("session.disable_prepacking", "1")
        # All-In-One: 8 to 13 % faster.
    options.enable_mem_pattern = False
    if threads is not None:
        options.intra_op_num_threads = threads
    level = graph_optimization or metadata.get("stemline.graph_optimization", "").strip('"')
    options.graph_optimization_level = getattr(
        runtime.GraphOptimizationLevel, _LEVELS.get(level, _LEVELS["extended"])
    )
    session = None
    if wanted == "cuda" or (wanted == "auto" and CUDA_PROVIDER in available):
        cuda = (CUDA_PROVIDER, {"device_id": str(index)})
        try:
            # Without fall-back ONNX Runtime raises where it would quietly retry on the CPU.
            session = runtime.InferenceSession(
                str(path), options, providers=[cuda, CPU_PROVIDER], enable_fallback=0
            )
        except _runtime_errors() as error:
            if wanted == "cuda":
                raise DeviceError(f"{device} cannot be used: {error}") from error
            _log.warning("no CUDA device works here, so the CPU is used: %s", error)
    if session is None:
        try:
            session = runtime.InferenceSession(str(path), options, providers=[CPU_PROVIDER])
        except _runtime_errors() as error:
            raise ArtifactError(f"{path} cannot be loaded: {error}") from error
    _return_freed_memory()
    provider = session.get_providers()[0]
    if wanted == "cuda" and provider != CUDA_PROVIDER:
        raise DeviceError(
            f"device {device!r} was asked for, but ONNX Runtime could not start CUDA; "
            "look for a missing driver, CUDA or cuDNN library, or use --device cpu"
        )
    spec = EngineSpec(
        name=_name_of(path),
        inputs=tuple(_tensor_spec(node) for node in session.get_inputs()),
        outputs=tuple(_tensor_spec(node) for node in session.get_outputs()),
        provider=provider,
        device=f"cuda:{index}" if provider == CUDA_PROVIDER else "cpu",
    )
    # What one long track needed would be kept for ever: 1.3 GB for 3 minutes of All-In-One.
    shrinks = (
        spec.device == "cpu"
        and options.enable_cpu_mem_arena
        and metadata.get("stemline.any_length") == "true"
    )
    new_run_options = partial(_shrinking, runtime) if shrinks else runtime.RunOptions
    return OnnxEngine(session, spec, new_run_options)


def _shrinking(runtime: Any) -> Any:
    """Of a run after which the arena gives its free memory back to the system."""
    options = runtime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


_arena_lock = threading.Lock()
_has_arena = False


def _share_arena(runtime: Any) -> None:
    """Make the process's one arena of CPU memory, once."""
    global _has_arena
    with _arena_lock:
        if not _has_arena:
            kinds = runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, runtime.OrtMemType.DEFAULT
            memory = runtime.OrtMemoryInfo("Cpu", kinds[0], 0, kinds[1])
            runtime.create_and_register_allocator(memory, None)
            _has_arena = True


def _return_freed_memory() -> None:
    """Give the system back what reading the file took: 200 MB for one of 180 MB, measured.

    The C library would keep it, beside what the network will need. Where it is not glibc, nothing.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _name_of(path: Path) -> str:
    """`mdx23c.fp32` for artifacts/mdx23c.fp32/1/model.onnx, else the file's own name."""
    return path.parent.parent.name if path.parent.name.isdigit() else path.name


def _parse_device(device: str) -> tuple[str, int]:
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and (kind != "cuda" or not index.isdigit())):
        raise DeviceError(
            f"device {device!r} is not one ONNX Runtime serves here; use auto, cpu, cuda or cuda:N"
        )
    return kind, int(index or 0)


def _tensor_spec(node: Any) -> TensorSpec:
    shape = tuple(axis if isinstance(axis, int) else str(axis) for axis in node.shape)
    return TensorSpec(node.name, _NUMPY_DTYPES.get(node.type, node.type), shape)


def _runtime() -> Any:
    try:
        return import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "cpu") from error


def _runtime_errors() -> tuple[type[Exception], ...]:
    """ONNX Runtime's own exceptions; they share no base class but Exception."""
    state = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    found = [
        error
        for error in vars(state).values()
        if isinstance(error, type) and issubclass(error, Exception)
    ]
    return (*found, RuntimeError, MemoryError)
