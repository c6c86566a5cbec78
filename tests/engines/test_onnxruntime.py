from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import tiny_info
from onnx import TensorProto, helper

from stemline.engines import open_engine, read_onnx_metadata
from stemline.engines.artifact import info_from_metadata
from stemline.errors import ArtifactError, DeviceError, EngineError, EngineInputError


def write_doubler(path: Path, metadata: dict[str, str] | None = None) -> Path:
    """Write an ONNX file whose output is twice its input, (batch, 3)."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["y"])],
        "doubler",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


@pytest.fixture
def doubler(tmp_path: Path) -> Path:
    return write_doubler(tmp_path / "doubler.onnx")


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_outputs_come_by_name_at_any_batch(doubler: Path, batch: int) -> None:
    engine = open_engine(doubler, "cpu", threads=1)
    x = np.arange(3 * batch, dtype=np.float32).reshape(batch, 3)
    np.testing.assert_array_equal(engine.run({"x": x})["y"], 2 * x)
    assert engine.spec.inputs[0].shape == ("batch", 3)
    assert (engine.spec.device, engine.spec.provider) == ("cpu", "CPUExecutionProvider")
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run({"x": x})


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"z": np.zeros((1, 3), np.float32)}, "takes x; got z"),
        ({"x": np.zeros((1, 4), np.float32)}, r"shape \['batch', 3\]; got float32 of shape \[1, 4"),
        ({"x": np.zeros((0, 3), np.float32)}, "got float32 of shape"),
        ({"x": np.zeros((1, 3), np.float64)}, "got float64"),
        ({"x": np.zeros(3, np.float32)}, "got float32 of shape"),
    ],
)
def test_inputs_that_do_not_fit_are_named(
    doubler: Path, inputs: dict[str, np.ndarray], words: str
) -> None:
    engine = open_engine(doubler, "cpu")
    with pytest.raises(EngineInputError, match=words):
        engine.run(inputs)


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_device_that_is_not_there_is_an_error_not_a_cpu(doubler: Path, device: str) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(DeviceError, match="has no CUDA"):
        open_engine(doubler, device)


@pytest.mark.parametrize("device", ["gpu", "cpu:1", "cuda:x", "tensorrt", ""])
def test_an_unknown_device_is_an_error(doubler: Path, device: str) -> None:
    with pytest.raises(DeviceError, match="use auto, cpu, cuda"):
        open_engine(doubler, device)


def test_auto_says_what_it_chose(doubler: Path) -> None:
    assert open_engine(doubler, "auto").spec.device in ("cpu", "cuda:0")


CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def imitate_cuda(monkeypatch: pytest.MonkeyPatch, used: str) -> list[object]:
    """An onnxruntime built with CUDA, whose sessions for CUDA use `used` or, without, fail.

    Returns the options of the providers that sessions are made with, which grows.
    """
    import onnxruntime

    asked_for: list[object] = []

    class Session(onnxruntime.InferenceSession):
        def __init__(self, path: str, options: object, providers: list[object], **_: int) -> None:
            asked_for.append(providers[0])
            if providers[0] != CPU and not used:
                raise RuntimeError("no driver")
            super().__init__(path, options, providers=[CPU])
            self.used = used if providers[0] != CPU else CPU

        def get_providers(self) -> list[str]:
            return [self.used]

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    return asked_for


@pytest.mark.parametrize(("device", "index"), [("auto", 0), ("cuda", 0), ("cuda:1", 1)])
def test_a_cuda_device_that_works_is_taken_by_its_number(
    doubler: Path, monkeypatch: pytest.MonkeyPatch, device: str, index: int
) -> None:
    asked_for = imitate_cuda(monkeypatch, used=CUDA)
    spec = open_engine(doubler, device).spec
    assert asked_for == [(CUDA, {"device_id": str(index)})]
    assert (spec.device, spec.provider) == (f"cuda:{index}", CUDA)


def test_cpu_asks_for_no_cuda_device(doubler: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for = imitate_cuda(monkeypatch, used=CUDA)
    assert open_engine(doubler, "cpu").spec.device == "cpu"
    assert asked_for == [CPU]


def test_auto_warns_of_a_cuda_device_that_fails_and_takes_the_cpu(
    doubler: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    imitate_cuda(monkeypatch, used="")
    assert open_engine(doubler, "auto").spec.device == "cpu"
    assert "no CUDA device works here, so the CPU is used: no driver" in caplog.text


@pytest.mark.parametrize(
    ("used", "words"), [("", "^cuda:1 cannot be used: no driver"), (CPU, "could not start CUDA")]
)
def test_a_cuda_device_asked_for_that_does_not_work_is_an_error(
    doubler: Path, monkeypatch: pytest.MonkeyPatch, used: str, words: str
) -> None:
    imitate_cuda(monkeypatch, used)
    with pytest.raises(DeviceError, match=words):
        open_engine(doubler, "cuda:1")


@pytest.mark.parametrize(
    "content", [b"", b"hello, I am a text", b"\x08", b"\xff" * 64, b"\x3a\xff\xff\xff\x7f"]
)
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        open_engine(path)


def test_a_file_cut_short_at_any_byte_is_refused_or_lacks_metadata(doubler: Path) -> None:
    whole = doubler.read_bytes()
    for length in range(0, len(whole), 7):
        doubler.write_bytes(whole[:length])
        with pytest.raises(ArtifactError):
            open_engine(doubler)


def test_a_missing_file_and_an_unknown_suffix_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nothing\.onnx cannot be read"):
        open_engine(tmp_path / "nothing.onnx")
    with pytest.raises(ArtifactError, match=r"it opens \.onnx"):
        open_engine(tmp_path / "model.plan")


def test_metadata_is_what_onnx_reads(tmp_path: Path) -> None:
    metadata = {"a": "1", "ключ": "знач" * 100, "empty": ""}
    path = write_doubler(tmp_path / "m.onnx", metadata)
    assert read_onnx_metadata(path) == metadata


def test_a_models_info_survives_the_onnx_file(tmp_path: Path) -> None:
    info = tiny_info()
    path = write_doubler(tmp_path / "m.onnx", info.to_metadata())
    assert info_from_metadata(read_onnx_metadata(path), "m.onnx") == info


def test_a_file_that_export_did_not_write_says_so(doubler: Path) -> None:
    with pytest.raises(ArtifactError, match="not written by `stemline export`"):
        info_from_metadata(read_onnx_metadata(doubler), str(doubler))
