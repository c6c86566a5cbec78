"""PyTorch as an engine: the reference that `bench` and `verify` compare with, not for serving."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from stemline.arrays import Array, Arrays
from stemline.errors import DeviceError, EngineError, EngineMemoryError, MissingExtraError

from .base import EngineSpec, TensorSpec, checked_inputs
from .device import AUTO, CPU, CUDA, Device, served_device

# What torch says on a CPU, where it has no error class of its own for this.
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


class TorchEngine:
    """A torch network: its inputs by position, its outputs a tensor or a tuple of them."""

    def __init__(
        self,
        network: Any,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        *,
        name: str = "pytorch",
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        """Move `network` (a `torch.nn.Module`) to `device` and put it in evaluation mode.

        `threads` is torch's setting for the whole process. Raises DeviceError when the device
        asked for is not here, MissingExtraError without torch.
        """
        self._torch = _import_torch()
        self._device = _checked_device(self._torch, device)
        if threads is not None:
            self._torch.set_num_threads(threads)
        self._network = network.to(self._device).eval()
        self._spec = EngineSpec(
            name=name,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            provider=f"PyTorch {self._torch.__version__}",
            device=self._device,
        )

    @property
    def spec(self) -> EngineSpec:
        """Inputs, outputs and where it runs."""
        return self._spec

    def run(self, inputs: Arrays) -> dict[str, Array]:
        """Every output for these inputs, in float32 without autocast.

        Raises EngineInputError, EngineMemoryError or EngineError.
        """
        if self._network is None:
            raise EngineError(f"{self._spec.name} is closed")
        batch = checked_inputs(self._spec, inputs)
        torch = self._torch
        try:
            with torch.inference_mode():
                tensors = [
                    torch.from_numpy(inputs[tensor.name]).to(self._device)
                    for tensor in self._spec.inputs
                ]
                results = self._network(*tensors)
                results = results if isinstance(results, tuple) else (results,)
                arrays = [result.cpu().numpy() for result in results]
        except (RuntimeError, MemoryError) as error:
            message = str(error)
            if any(words in message.lower() for words in _OUT_OF_MEMORY):
                raise EngineMemoryError(
                    f"{self._spec.name}: no memory on {self._device} for a batch of {batch}"
                ) from error
            raise EngineError(f"{self._spec.name}: {message}") from error
        names = (tensor.name for tensor in self._spec.outputs)
        return dict(zip(names, arrays, strict=True))

    def close(self) -> None:
        """Free the network."""
        self._network = None


def _checked_device(torch: Any, text: str) -> str:
    """The device that is meant, in torch's words, which are ours. Raises DeviceError."""
    if text == AUTO:
        return str(Device(CUDA, 0) if torch.cuda.is_available() else Device(CPU))
    device = served_device(text, ("cpu", "cuda:N"), by="PyTorch")
    if device.kind == CPU:
        return CPU
    index = device.index or 0
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        raise DeviceError(
            f"device {text!r} was asked for, but PyTorch finds "
            f"{torch.cuda.device_count()} CUDA devices; use --device cpu"
        )
    return str(Device(CUDA, index))


def _import_torch() -> Any:
    try:
        return import_module("torch")
    except ImportError as error:
        raise MissingExtraError("torch", "export") from error
