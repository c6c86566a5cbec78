"""Beats in seconds: a tempo that drifts, swing, and the unevenness of hands."""

from dataclasses import dataclass

from .dice import Dice

MAX_DRIFT = 0.03
"""No beat is longer or shorter than the mean by more than about this share."""


@dataclass(frozen=True, slots=True)
class Grid:
    """When each beat of a song falls."""

    times_s: tuple[float, ...]
    """Beats from 0, with some beyond the song's last, for notes that end there."""
    swing: float

    def at(self, beat: float, *, straight: bool = False) -> float:
        """The time of a place between beats, in seconds.

        Swing moves the middle of a beat to p = 1/2 + swing / 6, and what lies on either side in
        proportion, so a full swing makes of quarters of a beat its thirds.
        """
        beat = min(max(beat, 0.0), len(self.times_s) - 1.001)
        whole = int(beat)
        place = beat - whole
        if self.swing and not straight:
            middle = 0.5 + self.swing / 6.0
            if place < 0.5:
                place = place * 2.0 * middle
            else:
                place = middle + (place - 0.5) * 2.0 * (1.0 - middle)
        first = self.times_s[whole]
        return first + (self.times_s[whole + 1] - first) * place


def draw_grid(
    tempo_bpm: float, n_beats: int, first_s: float, swing: float, drift: float, dice: Dice
) -> Grid:
    """A grid whose beat lengths are a slow bounded random walk.

    Parameters
    ----------
    tempo_bpm
        The mean tempo over the n_beats.
    n_beats
        Beats of the song; some more follow at the mean tempo.
    first_s
        The time of the first beat.
    swing
        From 0, straight, to 1, a triplet.
    drift
        The bound of the walk as a share of the tempo, at most MAX_DRIFT.
    dice
        Where the walk comes from.
    """
    # Half the bound for the walk: making the mean exact afterwards then keeps within the whole.
    bound = min(drift, MAX_DRIFT) * 0.5
    offset, lengths = 0.0, []
    for _ in range(n_beats):
        offset += dice.uniform(-0.15, 0.15) * bound
        offset = min(max(offset, -bound), bound)
        lengths.append(1.0 + offset)
    total = 0.0
    for length in lengths:
        total += length
    beat_s = 60.0 / tempo_bpm
    scale = beat_s * n_beats / total
    times, now = [round(first_s, 6)], first_s
    for length in lengths:
        now += length * scale
        times.append(round(now, 6))
    for _ in range(16):
        now += beat_s
        times.append(round(now, 6))
    return Grid(tuple(times), swing)


@dataclass(frozen=True, slots=True)
class Feel:
    """How a player's notes lie around the grid."""

    late_s: float
    """Behind the beat, or before it where negative."""
    spread_s: float
    """The most that one note strays."""

    def off(self, dice: Dice) -> float:
        """One note's distance from the grid, in seconds; small ones more often."""
        if not self.spread_s:
            return self.late_s
        return self.late_s + self.spread_s * (dice.fraction() + dice.fraction() - 1.0)


def draw_feel(human: float, dice: Dice) -> Feel:
    """A player's feel; `human` 0 is a machine, 1 a loose player."""
    return Feel(dice.uniform(-0.004, 0.009) * human, dice.uniform(0.003, 0.014) * human)
