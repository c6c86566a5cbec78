import pytest

from stemline.engines import Device, EngineSpec, TensorSpec, parse_device
from stemline.engines.device import one_of, served_device
from stemline.engines.memory import auto_batch_size
from stemline.errors import DeviceError

SERVED = ("auto", "cpu", "cuda", "cuda:N")


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("auto", Device("auto")),
        ("cpu", Device("cpu")),
        ("cuda", Device("cuda")),
        ("cuda:0", Device("cuda", 0)),
        ("cuda:12", Device("cuda", 12)),
        ("openvino", Device("openvino")),
    ],
)
def test_a_name_and_its_device_are_one(text: str, device: Device) -> None:
    assert parse_device(text) == device
    assert str(device) == text


@pytest.mark.parametrize("text", ["", ":", ":1", "cuda:x", "cuda:-1", "cuda:1:2", "cuda:²"])
def test_what_names_no_device_is_refused(text: str) -> None:
    with pytest.raises(DeviceError, match="names are like cpu or cuda:1") as caught:
        parse_device(text)
    assert repr(text) in str(caught.value)
    with pytest.raises(DeviceError, match="is not one Toy serves here; use auto, cpu, cuda or"):
        served_device(text, SERVED, by="Toy")


@pytest.mark.parametrize("text", ["auto", "cpu", "cuda", "cuda:0", "cuda:3"])
def test_a_device_that_is_served_is_returned(text: str) -> None:
    assert served_device(text, SERVED, by="Toy") == parse_device(text)


@pytest.mark.parametrize("text", ["gpu", "cpu:0", "auto:1", "CUDA"])
def test_a_device_that_is_not_served_is_an_error_that_lists_those_that_are(text: str) -> None:
    with pytest.raises(DeviceError) as caught:
        served_device(text, SERVED, by="Toy")
    assert str(caught.value) == (
        f"device {text!r} is not one Toy serves here; use auto, cpu, cuda or cuda:N"
    )


def test_names_are_listed_with_or_before_the_last() -> None:
    assert [one_of(["a", "b", "c"][:n]) for n in (1, 2, 3)] == ["a", "a or b", "a, b or c"]


@pytest.mark.parametrize("device", ["cpu", "openvino", "cuda:0"])
def test_one_chunk_at_a_time_where_the_free_memory_is_not_known(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # no nvidia-smi
    spec = EngineSpec("tiny", (TensorSpec("x", "float32", ("batch", 2)),), (), "Toy", device)
    assert auto_batch_size(spec) == 1
