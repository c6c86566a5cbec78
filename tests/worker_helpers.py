"""`stemline worker` as a program that starts it drives it: lines in, lines out."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

import numpy as np
import soundfile
from demucs_track_helpers import gain_info, write_gains

_TIMEOUT_S = 60


class WorkerProcess:
    """A worker under way; lines that it writes are kept until they are asked for."""

    def __init__(
        self,
        artifacts: Path,
        *options: str,
        cwd: Path | None = None,
        code: str = "",
        is_read: bool = True,
    ) -> None:
        """`code` is run by the process before the command; `is_read`: whether its answers are."""
        command = [str(Path(sys.executable).parent / "stemline")]
        if code:
            run = f"{code}\nimport sys\nfrom stemline.serving.cli.app import main\nmain()"
            command = [sys.executable, "-c", run]
        self.process = subprocess.Popen(
            [*command, "worker", "--artifacts", str(artifacts), "--threads", "1", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, "COLUMNS": "200"},
        )
        self.said: list[str] = []
        """Lines of standard error."""
        self._stops_reading = False
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        reads = [self._read, self._read_errors] if is_read else [self._read_errors]
        self._readers = [threading.Thread(target=one, daemon=True) for one in reads]
        for reader in self._readers:
            reader.start()

    def write(self, line: str | bytes) -> None:
        """A line as it is, with its end."""
        assert self.process.stdin is not None
        self.process.stdin.write((line.encode() if isinstance(line, str) else line) + b"\n")
        self.process.stdin.flush()

    def send(self, request_id: Any, method: str, **params: Any) -> None:
        shown = {name: str(one) if isinstance(one, Path) else one for name, one in params.items()}
        self.write(json.dumps({"id": request_id, "method": method, "params": shown}))

    def next(self) -> dict[str, Any]:
        """The next line that comes, whatever it is of."""
        message: dict[str, Any] = json.loads(self._lines.get(timeout=_TIMEOUT_S))
        return message

    def answer(self, request_id: Any) -> dict[str, Any]:
        """The answer to a request; what else comes until then is dropped."""
        while True:
            message = self.next()
            if message["id"] == request_id and "event" not in message:
                return message

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to one request by itself."""
        self.send("ask", method, **params)
        return self.answer("ask")

    def result(self, method: str, **params: Any) -> dict[str, Any]:
        """As `ask`, for a request that goes well."""
        answer = self.ask(method, **params)
        result: dict[str, Any] = answer["result"]
        return result

    def error(self, method: str, **params: Any) -> dict[str, Any]:
        """As `ask`, for a request that fails."""
        error: dict[str, Any] = self.ask(method, **params)["error"]
        return error

    def read_no_more(self) -> None:
        """Close its standard output at this end, with the next line."""
        self._stops_reading = True

    def end_of_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def exit_code(self) -> int:
        """Once it has ended."""
        code = self.process.wait(_TIMEOUT_S)
        for reader in self._readers:
            reader.join(_TIMEOUT_S)
        return code

    def rest(self) -> Iterator[dict[str, Any]]:
        """What is left of its lines, once it has ended."""
        while not self._lines.empty():
            yield json.loads(self._lines.get())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
                if self._stops_reading:
                    return

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.decode())


def write_models(folder: Path, *names: str) -> Path:
    """Models whose stems are the mixture times a gain."""
    for name in names:
        write_gains(folder, gain_info(name), (0.5, 0.25, -1.0))
    return folder


def write_noise(path: Path, duration_s: float, rate_hz: int = 44100, channels: int = 2) -> Path:
    """A file of seeded noise, 16 bits."""
    noise = np.random.default_rng(7).standard_normal((round(duration_s * rate_hz), channels))
    soundfile.write(path, 0.1 * noise.astype(np.float32), rate_hz)
    return path


def files_below(folder: Path) -> list[str]:
    """Every file in a folder and those below it."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
