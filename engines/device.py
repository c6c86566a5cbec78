"""The names of devices: one parser for whatever names what a network runs on."""

from collections.abc import Sequence
from dataclasses import dataclass

from stemline.errors import DeviceError

AUTO, CPU, CUDA = "auto", "cpu", "cuda"
"""The kinds of device that more than one runtime knows; `auto` leaves the choice to the runtime."""

_NUMBERED = ":N"


@dataclass(frozen=True)
class Device:
    """A device by its name, whether or not this machine has it."""

    kind: str
    """`cpu`, `cuda`, or what else a runtime serves."""
    index: int | None = None
    """Which one of its kind; None where the name leaves that open."""

    def __str__(self) -> str:
        return self.kind if self.index is None else f"{self.kind}:{self.index}"


def parse_device(text: str) -> Device:
    """`cuda:1` → Device("cuda", 1). Raises DeviceError for what names no device."""
    device = _parsed(text)
    if device is None:
        raise DeviceError(f"device {text!r} is not the name of one; names are like cpu or cuda:1")
    return device


def served_device(text: str, served: Sequence[str], by: str) -> Device:
    """The device of this name, one of those that `by` serves.

    `served` has `cpu` for a kind without numbers and `cuda:N` for one that may have them. Raises
    DeviceError that lists it.
    """
    device = _parsed(text)
    if device is None or not any(serves(name, device) for name in served):
        raise DeviceError(f"device {text!r} is not one {by} serves here; use {one_of(served)}")
    return device


def serves(name: str, device: Device) -> bool:
    """Whether a device is of the kind that a runtime lists as `name`, `cpu` or `cuda:N`."""
    kind = name.removesuffix(_NUMBERED)
    return device.kind == kind and (device.index is None or name.endswith(_NUMBERED))


def one_of(names: Sequence[str]) -> str:
    """`auto, cpu or cuda:N`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def _parsed(text: str) -> Device | None:
    kind, _, number = text.partition(":")
    if not kind.isalnum() or (number and not number.isdecimal()):
        return None
    return Device(kind, int(number) if number else None)
