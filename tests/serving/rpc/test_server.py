"""The server around the service: starting, stopping, health, reflection, token, TLS, addresses."""

import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from certificate_helpers import self_signed
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_helpers import (
    SHA256,
    GainLibrary,
    audio_messages,
    call_separate,
    pcm_config,
    running_server,
    server_process,
    settings,
)
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from helpers import gain_separator, in_blocks, music, tiny_info

from stemline.errors import (
    ListenError,
    RemoteError,
    SettingsError,
    UnknownModelError,
    UntrainedError,
)
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.client.client import StemlineClient
from stemline.serving.rpc.server import SERVICE, StemlineServer
from stemline.serving.rpc.settings import load_settings
from stemline.v1 import stemline_pb2 as pb
from stemline.v1 import stemline_pb2_grpc as pb_grpc

Code = grpc.StatusCode
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
AUDIO = AudioFormat(44100, 2, None)


def request(n_samples: int = 4_000) -> list[pb.SeparateRequest]:
    return [pcm_config(), *audio_messages(music(n_samples).T.tobytes())]


def health_of(address: str, service: str = "") -> int:
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status


def failure(call, *arguments: object) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as raised:
        call(*arguments)
    return raised.value


def test_health_follows_the_server_from_start_to_drain():
    gate = threading.Event()
    library = GainLibrary({"tiny.fp32": gain_separator(gate=gate)})
    server = StemlineServer(library, settings())
    address = f"127.0.0.1:{server.listen()}"
    assert health_of(address) == health_of(address, SERVICE) == NOT_SERVING
    refused = failure(call_separate, address, request())
    assert (refused.code(), "starting" in refused.details()) == (Code.UNAVAILABLE, True)

    server.load_models()
    assert library.opened == ["tiny.fp32"]
    server.open()
    assert health_of(address) == health_of(address, SERVICE) == SERVING

    with ThreadPoolExecutor(2) as pool:
        accepted = pool.submit(call_separate, address, request(20_000))
        while server.n_streams == 0:
            assert not accepted.done()
        drained = pool.submit(server.drain)
        while health_of(address) == SERVING:
            assert not drained.done()
        assert health_of(address, SERVICE) == NOT_SERVING
        refused = failure(call_separate, address, request())
        assert (refused.code(), "draining" in refused.details()) == (Code.UNAVAILABLE, True)
        gate.set()
        assert accepted.result()[-1].summary.n_samples == 20_000
        assert drained.result()
    library.close()


def test_what_does_not_finish_within_the_grace_is_cut():
    gate = threading.Event()
    with running_server(gain_separator(gate=gate)) as (address, server):
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(failure, call_separate, address, request())
            while server.n_streams == 0:
                assert not call.done()
            assert not server.drain(grace_s=0.1)
            assert call.result().code() in (Code.CANCELLED, Code.UNAVAILABLE)
        gate.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_finishes_what_was_accepted_and_refuses_the_new(number):
    samples = music(40_000)
    with server_process() as (process, address):
        with StemlineClient(address) as client, StemlineClient(address) as late:
            with client.separate(in_blocks(samples, 10_000), AUDIO) as separation:
                blocks = [next(separation)]
                process.send_signal(number)
                while health_of(address) == SERVING:
                    pass
                with pytest.raises(RemoteError, match="draining") as raised:
                    late.separate([samples], AUDIO)
                blocks.extend(separation)
        assert raised.value.status == "UNAVAILABLE"
        vocals = np.concatenate([block.stems["vocals"] for block in blocks], axis=1)
        wanted = gain_separator().separate(samples, 44100)["vocals"]
        np.testing.assert_array_equal(vocals, wanted)
        assert process.wait(20) == 0


def test_a_second_signal_cuts_what_would_not_finish():
    def endless():
        while True:
            yield music(10_000)
            time.sleep(0.05)

    with server_process() as (process, address), StemlineClient(address) as client:
        with client.separate(endless(), AUDIO) as separation:
            next(separation)
            process.send_signal(signal.SIGTERM)
            while health_of(address) == SERVING:
                pass
            process.send_signal(signal.SIGTERM)
            with pytest.raises(RemoteError):
                for _ in separation:
                    pass
        assert process.wait(20) == 0


