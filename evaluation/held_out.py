"""Songs that no training used, and what each of a model's stems should be in them.

They are the synthetic band's (`stemline.band`): every stem is known exactly.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from stemline.arrays import Array

if TYPE_CHECKING:
    from stemline.band import Song


FIRST_SEED = 1_000_000
"""Seed of the first held-out song; training's seeds stay below it."""
SHORTEST_S, LONGEST_S = 0.5, 600.0
"""Limits of a song's length: none is shorter, and a minute of all stems takes 200 MB."""
MOST_SONGS = 1000
"""The most songs of one measurement."""


class Recording(Protocol):
    """A song whose stems are known, (2, n_samples) float32 each."""

    @property
    def mixture(self) -> Array:
        """All stems together."""

    @property
    def stems(self) -> Mapping[str, Array]:
        """`drums`, `bass`, `other` and `vocals`."""

    @property
    def drums(self) -> Mapping[str, Array]:
        """`kick`, `snare`, `toms`, `hats`, `ride` and `crash`."""


@dataclass(frozen=True)
class HeldOut:
    """Songs of the band by their seeds."""

    seeds: tuple[int, ...]
    seconds_each: float

    def play(self) -> "Iterator[Song]":
        """One song after another: a minute of all stems takes 200 MB."""
        for seed in self.seeds:
            yield play(seed, self.seconds_each)


def play(seed: int, seconds: float) -> "Song":
    """One song of the band at 44.1 kHz."""
    # Imported here: scipy.signal takes longer to load than a card, with its figures, to read.
    from stemline.band import play as play_song

    return play_song(seed, seconds)


def held_out(n_songs: int, seconds_each: float) -> HeldOut:
    """The first `n_songs` of those held out."""
    return HeldOut(tuple(range(FIRST_SEED, FIRST_SEED + n_songs)), seconds_each)


CARD_SONGS = held_out(6, 12.0)
"""The songs of a card: little over a minute, so that export and verify stay quick."""
BENCH_SONGS = held_out(24, 30.0)
"""The songs of published figures: twelve minutes."""


@dataclass(frozen=True)
class _Source:
    """A sound that models separate, and the parts of it that a stem of some name is."""

    named: dict[str, tuple[str, ...]]
    """Stems with parts of their own."""
    rest: dict[str, tuple[str, ...]]
    """Stems that are the remainder of these parts, without those of the model's other stems."""

    def parts(self, stems: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
        """The parts of each stem; None when one of the names is not known."""
        if not all(stem in self.named or stem in self.rest for stem in stems):
            return None
        taken = {part for stem in stems for part in self.named.get(stem, ())}
        return {
            stem: self.named.get(stem)
            or tuple(part for part in self.rest[stem] if part not in taken)
            for stem in stems
        }


_BAND = _Source(
    named={
        "drums": ("drums",),
        "bass": ("bass",),
        "vocals": ("vocals",),
        "instrumental": ("drums", "bass", "other"),
    },
    rest={"other": ("drums", "bass", "other", "vocals")},
)
_KIT = _Source(
    named={
        "kick": ("kick",),
        "snare": ("snare",),
        "toms": ("toms",),
        "hh": ("hats",),
        "hats": ("hats",),
        "ride": ("ride",),
        "crash": ("crash",),
    },
    rest={"cymbals": ("hats", "ride", "crash")},
)


def knows_stems(stems: Sequence[str]) -> bool:
    """Whether the band has the truth for a model of these stems."""
    return _BAND.parts(stems) is not None or _KIT.parts(stems) is not None


def truth_for(stems: Sequence[str], song: Recording) -> tuple[Array, dict[str, Array]] | None:
    """The input of a model of these stems from a song, and the stems it should output.

    A model of drum sounds takes in the drums alone, any other the mixture. None where the truth of
    one of the stems is not known. Raises KeyError for a part the song has not.
    """
    if tuple(stems) == ("other",):  # the band's: a model of one stem was trained on four
        return song.mixture, {"other": song.stems["other"]}
    parts = _BAND.parts(stems)
    if parts is not None:
        return song.mixture, {name: _sum(song.stems, parts[name]) for name in parts}
    parts = _KIT.parts(stems)
    if parts is not None:
        return song.stems["drums"], {name: _sum(song.drums, parts[name]) for name in parts}
    return None


def _sum(sounds: Mapping[str, Array], names: Sequence[str]) -> Array:
    if not names:  # every part has a stem of its own: nothing is left
        return np.zeros_like(next(iter(sounds.values())))
    total = sounds[names[0]].copy()
    for name in names[1:]:
        total += sounds[name]
    return total
