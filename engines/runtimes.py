"""What runs the files of artifacts: one file a runtime, one line each here."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from stemline.errors import ArtifactError

from .base import Engine
from .device import AUTO, Device, one_of, served_device, serves

RUNTIMES = {"onnxruntime": "stemline.engines.onnxruntime"}
"""A runtime's name → the module that has it, as `RUNTIME`. Where several fit, the first is taken.

PyTorch is none of them: it opens no file, since its engine is made of a network that export has
built in memory (engines/pytorch.py).
"""

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


def all_runtimes() -> list[Runtime]:
    """Every runtime, in the order of the table; what they need is imported as they open a file."""
    return [import_module(module).RUNTIME for module in RUNTIMES.values()]


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
