"""Fixtures of the tests of export: a small network's configuration, checkpoint and server."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from export_helpers import TINY_YAML, FileServer, tiny_config

from stemline.evaluation.held_out import held_out
from stemline.export import verify
from stemline.export.weights import random_network
from stemline.families.mdx23c.config import Mdx23cConfig


@pytest.fixture
def config() -> Mdx23cConfig:
    return tiny_config()


@pytest.fixture
def yaml_file(tmp_path: Path) -> Path:
    path = tmp_path / "config_tiny.yaml"
    path.write_text(TINY_YAML)
    return path


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flat state dict in torch's zip format, as UVR's files are. Not to be changed."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.ckpt"
    torch.save(random_network(tiny_config(), seed=7).state_dict(), path)
    return path


@pytest.fixture(scope="session", autouse=True)
def short_songs() -> Iterator[None]:
    """Cards of trained networks are measured on three seconds: a minute is no better a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "CARD_SONGS", held_out(2, 1.5))
        patch.setattr(verify, "CARD_BEAT_SONGS", held_out(2, 4.0))
        yield


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of the test, empty; where checkpoints lie in it."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("STEMLINE_CACHE", str(folder))
    return folder / "checkpoints"


@pytest.fixture
def server() -> Iterator[FileServer]:
    files = FileServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files.asked.append(self.path)
            answer = files.answers.get(self.path)
            if answer is None:
                self.send_error(404)
            else:
                answer(self)

        def log_message(self, *_: object) -> None:
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    files.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield files
    listening.shutdown()
    listening.server_close()
    thread.join()
