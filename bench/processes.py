"""The workers as their parent sees them: started, asked, and ended."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from stemline.errors import BenchError

from .engines import Opening, Subject

_STOP_S = 10.0
# A machine whose user configured a server by these would have them reach into ours.
_KEPT_SETTINGS = {"STEMLINE_CACHE"}
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class WorkerProcess:
    """One `stemline.bench.worker`; use it in a `with` block."""

    def __init__(self, label: str, role: str, threads: int, /, **values: Any) -> None:
        """Start it and wait until it has loaded what it needs; `opened` is what it says.

        `label` is what errors call it, `role` one of worker.py's, `values` what that takes.
        Raises BenchError.
        """
        self._label = label
        self._stderr: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self._process = subprocess.Popen(
            # -P: a folder that this is called in must not shadow a package.
            [sys.executable, "-P", "-m", "stemline.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            encoding="utf-8",
            env={**clean_environment(), **dict.fromkeys(_THREAD_VARIABLES, str(threads))},
        )
        try:
            self.opened = self.ask(role, **values)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process's."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, command: str, /, **values: Any) -> dict[str, Any]:
        """Have it do one thing, and wait for the answer.

        Raises BenchError with what went wrong in it, or how it died.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("a worker has both pipes")
        try:
            stdin.write(json.dumps({"do": command, **values}) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise BenchError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchError(f"{self._label}: {answer['error']}", answer["exit_code"])
        return answer

    def close(self) -> None:
        """End it: by closing its input, by force when it does not end in time."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # it died with a command unread
                    continue
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def _last_words(self) -> str:
        """How it died, and the last line it wrote."""
        code = self._process.wait()
        how = f"exit status {code}"
        if code < 0:
            how = f"by {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            how += ", as the system does when memory runs out; try smaller --batches"
        self._stderr.seek(0)
        last = last_line(self._stderr)
        return f"the worker for {self._label} died ({how}){last and f': {last}'}"


@dataclass(frozen=True)
class EngineSetting:
    """What holds for every engine of a call."""

    device: str
    threads: int
    rounds: int
    weights: Path | None

    def worker(self, label: str, role: str, subject: Subject, /, **values: Any) -> WorkerProcess:
        """A worker that opens the engine of a subject. Raises BenchError."""
        opening = Opening(subject.artifact.engine_path, self.weights, self.device, self.threads)
        return WorkerProcess(
            label,
            role,
            self.threads,
            engine=subject.engine.name,
            opening=opening_values(opening),
            **values,
        )


def opening_values(opening: Opening) -> dict[str, Any]:
    """How an engine is to be opened, as it travels to a worker."""
    return {
        "engine_path": str(opening.engine_path),
        "weights": None if opening.weights is None else str(opening.weights),
        "device": opening.device,
        "threads": opening.threads,
    }


def clean_environment() -> dict[str, str]:
    """The environment of this process without the user's settings of stemline."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STEMLINE_") or name in _KEPT_SETTINGS
    }


def last_line(said: Iterable[str]) -> str:
    """The last of some lines that is not blank, stripped; empty when there is none."""
    last = ""
    for line in said:
        last = line.strip() or last
    return last
