"""A runtime is a file and a line: a toy of one, in the table for a test."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from stemline.arrays import Array, Arrays
from stemline.engines import Device, Engine, EngineSpec, TensorSpec, device_names, open_engine
from stemline.engines.runtimes import RUNTIMES, Runtime, all_runtimes
from stemline.errors import ArtifactError, DeviceError


class ToyEngine:
    """y = factor · x; the factor is the file's text, and a `.onnx` file's is 2."""

    def __init__(self, factor: float, device: Device, threads: int | None) -> None:
        self.factor, self.device, self.threads = factor, device, threads

    @property
    def spec(self) -> EngineSpec:
        x, y = (TensorSpec(name, "float32", ("batch",)) for name in "xy")
        return EngineSpec("toy", (x,), (y,), "Toy", str(self.device))

    def run(self, inputs: Arrays) -> dict[str, Array]:
        return {"y": np.float32(self.factor) * inputs["x"]}

    def close(self) -> None:
        pass


def open_toy(path: Path, device: Device, threads: int | None) -> Engine:
    return ToyEngine(2.0 if path.suffix == ".onnx" else float(path.read_text()), device, threads)


@pytest.fixture(autouse=True)
def toy_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("toy_runtime")
    vars(module)["RUNTIME"] = Runtime("Toy", (".toy", ".onnx"), ("cpu", "abacus:N"), open_toy)
    monkeypatch.setitem(sys.modules, "toy_runtime", module)
    monkeypatch.setitem(RUNTIMES, "toy", "toy_runtime")


@pytest.fixture
def toy_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.toy"
    path.write_text("3")
    return path


@pytest.mark.parametrize("device", ["auto", "cpu", "abacus", "abacus:2"])
def test_a_file_of_its_own_is_run_on_its_devices(toy_file: Path, device: str) -> None:
    engine = open_engine(toy_file, device, threads=1)
    np.testing.assert_array_equal(engine.run({"x": np.ones(2, np.float32)})["y"], [3, 3])
    assert isinstance(engine, ToyEngine)
    assert (engine.spec.device, engine.threads) == (device, 1)


def test_a_file_of_two_runtimes_is_opened_by_the_one_that_serves_the_device(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "model.onnx", "abacus")
    assert isinstance(engine, ToyEngine)
    assert engine.factor == 2


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_of_two_that_serve_the_device_the_first_in_the_table_is_taken(
    tmp_path: Path, device: str
) -> None:
    with pytest.raises(ArtifactError, match=r"nothing\.onnx cannot be read"):  # ONNX Runtime's
        open_engine(tmp_path / "nothing.onnx", device)


def test_a_device_that_only_another_file_can_have_is_an_error(toy_file: Path) -> None:
    with pytest.raises(DeviceError) as caught:
        open_engine(toy_file, "cuda")
    assert str(caught.value) == (
        "device 'cuda' is not one Toy serves here; use auto, cpu or abacus:N"
    )


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1", ""])
def test_a_device_that_no_runtime_of_the_file_has_is_an_error_that_names_all(
    tmp_path: Path, device: str
) -> None:
    with pytest.raises(DeviceError) as caught:
        open_engine(tmp_path / "model.onnx", device)
    assert str(caught.value) == (
        f"device {device!r} is not one ONNX Runtime or Toy serves here; "
        "use auto, cpu, cuda, cuda:N or abacus:N"
    )


def test_a_file_that_no_runtime_opens_is_an_error_that_names_those_they_open(
    tmp_path: Path,
) -> None:
    with pytest.raises(ArtifactError, match=r"model\.plan is no .* it opens \.onnx, \.toy$"):
        open_engine(tmp_path / "model.plan")


def test_the_help_of_the_commands_names_its_devices() -> None:
    assert device_names() == "auto, cpu, cuda, cuda:N or abacus:N"
    assert [runtime.name for runtime in all_runtimes()] == ["ONNX Runtime", "Toy"]
