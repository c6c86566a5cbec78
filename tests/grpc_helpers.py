"""A server in this process over separators of known gains, and raw calls to it."""

import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from helpers import gain_separator, tiny_info

from stemline.engines import Artifact
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.library import EngineOptions, Library
from stemline.serving.models import Model
from stemline.serving.rpc.server import StemlineServer
from stemline.serving.rpc.settings import ServerSettings
from stemline.serving.separator import Separator
from stemline.v1 import stemline_pb2 as pb
from stemline.v1 import stemline_pb2_grpc as pb_grpc

SHA256 = "ab" * 32


class GainLibrary(Library):
    """A library whose separators and beat trackers are made beforehand, by artifact name."""

    def __init__(
        self,
        separators: Mapping[str, Separator] | None = None,
        allow_untrained: bool = False,
        trackers: Mapping[str, BeatTracker] | None = None,
        untrained: Collection[str] = (),
    ) -> None:
        """`untrained` are the trackers of random weights."""
        super().__init__(Path("nowhere"), EngineOptions(allow_untrained=allow_untrained))
        self._given = dict({"tiny.fp32": gain_separator()} if separators is None else separators)
        for separator in self._given.values():
            separator.sha256 = SHA256
        self._given_trackers = dict(trackers or {})
        self._untrained = untrained
        self.opened: list[str] = []

    def artifacts(self) -> list[Artifact]:
        infos = {name: separator.info for name, separator in self._given.items()} | {
            name: replace(
                tiny_info(
                    (), model=name.removesuffix(".fp32"), trained=name not in self._untrained
                ),
                family="allin1",
                beats=tracker.info,
            )
            for name, tracker in self._given_trackers.items()
        }
        return [Artifact(name, Path(name), info, SHA256) for name, info in sorted(infos.items())]

    def is_open(self, model: Model) -> bool:
        return model.name in self.opened

    def separator_of(self, model: Model) -> Separator:
        self.check_trained(model)
        self.opened.append(model.name)
        return self._given[model.name]

    def beat_tracker(self, model: Model) -> BeatTracker:
        self.check_trained(model)
        self.opened.append(model.name)
        return self._given_trackers[model.name]

    def close(self) -> None:
        for engine in (*self._given.values(), *self._given_trackers.values()):
            engine.close()


def settings(**given: object) -> ServerSettings:
    """Any free port of this machine, short waits."""
    return ServerSettings(**({"port": 0, "grace_s": 5} | given))


@contextmanager
def running_server(
    *separators: Separator, library: Library | None = None, **given: object
) -> Iterator[tuple[str, StemlineServer]]:
    """The address of a server that takes calls, and the server."""
    if library is None:
        library = GainLibrary({separator.name: separator for separator in separators})
    server = StemlineServer(library, settings(**given))
    try:
        yield f"127.0.0.1:{server.start()}", server
    finally:
        server.stop()
        library.close()


_SERVER_SCRIPT = """
import logging, sys
from grpc_helpers import GainLibrary, settings
from helpers import gain_separator
from stemline.serving.rpc.server import serve

logging.basicConfig(level=logging.INFO)
library = GainLibrary({"tiny.fp32": gain_separator(delay_s=0.03)})
given = {"grace_s": None} | eval(sys.argv[1])
finished = serve(library, settings(**given), on_ready=lambda address: print(address, flush=True))
library.close()
"""


@contextmanager
def server_process(
    log: Path | None = None, **given: object
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server of its own process, and its address; what it logs goes into `log`."""
    with ExitStack() as stack:
        errors = None if log is None else stack.enter_context(log.open("w"))
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVER_SCRIPT, repr(given)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={"PYTHONPATH": str(Path(__file__).parent)},
        )
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def pcm_config(
    *,
    sample_rate_hz: int = 44100,
    channels: int = 2,
    encoding: int = pb.PCM_ENCODING_F32LE,
    **fields: object,
) -> pb.SeparateRequest:
    """The first message of a call that sends PCM."""
    config = pb.SeparateConfig(**fields)
    config.input.pcm.sample_rate_hz = sample_rate_hz
    config.input.pcm.channels = channels
    config.input.pcm.encoding = encoding
    return pb.SeparateRequest(config=config)


def audio_messages(data: bytes, step: int = 100_000) -> list[pb.SeparateRequest]:
    return [
        pb.SeparateRequest(audio=data[start : start + step]) for start in range(0, len(data), step)
    ]


def call_separate(
    address: str, messages: Iterable[pb.SeparateRequest], **options: object
) -> list[pb.SeparateResponse]:
    """Every response of one call. Raises grpc.RpcError."""
    with grpc.insecure_channel(address) as channel:
        stub = pb_grpc.StemlineServiceStub(channel)
        return list(stub.Separate(iter(messages), timeout=30, **options))


def stem_bytes(responses: Sequence[pb.SeparateResponse]) -> dict[str, bytes]:
    """The data of each stem, put together."""
    stems: dict[str, bytes] = {}
    for response in responses:
        if response.WhichOneof("response") == "stem_block":
            block = response.stem_block
            stems[block.stem] = stems.get(block.stem, b"") + block.data
    return stems


def wrong_fields(error: grpc.RpcError) -> list[str]:
    """The fields that an error's BadRequest names."""
    return [
        violation.field
        for bad in _details(error, error_details_pb2.BadRequest)
        for violation in bad.field_violations
    ]


def retry_s(error: grpc.RpcError) -> list[float]:
    """When an error's RetryInfo says to try again."""
    return [
        info.retry_delay.ToTimedelta().total_seconds()
        for info in _details(error, error_details_pb2.RetryInfo)
    ]


def reasons(error: grpc.RpcError) -> list[tuple[str, str]]:
    """The (domain, reason) of an error's ErrorInfo."""
    return [(info.domain, info.reason) for info in _details(error, error_details_pb2.ErrorInfo)]


def _details(error: grpc.RpcError, kind: type) -> list:
    status = rpc_status.from_call(error)
    found = []
    for detail in [] if status is None else status.details:
        message = kind()
        if detail.Unpack(message):
            found.append(message)
    return found