def test_reflection_lists_the_service_and_can_be_left_out():
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    for wanted in (True, False):
        with (
            running_server(gain_separator(), reflection=wanted) as (address, _),
            grpc.insecure_channel(address) as channel,
        ):
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            calling = stub.ServerReflectionInfo(iter([asked]), timeout=10)
            if wanted:
                names = [service.name for service in next(calling).list_services_response.service]
                assert SERVICE in names and "grpc.health.v1.Health" in names
            else:
                assert failure(next, calling).code() is Code.UNIMPLEMENTED


def test_a_reflection_that_asks_nothing_ends():
    asked = threading.Event()
    with (
        running_server(gain_separator(), idle_s=0.2) as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        assert list(stub.ServerReflectionInfo(iter(asked.wait, True), timeout=10)) == []
        asked.set()


def test_the_token_is_asked_of_every_call_but_health(tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("open sesame\n")
    with running_server(gain_separator(), token_file=token_file) as (address, _):
        for token in (None, "open", "open sesamE", ""):
            with StemlineClient(address, token=token) as client:
                for call in (client.list_models, lambda c=client: c.separate([], AUDIO)):
                    with pytest.raises(RemoteError, match="token") as raised:
                        call()
                    assert raised.value.status == "UNAUTHENTICATED"
        with StemlineClient(address, token="open sesame") as client:
            assert [model.artifact for model in client.list_models()] == ["tiny.fp32"]
            blocks = list(client.separate([music(100)], AUDIO))
            assert blocks[0].stems["vocals"].shape == (2, 100)
        assert health_of(address) == SERVING


def test_an_empty_token_file_is_refused(tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("\n")
    with pytest.raises(SettingsError, match="holds no token"):
        StemlineServer(GainLibrary(), settings(token_file=token_file))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("the command openssl makes the certificate, and is not here")
    return self_signed(tmp_path_factory.mktemp("tls"))


def test_tls_serves_those_who_know_the_authority(certificates):
    certificate, key = certificates
    ca = certificate.read_bytes()
    with running_server(gain_separator(), tls_cert=certificate, tls_key=key) as (address, _):
        with StemlineClient(address, tls_ca=ca) as client:
            assert client.list_models()
        with StemlineClient(address) as client, pytest.raises(RemoteError) as raised:
            client.list_models()
    assert raised.value.status == "UNAVAILABLE" and address in str(raised.value)


def test_a_key_that_is_none_is_said_before_listening(certificates):
    certificate, _ = certificates
    with pytest.raises(SettingsError, match="--tls-key"):
        StemlineServer(GainLibrary(), settings(tls_cert=certificate, tls_key=certificate)).listen()


def test_mutual_tls_asks_the_client_for_its_certificate(certificates):
    certificate, key = certificates
    ca = certificate.read_bytes()
    given = {"tls_cert": certificate, "tls_key": key, "tls_client_ca": certificate}
    with running_server(gain_separator(), **given) as (address, _):
        known = StemlineClient(address, tls_ca=ca, tls_cert=ca, tls_key=key.read_bytes())
        with known as client:
            assert client.list_models()
        with StemlineClient(address, tls_ca=ca) as client, pytest.raises(RemoteError):
            client.list_models()


def test_a_taken_port_is_told_in_the_systems_words():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"127.0.0.1:{port}: Address already in use"):
            StemlineServer(GainLibrary(), settings(port=port)).start()


def test_nobody_at_the_address_is_one_line_with_the_address():
    with StemlineClient("127.0.0.1:1") as client, pytest.raises(RemoteError) as raised:
        client.separate([music(10)], AUDIO)
    assert "no stemline server answers at 127.0.0.1:1" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_another_server_at_the_address_is_said_to_be_one():
    with ThreadPoolExecutor(1) as pool:
        other = grpc.server(pool)
        port = other.add_insecure_port("127.0.0.1:0")
        other.start()
        with StemlineClient(f"127.0.0.1:{port}") as client:
            with pytest.raises(RemoteError, match="no stemline server"):
                client.list_models()
        other.stop(0).wait()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"host": "0.0.0.0"}, "--insecure"),
        ({"host": "music.example"}, "--insecure"),
        ({"tls_cert": __file__}, "--tls-key"),
        ({"tls_client_ca": __file__}, "--tls-cert"),
        ({"token_file": "/nowhere/token"}, "--token-file"),
        ({"port": 70_000}, "STEMLINE_PORT"),
        ({"max_streams": 0}, "STEMLINE_MAX_STREAMS"),
        ({"idle_s": 0}, "STEMLINE_IDLE_S"),
        ({"idle_s": float("inf")}, "--idle-s"),
        ({"grace_s": float("inf")}, "--grace-s"),
        ({"max_beats_total_s": 0}, "STEMLINE_MAX_BEATS_TOTAL_S"),
        ({"max_beats_s": 10, "max_beats_total_s": 9}, "--max-beats-total-s"),
        ({"max_beats_s": float("inf")}, "--max-beats-total-s"),
    ],
)
def test_settings_that_do_not_fit_are_one_line_naming_the_flag(given, says):
    with pytest.raises(SettingsError) as raised:
        load_settings(**given)
    assert says in str(raised.value) and "\n" not in str(raised.value)


