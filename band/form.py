"""The form of a song: its sections in bars, and how hard the band plays in each."""

from dataclasses import dataclass

from .dice import Dice
from .score import Label

_ENERGY: dict[Label, tuple[float, float]] = {
    "intro": (0.2, 0.7),
    "verse": (0.4, 0.7),
    "chorus": (0.75, 1.0),
    "bridge": (0.25, 0.85),
    "outro": (0.2, 0.7),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One section of the form."""

    label: Label
    first_bar: int
    n_bars: int
    energy: float
    """0 to 1."""
    turn: int
    """How many sections of this label came before it."""


def draw_form(n_bars: int, dice: Dice) -> tuple[Part, ...]:
    """Sections that fill the bars, in the order of a popular song."""
    labels = _labels(n_bars, dice)
    energies = {label: dice.uniform(*bounds) for label, bounds in _ENERGY.items()}
    turns: dict[Label, int] = {}
    parts, bar = [], 0
    for label, length in labels:
        turn = turns.get(label, 0)
        energy = min(1.0, energies[label] + 0.06 * turn + dice.uniform(-0.05, 0.05))
        parts.append(Part(label, bar, length, energy, turn))
        turns[label] = turn + 1
        bar += length
    return tuple(parts)


def _labels(n_bars: int, dice: Dice) -> list[tuple[Label, int]]:
    main: tuple[Label, ...] = ("verse", "chorus")
    if n_bars < 6:
        return [(dice.choice(main), n_bars)]
    if n_bars < 12:
        first = 4
        return [("verse", first), ("chorus", n_bars - first)]
    intro = dice.choice((0, 2, 4, 8), (0.1, 0.15, 0.5, 0.25)) if n_bars >= 16 else 0
    outro = dice.choice((0, 2, 4, 8), (0.15, 0.2, 0.45, 0.2)) if n_bars >= 16 else 0
    if n_bars < 32:
        intro, outro = min(intro, 4), min(outro, 4)
    verse = dice.choice((8, 16), (0.75, 0.25)) if n_bars >= 48 else dice.choice((4, 8))
    chorus = dice.choice((8, 16), (0.85, 0.15)) if n_bars >= 48 else dice.choice((4, 8))
    bridge = dice.choice((4, 8), (0.35, 0.65))
    round_trip: tuple[tuple[Label, int], ...] = dice.choice(
        (
            (("verse", verse), ("chorus", chorus), ("verse", verse), ("chorus", chorus),
             ("bridge", bridge), ("chorus", chorus)),
            (("verse", verse), ("verse", verse), ("chorus", chorus), ("verse", verse),
             ("bridge", bridge), ("chorus", chorus)),
            (("chorus", chorus), ("verse", verse), ("chorus", chorus), ("bridge", bridge)),
            (("verse", verse), ("chorus", chorus), ("bridge", bridge)),
        ),
        (0.5, 0.2, 0.15, 0.15),
    )  # fmt: skip
    found: list[tuple[Label, int]] = [("intro", intro)] if intro else []
    left, place = n_bars - intro - outro, 0
    while left > 0:
        label, length = round_trip[place % len(round_trip)]
        # A rest too short for a section of its own goes to the one before it.
        if left - length < 4:
            length = left
        found.append((label, length))
        left -= length
        place += 1
    if outro:
        found.append(("outro", outro))
    return found
