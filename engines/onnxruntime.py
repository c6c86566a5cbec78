"""ONNX Runtime: the engine that runs everywhere, on a CPU or a CUDA device."""

import ctypes
import logging
import os
import threading
from collections.abc import Callable, Mapping
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

from .artifact import METADATA_PREFIX
from .base import EngineSpec, TensorSpec, checked_inputs
from .cancel_token import CancelToken
from .device import CPU, CUDA, Device
from .onnx_metadata import read_onnx_metadata
from .runtimes import Runtime

_log = logging.getLogger(__name__)


CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"

_LEVELS = {
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_NUMPY_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(int64)": "int64"}
_NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
_telemetry_lock = threading.Lock()
# ONNX Runtime has no error class for this; these are the words of its allocators.
_OUT_OF_MEMORY = ("failed to allocate", "bad_alloc", "bad allocation", "out of memory")


class OnnxEngine:
    """A network loaded by ONNX Runtime; a run can be cancelled between two operators."""

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
        return self.run_stoppable(inputs, CancelToken())

    def run_stoppable(self, inputs: Arrays, cancel: CancelToken) -> dict[str, Array]:
        """The same until `cancel` is set, within one operator.

        Raises EngineStoppedError then.
        """
        session = self._session
        if session is None:
            raise EngineError(f"{self._spec.name} is closed")
        batch = checked_inputs(self._spec, inputs)
        # Of this run alone: what ends it must not end the next, or another thread's.
        options = self._new_run_options()
        cancel.on_set(lambda: setattr(options, "terminate", True))
        try:
            results = session.run(self._outputs, dict(inputs), options)
        except _runtime_errors() as error:
            if cancel.is_set:  # ONNX Runtime has no error class for that either
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


def open_onnx(path: Path, device: Device, threads: int | None = None) -> OnnxEngine:
    """Load an `.onnx` file.

    Parameters
    ----------
    path
        The file; a lone one is enough, since it carries its own metadata.
    device
        `auto` takes a CUDA device that works, else the CPU; the engine's spec says which.
    threads
        Threads inside one operator on a CPU; all cores when None.

    Raises
    ------
    ArtifactError
        The file is missing, is no ONNX file, or is damaged.
    DeviceError
        The device asked for is not here.
    MissingExtraError
        ONNX Runtime is not installed.
    """
    metadata = read_onnx_metadata(path)
    runtime = import_onnxruntime()
    _check_built_for(device, runtime)
    options = _session_options(runtime, metadata, threads)
    session = None
    if device.kind != CPU and CUDA_PROVIDER in runtime.get_available_providers():
        session = _cuda_session(runtime, path, options, device)
    if session is None:
        session = _cpu_session(runtime, path, options)
    _return_freed_memory()
    try:
        spec = _engine_spec(session, path, device)
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{path} cannot be loaded: it has names that are no text") from error
    _check_started(device, spec)
    return OnnxEngine(session, spec, _new_run_options(runtime, metadata, spec))


RUNTIME = Runtime(
    name="ONNX Runtime", suffixes=(".onnx",), devices=("cpu", "cuda", "cuda:N"), open=open_onnx
)


def _check_built_for(device: Device, runtime: Any) -> None:
    """Raise DeviceError where CUDA is asked for and the installed package was built without it."""
    available = runtime.get_available_providers()
    if device.kind == CUDA and CUDA_PROVIDER not in available:
        raise DeviceError(
            f"device {str(device)!r} was asked for, but this onnxruntime has no CUDA "
            f"(it has {', '.join(available)}); install stemline[gpu] in place of stemline[cpu], "
            "or use --device cpu"
        )


def _check_started(device: Device, spec: EngineSpec) -> None:
    """Raise DeviceError where CUDA is asked for and is not what the session runs on."""
    if device.kind == CUDA and spec.provider != CUDA_PROVIDER:
        raise DeviceError(
            f"device {str(device)!r} was asked for, but ONNX Runtime could not start CUDA; "
            "look for a missing driver, CUDA or cuDNN library, or use --device cpu"
        )


def _session_options(runtime: Any, metadata: Mapping[str, str], threads: int | None) -> Any:
    """The options that the file's own metadata asks for."""
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors: they are raised, warnings would be printed
    # Measured at one thread. MDX23C: without an arena 4.0 GB in place of 4.6 GB, and no slower.
    # HTDemucs: with one 1.4 GB in place of 1.55 GB and 15 % faster, for without one every page is
    # asked of the system again; but not with memory patterns, which then hold 2.4 GB. All-In-One:
    # with one 8 to 13 % faster.
    options.enable_cpu_mem_arena = _uses_arena(metadata)
    options.enable_mem_pattern = False
    if options.enable_cpu_mem_arena:
        # An arena keeps what it had, and a bag's networks run one after another: one for all.
        _share_arena(runtime)
        options.add_session_config_entry("session.use_env_allocators", "1")
        # Weights laid out anew are a second copy: 100 MB, and no faster.
        options.add_session_config_entry("session.disable_prepacking", "1")
    if threads is not None:
        options.intra_op_num_threads = threads
    level = metadata.get(METADATA_PREFIX + "graph_optimization", "").strip('"')
    options.graph_optimization_level = getattr(
        runtime.GraphOptimizationLevel, _LEVELS.get(level, _LEVELS["extended"])
    )
    return options


def _cuda_session(runtime: Any, path: Path, options: Any, device: Device) -> Any | None:
    """A session on a CUDA device; None where `auto` finds none that works, with a warning.

    Raises DeviceError where CUDA was asked for by name.
    """
    cuda = (CUDA_PROVIDER, {"device_id": str(device.index or 0)})
    try:
        # Without fall-back ONNX Runtime raises where it would quietly retry on the CPU.
        return runtime.InferenceSession(
            str(path), options, providers=[cuda, CPU_PROVIDER], enable_fallback=0
        )
    except _runtime_errors() as error:
        if device.kind == CUDA:
            raise DeviceError(f"{device} cannot be used: {error}") from error
        _log.warning("no CUDA device works here, so the CPU is used: %s", error)
        return None


def _cpu_session(runtime: Any, path: Path, options: Any) -> Any:
    try:
        return runtime.InferenceSession(str(path), options, providers=[CPU_PROVIDER])
    except _runtime_errors() as error:
        raise ArtifactError(f"{path} cannot be loaded: {error}") from error


def _engine_spec(session: Any, path: Path, device: Device) -> EngineSpec:
    provider = session.get_providers()[0]
    used = Device(CUDA, device.index or 0) if provider == CUDA_PROVIDER else Device(CPU)
    return EngineSpec(
        name=_name_of(path),
        inputs=tuple(_tensor_spec(node) for node in session.get_inputs()),
        outputs=tuple(_tensor_spec(node) for node in session.get_outputs()),
        provider=provider,
        device=str(used),
    )


def _new_run_options(
    runtime: Any, metadata: Mapping[str, str], spec: EngineSpec
) -> Callable[[], Any]:
    """Make the options of one run."""
    # What one long track needed would be kept for ever: 1.3 GB for 3 minutes of All-In-One.
    grows = metadata.get(METADATA_PREFIX + "dynamic_length") == "true"
    if spec.device == CPU and _uses_arena(metadata) and grows:
        return partial(_shrinking_run_options, runtime)
    new: Callable[[], Any] = runtime.RunOptions
    return new


def _shrinking_run_options(runtime: Any) -> Any:
    """The options of a run after which the arena returns its free memory to the system."""
    options = runtime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _uses_arena(metadata: Mapping[str, str]) -> bool:
    return metadata.get(METADATA_PREFIX + "memory_arena") == "true"


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
    """Return to the system what reading the file took: 200 MB for one of 180 MB, measured.

    The C library would keep it, beside what the network will need. Other libraries than glibc have
    no such call, and nothing is done.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _name_of(path: Path) -> str:
    """`mdx23c.fp32` for artifacts/mdx23c.fp32/1/model.onnx, else the file's own name."""
    return path.parent.parent.name if path.parent.name.isdigit() else path.name


def _tensor_spec(node: Any) -> TensorSpec:
    shape = tuple(axis if isinstance(axis, int) else str(axis) for axis in node.shape)
    return TensorSpec(node.name, _NUMPY_DTYPES.get(node.type, node.type), shape)


def import_onnxruntime() -> Any:
    """ONNX Runtime, without its telemetry unless ORT_DISABLE_TELEMETRY is set to 0.

    From 1.29 on it would write `.ses` into the folder of temporary files, and into whatever a link
    of that name leads to, keep a data base in the user's cache, and report to its makers what it
    runs. Raises MissingExtraError.
    """
    with _telemetry_lock:
        is_set = _NO_TELEMETRY in os.environ
        try:
            # It is looked at once, as the library is loaded; the process's own stays as it was.
            os.environ.setdefault(_NO_TELEMETRY, "1")
            return import_module("onnxruntime")
        except ImportError as error:
            raise MissingExtraError("onnxruntime", "cpu") from error
        finally:
            if not is_set:
                del os.environ[_NO_TELEMETRY]


def _runtime_errors() -> tuple[type[Exception], ...]:
    """ONNX Runtime's own exceptions; they share no base class but Exception."""
    state = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    found = [
        error
        for error in vars(state).values()
        if isinstance(error, type) and issubclass(error, Exception)
    ]
    # The last for names in the file that are no text: they are in the errors' words too.
    return (*found, RuntimeError, MemoryError, UnicodeDecodeError)