def test_what_is_not_given_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("STEMLINE_MODELS", "mdx23c, tiny.fp32")
    monkeypatch.setenv("STEMLINE_PORT", "9000")
    monkeypatch.setenv("STEMLINE_HOST", "::1")
    loaded = load_settings(port=9001, host=None)
    assert (loaded.models, loaded.port, loaded.host) == (("mdx23c", "tiny.fp32"), 9001, "::1")


def test_the_list_has_every_model_by_name():
    names = [f"net{number}.fp32" for number in range(5)]
    library = GainLibrary({name: gain_separator(tiny_info(model=name[:4])) for name in names})
    with (
        running_server(library=library, models=("net2",)) as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        stub = pb_grpc.StemlineServiceStub(channel)
        models = stub.ListModels(pb.ListModelsRequest()).models
        assert [model.artifact for model in models] == names
        assert [model.loaded for model in models] == [False, False, True, False, False]
        assert models[0] == pb.Model(
            name="net0",
            artifact="net0.fp32",
            family="mdx23c",
            stems=["vocals", "instrumental"],
            sample_rate_hz=44100,
            channels=2,
            precision="fp32",
            default_overlap=4,
            trained=True,
            licence="MIT",
            artifact_sha256=SHA256,
            task=pb.TASK_SEPARATE,
        )


def test_the_first_model_of_the_settings_is_the_default():
    library = GainLibrary(
        {name: gain_separator(tiny_info(model=name[:4])) for name in ("net0.fp32", "net1.fp32")}
    )
    with running_server(library=library, models=("net1", "net0")) as (address, _):
        assert call_separate(address, request())[0].accepted.artifact == "net1.fp32"


def test_untrained_models_are_not_served_and_none_at_all_is_an_error():
    raw = gain_separator(tiny_info(model="raw", trained=False))
    with running_server(gain_separator(), raw) as (address, _):
        assert call_separate(address, [pcm_config(model="tiny"), *request()[1:]])
        error = failure(call_separate, address, [pcm_config(model="raw")])
        assert error.code() is Code.FAILED_PRECONDITION
        with StemlineClient(address) as client:
            assert [model.artifact for model in client.list_models()] == ["tiny.fp32"]
    raw = gain_separator(tiny_info(model="raw", trained=False))  # a library closes its own
    allowing = GainLibrary({"raw.fp32": raw, "tiny.fp32": gain_separator()}, allow_untrained=True)
    with running_server(library=allowing) as (address, _), StemlineClient(address) as client:
        listed = [(model.artifact, model.trained) for model in client.list_models()]
        assert listed == [("raw.fp32", False), ("tiny.fp32", True)]
    with pytest.raises(UntrainedError, match="--allow-untrained"):
        StemlineServer(GainLibrary({"raw.fp32": raw}), settings()).start()
    empty = GainLibrary()
    empty.artifacts = list
    with pytest.raises(UnknownModelError, match="stemline export"):
        StemlineServer(empty, settings()).start()
