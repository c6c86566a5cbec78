"""A server on this machine is reached whatever proxy the machine goes out by."""

import pytest
from grpc_helpers import running_server
from helpers import gain_separator

from stemline.serving.client.client import StemlineClient
from stemline.serving.loopback import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "10.0.0.1", "::", "localhost.example"])
def test_others(host: str) -> None:
    assert not is_loopback(host)


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    with running_server(gain_separator()) as (address, _), StemlineClient(address) as client:
        assert [model.name for model in client.list_models()] == ["tiny"]
