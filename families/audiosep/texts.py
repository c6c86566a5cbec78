"""Texts to embeddings: tokens by the library `tokenizers`, and the text encoder's engine.

texts ─► Tokenizer ─► ids (n, n_tokens) ─► [engine] ─► embeddings (n, n_embedding) of length 1
"""

import logging
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from stemline.arrays import Array, Tokens
from stemline.engines import Engine, ModelInfo
from stemline.errors import ArtifactError, MissingExtraError, RequestError

from .config import EMBEDDING, END, PAD, START, TOKEN_IDS
from .vocabulary import Vocabulary, vocabulary_from_metadata

_log = logging.getLogger(__name__)
_SHOWN_CHARS = 60
_LEAST_LENGTH = 1e-12


class Tokenizer:
    """RoBERTa's: byte pairs, case kept, nothing put before; one object serves all threads."""

    def __init__(self, vocabulary: Vocabulary, most_tokens: int) -> None:
        """`most_tokens` are the most that a text becomes, its beginning and its end counted.

        Raises MissingExtraError where the library is not installed.
        """
        library = _library()
        ids = {token: place for place, token in enumerate(vocabulary.tokens)}
        model = library.models.BPE(vocab=ids, merges=list(vocabulary.merges), unk_token="<unk>")
        inner = library.Tokenizer(model)
        inner.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.post_processor = library.processors.RobertaProcessing(
            ("</s>", END), ("<s>", START), True, False
        )
        special = [library.AddedToken(token, special=True) for token in vocabulary.tokens[:4]]
        # As transformers has it: what stands for a word takes the space before it.
        special.append(library.AddedToken("<mask>", lstrip=True, special=True))
        inner.add_special_tokens([token for token in special if token.content in ids])
        self._inner = inner
        self._most_tokens = most_tokens

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Texts -> ids (n_texts, n_tokens), filled up to the longest of them.

        A text that is too long loses its end, with a warning. Raises RequestError for one that
        says nothing, or is none.
        """
        for text in texts:
            _check(text)
        rows = [self._ids(text) for text in texts]
        tokens = np.full((len(rows), max(map(len, rows), default=0)), PAD, np.int64)
        for place, row in enumerate(rows):
            tokens[place, : len(row)] = row
        return tokens

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._inner.encode(text).ids
        if len(ids) > self._most_tokens:
            _log.warning(
                "the text %r is %d tokens long; only the first %d are read",
                text[:_SHOWN_CHARS],
                len(ids) - 2,
                self._most_tokens - 2,
            )
            ids = [*ids[: self._most_tokens - 1], END]
        return ids


class TextReader:
    """A text encoder's engine with its vocabulary: texts in, embeddings out."""

    def __init__(self, engine: Engine, info: ModelInfo, metadata: Mapping[str, str]) -> None:
        """`metadata` are the `metadata_props` of the engine's file, which carry the vocabulary.

        Raises ArtifactError for what is no text encoder, MissingExtraError without `tokenizers`.
        """
        text = info.text
        if text is None or not text.is_encoder:
            raise ArtifactError(f"{info.model}: {engine.spec.name} encodes no texts")
        vocabulary = vocabulary_from_metadata(metadata, engine.spec.name)
        self._tokenizer = Tokenizer(vocabulary, text.most_tokens)
        self._engine = engine

    def __call__(self, texts: Sequence[str]) -> Array:
        """Texts -> embeddings (n_texts, n_embedding), each of length 1.

        Raises RequestError for a text that says nothing, EngineError.
        """
        tokens = self._tokenizer(texts)
        embeddings = self._engine.run({TOKEN_IDS: tokens})[EMBEDDING].astype(np.float32)
        # Of length 1 already, but for what a precision below float32 rounds.
        length = np.linalg.norm(embeddings, axis=-1, keepdims=True)
        return np.asarray(embeddings / np.maximum(length, _LEAST_LENGTH), np.float32)


def _check(text: str) -> None:
    """Raise RequestError for a text that says nothing, or cannot be written."""
    if not text.strip():
        raise RequestError("text", f"a text says what to separate; {text!r} says nothing")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError("text", f"{text[:_SHOWN_CHARS]!r} is no text: {error.reason}") from error


def _library() -> Any:
    try:
        return import_module("tokenizers")
    except ImportError as error:
        raise MissingExtraError("tokenizers", "text") from error
