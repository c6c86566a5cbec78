"""The attack: 48 KB of FLAC that become 461 MB of temporary files, and many calls at once."""

import io
import threading
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
import soundfile
from grpc_helpers import audio_messages, call_separate, pcm_config, running_server, stem_bytes
from helpers import gain_separator, music

from stemline.v1 import stemline_pb2 as pb

Code = grpc.StatusCode
RATE = 44100


def silence(seconds: float, container: str) -> bytes:
    """A file of silence, which compresses to next to nothing."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros((int(seconds * RATE), 2), np.int16), RATE, format=container)
    return file.getvalue()


def upload(data: bytes, output: pb.OutputFormat) -> Iterator[pb.SeparateRequest]:
    config = pb.SeparateConfig(output=output)
    config.input.container.SetInParent()
    yield pb.SeparateRequest(config=config)
    yield from audio_messages(data)


WAV, FLAC = pb.OutputFormat(wav=pb.WavOutput()), pb.OutputFormat(flac=pb.FlacOutput())
MP3 = pb.OutputFormat(mp3=pb.Mp3Output(bitrate_kbps=320))


@pytest.mark.parametrize(("output", "mb"), [(WAV, 1), (MP3, 0.3)])
def test_what_a_short_file_would_become_is_known_before(output: pb.OutputFormat, mb: float) -> None:
    """Refused before the first sample is separated; the engine would wait for the gate for ever."""
    gate = threading.Event()
    with running_server(gain_separator(gate=gate), max_disk_mb=mb) as (address, server):
        with pytest.raises(grpc.RpcError) as raised:
            call_separate(address, upload(silence(60, "FLAC"), output))
        assert raised.value.code() is Code.RESOURCE_EXHAUSTED
        assert "temporary files" in raised.value.details()
        assert server.held_disk_bytes == 0
        gate.set()


def test_what_cannot_be_known_before_ends_while_it_is_written() -> None:
    """Noise out of PCM, whose length nobody said: the files grow until there is no more room."""
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 4 * RATE)).astype(np.float32)
    messages = [pcm_config(output=FLAC), *audio_messages(noise.T.tobytes())]
    with running_server(gain_separator(), max_disk_mb=0.5) as (address, server):
        with pytest.raises(grpc.RpcError) as raised:
            call_separate(address, messages)
        assert raised.value.code() is Code.RESOURCE_EXHAUSTED
        assert server.held_disk_bytes == 0


def test_an_upload_counts_as_it_comes() -> None:
    with running_server(gain_separator(), max_disk_mb=1) as (address, server):
        with pytest.raises(grpc.RpcError) as raised:
            call_separate(address, upload(bytes(2_000_000), pb.OutputFormat()))
        assert raised.value.code() is Code.RESOURCE_EXHAUSTED
        assert server.held_disk_bytes == 0


def test_calls_share_the_disk_and_what_one_gives_back_another_gets() -> None:
    gate = threading.Event()
    song = music(RATE)
    file = io.BytesIO()
    soundfile.write(file, song.T, RATE, format="WAV", subtype="PCM_16")
    # The upload and two stems of 16 bits: three times the file, room for one call but not for two.
    mb = 4 * len(file.getvalue()) / 1e6
    with running_server(gain_separator(gate=gate), max_disk_mb=mb) as (address, server):
        first: list[list[pb.SeparateResponse]] = []
        thread = threading.Thread(
            target=lambda: first.append(call_separate(address, upload(file.getvalue(), WAV)))
        )
        thread.start()
        while server.held_disk_bytes < 3 * len(file.getvalue()) - 200:
            assert thread.is_alive()
        with pytest.raises(grpc.RpcError) as raised:
            call_separate(address, upload(file.getvalue(), WAV))
        assert raised.value.code() is Code.RESOURCE_EXHAUSTED
        gate.set()
        thread.join(30)
        (responses,) = first
        assert set(stem_bytes(responses)) == {"vocals", "instrumental"}
        assert server.held_disk_bytes == 0
        again = call_separate(address, upload(file.getvalue(), WAV))
        assert stem_bytes(again) == stem_bytes(responses)
        # PCM needs no files but for the upload.
        assert call_separate(address, upload(file.getvalue(), pb.OutputFormat()))
