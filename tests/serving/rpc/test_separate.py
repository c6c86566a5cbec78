"""Over the wire: the samples of a local run, in every format, as early as possible."""

import io
import threading
import time

import numpy as np
import pytest
import soundfile
from grpc_helpers import (
    SHA256,
    GainLibrary,
    audio_messages,
    call_separate,
    pcm_config,
    running_server,
    stem_bytes,
)
from helpers import gain_separator, in_blocks, music, snr_db, tiny_info

from stemline.errors import RemoteError
from stemline.postprocessing.encode import OutputFormat
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.client.client import StemlineClient
from stemline.serving.jobs import SeparateOptions
from stemline.serving.rpc.admission import Admission
from stemline.serving.rpc.alarm import Alarm
from stemline.serving.rpc.budget import disk_budget, memory_budget
from stemline.serving.rpc.patience import Patience
from stemline.serving.rpc.ready_threads import ReadyThreads
from stemline.serving.rpc.service import StemlineServicer
from stemline.serving.rpc.uploads import UploadLimits
from stemline.v1 import stemline_pb2 as pb

ALL = SeparateOptions()


def remote_stems(address, samples, sample_rate_hz=44100, options=ALL, block_samples=5000):
    audio = AudioFormat(sample_rate_hz, samples.shape[0], None)
    with StemlineClient(address) as client:
        with client.separate(in_blocks(samples, block_samples), audio, options) as separation:
            blocks = list(separation)
    return {
        name: np.concatenate([block.stems[name] for block in blocks], axis=1)
        for name in separation.stems
    }


def local_stems(samples, sample_rate_hz=44100, options=ALL):
    return gain_separator().separate(samples, sample_rate_hz, options)


@pytest.fixture(scope="module")
def address():
    with running_server(gain_separator()) as (address, _):
        yield address


@pytest.mark.parametrize(
    ("sample_rate_hz", "channels", "n_samples"),
    [(44100, 2, 40_000), (44100, 1, 1), (48000, 2, 9_999), (8000, 1, 3_000), (96000, 6, 20_000)],
)
def test_samples_over_the_wire_are_those_of_a_local_run(
    address, sample_rate_hz, channels, n_samples
):
    samples = music(n_samples, channels, sample_rate_hz)
    options = SeparateOptions(stems=("Vocals",), residual=True, overlap=2)
    wanted = local_stems(samples, sample_rate_hz, options)
    got = remote_stems(address, samples, sample_rate_hz, options)
    assert list(got) == list(wanted) == ["vocals", "no_vocals"]
    for name in wanted:
        np.testing.assert_array_equal(got[name], wanted[name])


def test_a_model_of_the_server_stands_in_for_a_separator(address):
    samples = music(20_000)
    with StemlineClient(address) as client:
        model = client.model("tiny")
        with model.stream(in_blocks(samples, 7_000), AudioFormat(44100, 2, 20_000)) as separation:
            n_samples = sum(block.stems["vocals"].shape[1] for block in separation)
    assert n_samples == separation.n_samples_done == 20_000
    assert model.accepted.artifact == "tiny.fp32"
    assert separation.chunks_done == separation.summary.chunks > 0
    assert separation.seconds["engine"] <= separation.seconds["wall"]


def test_a_long_block_travels_in_small_messages(address):
    samples = music(300_000)
    got = remote_stems(address, samples, block_samples=300_000)
    np.testing.assert_array_equal(got["vocals"], local_stems(samples)["vocals"])


def test_integers_may_be_split_inside_a_sample_and_come_back_rounded(address):
    samples = np.rint(music(10_001) * 2**15).clip(-(2**15), 2**15 - 1).astype("<i2")
    config = pcm_config(encoding=pb.PCM_ENCODING_S16LE, stems=["vocals"])
    config.config.output.pcm.encoding = pb.PCM_ENCODING_S16LE
    responses = call_separate(address, [config, *audio_messages(samples.T.tobytes(), step=997)])
    got = np.frombuffer(stem_bytes(responses)["vocals"], "<i2").reshape(-1, 2).T
    wanted = local_stems((samples / np.float32(2**15)).astype(np.float32))["vocals"]
    np.testing.assert_array_equal(got, np.rint(wanted * 2**15))


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "AIFF"])
def test_a_whole_file_is_found_out_from_its_bytes(address, container):
    file = io.BytesIO()
    soundfile.write(file, music(30_000, 2, 48000).T, 48000, format=container)
    decoded, _ = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32", always_2d=True)
    responses = call_separate(
        address, [pb.SeparateRequest(config=pb.SeparateConfig()), *audio_messages(file.getvalue())]
    )
    wanted = local_stems(np.ascontiguousarray(decoded.T), 48000)
    for name, data in stem_bytes(responses).items():
        got = np.frombuffer(data, "<f4").reshape(-1, 2).T
        np.testing.assert_array_equal(got, wanted[name])


