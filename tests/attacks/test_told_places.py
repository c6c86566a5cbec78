"""The attack: names of models that are paths, to learn what lies where on the server."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from demucs_track_helpers import gain_info, write_gains
from grpc_helpers import call_separate, pcm_config, running_server

from stemline.serving.library import EngineOptions, Library

SECRET = "under-the-stairs"
NAMES = [
    "{root}/tiny.fp32",
    "{root}/tiny.fp32/1/model.onnx",
    "{root}/../outside.fp32",
    "../outside.fp32",
    "tiny.fp32/../../outside.fp32",
    "tiny.fp32/1/model.onnx",
    ".",
    "..",
    "/etc/passwd",
    "nothing",
    "mdx23c",
    "htdemucs.int8",
    "x" * 5000,
    "a\0b",
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(SECRET)
    write_gains(folder, gain_info("outside", stems=("a",)), [1.0])
    write_gains(folder / "artifacts", gain_info("tiny", stems=("a",)), [1.0])
    return folder / "artifacts"


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    library = Library(root, EngineOptions("cpu", 1), where="on this server")
    with running_server(library=library) as (address, _):
        yield address


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_no_name_and_no_status_has_a_path(address: str, root: Path, name: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        call_separate(address, [pcm_config(model=name.format(root=root))])
    error = raised.value
    assert error.code() is grpc.StatusCode.NOT_FOUND
    asked = name.format(root=root)
    assert SECRET not in error.details().replace(asked, "").replace(repr(asked)[1:-1], "")
    assert len(error.details()) < 1000
