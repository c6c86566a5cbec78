"""Texts to ids and to embeddings, by a small vocabulary whose ids are known."""

import logging
import sys
from dataclasses import replace

import numpy as np
import pytest
from audiosep_helpers import ENCODER, pairs, tokens

from stemline.arrays import Array, Arrays
from stemline.engines import EngineSpec, ModelInfo
from stemline.errors import ArtifactError, MissingExtraError, RequestError
from stemline.export.model_info import model_info
from stemline.families import find_family
from stemline.families.audiosep.models import TEXT_ENCODER
from stemline.families.audiosep.texts import Tokenizer
from stemline.families.audiosep.vocabulary import Vocabulary, bytes_vocabulary

VOCABULARY = Vocabulary(tuple(tokens()), tuple(pairs()))
ID_OF = {token: place for place, token in enumerate(VOCABULARY.tokens)}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(VOCABULARY, ENCODER.most_tokens)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("dog", ["dog"]),
        ("a dog barking", ["a", "Ġ", "dog", "Ġbarking"]),
        ("Dog", ["D", "o", "g"]),  # case is kept
        (" dog", ["Ġ", "dog"]),  # and so is a space at the beginning
        ("dog.", ["dog", "."]),
        ("é", ["Ã", "©"]),
        ("🐕", ["ð", "Ł", "Ĳ", "ķ"]),
        ("a\nb", ["a", "Ċ", "b"]),
        ("<mask>", ["<mask>"]),
        ("a <mask>", ["a", "<mask>"]),
        ("do</s>do", ["do", "</s>", "do"]),
    ],
)
def test_a_text_becomes_known_ids(text: str, wanted: list[str], tokenizer: Tokenizer) -> None:
    assert tokenizer([text]).tolist() == [[0, *(ID_OF[token] for token in wanted), 2]]


def test_rows_are_filled_up_to_the_longest_and_no_further(tokenizer: Tokenizer) -> None:
    got = tokenizer(["dog", "a dog barking", "a"])
    assert got.dtype == np.int64 and got.shape == (3, 6)
    assert (got == 1).sum(1).tolist() == [3, 0, 3]
    assert got[0].tolist() == [*tokenizer(["dog"])[0].tolist(), 1, 1, 1]


@pytest.mark.parametrize("n_dogs", [38, 39])
def test_what_is_too_long_loses_its_end_with_a_warning(
    n_dogs: int, tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    """38 tokens and two ends are the 40 that the encoder takes."""
    with caplog.at_level(logging.WARNING):
        (got,) = tokenizer(["dog" * n_dogs])
    assert got.tolist() == [0, *[ID_OF["dog"]] * 38, 2]
    said = [record.getMessage() for record in caplog.records]
    if n_dogs == 38:
        assert said == []
    else:
        assert said == [
            f"the text {('dog' * 39)[:60]!r} is 39 tokens long; only the first 38 are read"
        ]


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u00a0"])
def test_a_text_that_says_nothing_is_refused(text: str, tokenizer: Tokenizer) -> None:
    with pytest.raises(RequestError, match="says nothing") as caught:
        tokenizer(["dog", text])
    assert caught.value.field == "text"


def test_half_a_character_is_no_text(tokenizer: Tokenizer) -> None:
    with pytest.raises(RequestError, match=r"is no text: surrogates"):
        tokenizer(["a\ud83d dog"])


def test_every_byte_has_an_id_where_the_weights_are_random() -> None:
    tokenizer = Tokenizer(bytes_vocabulary(300), 512)
    text = "".join(map(chr, range(1, 0x250))) + "日本 🐕"
    assert len(tokenizer([text])[0]) == min(512, len(text.encode()) + 2)
    assert 3 not in tokenizer([text])[0]


class LengthEngine:
    """Outputs twice the direction of a row's number of tokens."""

    spec = EngineSpec("lengths", (), (), "none", "cpu")

    def run(self, inputs: Arrays) -> dict[str, Array]:
        n_tokens = (inputs["tokens"] != 1).sum(1)
        embedding = np.zeros((len(n_tokens), 16), np.float32)
        embedding[np.arange(len(n_tokens)), n_tokens] = 2
        return {"embedding": embedding}

    def close(self) -> None:
        pass


def encoder_info() -> ModelInfo:
    return model_info(replace(TEXT_ENCODER, config=ENCODER), "fp32", "random:0")


def test_texts_become_embeddings_of_length_1() -> None:
    family = find_family("audiosep")
    reader = family.text_reader(encoder_info(), LengthEngine(), VOCABULARY.to_metadata())  # type: ignore[attr-defined]
    got = reader(["a dog barking", "dog"])
    assert got.dtype == np.float32 and got.shape == (2, 16)
    assert got.argmax(1).tolist() == [6, 3] and got.max(1).tolist() == [1, 1]


def test_only_an_encoder_reads_texts() -> None:
    family = find_family("audiosep")
    info = replace(encoder_info(), text=replace(encoder_info().text, is_encoder=False))  # type: ignore[type-var]
    with pytest.raises(ArtifactError, match="encodes no texts"):
        family.text_reader(info, LengthEngine(), VOCABULARY.to_metadata())  # type: ignore[attr-defined]
    with pytest.raises(RequestError, match="is of family mdx23c, which takes no text"):
        find_family("mdx23c").text_reader(info, LengthEngine(), {})  # type: ignore[attr-defined]


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'stemline\[text\]'"):
        Tokenizer(VOCABULARY, 40)