@pytest.mark.parametrize(
    ("output", "extension", "least_snr_db"),
    [
        (OutputFormat("wav", bits=16), "wav", 60),
        (OutputFormat("wav", bits=32), "wav", 90),
        (OutputFormat("flac", bits=24), "flac", 90),
        (OutputFormat("mp3", bitrate_kbps=320), "mp3", 15),
    ],
)
def test_encoded_stems_decode_to_what_they_should(
    address, tmp_path, output, extension, least_snr_db
):
    samples = music(60_000)
    song = tmp_path / "song.flac"
    soundfile.write(song, samples.T, 44100, subtype="PCM_24")
    with StemlineClient(address) as client:
        paths = client.separate_file(song, tmp_path / "out", output)
    assert {name: path.name for name, path in paths.items()} == {
        "vocals": f"vocals.{extension}",
        "instrumental": f"instrumental.{extension}",
    }
    for name, wanted in local_stems(samples).items():
        got, rate_hz = soundfile.read(paths[name], dtype="float32", always_2d=True)
        assert (rate_hz, got.shape) == (44100, (60_000, 2))
        assert snr_db(wanted, got.T) > least_snr_db
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        path.name for path in paths.values()
    )


@pytest.mark.parametrize(("bits", "dtype"), [(16, "<i2"), (32, "<f4")])
def test_the_samples_of_a_wav_from_a_server_begin_at_byte_44(address, tmp_path, bits, dtype):
    song = tmp_path / "song.wav"
    soundfile.write(song, music(5_000).T, 44100, subtype="FLOAT")
    with StemlineClient(address) as client:
        paths = client.separate_file(song, tmp_path / "out", OutputFormat("wav", bits=bits))
    for path in paths.values():
        data = path.read_bytes()
        n_bytes = 5_000 * 2 * bits // 8
        assert data[36:44] == b"data" + n_bytes.to_bytes(4, "little")
        found, _ = soundfile.read(path, dtype=f"{'int16' if bits == 16 else 'float32'}")
        np.testing.assert_array_equal(np.frombuffer(data[44 : 44 + n_bytes], dtype), found.ravel())


def test_a_folder_that_cannot_be_made_ends_the_call(tmp_path):
    song = tmp_path / "song.flac"
    soundfile.write(song, music(60_000).T, 44100)
    gate = threading.Event()
    with running_server(gain_separator(gate=gate)) as (address, server):
        with StemlineClient(address) as client:
            # Kept, with its frames: their end must not be what ends the call.
            with pytest.raises(OSError) as raised:
                client.separate_file(song, song / "out", OutputFormat("wav"))
            until = time.monotonic() + 20
            while server.n_streams > 0:  # the client is still there, its call is not
                assert time.monotonic() < until
                time.sleep(0.005)
        gate.set()
    assert raised.value.filename == str(song / "out")


def test_a_stem_that_is_called_a_path_stays_in_the_folder(tmp_path):
    song = tmp_path / "song.flac"
    soundfile.write(song, music(5_000).T, 44100)
    separator = gain_separator(tiny_info(stems=("../out of/here", "..")))
    with running_server(separator) as (address, _), StemlineClient(address) as client:
        paths = client.separate_file(song, tmp_path / "out", OutputFormat("wav"))
    assert {path.parent for path in paths.values()} == {tmp_path / "out"}
    assert [path.name for path in paths.values()] == ["_out of_here.wav", "stem.wav"]
    assert all(path.is_file() for path in paths.values())


class Context:
    """What the service asks of gRPC, for a client that is never gone."""

    def is_active(self) -> bool:
        return True

    def add_callback(self, callback) -> bool:
        return True


