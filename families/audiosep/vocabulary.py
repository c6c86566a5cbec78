"""A vocabulary of byte pairs: read from RoBERTa's files, and carried in an artifact's metadata.

A text encoder without its vocabulary is of no use, so that its `.onnx` file holds it: the tokens in
the order of their ids, and the merges in the order in which they are tried.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemline.errors import ArtifactError, WeightsError

from .config import N_SPECIAL

VOCABULARY_FILE, MERGES_FILE = "vocab.json", "merges.txt"
_TOKENS, _MERGES = "tokenizer.tokens", "tokenizer.merges"
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_MOST_BYTES = 8 << 20
"""Of either part when it is unpacked; RoBERTa's have less than one million."""
_PLAIN = (*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1))


@dataclass(frozen=True)
class Vocabulary:
    """Tokens, and how bytes are merged to them."""

    tokens: tuple[str, ...]
    """A token's place is its id; `<s>`, `<pad>`, `</s>` and `<unk>` are the first."""
    merges: tuple[tuple[str, str], ...]
    """Pairs that become one token, those first that are merged first."""

    def to_metadata(self) -> dict[str, str]:
        """Entries of an ONNX file's `metadata_props`; `vocabulary_from_metadata` reads them."""
        merges = "\n".join(" ".join(pair) for pair in self.merges)
        tokens = json.dumps(self.tokens, ensure_ascii=False, separators=(",", ":"))
        return {_TOKENS: _packed(tokens), _MERGES: _packed(merges)}


def vocabulary_from_metadata(metadata: Mapping[str, str], source: str) -> Vocabulary:
    """The vocabulary in an ONNX file's `metadata_props`. Raises ArtifactError."""
    if _TOKENS not in metadata or _MERGES not in metadata:
        raise ArtifactError(f"{source} carries no vocabulary; export it again")
    try:
        tokens = json.loads(_unpacked(metadata[_TOKENS]))
        merges = _pairs(_unpacked(metadata[_MERGES]))
    except (ValueError, RecursionError, binascii.Error, zlib.error) as error:
        raise ArtifactError(f"{source}: its vocabulary is damaged; export it again") from error
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ArtifactError(f"{source}: its vocabulary is damaged; export it again")
    return Vocabulary(tuple(tokens), merges)


def read_vocabulary(files: Mapping[str, Path], n_tokens: int) -> Vocabulary:
    """The vocabulary in `vocab.json` and `merges.txt`. Raises WeightsError for another one."""
    path = files[VOCABULARY_FILE]
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
        merges = _pairs(files[MERGES_FILE].read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path} and {MERGES_FILE} are no vocabulary: {error}") from error
    tokens = _in_order(ids)
    if tokens is None or len(tokens) != n_tokens or tokens[:N_SPECIAL] != _SPECIAL:
        raise WeightsError(
            f"{path} is not the vocabulary of this text encoder, which has {n_tokens} tokens, the "
            f"first of them {', '.join(_SPECIAL)}"
        )
    return Vocabulary(tokens, merges)


def bytes_vocabulary(n_tokens: int) -> Vocabulary:
    """A token for each byte and no merges: for random weights, whose ids mean nothing."""
    tokens = [*_SPECIAL, *_byte_tokens()]
    unused = [f"<unused{i}>" for i in range(n_tokens - len(tokens) - 1)]
    return Vocabulary((*tokens, *unused, "<mask>"), ())


def _byte_tokens() -> list[str]:
    """How byte pair encoding writes a byte: as it is, or behind 255 where that prints nothing."""
    plain = set(_PLAIN)
    behind = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(behind)) for byte in range(256)]


def _in_order(ids: Any) -> tuple[str, ...] | None:
    """The tokens by their ids; None where the ids are not 0, 1, 2, ..."""
    if not isinstance(ids, dict) or sorted(ids.values(), key=str) != sorted(
        range(len(ids)), key=str
    ):
        return None
    return tuple(sorted(ids, key=ids.__getitem__))


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """The lines of `merges.txt`. Raises ValueError for one that is no pair."""
    pairs = []
    for number, line in enumerate(text.split("\n")):
        if not line or (number == 0 and line.startswith("#version")):
            continue
        first, second = line.split(" ")
        pairs.append((first, second))
    return tuple(pairs)


def _packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _unpacked(text: str) -> str:
    packed = base64.b64decode(text, validate=True)
    unpacking = zlib.decompressobj()
    data = unpacking.decompress(packed, _MOST_BYTES)
    if not unpacking.eof:
        raise ValueError("too long, or cut short")
    return data.decode()
