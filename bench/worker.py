"""A process that holds one engine and does what it is asked: JSON lines in, JSON lines out.

Started by processes.py. Its memory is the engine's: what the engine alone does not need is
imported by the role that needs it.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import numpy as np

from stemline.arrays import Array
from stemline.engines.artifact import info_from_json
from stemline.errors import FAILED, BenchError, StemlineError

from .engines import opened
from .memory import peak_rss_mb

if TYPE_CHECKING:
    from stemline.serving.files import Source

_BLOCK_SAMPLES = 1 << 16

Values = dict[str, Any]


class Role(Protocol):
    """What a worker does."""

    opened: Values
    """What there is to say once it is ready."""

    @property
    def commands(self) -> dict[str, Callable[..., Values]]:
        """By name."""

    def close(self) -> None:
        """Free what it holds."""


class EngineRole:
    """Runs an engine on the same rows again and again."""

    def __init__(self, engine: str, opening: Values, inputs: str) -> None:
        """`inputs` is a folder with an .npy file for each input."""
        started = time.perf_counter()
        loaded = opened(engine, opening)
        load_s = time.perf_counter() - started
        self._engine = loaded.engine
        spec = loaded.engine.spec
        self._inputs = {
            tensor.name: np.load(Path(inputs) / f"{tensor.name}.npy") for tensor in spec.inputs
        }
        self.opened = {
            "provider": spec.provider,
            "device": spec.device,
            "size_bytes": loaded.size_bytes,
            "load_s": load_s,
        }

    @property
    def commands(self) -> dict[str, Callable[..., Values]]:
        """`run`."""
        return {"run": self.run}

    def run(self, save_to: str | None = None) -> Values:
        """One run; its outputs go to the folder `save_to`, an .npy file each."""
        started = time.perf_counter()
        outputs = self._engine.run(self._inputs)
        seconds = time.perf_counter() - started
        if save_to is not None:
            for name, output in outputs.items():
                np.save(Path(save_to) / f"{name}.npy", output)
        return {"seconds": seconds, "peak_rss_mb": peak_rss_mb()}

    def close(self) -> None:
        """Free the engine."""
        self._engine.close()


class SeparatorRole:
    """Separates tracks, by itself or through a server, which this process is the client of."""

    def __init__(
        self, engine: str, opening: Values, info: Values, clip: str, server: str = ""
    ) -> None:
        """`clip` is an .npy file (channels, n) that tracks are made of, over and over."""
        from stemline.serving.client.client import StemlineClient
        from stemline.serving.separator import Separator

        self._info = info_from_json(info, engine)
        self._clip: Array = np.load(clip)
        self._separator = Separator(opened(engine, opening).engine, self._info)
        self._client = StemlineClient(server) if server else None
        self.opened: Values = {}

    @property
    def commands(self) -> dict[str, Callable[..., Values]]:
        """`separate` here, `call` the server."""
        return {"separate": self.separate, "call": self.call}

    def separate(self, n_samples: int, overlap: float) -> Values:
        """A track of `n_samples` through the pipeline in this process."""
        return self._timed(self._separator, n_samples, overlap)

    def call(self, n_samples: int, overlap: float) -> Values:
        """The same track through the server."""
        if self._client is None:
            raise BenchError("no server was named")
        return self._timed(self._client.model(), n_samples, overlap)

    def close(self) -> None:
        """Free the engine and the connection."""
        self._separator.close()
        if self._client is not None:
            self._client.close()

    def _timed(self, source: "Source", n_samples: int, overlap: float) -> Values:
        from stemline.preprocessing.audio import AudioFormat
        from stemline.serving.jobs import SeparateOptions

        audio = AudioFormat(self._info.sample_rate_hz, self._clip.shape[0], n_samples)
        options = SeparateOptions(overlap=overlap)
        n_out = 0
        started = time.perf_counter()
        with source.stream(looped(self._clip, n_samples), audio, options) as separation:
            for block in separation:
                n_out += next(iter(block.stems.values())).shape[1]
            stages = dict(separation.seconds)
        seconds = time.perf_counter() - started
        if n_out != n_samples:
            raise BenchError(f"{n_samples} samples went in, {n_out} came out")
        return {"seconds": seconds, "stages": stages, "peak_rss_mb": peak_rss_mb()}


class ServerRole:
    """Serves one artifact on a free port of this machine."""

    def __init__(self, artifacts: str, model: str, device: str, threads: int) -> None:
        from stemline.serving.library import EngineOptions, Library
        from stemline.serving.rpc.server import StemlineServer
        from stemline.serving.rpc.settings import load_settings

        options = EngineOptions(device, threads, allow_untrained=True)
        self._library = Library(Path(artifacts), options)
        settings = load_settings(
            host="127.0.0.1", port=0, artifacts=artifacts, models=model, allow_untrained=True
        )
        self._server = StemlineServer(self._library, settings)
        self.opened = {"address": f"127.0.0.1:{self._server.start()}"}

    @property
    def commands(self) -> dict[str, Callable[..., Values]]:
        """None: it serves until it is closed."""
        return {}

    def close(self) -> None:
        """Stop at once."""
        self._server.stop()
        self._library.close()


def quality_role(**values: Any) -> Role:
    """Separates songs whose stems are known."""
    from .quality_role import QualityRole

    return QualityRole(**values)


ROLES: dict[str, Callable[..., Role]] = {
    "engine": EngineRole,
    "quality": quality_role,
    "separator": SeparatorRole,
    "server": ServerRole,
}


def looped(clip: Array, n_samples: int) -> Iterator[Array]:
    """A clip (channels, n) over and over -> blocks of `n_samples` in all."""
    for start in cycle(range(0, clip.shape[1], _BLOCK_SAMPLES)):
        block = clip[:, start : start + _BLOCK_SAMPLES][:, :n_samples]
        yield block
        n_samples -= block.shape[1]
        if n_samples == 0:
            return


def main() -> None:
    """The first line opens a role, each after that is a command to it; ends with its input."""
    answers = _take_stdout()
    # Where memory runs out, the system should end this process and not its neighbours.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    role: Role | None = None
    for line in sys.stdin:
        values: Values = json.loads(line)
        name = values.pop("do")
        try:
            if role is None:
                role = ROLES[name](**values)
                reply = role.opened
            else:
                reply = role.commands[name](**values)
        except StemlineError as error:
            reply = {"error": str(error), "exit_code": error.exit_code}
        except OSError as error:
            reply = {"error": str(error), "exit_code": FAILED}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()
    if role is not None:
        role.close()


def _take_stdout() -> TextIO:
    """Standard output for answers alone: what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    main()
