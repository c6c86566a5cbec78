"""Make madmom 0.16.1 a virtual environment of its own: `python madmom_env.py FOLDER`.

It needs numpy below 1.24 and Cython below 3, so it cannot live beside this package. Its wheel
is built from its source, in about half a minute.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

BUILD_NEEDS = ("setuptools<70", "wheel", "cython<3", "numpy<1.24", "scipy<1.11", "mido")
# madmom 0.16.1 looks for a name that Python 3.10 moved; site-packages runs this line at start.
MOVED_NAME = (
    "import collections, collections.abc; collections.MutableSequence = "
    "collections.abc.MutableSequence\n"
)


def main(folder: Path) -> None:
    """Make it anew, unless it is there and works."""
    python = folder / "bin" / "python"
    works = [python, "-c", "import madmom.features.downbeats"]
    if python.exists() and subprocess.run(works, check=False).returncode == 0:
        return
    venv.create(folder, clear=True, with_pip=True)
    pip = [python, "-m", "pip", "install", "-q"]
    subprocess.run([*pip, *BUILD_NEEDS], check=True)
    subprocess.run(
        [*pip, "--no-build-isolation", "--no-deps", "madmom==0.16.1"],
        env={**os.environ, "CYTHON_FORCE_REGEN": "1"},
        check=True,
    )
    [site] = folder.glob("lib/python*/site-packages")
    (site / "moved_name.pth").write_text(MOVED_NAME)
    subprocess.run(works, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
