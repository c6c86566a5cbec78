"""Extensions as a user would write them, registered in every process that a test starts.

A family, a runtime or a precision is a module and a line in a registry. These tests write the
module's line into the registry at the start of every Python process, through `sitecustomize`, so
that no file of stemline is touched; the module is the test file itself.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).parent


class Extended:
    """Commands of a stemline that has one more line in a registry."""

    def __init__(self, folder: Path, registry: str, name: str, module: str) -> None:
        """`registry` is `stemline.families:FAMILIES` or another; `module` a file in tests/."""
        where, _, table = registry.partition(":")
        (folder / "sitecustomize.py").write_text(
            f"from {where} import {table}\n{table}[{name!r}] = {module!r}\n"
        )
        self.artifacts = folder / "artifacts"
        path = os.pathsep.join([str(folder), str(TESTS)])
        self.env = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}

    def run(self, *arguments: str | Path, expect: int = 0) -> str:
        """The standard output of `stemline ARGUMENTS`; what it says otherwise on failure."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "stemline", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            env=self.env,
            check=False,
        )
        assert done.returncode == expect, done.stderr
        return done.stdout

    @contextmanager
    def server(self, *options: str | Path) -> Iterator[str]:
        """The address of `stemline serve OPTIONS`, while it runs."""
        command = [sys.executable, "-P", "-m", "stemline", "serve", "--port", "0"]
        process = subprocess.Popen(
            [*command, *map(str, options)], stderr=subprocess.PIPE, text=True, env=self.env
        )
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "127.0.0.1:" in line)
            yield "127.0.0.1:" + re.split(r"127\.0\.0\.1:(\d+)", line)[1]
        finally:
            process.terminate()
            process.communicate(timeout=30)
