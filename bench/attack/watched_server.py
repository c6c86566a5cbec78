"""A server of its own process, and what it holds: memory, threads, descriptors."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stemline.errors import BenchError, MissingExtraError

START_S = 120.0


@dataclass(frozen=True)
class Holding:
    """What a process holds at one moment."""

    rss_mb: float
    """Resident memory, in units of 10⁶ bytes."""
    threads: int
    descriptors: int


class WatchedServer:
    """A server that runs; made by `watched_server`."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        try:
            import psutil
        except ImportError as error:
            raise MissingExtraError("psutil", "bench") from error
        self.process = process
        self.address = address
        self._watched = psutil.Process(process.pid)

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def holding(self) -> Holding:
        """What it holds now. Raises BenchError where it has died."""
        if not self.is_alive:
            raise BenchError(f"the server died with exit status {self.process.returncode}")
        with self._watched.oneshot():
            return Holding(
                self._watched.memory_info().rss / 1e6,
                self._watched.num_threads(),
                self._watched.num_fds(),
            )

    def end(self, within_s: float) -> tuple[int, float]:
        """SIGTERM → its exit status and how long it took. Raises BenchError for longer."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(within_s)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"SIGTERM did not end the server within {within_s:g} s") from error
        return status, time.monotonic() - started


@contextmanager
def watched_server(log: Path, options: Sequence[str] = ()) -> Iterator[WatchedServer]:
    """`stemline serve` on a free port of loopback; what it logs goes into `log`.

    Raises BenchError where it does not start.
    """
    stemline = str(Path(sys.executable).with_name("stemline"))
    with log.open("w") as file:
        process = subprocess.Popen(
            [stemline, "serve", "--port", "0", *options], stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        ready = threading.Event()
        found: list[str] = []

        def copy() -> None:
            for line in process.stderr or ():
                file.write(line)
                file.flush()
                if line.startswith("serving on ") and not found:
                    found.append(line.split()[-1])
                    ready.set()
            ready.set()

        copying = threading.Thread(target=copy, name="attack log", daemon=True)
        copying.start()
        try:
            if not ready.wait(START_S) or not found:
                raise BenchError(f"the server did not start: {log.read_text()[-500:].strip()}")
            yield WatchedServer(process, found[0])
        finally:
            process.kill()
            process.wait()
            copying.join(5)
            process.stderr.close()
