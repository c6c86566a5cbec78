"""A file to its reader in a process of its own: what came of it, and what it took.

A crash, a hang and a process that eats the memory are found, and end no test run.
"""

import json
import os
import resource
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST_S = 20.0
_MOST_BYTES = 16 << 30  # of addresses; a file that asks for more is refused by the system


def read_checkpoint(path: Path) -> None:
    """By every reader that such a file may come to."""
    from stemline.errors import StemlineError
    from stemline.families.allin1.checkpoint.fold import read_fold
    from stemline.families.common.checkpoint import read_checkpoint
    from stemline.families.demucs.checkpoint.package import read_package, read_weights
    from stemline.families.madmom.checkpoint.pickle_reader import load_inert

    readers: list[Callable[[Path], Any]] = [read_fold, read_package, read_weights]
    if path.suffix != ".safetensors":
        readers.append(load_inert)
    for reader in readers:
        try:
            reader(path)
        except StemlineError as error:
            assert len(str(error)) < 3000, "its words are endless"
    read_checkpoint(path)


def read_config(path: Path) -> None:
    from stemline.errors import StemlineError
    from stemline.families.demucs.checkpoint.bag_file import read_bag
    from stemline.families.demucs.msst_file import read_msst
    from stemline.families.mdx23c.config_file import read_config

    for reader in (read_bag, read_msst):
        try:
            reader(path)
        except StemlineError as error:
            assert len(str(error)) < 3000, "its words are endless"
    read_config(path)


def read_artifacts(path: Path) -> None:
    """A folder of artifacts, as `models` and `serve` read it; one called `good` stays usable."""
    from stemline.errors import StemlineError
    from stemline.serving.library import EngineOptions, Library

    library = Library(path, EngineOptions(allow_untrained=True))
    names = [model.name for model in library.models()]
    assert "good.fp32" in names, "another is hidden"
    for name in names:
        try:
            json.dumps(library.named(name).info.to_json(), allow_nan=False)
        except StemlineError:
            pass


def read_onnx(path: Path) -> None:
    """A lone file: opened, and half a second separated."""
    import numpy as np

    from stemline.preprocessing.audio import AudioFormat
    from stemline.serving.library import EngineOptions, Library

    library = Library(path.parent, EngineOptions("cpu", 1, 1, allow_untrained=True))
    separator = library.separator(str(path))
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 9000)).astype(np.float32)
    with separator.stream([sound], AudioFormat(44100, 2, 9000)) as stream:
        n_samples = sum(
            block.stems[name].shape[1] for block in stream for name in list(block.stems)[:1]
        )
    assert n_samples == 9000, "it has another length"


Reader = Callable[[Path], None]
READERS = {
    each.__name__: each for each in (read_checkpoint, read_config, read_artifacts, read_onnx)
}


class Reading:
    """A process of its own that reads, started anew where it dies; use it in `with`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, reader: Reader, path: Path) -> tuple[str, str]:
        """What it said of a file that it refused, and what must not be; one of both is empty."""
        process = self._process or self._started()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps([reader.__name__, str(path)]).encode() + b"\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], MOST_S)[0]:
            self.close()
            return "", f"it takes more than {MOST_S:g} s"
        line = process.stdout.readline()
        if not line:
            status = process.wait()
            self._process = None
            return "", f"the process died ({status})"
        said, wrong = json.loads(line)
        return said, wrong

    def _started(self) -> "subprocess.Popen[bytes]":
        path = os.pathsep.join(
            [str(Path(__file__).parent.parent.parent), str(Path(__file__).parent)]
        )
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it has imported what it needs
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_MOST_GROWTH_MB = 400


def _judged(reader: Callable[[Path], None], path: Path) -> tuple[str, str]:
    from stemline.errors import StemlineError

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = wrong = ""
    try:
        reader(path)
    except StemlineError as error:
        said = str(error)
        if len(said) > 3000:
            wrong = "its words are endless"
    except Exception as error:  # noqa: BLE001  whatever it is, it is told
        wrong = f"{type(error).__name__}: {error!s:.300}"
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    if grown_mb > _MOST_GROWTH_MB:
        wrong = wrong or f"it takes {grown_mb} MB"
    return said[:300], wrong


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import stemline.families.demucs.checkpoint.package
    import stemline.serving.library  # noqa: F401

    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        name, path = json.loads(line)
        print(json.dumps(_judged(READERS[name], Path(path))), file=answers, flush=True)


if __name__ == "__main__":
    _main()
