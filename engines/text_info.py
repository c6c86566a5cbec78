"""What a model that separates by a text is, besides what every model is.

It has two networks, an artifact each: one makes an embedding of the text, the other separates what
the embedding says. Both carry this.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class TextInfo:
    """The part of a ModelInfo that separating by a text needs."""

    n_embedding: int
    """Length of an embedding: what the encoder outputs, and what the separator takes in."""
    is_encoder: bool = False
    """Whether this network encodes texts; else it separates."""
    most_tokens: int = 0
    """The longest text that an encoder takes, in tokens, its beginning and end counted."""
