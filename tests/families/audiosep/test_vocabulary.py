"""The vocabulary: from RoBERTa's files into an artifact's metadata and out of it again."""

import base64
import json
import zlib
from pathlib import Path

import pytest
from audiosep_helpers import ENCODER, pairs, tokens, write_vocabulary

from stemline.errors import ArtifactError, WeightsError
from stemline.families.audiosep.vocabulary import (
    Vocabulary,
    bytes_vocabulary,
    read_vocabulary,
    vocabulary_from_metadata,
)


def files(folder: Path) -> dict[str, Path]:
    return {name: folder / name for name in ("vocab.json", "merges.txt")}


def test_a_vocabulary_is_carried_whole_and_small(tmp_path: Path) -> None:
    write_vocabulary(tmp_path)
    found = read_vocabulary(files(tmp_path), ENCODER.n_tokens)
    assert found == Vocabulary(tuple(tokens()), tuple(pairs()))
    metadata = found.to_metadata()
    assert all(value.isascii() for value in metadata.values())
    assert vocabulary_from_metadata(metadata, "x.onnx") == found


def test_the_order_in_the_file_does_not_matter_but_the_ids_do(tmp_path: Path) -> None:
    write_vocabulary(tmp_path)
    path = tmp_path / "vocab.json"
    ids = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(ids.items()))))
    assert read_vocabulary(files(tmp_path), ENCODER.n_tokens).tokens == tuple(tokens())


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}),
        json.dumps({token: place + 1 for place, token in enumerate(tokens())}),
        json.dumps({token: 0 for token in tokens()}),
        json.dumps({token: place for place, token in enumerate(reversed(tokens()))}),
        json.dumps(tokens()),
        json.dumps({token: str(place) for place, token in enumerate(tokens())}),
        "{",
    ],
    ids=["few", "from 1", "all 0", "reversed", "a list", "text", "cut"],
)
def test_another_vocabulary_is_refused(text: str, tmp_path: Path) -> None:
    write_vocabulary(tmp_path)
    (tmp_path / "vocab.json").write_text(text)
    with pytest.raises(
        WeightsError, match=r"vocab\.json (is not the vocabulary|and merges\.txt are)"
    ):
        read_vocabulary(files(tmp_path), ENCODER.n_tokens)


def test_a_line_that_is_no_pair_is_no_merge(tmp_path: Path) -> None:
    write_vocabulary(tmp_path)
    (tmp_path / "merges.txt").write_text("#version: 0.2\nd o\nd o g\n")
    with pytest.raises(WeightsError, match=r"are no vocabulary"):
        read_vocabulary(files(tmp_path), ENCODER.n_tokens)


def packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode())).decode()


DAMAGED = {
    "no base 64": "?",
    "not packed": "AAAA",
    "cut short": packed('["a"]')[:8],
    "endless": packed('"' + "a" * (9 << 20) + '"'),
    "no list": packed('"a"'),
    "no text": packed("[1, 2]"),
    "deep": packed("[" * 100_000),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_vocabulary_is_one_clear_line(how: str) -> None:
    metadata = bytes_vocabulary(261).to_metadata() | {"tokenizer.tokens": DAMAGED[how]}
    with pytest.raises(ArtifactError, match=r"x\.onnx: its vocabulary is damaged; export it again"):
        vocabulary_from_metadata(metadata, "x.onnx")


@pytest.mark.parametrize("key", ["tokenizer.tokens", "tokenizer.merges"])
def test_a_file_without_a_vocabulary_says_so(key: str) -> None:
    metadata = bytes_vocabulary(261).to_metadata()
    del metadata[key]
    with pytest.raises(ArtifactError, match=r"x\.onnx carries no vocabulary; export it again"):
        vocabulary_from_metadata(metadata, "x.onnx")


@pytest.mark.parametrize("n_tokens", [261, 300, 50_265])
def test_random_weights_have_a_token_for_each_byte(n_tokens: int) -> None:
    found = bytes_vocabulary(n_tokens)
    assert len(set(found.tokens)) == len(found.tokens) == n_tokens
    assert set(found.tokens[4:260]) == set(tokens()[4:260])
