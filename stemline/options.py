"""What a user asks of a separation, as the core has it."""

from collections.abc import Sequence

from stemline.serving.jobs import SeparateOptions


def separate_options(
    stems: str | Sequence[str] | None,
    residual: bool,
    overlap: float | None,
    shifts: int,
    seed: int,
    text: str | Sequence[str] | None,
    mono: bool,
) -> SeparateOptions:
    """One stem or several, or all, or one text or several, and how they are made."""
    names = (stems,) if isinstance(stems, str) else tuple(stems or ())
    texts = (text,) if isinstance(text, str) else tuple(text or ())
    return SeparateOptions(names, residual, overlap, shifts, seed, text=texts, mono=mono)
