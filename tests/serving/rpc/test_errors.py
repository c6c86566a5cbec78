"""Every condition has its status, its field, and a server that goes on serving."""

import grpc
import numpy as np
import pytest
import soundfile
from grpc_helpers import (
    audio_messages,
    call_separate,
    pcm_config,
    reasons,
    running_server,
    wrong_fields,
)
from helpers import GainEngine, gain_separator, music, tiny_info

from stemline.errors import FAILED, MISSING, USAGE, RemoteError
from stemline.postprocessing.encode import OutputFormat
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.client.client import StemlineClient
from stemline.serving.jobs import SeparateOptions
from stemline.serving.separator import Separator
from stemline.v1 import stemline_pb2 as pb

PCM = music(5_000).T.tobytes()
NAN = np.full((2, 5_000), np.nan, "<f4").tobytes()
Code = grpc.StatusCode


def container(data: bytes = b"", **fields: object) -> list[pb.SeparateRequest]:
    return [pb.SeparateRequest(config=pb.SeparateConfig(**fields)), *audio_messages(data)]


def mp3_at_96_khz() -> list[pb.SeparateRequest]:
    config = pcm_config(sample_rate_hz=96_000)
    config.config.output.mp3.bitrate_kbps = 192
    return [config, *audio_messages(PCM)]


def output(**formats: object) -> list[pb.SeparateRequest]:
    return [pcm_config(output=pb.OutputFormat(**formats)), *audio_messages(PCM)]


@pytest.fixture(scope="module")
def address():
    untrained = gain_separator(tiny_info(model="raw", trained=False))
    models = ("tiny.fp32",)
    with running_server(gain_separator(), untrained, models=models) as (address, _):
        yield address


def failure(address: str, messages: list[pb.SeparateRequest]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as raised:
        call_separate(address, messages)
    return raised.value


@pytest.mark.parametrize(
    ("messages", "field", "says"),
    [
        ([], "config", "first message"),
        (audio_messages(PCM), "config", "first message"),
        ([pb.SeparateRequest()], "config", "first message"),
        ([pcm_config(), pcm_config()], "config", "after the first"),
        ([pcm_config(), pb.SeparateRequest()], "request", "after the first"),
        ([pcm_config(sample_rate_hz=0)], "config.input.pcm.sample_rate_hz", "0 Hz"),
        ([pcm_config(channels=9)], "config.input.pcm.channels", "9 channels"),
        ([pcm_config(encoding=77)], "config.input.pcm.encoding", "77"),
        ([pcm_config(overlap=1.5), *audio_messages(PCM)], "config.overlap", "1.5"),
        ([pcm_config(overlap=float("nan"))], "config.overlap", "nan"),
        (container(PCM, overlap=-4), "config.overlap", "-4"),
        ([pcm_config(shifts=-1)], "config.shifts", "-1"),
        ([pcm_config(shifts=2)], "config.shifts", "no shifts"),
        (output(flac=pb.FlacOutput(bits=32)), "config.output", "32"),
        (output(wav=pb.WavOutput(bits=12)), "config.output", "12"),
        (output(mp3=pb.Mp3Output(bitrate_kbps=7)), "config.output", "7"),
        (
            output(pcm=pb.PcmOutput(encoding=pb.PCM_ENCODING_S24LE)),
            "config.output.pcm.encoding",
            "S16LE",
        ),
        (mp3_at_96_khz(), "config.output", "96000"),
        ([pcm_config(), *audio_messages(NAN)], "audio", "NaN"),
        ([pcm_config(), *audio_messages(PCM[:-3])], "audio", ""),
        ([pcm_config()], "audio", ""),
        (container(), "audio", ""),
        (container(b"these are words, not music " * 100), "audio", ""),
    ],
)
def test_a_wrong_request_names_the_field(address, messages, field, says):
    error = failure(address, messages)
    assert error.code() is Code.INVALID_ARGUMENT, error.details()
    assert wrong_fields(error) == [field]
    assert says.lower() in error.details().lower()
    assert "\n" not in error.details() and "Traceback" not in error.details()
    assert len(call_separate(address, [pcm_config(), *audio_messages(PCM)])) > 2


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"model": "mdx24"}, Code.NOT_FOUND, "tiny.fp32"),
        ({"model": "../../etc/passwd.onnx"}, Code.NOT_FOUND, "tiny.fp32"),
        ({"stems": ["vocals", "tuba"]}, Code.NOT_FOUND, "vocals, instrumental"),
        ({"model": "raw"}, Code.FAILED_PRECONDITION, "random weights"),
    ],
)
def test_a_config_is_refused_before_the_upload(address, fields, code, says):
    def endless():
        yield pb.SeparateRequest(config=pb.SeparateConfig(**({"model": "tiny"} | fields)))
        while True:
            yield pb.SeparateRequest(audio=bytes(1000))

    error = failure(address, endless())
    assert error.code() is code
    assert says in error.details()


