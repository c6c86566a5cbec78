"""The clients of examples/ against a server: the same stems and beats as of a local run."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from certificate_helpers import self_signed
from cli_helpers import RATE, run
from grpc_helpers import running_server
from helpers import gain_separator, music

import stemline

pytestmark = pytest.mark.examples

HERE = Path(__file__).parents[2]
EXAMPLES, PROTOS = HERE / "examples", HERE / "serving/protos"
PROTO = "stemline/v1/stemline.proto"
ARTIFACTS = HERE / "build/bundled"
"""Where `make wheel` exports the small models too, so that it is done once."""
LANGUAGES = ["python", "node", "go"]
FINDS_BEATS = ["python", "node"]


@dataclass(frozen=True)
class Server:
    """A server that asks for a token, over TLS."""

    address: str
    certificate: Path
    token_file: Path


def built(command: list[str | Path], cwd: Path, **variables: str) -> None:
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def protoc(*outs: str) -> list[str | Path]:
    return [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", *outs, PROTO]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """Each client as examples/README.md has it built: the words that run it."""
    root = tmp_path_factory.mktemp("clients")
    shutil.copytree(EXAMPLES / "python", root / "python")
    built(protoc(f"--python_out={root / 'python'}", f"--grpc_python_out={root / 'python'}"), root)

    shutil.copytree(EXAMPLES / "node", root / "examples/node", ignore=lambda *_: ["node_modules"])
    shutil.copytree(PROTOS, root / "serving/protos")
    built(["npm", "ci", "--no-audit", "--no-fund"], root / "examples/node")

    # As Debian has the packages of Go: below one folder, without modules.
    go = root / "src/client"
    shutil.copytree(EXAMPLES / "go", go)
    relative = [f"--{kind}_opt=paths=source_relative" for kind in ("go", "go-grpc")]
    built(protoc(f"--go_out={go}", f"--go-grpc_out={go}", *relative), go)
    path = {"GO111MODULE": "off", "GOPATH": f"{root}:/usr/share/gocode"}
    built(["go", "vet", "."], go, **path)
    built(["go", "build", "-o", root / "client", "."], go, **path)
    return {
        "python": [sys.executable, str(root / "python/client.py")],
        "node": ["node", str(root / "examples/node/client.js")],
        "go": [str(root / "client")],
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("server")
    done = run("export", "mini", "mini-beats", "--artifacts", ARTIFACTS)
    assert done.returncode == 0, done.stderr
    certificate, key = self_signed(root)
    token_file, log = root / "token", root / "log"
    token_file.write_text("open sesame\n")
    command = [Path(sys.executable).parent / "stemline", "serve", "--port", "0"]
    command += ["--artifacts", ARTIFACTS, "--tls-cert", certificate, "--tls-key", key]
    with log.open("w") as lines:
        process = subprocess.Popen([*command, "--token-file", token_file], stderr=lines)
    try:
        until = time.monotonic() + 60
        while "serving on" not in log.read_text():
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        port = log.read_text().partition("serving on ")[2].split()[0].rpartition(":")[2]
        yield Server(f"localhost:{port}", certificate, token_file)  # a name, as TLS wants it
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds of the synthetic band, as a WAV file of 16 bits."""
    root = tmp_path_factory.mktemp("song")
    assert run("band", "--seed", "1", "--duration-s", "5", "-o", root).returncode == 0
    samples, rate_hz = soundfile.read(root / "1/mixture.wav")
    soundfile.write(root / "song.wav", samples, rate_hz, "PCM_16")
    return root / "song.wav"


def called(
    client: list[str], where: Server | str, *words: str | Path, flags: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """The client called as its usage says; with authority and token where the server asks."""
    options = list(flags)
    if isinstance(where, Server):
        options += ["--ca", str(where.certificate), "--token-file", str(where.token_file)]
        where = where.address
    command = [*client, *options, where, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("language", "file"),
    [
        ("python", "song.wav"),  # sent as samples
        ("python", "song.24.wav"),
        ("python", "song.flac"),  # sent as a file
        ("node", "song.flac"),
        ("go", "song.24.wav"),
    ],
)
def test_stems_are_those_of_a_local_run_to_the_sample(
    clients: Mapping[str, list[str]],
    server: Server,
    song: Path,
    tmp_path: Path,
    language: str,
    file: str,
) -> None:
    samples, rate_hz = soundfile.read(song)
    path = tmp_path / file
    soundfile.write(path, samples, rate_hz, "PCM_24" if "24" in file else "PCM_16")
    done = called(clients[language], server, path, tmp_path / "stems")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{len(samples)} samples each" in done.stdout
    with stemline.load_separator("mini", artifacts=ARTIFACTS) as separator:
        wanted = separator.separate(path)
    assert {found.stem for found in (tmp_path / "stems").iterdir()} == set(wanted)
    for stem, exact in wanted.items():
        got, its_rate_hz = soundfile.read(tmp_path / f"stems/{stem}.wav", dtype="int16")
        assert its_rate_hz == rate_hz
        np.testing.assert_array_equal(got.T, np.rint(exact * 32768).clip(-32768, 32767))
        assert np.abs(got).max() > 100, f"{stem} is silent"


@pytest.mark.parametrize("language", FINDS_BEATS)
def test_beats_are_those_of_a_local_run(
    clients: Mapping[str, list[str]], server: Server, song: Path, language: str
) -> None:
    done = called(clients[language], server, song)
    assert (done.returncode, done.stderr) == (0, "")
    wanted = stemline.find_beats(song, model="mini-beats", artifacts=ARTIFACTS)
    assert len(wanted.beats) > 5
    lines = [f"{beat.time_s:.2f} {beat.position}" for beat in wanted.beats]
    assert done.stdout.splitlines() == [f"{wanted.bpm:.1f} bpm", *lines]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_error_is_one_plain_line(
    clients: Mapping[str, list[str]], server: Server, song: Path, tmp_path: Path, language: str
) -> None:
    wrong = tmp_path / "token"
    wrong.write_text("open barley")
    unknown = Server(server.address, server.certificate, wrong)
    missing = tmp_path / "missing.wav"
    out = tmp_path / "stems"
    for done, says in (
        (called(clients[language], unknown, song, out), ("unauthenticated", "a wrong one")),
        (
            called(clients[language], server, song, out, flags=("--model", "minni")),
            ("no model 'minni'", "mini-beats.fp32, mini.fp32"),
        ),
        (called(clients[language], server, missing, out), ("no such file", str(missing).lower())),
        (called(clients[language], "127.0.0.1:1", song, out), ("unavailable", "refused")),
    ):
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert all(word in done.stderr.lower() for word in says), done.stderr
        assert list(out.glob("*")) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_tls_and_token_a_long_song_is_read_while_it_is_sent(
    clients: Mapping[str, list[str]], tmp_path: Path, language: str
) -> None:
    samples = music(30 * RATE)
    soundfile.write(tmp_path / "long.wav", samples.T, RATE, "PCM_16")  # 5 MB: 11 messages
    with running_server(gain_separator(batch_size=16), idle_s=5) as (address, _):
        done = called(clients[language], address, tmp_path / "long.wav", tmp_path / "stems")
    assert (done.returncode, done.stderr) == (0, "")
    for file in (tmp_path / "stems").iterdir():
        assert soundfile.info(file).frames == samples.shape[1]
