"""Checkpoints that did harm, each named by the attack; a maker writes one at a path."""

import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch


def good_zip(path: Path) -> None:
    """A checkpoint as torch writes it, with what training loops keep beside the weights."""
    torch.save({"state": {"w": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(3)}, "n": 3}, path)


def good_old(path: Path) -> None:
    """The same as torch wrote it before version 1.6."""
    state = {"w": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(3)}
    torch.save(state, path, _use_new_zipfile_serialization=False)


def good_safetensors(path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"w": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(3)}, path, {"note": "x"})


def with_pickle(path: Path, pickled: bytes) -> None:
    """A zip of torch's whose pickle is another."""
    good_zip(path)
    with zipfile.ZipFile(path) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, data in entries.items():
            new.writestr(name, pickled if name.endswith(".pkl") else data)


def _keyed(tuples: bytes) -> bytes:
    """A pickle of one mapping, which has what is made by `tuples` for a key."""
    return b"\x80\x02}" + tuples + b"K\x01s."


def deep_key(path: Path) -> None:
    """A tuple in a tuple, 300,000 times, is a key: its hash overflowed the stack, SIGSEGV."""
    with_pickle(path, _keyed(b")" + b"\x85" * 300_000))


def deep_key_by_marks(path: Path) -> None:
    with_pickle(path, _keyed(b"(" * 300_000 + b"t" * 300_000))


def deep_key_by_memo(path: Path) -> None:
    with_pickle(path, _keyed(b")" + b"q\x01\x85h\x010\x94\x85" * 150_000))


def doubled_key(path: Path) -> None:
    """A tuple of two times the same, 60 times over: 200 bytes, whose hash takes years."""
    with_pickle(path, _keyed(b")" + b"2\x86" * 60))


def doubled_key_by_memo(path: Path) -> None:
    with_pickle(path, _keyed(b")" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(60))))


def doubled_key_of_old(path: Path) -> None:
    """The same without a zip: where torch wrote objects before version 1.6."""
    good_old(path)
    data = path.read_bytes()
    starts = pickle.dumps(torch.serialization.MAGIC_NUMBER, 2)
    starts += pickle.dumps(torch.serialization.PROTOCOL_VERSION, 2)
    assert data.startswith(starts)
    path.write_bytes(starts + pickle.dumps({}, 2) + _keyed(b")" + b"2\x86" * 60))


def key_of_many_words(path: Path) -> None:
    """A key that is no name and too deep to be printed: RecursionError."""
    with_pickle(path, _keyed(b")" + b"\x85" * 5000))


def safetensors_header(path: Path, header: object) -> None:
    data = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(data)) + data + bytes(64))


def _tensor(**changes: object) -> dict[str, object]:
    return {"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24], **changes}}


def strange_types(path: Path) -> None:
    """A number type that safetensors knows and torch does not."""
    safetensors_header(path, _tensor(dtype="F8_E8M0", shape=[24]))


def endless_shape(path: Path) -> None:
    safetensors_header(path, _tensor(shape=[2**62, 2**62]))


def negative_offsets(path: Path) -> None:
    safetensors_header(path, _tensor(data_offsets=[-24, 0]))


def long_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{" + bytes(64))


Maker = Callable[[Path], None]
HOSTILE: dict[str, Maker] = {
    "deep_key.ckpt": deep_key,
    "deep_key_by_marks.ckpt": deep_key_by_marks,
    "deep_key_by_memo.ckpt": deep_key_by_memo,
    "doubled_key.ckpt": doubled_key,
    "doubled_key_by_memo.ckpt": doubled_key_by_memo,
    "doubled_key_of_old.ckpt": doubled_key_of_old,
    "key_of_many_words.ckpt": key_of_many_words,
    "strange_types.safetensors": strange_types,
    "endless_shape.safetensors": endless_shape,
    "negative_offsets.safetensors": negative_offsets,
    "long_header.safetensors": long_header,
}
GOOD: dict[str, Maker] = {
    "zip.ckpt": good_zip,
    "old.ckpt": good_old,
    "plain.safetensors": good_safetensors,
}
