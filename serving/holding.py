"""What a track under way holds: memory and temporary files, told to whoever limits them.

A server lets all its calls hold so much together. The command and Python hold what they need.
"""

from typing import Protocol


class Holding(Protocol):
    """Where one track says what it holds, part by part; a part that is said again has changed."""

    def memory(self, part: str, n_bytes: int) -> None:
        """`part` holds so many bytes of memory now. Raises LimitError where there is no room."""

    def disk(self, part: str, n_bytes: int) -> None:
        """Its temporary file has so many bytes now. Raises LimitError where there is no room."""


class Unlimited:
    """There is room for whatever comes."""

    def memory(self, part: str, n_bytes: int) -> None:
        """Take note of nothing."""

    def disk(self, part: str, n_bytes: int) -> None:
        """Take note of nothing."""