@pytest.mark.parametrize("is_file", [False, True])
def test_the_time_to_encode_is_not_that_of_a_client_that_reads_slowly(is_file):
    admission = Admission(1)
    admission.open()
    patience = Patience(Alarm(), ReadyThreads(1, "receive").submit)
    service = StemlineServicer(
        GainLibrary(),
        admission,
        UploadLimits(10**9, 10**9),
        patience,
        memory_budget(10**9),
        disk_budget(10**9),
    )
    config = pcm_config()
    if is_file:
        config.config.output.wav.bits = 16
    messages = iter([config, *audio_messages(music(5_000).T.tobytes())])
    pauses = 0
    for response in service.Separate(messages, Context()):
        if response.WhichOneof("response") == "stem_block" and pauses < 2:
            pauses += 1
            time.sleep(0.3)
    seconds = response.summary.seconds
    assert pauses == 2
    # Encoding a tenth of a second of audio takes milliseconds.
    assert seconds["encode"] < 0.3 < seconds["wall"]


def test_the_first_message_says_what_runs_and_the_last_what_was_done(address):
    samples = music(20_000, 1)
    messages = [pcm_config(channels=1, residual=True), *audio_messages(samples.T.tobytes())]
    responses = call_separate(address, messages)
    accepted, summary = responses[0].accepted, responses[-1].summary
    assert accepted.request_id
    assert (accepted.model, accepted.artifact, accepted.artifact_sha256) == (
        "tiny",
        "tiny.fp32",
        SHA256,
    )
    assert (accepted.provider, accepted.device) == ("GainProvider", "cpu")
    assert list(accepted.stems) == ["vocals", "instrumental", "residual"]
    assert (accepted.sample_rate_hz, accepted.channels, accepted.batch_size) == (44100, 1, 1)
    assert (summary.n_samples, summary.artifact_sha256) == (20_000, SHA256)
    assert summary.chunks > 1
    assert summary.realtime_factor == pytest.approx(20_000 / 44100 / summary.seconds["wall"])
    assert {"input", "preprocess", "queue", "engine", "postprocess", "encode"} < set(
        summary.seconds
    )


def test_offsets_count_samples_for_pcm_and_bytes_for_files(address):
    samples = music(30_000)
    for is_file in (False, True):
        config = pcm_config(stems=["vocals"])
        if is_file:
            config.config.output.wav.bits = 16
        expected = 0
        for response in call_separate(address, [config, *audio_messages(samples.T.tobytes())]):
            if response.WhichOneof("response") == "stem_block":
                assert response.stem_block.offset == expected
                n_bytes = len(response.stem_block.data)
                expected += n_bytes if is_file else n_bytes // 8
        assert expected > 30_000 if is_file else expected == 30_000


def test_stems_arrive_while_the_upload_still_goes_on(address):
    samples = music(60_000)
    arrived = threading.Event()

    def blocks():
        yield samples[:, :30_000]
        assert arrived.wait(20), "no stem came before the end of the upload"
        yield samples[:, 30_000:]

    with (
        StemlineClient(address) as client,
        client.separate(blocks(), AudioFormat(44100, 2, None)) as separation,
    ):
        for block in separation:
            assert block.offset_samples == 0 or arrived.is_set()
            arrived.set()
    assert separation.n_samples_done == 60_000


def test_progress_tells_the_time_left_when_the_length_is_known():
    file = io.BytesIO()
    soundfile.write(file, music(20_000).T, 44100, format="WAV")
    with running_server(gain_separator(delay_s=0.05)) as (address, _):
        config = pb.SeparateConfig(overlap=4)
        config.output.flac.bits = 16
        responses = call_separate(
            address, [pb.SeparateRequest(config=config), *audio_messages(file.getvalue())]
        )
    told = [r.progress for r in responses if r.WhichOneof("response") == "progress"]
    assert told
    done = [progress.samples_done for progress in told]
    assert done == sorted(done)
    assert all(progress.samples_total == 20_000 for progress in told)
    assert told[0].HasField("seconds_left")


def test_a_source_that_fails_ends_the_call_with_its_own_error(address):
    def blocks():
        yield music(30_000)
        raise OSError("the disk went away")

    with StemlineClient(address) as client, pytest.raises(OSError, match="the disk went away"):
        list(client.separate(blocks(), AudioFormat(44100, 2, None)))


def test_a_client_error_is_one_line_with_its_code(address):
    with StemlineClient(address) as client, pytest.raises(RemoteError) as raised:
        client.separate([music(10)], AudioFormat(44100, 2, None), SeparateOptions(stems=("tuba",)))
    assert raised.value.status == "NOT_FOUND"
    assert "'tuba'" in str(raised.value) and "instrumental" in str(raised.value)
    assert "\n" not in str(raised.value)
