"""The attack: a small file that asks for all the memory there is. Refused before it is taken."""

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stemline.families.common.checkpoint import read_checkpoint

GREEDY = """
import resource, sys
from pathlib import Path
import torch
from stemline.errors import CheckpointError
from stemline.families.common.checkpoint import read_checkpoint

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
# What is asked for in spite of all must not take the machine with it.
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
try:
    read_checkpoint(Path(sys.argv[1]))
except CheckpointError as error:
    print(error)
else:
    print("it was read")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def rewritten(path: Path, change: Callable[[str, bytes], list[tuple[str, bytes, int]]]) -> Path:
    """A file of torch's with its entries changed: name, data → (name, data, compression) each."""
    source = path.with_suffix(".saved")
    path.rename(source)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            for entry, data, compression in change(name, old.read(name)):
                new.writestr(entry, data, compression)
    return path


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def deflated(path: Path) -> Path:
    saved(path, {"w": torch.randn(1000)})
    return rewritten(path, lambda name, data: [(name, data, zipfile.ZIP_DEFLATED)])


def one_number_for_all(path: Path) -> Path:
    return saved(path, {"w": torch.zeros(1).expand(4096, 4096, 1000)})


def many_views_of_a_half(path: Path) -> Path:
    half = torch.zeros(1 << 20, dtype=torch.float16)
    return saved(path, {f"w{number}": half[number:] for number in range(4000)})


def one_half_of_many_names(path: Path) -> Path:
    half = torch.zeros(1 << 20, dtype=torch.float16)
    return saved(path, {f"w{number}": half for number in range(4000)})


def bomb(path: Path) -> Path:
    """300 MB of pickle in less than one of zip."""
    saved(path, {"w": torch.zeros(1)})

    def change(name: str, data: bytes) -> list[tuple[str, bytes, int]]:
        longer = data + bytes(300 << 20) if name.endswith(".pkl") else data
        return [(name, longer, zipfile.ZIP_DEFLATED)]

    return rewritten(path, change)


def long_pickle(path: Path) -> Path:
    """The same, stored: the file is as long as it says, and its objects are fifty times that."""
    saved(path, {"w": torch.zeros(1)})
    lists = b"\x80\x02" + b"]" * (100 << 20) + b"."

    def change(name: str, data: bytes) -> list[tuple[str, bytes, int]]:
        return [(name, lists if name.endswith(".pkl") else data, zipfile.ZIP_STORED)]

    return rewritten(path, change)


class Zeros:
    def __reduce__(self) -> tuple[type, tuple[int]]:
        return bytearray, (8 << 30,)


def zeros(path: Path) -> Path:
    return saved(path, {"w": torch.zeros(1), "note": Zeros()})


def old_zeros(path: Path) -> Path:
    torch.save({"note": Zeros()}, path, _use_new_zipfile_serialization=False)
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (deflated, "is compressed"),
        (one_number_for_all, "'w' of shape (4096, 4096, 1000)"),
        (many_views_of_a_half, "claims more numbers than it holds, at 'w1'"),
        (one_half_of_many_names, "claims more numbers than it holds, at 'w16'"),
        (bomb, "is compressed"),
        (long_pickle, "what describes its weights has"),
        (zeros, "makes a bytearray"),
        (old_zeros, "makes a bytearray"),
    ],
)
def test_it_is_refused_before_memory_is_taken(
    make: Callable[[Path], Path], says: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "greedy.ckpt")
    said = read_in_bounds(path)
    assert says in said and str(path) in said


def read_in_bounds(path: Path) -> str:
    """What reading it in a process of its own said; its memory stayed below 250 MB."""
    ended = subprocess.run(
        [sys.executable, "-c", GREEDY, str(path)], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    said, grown_mb = ended.stdout.strip().rsplit("\n", 1)
    assert int(grown_mb) < 250, grown_mb  # the longest of these files has 100 MB, mapped
    return said


def test_weights_that_are_tied_or_half_as_wide_are_read(tmp_path: Path) -> None:
    """What is no attack: one tensor under two keys, and float16, which becomes float32."""
    tied = torch.randn(600_000).half()
    found = read_checkpoint(saved(tmp_path / "x.ckpt", {"in": tied, "out": tied}))
    assert torch.equal(found["out"], tied.float())
    assert found["in"] is found["out"]  # one in memory, as in the file
