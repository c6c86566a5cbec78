"""Write golden/: run it where a change of what users see is meant, and say so in the commit.

python tests/record/write_golden.py             # texts and stems
python tests/record/write_golden.py --packages  # other small Demucs networks first; minutes
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from record import inputs
from record.behaviour import Driver, make_record
from record.golden_files import write


def write_demucs(work: Path) -> None:
    """Make the packages of the Demucs networks, export them, and pack both."""
    inputs.write_packages(work / "packages")
    with Driver(Path(sys.executable), work) as driver:
        for name in ("bag", "ht", "hd"):
            done = driver.command("export", *inputs.EXPORTS[name], "--artifacts", "artifacts")
            if done["code"] != 0:
                raise RuntimeError(f"{name} was not exported: {done}")
    inputs.pack_demucs(work)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the golden record.")
    parser.add_argument("--packages", action="store_true")
    with tempfile.TemporaryDirectory(prefix="record") as folder:
        work = Path(folder).resolve()
        if parser.parse_args().packages:
            (work / "demucs").mkdir()
            write_demucs(work / "demucs")
        (work / "small").mkdir()
        write(make_record(Path(sys.executable), work / "small", small=True))
