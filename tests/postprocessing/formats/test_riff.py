import io
from pathlib import Path

import pytest
import soundfile
from encode_helpers import RATE

from stemline.postprocessing.formats.riff import WavFile


class SparseFile(io.RawIOBase):
    """Keeps the header, and of the samples the length only: gigabytes without a disk."""

    def __init__(self) -> None:
        self.head = bytearray(200)
        self.position = self.size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        kept = max(0, min(len(data), len(self.head) - self.position))
        self.head[self.position : self.position + kept] = data[:kept]
        self.position += len(data)
        self.size = max(self.size, self.position)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        assert whence == 0
        self.position = offset
        return offset

    def tell(self) -> int:
        return self.position


@pytest.mark.parametrize(
    ("n_frames", "kind"), [(2**29 - 100, "RIFF"), (2**29, "RF64"), (2**31, "RF64")]
)
def test_a_wav_past_4_gb_becomes_rf64(tmp_path: Path, n_frames: int, kind: str) -> None:
    file = SparseFile()
    wav = WavFile(file, RATE, 2, 32)  # type: ignore[arg-type]
    block = bytes(1 << 26)
    for start in range(0, n_frames * 8, len(block)):
        wav.write(block[: n_frames * 8 - start])
    wav.close()
    assert file.head[:4] == kind.encode()
    path = tmp_path / "huge.wav"
    with path.open("wb") as sparse:  # a hole where the samples would be
        sparse.write(file.head)
        sparse.truncate(file.size)
    info = soundfile.info(path)
    assert (info.frames, info.channels, info.subtype) == (n_frames, 2, "FLOAT")
