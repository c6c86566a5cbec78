import numpy as np
import pytest
import torch
from export_helpers import tensors_of, tiny_config
from torch import nn

from stemline.engines import TensorSpec
from stemline.engines.pytorch import TorchEngine
from stemline.errors import DeviceError, EngineError, EngineInputError, EngineMemoryError
from stemline.export.reference import torch_engine
from stemline.export.weights import random_network

X = TensorSpec("x", "float32", ("batch", 3))


class Two(nn.Module):
    """Two outputs, one of them changed by training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.dropout(x), 2 * x


class Raises(nn.Module):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise self.error


def test_outputs_come_by_name_in_evaluation_mode() -> None:
    outputs = [TensorSpec(name, "float32", ("batch", 3)) for name in ("same", "double")]
    x = np.ones((4, 3), np.float32)
    results = TorchEngine(Two().train(), [X], outputs).run({"x": x})
    assert np.array_equal(results["same"], x) and np.array_equal(results["double"], 2 * x)


def test_the_engine_has_the_axes_of_the_artifact() -> None:
    config = tiny_config()
    engine = torch_engine(random_network(config), tensors_of(config))
    assert engine.spec.inputs == (TensorSpec("mixture", "float32", ("batch", 4, 256, 32)),)
    assert engine.spec.outputs == (TensorSpec("stems", "float32", ("batch", 2, 4, 256, 32)),)
    assert engine.spec.device == "cpu"
    with pytest.raises(EngineInputError, match="mixture must be float32"):
        engine.run({"mixture": np.zeros((1, 4, 256, 31), np.float32)})
    engine.close()
    with pytest.raises(EngineError, match="is closed"):
        engine.run({"mixture": np.zeros((1, 4, 256, 32), np.float32)})


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "cpu:1", "cuda:x"])
def test_a_device_that_is_not_here_is_an_error(device: str) -> None:
    with pytest.raises(DeviceError, match=device):
        TorchEngine(nn.Identity(), [X], [X], device=device)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), EngineMemoryError),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), EngineMemoryError),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), EngineError),
    ],
)
def test_torchs_errors_become_ours(error: Exception, kind: type[EngineError]) -> None:
    engine = TorchEngine(Raises(error), [X], [X], name="net")
    with pytest.raises(EngineError, match="net: ") as caught:
        engine.run({"x": np.zeros((2, 3), np.float32)})
    assert type(caught.value) is kind
