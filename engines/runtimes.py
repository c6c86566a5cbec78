"""What runs the files of artifacts: one file a runtime, one line each here."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from stemline.errors import ArtifactError

from .base import Engine
from .device import AUTO, Device, one_of, parse_device, served_device, serves

RUNTIMES = {"onnx": "stemline.engines.onnxruntime"}
"""A runtime's short name, as `bench --engines` takes it → the module that has it, as `RUNTIME`.

Where several fit a file and a device, the first is taken.

PyTorch is none of them: it opens no file, since its engine is made of a network that export has
built in memory (engines/pytorch.py).
"""

DEFAULT_RUNTIME = next(iter(RUNTIMES))
"""The short name of the one that artifacts are judged with."""

Open = Callable[[Path, Device, int | None], Engine]
"""Load a file on a device with so many CPU threads, all cores when None. The device is one that the
runtime serves, or `auto`. Raises ArtifactError, DeviceError or MissingExtraError; never takes
another device than the one asked for."""


@dataclass(frozen=True)
class Runtime:
    """One runtime: the files it opens, the devices it computes on, and how it opens one."""

    name: str
    """What messages call it."""
    suffixes: tuple[str, ...]
    """The ends of the names of files that it opens, `.onnx`."""
    devices: tuple[str, ...]
    """As users name them: `cpu`, and `cuda` and `cuda:N` where there may be several."""
    open: Open


def find_runtime(name: str) -> Runtime:
    """The runtime of this short name, which is one of RUNTIMES."""
    runtime: Runtime = import_module(RUNTIMES[name]).RUNTIME
    return runtime


def all_runtimes() -> list[Runtime]:
    """Every runtime, in the order of the table; what they need is imported as they open a file."""
    return [find_runtime(name) for name in RUNTIMES]


def is_engine_file(name: str) -> bool:
    """Whether a name is that of a file which some runtime opens, `model.onnx`."""
    return any(name.endswith(runtime.suffixes) for runtime in all_runtimes())


def device_names() -> str:
    """`auto, cpu, cuda or cuda:N`: what there is to choose from, for whatever file."""
    return one_of(_served_by(all_runtimes()))


def open_engine(path: Path, device: str = AUTO, threads: int | None = None) -> Engine:
    """Load the file of an artifact on a device.

    Raises ArtifactError, DeviceError or MissingExtraError; never takes another device than the
    one asked for. `auto` is for the first runtime that opens such a file to choose.
    """
    runtimes = _runtimes_of(path)
    by = one_of([runtime.name for runtime in runtimes])
    wanted = served_device(device, _served_by(runtimes), by)
    runtime = next(runtime for runtime in runtimes if _takes(runtime, wanted))
    return runtime.open(path, wanted, threads)


def open_with(name: str, path: Path, device: str, threads: int | None = None) -> Engine:
    """Load a file with the runtime of this short name, to compare it with others.

    Where it does not serve the device, its own first one is taken: the engine's spec says where it
    runs. Raises as `open_engine` does.
    """
    runtime, wanted = find_runtime(name), parse_device(device)
    if not _takes(runtime, wanted):
        wanted = Device(runtime.devices[0].partition(":")[0])
    return runtime.open(path, wanted, threads)


def _runtimes_of(path: Path) -> list[Runtime]:
    """Those that open files like this one. Raises ArtifactError where there is none."""
    runtimes = all_runtimes()
    found = [runtime for runtime in runtimes if path.suffix in runtime.suffixes]
    if not found:
        suffixes = dict.fromkeys(suffix for runtime in runtimes for suffix in runtime.suffixes)
        raise ArtifactError(
            f"{path} is no engine this stemline can open; it opens {', '.join(suffixes)}"
        )
    return found


def _served_by(runtimes: list[Runtime]) -> list[str]:
    return list(dict.fromkeys([AUTO, *(name for each in runtimes for name in each.devices)]))


def _takes(runtime: Runtime, device: Device) -> bool:
    return device.kind == AUTO or any(serves(name, device) for name in runtime.devices)
