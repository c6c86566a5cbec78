"""The attack: two writers of one file, a link where the part was to be, and processes that die."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemline.atomic_files import PartFile, replaced
from stemline.postprocessing.encode import OutputFormat, StemWriter

RATE = 44100


def write(path: Path, level: float, barrier: threading.Barrier | None = None) -> None:
    with StemWriter(path, OutputFormat("wav", 16), RATE, 2) as writer:
        for _ in range(20):
            writer.write(np.full((2, 5000), level, np.float32))
            if barrier is not None:
                barrier.wait(20)


def test_two_writers_of_one_stem_do_not_mix(tmp_path: Path) -> None:
    """Both wrote into `vocals.wav.part`, and the stem was neither's."""
    path = tmp_path / "vocals.wav"
    barrier = threading.Barrier(2)
    writers = [threading.Thread(target=write, args=(path, x, barrier)) for x in (0.25, 0.5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    samples = soundfile.read(path)[0]
    assert samples.shape == (100_000, 2)
    assert len(np.unique(samples)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_that_was_planted_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "vocals.wav.part").symlink_to(precious)
    write(folder / "vocals.wav", 0.5)
    assert precious.read_text() == "precious"
    assert soundfile.info(folder / "vocals.wav").frames == 100_000


DYING = """
import os, sys, time
from pathlib import Path
from stemline.atomic_files import PartFile
part = PartFile(Path(sys.argv[1]))
part.file.write(b"half")
part.file.flush()
print(part.part, flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_left_is_removed_and_what_is_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "vocals.wav"
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    left = Path(process.stdout.readline().strip())
    living = PartFile(path)
    try:
        assert left.exists()  # its writer lives
        write(path, 0.5)
        assert left.exists() and living.part.exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert left.exists()
        other = tmp_path / "vocals.wav.notes.part"  # not ours
        other.write_text("mine")
        write(path, 0.25)
        assert not left.exists() and living.part.exists() and other.exists()
    finally:
        living.discard()
        process.kill()
        process.wait()
        process.stdout.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, other.name]


@pytest.mark.parametrize("length", [240, 255])
def test_a_name_as_long_as_a_name_may_be_is_written(length: int, tmp_path: Path) -> None:
    for letter in "aä":
        name = letter * ((length - 4) // len(letter.encode())) + ".wav"
        write(tmp_path / name, 0.5)
        with replaced(tmp_path / name) as part:
            part.write_text("new")
        assert (tmp_path / name).read_text() == "new"


def test_a_part_that_was_taken_for_a_dead_ones_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the creation of a file and its lock another process may come and remove it."""
    path, opened = tmp_path / "x", os.fdopen
    removed = []

    def late(descriptor: int, mode: str) -> object:
        if not removed:
            removed.extend(tmp_path.iterdir())
            removed[0].unlink()
        return opened(descriptor, mode)

    monkeypatch.setattr(os, "fdopen", late)
    part = PartFile(path)
    part.file.write(b"whole")
    part.put()
    assert removed and path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]
