"""The attack: damaged files of every kind, whose decoders print what they think of them.

Standard output is for data, `separate -o -`: nothing may be printed there. What mpg123 has to say
of an MP3 goes to standard error.
"""

import subprocess
import sys
from pathlib import Path

READING = """
import io
import numpy as np, soundfile
from stemline.errors import AudioError
from stemline.preprocessing.audio import open_audio

random = np.random.default_rng(0)
sound = random.standard_normal((6000, 1)) * 0.1
n_read = 0
for container in soundfile.available_formats():
    for subtype in soundfile.available_subtypes(container):
        if container in ("SD2", "RAW"):  # of two files, and of none that could be known
            continue
        whole = io.BytesIO()
        try:
            soundfile.write(whole, sound, 44100, format=container, subtype=subtype)
        except (soundfile.SoundFileError, ValueError):
            continue
        for _ in range(10):
            data = bytearray(whole.getvalue())
            for _ in range(20):
                data[random.integers(64, len(data))] = random.integers(256)
            try:
                with open_audio(io.BytesIO(data)) as reader:
                    n_read += sum(block.shape[1] for block in reader.blocks())
            except AudioError:
                pass
assert n_read > 1_000_000
"""


def test_nothing_is_printed_where_data_goes(tmp_path: Path) -> None:
    """Of sample dumps for MIDI libsndfile printed every packet that was damaged."""
    done = subprocess.run(
        [sys.executable, "-c", READING], capture_output=True, cwd=tmp_path, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == b""
    assert all(line.startswith(b"[src/libmpg123/") for line in done.stderr.splitlines() if line)
