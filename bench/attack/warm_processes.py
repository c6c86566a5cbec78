"""Commands that begin at once: each is a fork of a process that has everything imported.

It runs the command's own `main`, so that what is killed is what a user runs, less the seconds
before its first line.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

MODULES = (
    "stemline.serving.cli.app",
    "stemline.serving.cli.separate",
    "stemline.serving.cli.beats",
)
"""What is imported before the forks, unless more is named. No engine: its threads would not live
on in a fork."""


class Running(Protocol):
    """A command in a process group of its own."""

    def has_ended(self) -> bool:
        """Whether it has, by itself or otherwise."""

    def kill(self) -> None:
        """SIGKILL to all of its group; nothing where it has ended."""

    def wait(self) -> int:
        """Its exit status; the negative number of the signal that ended it."""


class PlainProcess:
    """A command as a shell starts it."""

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        stdin: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        with Path(stdin or os.devnull).open("rb") as given, log.open("ab") as said:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("stemline")), *arguments],
                stdin=given,
                stdout=said,
                stderr=said,
                env=environment,
                start_new_session=True,
            )

    def has_ended(self) -> bool:
        """Whether it has, by itself or otherwise."""
        return self.process.poll() is not None

    def kill(self) -> None:
        """SIGKILL to all of its group; nothing where it has ended."""
        if not self.has_ended():
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Its exit status; the negative number of the signal that ended it."""
        return self.process.wait()


class WarmParent:
    """The process that is forked; use it in `with`."""

    def __init__(self, environment: Mapping[str, str], modules: Sequence[str] = MODULES) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stemline.bench.attack.warm_processes", *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(environment),
        )
        self.ask("ready", 0)

    def start(
        self, arguments: Sequence[str], log: Path, stdin: Path | None = None
    ) -> "WarmProcess":
        """`stemline ARGUMENTS`, whose words are added to `log`."""
        return WarmProcess(self, self.ask("start", [list(arguments), str(log), str(stdin or "")]))

    def ask(self, what: str, value: object) -> Any:
        """One question to the process, and its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, value]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()


class WarmProcess:
    """A command in a fork; made by `WarmParent.start`."""

    def __init__(self, parent: WarmParent, pid: int) -> None:
        self._parent = parent
        self._pid = pid
        self._status: int | None = None

    def has_ended(self) -> bool:
        """Whether it has, by itself or otherwise."""
        if self._status is None:
            self._status = self._parent.ask("poll", self._pid)
        return self._status is not None

    def kill(self) -> None:
        """SIGKILL to all of its group; nothing where it has ended."""
        if not self.has_ended():
            os.killpg(self._pid, signal.SIGKILL)

    def wait(self) -> int:
        """Its exit status; the negative number of the signal that ended it."""
        if self._status is None:
            self._status = self._parent.ask("wait", self._pid)
        assert self._status is not None
        return self._status


def _forked(arguments: Sequence[str], log: str, stdin: str) -> int:
    """The process of a fork that runs the command."""
    pid = os.fork()
    if pid:
        with suppress(OSError):  # it did so itself, or has ended
            os.setpgid(pid, pid)
        return pid
    os.setpgid(0, 0)
    code = 1
    try:
        os.dup2(os.open(stdin or os.devnull, os.O_RDONLY), 0)
        for stream in (1, 2):
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        sys.stdin, sys.stdout, sys.stderr = (open(n, mode) for n, mode in enumerate("rww"))
        sys.argv = ["stemline", *arguments]
        import_module("stemline.serving.cli.app").main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _ended(pid: int, options: int) -> int | None:
    found, status = os.waitpid(pid, options)
    return os.waitstatus_to_exitcode(status) if found else None


def _main() -> None:
    for module in sys.argv[1:]:
        import_module(module)
    for line in sys.stdin:
        what, value = json.loads(line)
        answer: int | None = None
        if what == "start":
            answer = _forked(*value)
        elif what in ("poll", "wait"):
            answer = _ended(value, os.WNOHANG if what == "poll" else 0)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _main()
