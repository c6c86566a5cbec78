"""`stemline serve` in a process of its own, for as long as a `with` block lasts."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from stemline.errors import RemoteError

_READY = "serving on "  # what `stemline serve` says on standard error, then the address
_START_S, _STOP_S = 300.0, 30.0
_POLL_S = 0.05


@contextmanager
def running_server(artifacts: Path, model: str, log: Path) -> Iterator[str]:
    """Serve one model on a free port of this machine; the address.

    However the block is left, the server is stopped and waited for; so it is when this process is
    told to end by SIGTERM. When this process is killed, the server finds its input closed and ends
    by itself. What the server says goes to the file `log`. Raises RemoteError when it does not
    start or does not end well, OSError when there can be no log.
    """
    from stemline.bench.processes import clean_environment

    command = [
        *(sys.executable, "-P", "-m", "stemline.serving.cli.demo_server", "serve"),
        *("--host", "127.0.0.1", "--port", "0"),
        *("--artifacts", str(artifacts), "--models", model),
    ]
    with _terminated_as_an_exception(), log.open("w") as said:
        process = None
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                # A server that the user has configured is another one than ours.
                env=clean_environment(),
            )
            yield _address(process, log)
        except BaseException:
            if process is not None:
                _stop(process)
            raise
        if _stop(process) != 0:
            raise RemoteError(
                "UNKNOWN",
                f"the server ended with exit status {process.returncode}; {_last_words(log)}",
            )


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    until = time.monotonic() + _START_S
    while True:
        ended = process.poll() is not None  # asked first: then its last words are in the log
        for line in log.read_text(errors="replace").splitlines(keepends=True):
            if line.startswith(_READY) and line.endswith("\n"):
                return line.removeprefix(_READY).strip()
        if ended or time.monotonic() > until:
            how = f"exit status {process.returncode}" if ended else f"not in {_START_S:g} s"
            raise RemoteError(
                "UNAVAILABLE",
                f"the server did not start ({how}); {_last_words(log)}",
            )
        time.sleep(_POLL_S)


def _stop(process: "subprocess.Popen[bytes]") -> int:
    """SIGTERM, and by force when that takes long; its exit status, once it has ended."""
    try:
        process.terminate()
        return process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    except BaseException:  # a second Ctrl-C
        process.kill()
        process.wait()
        raise
    finally:
        if process.stdin is not None:  # not before: the server would take it for a second SIGTERM
            process.stdin.close()


def _last_words(log: Path) -> str:
    from stemline.bench.processes import last_line

    last = last_line(log.read_text(errors="replace").splitlines())
    return f"its last words, in {log}: {last}" if last else f"it said nothing in {log}"


@contextmanager
def _terminated_as_an_exception() -> Iterator[None]:
    """Have SIGTERM unwind the stack, as Ctrl-C does, rather than end this process at once.

    Signals can be handled from the main thread alone; elsewhere nothing changes.
    """

    def received(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    try:
        before = signal.signal(signal.SIGTERM, received)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
