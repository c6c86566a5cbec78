"""A server's models through the face: what they return is what the same models return here."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from face_helpers import ORDER, RATE, assert_beats
from grpc_helpers import running_server
from helpers import in_blocks, music

import stemline
from stemline.client import ServerModel
from stemline.errors import AudioError, RemoteError, RequestError
from stemline.serving.library import EngineOptions, Library


@pytest.fixture(scope="module")
def address(artifacts: Path) -> Iterator[str]:
    with running_server(library=Library(artifacts, EngineOptions("cpu", 1))) as (address, _):
        yield address


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[stemline.Client]:
    with stemline.Client(address, timeout_s=60) as client:
        yield client


def test_stems_are_those_of_a_local_model(
    client: stemline.Client, artifacts: Path, song: Path, clicks: np.ndarray
) -> None:
    wanted = {"stems": ["drums", "vocals"], "residual": True}
    local = stemline.separate(song, model="tiny", artifacts=artifacts, threads=1, **wanted)
    progress: list[tuple[int, int | None]] = []
    for source in ((song,), (clicks, RATE)):
        stems = client.separate(*source, **wanted, on_progress=lambda *said: progress.append(said))
        assert list(stems) == ["drums", "vocals", "residual"]
        assert (stems.model, stems.sample_rate_hz) == ("tiny", RATE)
        assert stems.seconds["engine"] > 0
        for stem, samples in stems.items():
            np.testing.assert_array_equal(samples, local[stem])
        assert progress[-1] == (clicks.shape[1], clicks.shape[1])


def test_files_are_those_of_a_local_model(
    client: stemline.Client, artifacts: Path, song: Path, clicks: np.ndarray, tmp_path: Path
) -> None:
    wanted = {"stems": ["drums", "vocals"], "residual": True, "bits": 24}
    local = stemline.separate_file(
        song, tmp_path / "local", model="tiny", artifacts=artifacts, threads=1, **wanted
    )
    progress: list[tuple[int, int | None]] = []
    remote = client.separate_file(
        song, tmp_path / "remote", **wanted, on_progress=lambda *said: progress.append(said)
    )
    assert list(remote.stems) == ["drums", "vocals", "residual"]
    for stem, path in remote.stems.items():
        assert path == tmp_path / "remote" / "song" / f"{stem}.wav"
        assert path.read_bytes() == local.stems[stem].read_bytes()
    assert progress[-1] == (clicks.shape[1], clicks.shape[1])
    named = client.separate_file(
        song, tmp_path, model="tiny.fp32", stems="bass", filename="{model}_{stem}.{ext}"
    )
    assert named.stems == {"bass": tmp_path / "tiny_bass.wav"}


def test_a_stream_is_the_same(client: stemline.Client) -> None:
    mixture = music(20_000)
    with client.stream(in_blocks(mixture, 997), RATE, 2, model="tiny.fp32") as separation:
        assert separation.stems == ORDER
        parts = [block.stems["bass"] for block in separation]
    whole = client.separate(mixture, RATE, model="tiny", stems="bass")
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole["bass"])


def test_beats_are_those_of_a_local_model(
    client: stemline.Client, artifacts: Path, song: Path, clicks: np.ndarray
) -> None:
    progress: list[tuple[int, int | None]] = []
    found = client.track(
        song, model="clicks", separator="tiny", on_progress=lambda *said: progress.append(said)
    )
    assert_beats(found)
    assert found == stemline.find_beats(clicks, RATE, artifacts=artifacts, threads=1)
    assert progress[-1] == (clicks.shape[1], clicks.shape[1])
    assert client.track(song, activations=True).activations is not None


def test_models_are_listed(client: stemline.Client) -> None:
    models = client.models()
    assert models == [
        ServerModel("clicks", "clicks.fp32", (), RATE, True, "beats"),
        ServerModel("tiny", "tiny.fp32", ORDER, RATE, True, "separate"),
    ]
    assert [model.task for model in models] == ["beats", "separate"]


def test_what_is_wrong_here_is_not_sent(client: stemline.Client) -> None:
    with pytest.raises(RequestError, match=r"samples\.T"):
        client.separate(music(100).T, RATE)
    with pytest.raises(AudioError, match="does not exist"):
        client.track("nowhere.wav")


def test_what_the_server_refuses_is_a_remote_error(client: stemline.Client) -> None:
    with pytest.raises(RemoteError, match="no model 'nothing'") as error:
        client.separate(music(100), RATE, model="nothing")
    assert error.value.status == "NOT_FOUND"
    with pytest.raises(RemoteError, match="no stem 'piano'"):
        client.separate(music(100), RATE, stems="piano")


def test_a_certificate_is_a_file_or_its_contents(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"ca\.pem"):
        stemline.Client("127.0.0.1:1", tls_ca=tmp_path / "ca.pem")
    (tmp_path / "ca.pem").write_bytes(b"no certificate")
    for ca in (tmp_path / "ca.pem", str(tmp_path / "ca.pem"), b"no certificate"):
        with stemline.Client("localhost:1", tls_ca=ca) as client:
            assert repr(client) == "<Client of localhost:1>"
            with pytest.raises(RemoteError):
                client.models()
