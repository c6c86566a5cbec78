"""What a file says of its music, read for the stems that are made of it."""

from .reader import FoundTags, read_tags

__all__ = ["FoundTags", "read_tags"]
