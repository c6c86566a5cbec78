"""A stemline client of plain grpcio: stems of a song as 16-bit WAV files, and its beats."""

import argparse
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import grpc

from stemline.v1 import stemline_pb2 as pb
from stemline.v1 import stemline_pb2_grpc as pb_grpc

PART_BYTES = 512 * 1024  # of audio in one message
ENCODINGS = {2: pb.PCM_ENCODING_S16LE, 3: pb.PCM_ENCODING_S24LE}  # bytes a sample


def stub_of(options: argparse.Namespace) -> pb_grpc.StemlineServiceStub:
    """The service at the address, over TLS where an authority is named."""
    if options.ca is None:
        return pb_grpc.StemlineServiceStub(grpc.insecure_channel(options.server))
    credentials = grpc.ssl_channel_credentials(options.ca.read_bytes())
    return pb_grpc.StemlineServiceStub(grpc.secure_channel(options.server, credentials))


def metadata_of(options: argparse.Namespace) -> list[tuple[str, str]]:
    """The token, which goes with every call."""
    if options.token_file is None:
        return []
    return [("authorization", f"Bearer {options.token_file.read_text().strip()}")]


def audio_of(path: Path) -> tuple[pb.InputFormat, Iterator[bytes]]:
    """What is sent of a song: samples where it is a plain WAV file, else the file as it is.

    Of samples the first stems come while the last are still to be sent; of a file once all is.
    """
    try:
        wav = wave.open(str(path), "rb")
        encoding = ENCODINGS[wav.getsampwidth()]
    except (wave.Error, EOFError, KeyError):
        file = path.open("rb")
        return pb.InputFormat(container=pb.ContainerInput()), iter(
            lambda: file.read(PART_BYTES), b""
        )
    pcm = pb.PcmInput(
        sample_rate_hz=wav.getframerate(), channels=wav.getnchannels(), encoding=encoding
    )
    n_samples = PART_BYTES // (wav.getsampwidth() * wav.getnchannels())
    return pb.InputFormat(pcm=pcm), iter(lambda: wav.readframes(n_samples), b"")


def separate(options: argparse.Namespace) -> None:
    """Write a WAV file for each stem, as it comes."""
    given, parts = audio_of(options.song)

    def requests() -> Iterator[pb.SeparateRequest]:
        wanted = pb.OutputFormat(pcm=pb.PcmOutput(encoding=pb.PCM_ENCODING_S16LE))
        config = pb.SeparateConfig(model=options.model, input=given, output=wanted)
        yield pb.SeparateRequest(config=config)
        for part in parts:
            yield pb.SeparateRequest(audio=part)

    options.out.mkdir(parents=True, exist_ok=True)
    stems: dict[str, wave.Wave_write] = {}
    # grpcio sends the requests in a thread of its own, while this one reads.
    for response in stub_of(options).Separate(requests(), metadata=metadata_of(options)):
        match response.WhichOneof("response"):
            case "accepted":
                said = response.accepted
                for name in said.stems:
                    wav = stems[name] = wave.open(str(options.out / f"{name}.wav"), "wb")
                    wav.setparams((said.channels, 2, said.sample_rate_hz, 0, "NONE", ""))
            case "stem_block":
                stems[response.stem_block.stem].writeframesraw(response.stem_block.data)
            case "summary":
                print(f"{', '.join(stems)}: {response.summary.n_samples} samples each")
    for wav in stems.values():
        wav.close()


def find_beats(options: argparse.Namespace) -> None:
    """Print tempo and beats."""
    given, parts = audio_of(options.song)

    def requests() -> Iterator[pb.BeatsRequest]:
        yield pb.BeatsRequest(config=pb.BeatsConfig(input=given))
        for part in parts:
            yield pb.BeatsRequest(audio=part)

    for response in stub_of(options).Beats(requests(), metadata=metadata_of(options)):
        if response.WhichOneof("response") == "result":
            print(f"{response.result.tempo.bpm:.1f} bpm")
            for beat in response.result.beats:
                print(f"{beat.time_s:.2f} {beat.position}")


def main() -> None:
    """Separate, or find beats; what goes wrong is said in a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", help="HOST:PORT")
    parser.add_argument("song", type=Path, help="an audio file")
    parser.add_argument("out", type=Path, nargs="?", help="the stems' folder; none: beats alone")
    parser.add_argument("--model", default="", help="the server's default if unset")
    parser.add_argument("--ca", type=Path, help="the authority's certificate, PEM: over TLS")
    parser.add_argument("--token-file", type=Path, help="holds the server's token")
    options = parser.parse_args()
    try:
        find_beats(options) if options.out is None else separate(options)
    except grpc.RpcError as error:  # which is a call, with a code and its details
        sys.exit(f"error: {error.code().name}: {error.details()}")
    except OSError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