@pytest.mark.parametrize(
    ("given", "reason", "exit_code"),
    [
        ({"options": SeparateOptions(stems=("tuba",))}, "UnknownStemError", USAGE),
        ({"options": SeparateOptions(overlap=1.5)}, "OverlapError", USAGE),
        ({"audio": AudioFormat(44100, 9, None)}, "RequestError", USAGE),
        ({"model": "mdx24"}, "UnknownModelError", MISSING),
        ({"model": "raw"}, "UntrainedError", MISSING),
        ({"blocks": [np.full((2, 5_000), np.nan, np.float32)]}, "AudioError", FAILED),
    ],
)
def test_a_servers_error_has_the_exit_code_of_a_local_one(address, given, reason, exit_code):
    asked = {"blocks": [music(5_000)], "audio": AudioFormat(44100, 2, None)} | given
    with StemlineClient(address) as client, pytest.raises(RemoteError) as raised:
        list(client.separate(**asked))
    assert (raised.value.reason, raised.value.exit_code) == (reason, exit_code)


def test_an_output_that_cannot_be_is_called_wrong_on_a_server_too(address, tmp_path):
    song = tmp_path / "song.wav"
    soundfile.write(song, music(5_000, sample_rate_hz=96_000).T, 96_000)
    with StemlineClient(address) as client, pytest.raises(RemoteError) as raised:
        client.separate_file(song, tmp_path / "out", OutputFormat("mp3"), model="tiny")
    assert (raised.value.reason, raised.value.exit_code) == ("EncodingError", USAGE)


def test_a_reason_of_a_newer_server_is_a_failure():
    error = RemoteError("ABORTED", "words", "AnErrorOfTheFuture")
    assert error.exit_code == RemoteError("UNAVAILABLE", "nobody").exit_code == FAILED


def test_a_refusal_carries_its_reason_for_every_kind_of_client(address):
    error = failure(address, [pcm_config(model="mdx24")])
    assert reasons(error) == [("stemline", "UnknownModelError")]
    error = failure(address, [pcm_config(overlap=1.5)])
    assert reasons(error) == [("stemline", "OverlapError")]
    assert wrong_fields(error) == ["config.overlap"]


class BrokenEngine(GainEngine):
    def run(self, inputs):
        raise KeyError("a secret of the server")


def test_a_fault_of_ours_is_told_by_its_reference_alone(caplog):
    info = tiny_info()
    with running_server(Separator(BrokenEngine(info), info, batch_size=1)) as (address, _):
        error = failure(address, [pcm_config(), *audio_messages(PCM)])
    assert error.code() is Code.INTERNAL
    assert reasons(error) == []
    assert "secret" not in error.details() and "Traceback" not in error.details()
    faults = [record for record in caplog.records if record.exc_info]
    assert [str(record.exc_info[1]) for record in faults] == ["'a secret of the server'"]
    reference = faults[0].getMessage().split()[1]
    assert reference in error.details()
