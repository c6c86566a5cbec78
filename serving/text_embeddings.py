"""What a model that separates by texts is asked for: texts to embeddings, each made once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stemline.arrays import Array
from stemline.engines import Engine
from stemline.errors import EngineError, RequestError
from stemline.families.separation import ReadsTexts

MOST_TEXTS = 32
"""The most texts of one track: each is a stem, and a run of the network for every chunk."""
_MOST_KEPT = 1024
"""Embeddings that are kept, 2 KB each."""
_MOST_CHARS = 10_000
_SHOWN_CHARS = 60


@dataclass(frozen=True)
class OpenReader:
    """A text encoder that was opened."""

    engine: Engine
    read: ReadsTexts


class TextEmbeddings:
    """The embeddings of texts; the encoder is opened for the first and kept, any thread may ask."""

    def __init__(self, open_reader: Callable[[], OpenReader]) -> None:
        """`open_reader` raises ArtifactError, DeviceError, MissingExtraError or what it likes."""
        self._open = open_reader
        self._reader: OpenReader | None = None
        self._kept: OrderedDict[str, Array] = OrderedDict()
        self._lock = threading.Lock()  # of what is kept; nobody runs an engine under it
        self._running = threading.Lock()
        self._closed = False

    def of(self, texts: Sequence[str]) -> tuple[Array, ...]:
        """An embedding (n_embedding,) of each text.

        Each is a run of its own, as long as the text: so it is the same to the bit whatever was
        asked for with it, and calls whose texts are known do not wait for those of others. Raises
        RequestError for a text that says nothing, EngineError, and what opening raises.
        """
        return tuple(self._one(text) for text in texts)

    def load(self) -> None:
        """Open the encoder, which the first text would else."""
        with self._running:
            self._opened()

    def close(self) -> None:
        """Free the encoder's engine, once the text that it reads is read."""
        with self._running:
            self._closed = True
            if self._reader is not None:
                self._reader.engine.close()

    def _one(self, text: str) -> Array:
        found = self._known(text)
        if found is not None:
            return found
        with self._running:
            found = self._known(text)  # to whoever ran before
            if found is None:
                found = self._opened().read([text])[0]
                with self._lock:
                    self._kept[text] = found
                    while len(self._kept) > _MOST_KEPT:
                        self._kept.popitem(last=False)
        return found

    def _known(self, text: str) -> Array | None:
        with self._lock:
            if text in self._kept:
                self._kept.move_to_end(text)
            return self._kept.get(text)

    def _opened(self) -> OpenReader:
        if self._closed:
            raise EngineError("the text encoder is closed")
        if self._reader is None:
            self._reader = self._open()
        return self._reader


def checked_texts(texts: Sequence[str]) -> tuple[str, ...]:
    """The texts without space around them and each once, in their order.

    Raises RequestError for too many, and for one that says nothing or is too long.
    """
    found = tuple(dict.fromkeys(text.strip() for text in texts))
    if len(found) > MOST_TEXTS:
        raise RequestError(
            "text", f"{len(found)} texts are too many for one track, which takes {MOST_TEXTS}"
        )
    for text in found:
        if not text:
            raise RequestError("text", "a text says what to separate; an empty one says nothing")
        if len(text) > _MOST_CHARS:
            raise RequestError(
                "text",
                f"a text has up to {_MOST_CHARS} characters; {text[:_SHOWN_CHARS]!r}… has "
                f"{len(text)}",
            )
    return found
