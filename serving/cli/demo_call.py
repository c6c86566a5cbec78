"""The one call of `stemline demo`: a song to its stems and beats, through a server."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stemline.postprocessing.encode import OutputFormat
from stemline.preprocessing.audio import AudioFormat

from ..client.client import StemlineClient
from ..client.remote_separation import RemoteAnalysis
from ..files import SeparatedFile, separate_file
from ..jobs import Beats, SeparateOptions

if TYPE_CHECKING:
    from stemline.arrays import Array
    from stemline.v1.stemline_pb2 import Accepted

FORMAT = OutputFormat(container="wav", bits=32)


@dataclass(frozen=True)
class Analyzed:
    """What came back."""

    file: SeparatedFile
    beats: Beats
    accepted: "Accepted"
    """What the server said of the separation: provider, device."""


class _Analyzer:
    """Two models of a server, used as what separates a file; the call is kept for its beats."""

    def __init__(self, client: StemlineClient, model: str, beats_model: str) -> None:
        self._client = client
        self._models = model, beats_model
        self.call: RemoteAnalysis | None = None

    def stream(
        self,
        blocks: "Iterable[Array]",
        audio: AudioFormat,
        options: SeparateOptions | None = None,
    ) -> RemoteAnalysis:
        """Separate a track and find its beats, as `StemlineClient.analyze` does."""
        model, beats_model = self._models
        self.call = self._client.analyze(
            blocks, audio, options, model=model, beats_model=beats_model
        )
        return self.call


def analyze(song: Path, stems: Path, address: str, model: str, beats_model: str) -> Analyzed:
    """A file through a server, its stems into the folder `stems`. Raises RemoteError or OSError.

    In a thread of its own. A signal is an exception in the main thread, and one that strikes in
    gRPC, while it opens a call, leaves a connection whose closing never ends.
    """
    # The client is closed first, which cancels the call and so ends the thread.
    with ThreadPoolExecutor(1) as pool, StemlineClient(address) as client:
        remote = _Analyzer(client, model, beats_model)
        file = pool.submit(separate_file, song, remote, stems, FORMAT).result()
    if remote.call is None or remote.call.beats is None:
        raise RuntimeError("a call that ends without beats is an error")
    return Analyzed(file, remote.call.beats, remote.call.accepted)
