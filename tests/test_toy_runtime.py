"""A new runtime is a file and a line: here it is this file, from the command to bench and gRPC.

The toy opens the same `.onnx` files as ONNX Runtime does, on a device of its own, and says so.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from cli_helpers import CONFIG
from helpers import music
from toy_helpers import Extended

from stemline.arrays import Array, Arrays
from stemline.engines import EngineSpec
from stemline.engines.base import Engine
from stemline.engines.device import CPU, Device
from stemline.engines.runtimes import Runtime, find_runtime


class ToyEngine:
    def __init__(self, inner: Engine) -> None:
        self._inner = inner

    @property
    def spec(self) -> EngineSpec:
        return replace(self._inner.spec, provider="ToyProvider", device="toy")

    def run(self, inputs: Arrays) -> dict[str, Array]:
        return self._inner.run(inputs)

    def close(self) -> None:
        self._inner.close()


def open_toy(path: Path, device: Device, threads: int | None) -> ToyEngine:
    return ToyEngine(find_runtime("onnx").open(path, Device(CPU), threads))


RUNTIME = Runtime("Toy", (".onnx",), ("toy",), open_toy)


@pytest.fixture(scope="module")
def stemline(tmp_path_factory: pytest.TempPathFactory) -> Extended:
    folder = tmp_path_factory.mktemp("toy")
    (folder / "tiny.yaml").write_text(CONFIG)
    extended = Extended(folder, "stemline.engines.runtimes:RUNTIMES", "toy", "test_toy_runtime")
    extended.run(
        "export", "tiny", "--family", "mdx23c", "--config", folder / "tiny.yaml", "--weights",
        "random", "--artifacts", extended.artifacts,
    )  # fmt: skip
    return extended


@pytest.mark.parametrize(
    ("device", "provider"), [("toy", "ToyProvider"), ("cpu", "CPUExecutionProvider")]
)
def test_the_device_says_which_runtime_opens_a_file(
    stemline: Extended, tmp_path: Path, device: str, provider: str
) -> None:
    soundfile.write(tmp_path / "song.wav", music(5000).T, 44100)
    separate = ("separate", tmp_path / "song.wav", "-m", "tiny", "-o", tmp_path, "--json")
    shown = stemline.run(
        *separate, "--device", device, "--allow-untrained", "--artifacts", stemline.artifacts
    )
    assert json.loads(shown)["provider"] == provider
    options = ("--device", device, "--allow-untrained", "--artifacts", stemline.artifacts)
    with stemline.server(*options) as address:
        shown = stemline.run(*separate, "--server", address)
    assert json.loads(shown)["provider"] == provider


def test_it_is_measured_beside_the_others(stemline: Extended) -> None:
    shown = stemline.run(
        "bench", "tiny", "--engines", "onnx,toy", "--rounds", "1", "--batches", "1", "--json",
        "--artifacts", stemline.artifacts,
    )  # fmt: skip
    rows = [(row["engine"], row["device"]) for row in json.loads(shown)["rows"]]
    assert rows == [("onnx", "cpu"), ("toy", "toy")]
