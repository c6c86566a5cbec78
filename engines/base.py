"""What an engine is: named arrays in, named arrays out. It knows tensors, not music."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from stemline.arrays import Array, Arrays
from stemline.errors import EngineInputError

from .cancel_token import CancelToken

BATCH, SAMPLES, FRAMES, TOKENS = "batch", "samples", "frames", "tokens"
"""The free axes of an artifact. Every one has `batch`; the others, of networks that take any
length, are a chunk's samples and its spectrogram's frames, and a text's tokens. Every other axis is
a number."""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of an engine."""

    name: str
    dtype: str
    """A numpy dtype name: `float32`, or `int64` for the ids of tokens."""
    shape: tuple[int | str, ...]
    """Axis lengths; a free axis is a name, `batch` the first."""


@dataclass(frozen=True)
class EngineSpec:
    """An engine's inputs and outputs, and where it really runs."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    provider: str
    """The runtime's own name of what computes, `CPUExecutionProvider`."""
    device: str
    """In the words of `--device`: `cpu`, `cuda:0`, ..."""


class Engine(Protocol):
    """A loaded network."""

    @property
    def spec(self) -> EngineSpec:
        """Inputs, outputs and the provider in use."""

    def run(self, inputs: Arrays) -> dict[str, Array]:
        """Every output for these inputs; all share the length of the batch axis.

        Raises EngineInputError, EngineMemoryError or EngineError.
        """

    def close(self) -> None:
        """Free what the engine holds; it cannot run afterwards."""


@runtime_checkable
class StoppableEngine(Protocol):
    """An engine whose runs can be cancelled; others run on to their end."""

    def run_stoppable(self, inputs: Arrays, cancel: CancelToken) -> dict[str, Array]:
        """Run as `Engine.run` does, until `cancel` is set.

        Raises EngineStoppedError then, besides what `Engine.run` raises. A run that is all but
        over may still return its outputs.
        """


def checked_inputs(spec: EngineSpec, inputs: Arrays) -> int:
    """The batch size of `inputs`, once names, dtypes and shapes fit `spec`.

    A free axis has one length in all inputs. Raises EngineInputError that names the first input
    that does not fit.
    """
    wanted = {tensor.name for tensor in spec.inputs}
    if set(inputs) != wanted:
        raise EngineInputError(
            f"{spec.name} takes {', '.join(sorted(wanted))}; got {', '.join(sorted(inputs))}"
        )
    free: dict[str, int] = {}
    for tensor in spec.inputs:
        array = inputs[tensor.name]
        fits = str(array.dtype) == tensor.dtype and array.ndim == len(tensor.shape)
        for length, axis in zip(array.shape, tensor.shape, strict=False):
            if isinstance(axis, str):
                fits = fits and length == free.setdefault(axis, length) and length > 0
            else:
                fits = fits and length == axis
        if not fits:
            raise EngineInputError(
                f"{spec.name}: {tensor.name} must be {tensor.dtype} of shape {list(tensor.shape)}; "
                f"got {array.dtype} of shape {list(array.shape)}"
            )
    return free.get(BATCH, 1)
