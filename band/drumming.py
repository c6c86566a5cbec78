"""Drum parts: grooves of many styles, cymbals by section, ghost notes, fills and crashes."""

from dataclasses import dataclass
from typing import Literal

from .dice import Dice
from .form import Part
from .plan import Plan
from .score import Hit, Piece
from .timing import Feel, draw_feel


@dataclass(frozen=True, slots=True)
class Groove:
    """One bar in sixteenths: `X` accent, `x` stroke, `g` ghost note, `?` perhaps, `.` nothing."""

    name: str
    meter: Literal[3, 4]
    tempo_bpm: tuple[float, float]
    swing: tuple[float, float]
    kick: str
    snare: str
    time: str
    """What the hats, or the ride, play."""
    human: float = 1.0
    weight: float = 1.0
    toms: str = ""
    soft: bool = False


_STRAIGHT = (0.0, 0.0)
_EIGHTHS = "x.x.x.x.x.x.x.x."
_SIXTEENTHS = "xxxxxxxxxxxxxxxx"
_QUARTERS = "x...x...x...x..."

GROOVES = (
    Groove("rock", 4, (95, 150), _STRAIGHT, "X.....?.X.?.....", "....X.......X...", _EIGHTHS,
           weight=2.0),
    Groove("driving rock", 4, (110, 165), _STRAIGHT, "X...?.x.X.x...?.", "....X..g....X..?",
           _EIGHTHS),
    Groove("punk", 4, (140, 168), _STRAIGHT, "X...x.x.X...x.?.", "..X...X...X...X.", _EIGHTHS),
    Groove("four on the floor", 4, (110, 135), (0.0, 0.15), "X...X...X...X...",
           "....X.......X...", "..X...X...X...X.", 0.1, 2.0),
    Groove("disco", 4, (105, 128), _STRAIGHT, "X...X...X...X...", "....X.......X...",
           "x.Xxx.Xxx.Xxx.Xx", 0.6),
    Groove("half-time", 4, (120, 168), (0.0, 0.2), "X.....?...?...?.", "........X.......",
           _EIGHTHS),
    Groove("shuffle", 4, (85, 145), (0.65, 1.0), "X.......X.....?.", "....X.?.....X...", _EIGHTHS,
           weight=1.3),
    Groove("twelve-eight ballad", 4, (75, 90), (1.0, 1.0), "X.....?.?.......",
           "....X.......X...", "xxx.xxx.xxx.xxx.", soft=True),
    Groove("breakbeat", 4, (85, 140), (0.0, 0.3), "X.x.......xx..?.", "....X..g.g..X..g",
           "x.x.x.x.x.x.x.x?", 0.6, 1.2),
    Groove("drum and bass", 4, (150, 168), _STRAIGHT, "X.........X...?.", "....X..g.g..X..?",
           "x.x.x.xxx.x.x.xx", 0.3),
    Groove("funk", 4, (88, 125), (0.0, 0.3), "X..?..x...x..x..", "....X..g.g..X..g",
           _SIXTEENTHS, weight=1.2),
    Groove("hip-hop", 4, (75, 105), (0.0, 0.7), "X..?..?x..X?....", "....X.......X...",
           "x.x.x.x.x.x.x.x?", 0.7, 1.5),
    Groove("trap", 4, (120, 160), _STRAIGHT, "X.....?...X..?..", "........X.......",
           "x.x.x?x.x.x.xxxx", 0.1),
    Groove("ballad", 4, (75, 95), _STRAIGHT, "X.......?.x.....", "....X.......X...", _EIGHTHS,
           weight=1.3, soft=True),
    Groove("slow sixteenths", 4, (75, 90), _STRAIGHT, "X......xX.?.....", "....X.......X.?.",
           _SIXTEENTHS),
    Groove("swing ride", 4, (100, 168), (0.6, 1.0), "g...g...g...g...", "..?...g..?....g.",
           "X...x.x.X...x.x.", soft=True),
    Groove("bossa", 4, (110, 150), _STRAIGHT, "X..xX..xX..xX..x", "x..x..x...x..x..", _EIGHTHS,
           soft=True),
    Groove("train", 4, (95, 130), (0.0, 0.3), "X...X...X...X...", "xgXgxgXgxgXgxgXg", "....", 1.0,
           0.7),
    Groove("motown", 4, (105, 140), (0.0, 0.4), "X.....x.X.....x.", "X...X...X...X...", _EIGHTHS),
    Groove("one drop", 4, (120, 160), (0.0, 0.6), "........X.......", "........X.......", _EIGHTHS),
    Groove("tribal", 4, (85, 130), _STRAIGHT, "X...x...X...x...", "............?...", "....", 0.9,
           0.8, "x..x..X...x.X.x."),
    Groove("sparse", 4, (75, 130), (0.0, 0.3), "X...............", "........x.......", _QUARTERS,
           soft=True),
    Groove("minimal machine", 4, (90, 130), _STRAIGHT, "X..x..x.?..x..?.", "....X.......X..?",
           "..x...x...x...xx", 0.0),
    Groove("waltz", 3, (85, 168), (0.0, 0.2), "X...........", "....x...x...", "x...x...x...",
           weight=1.5, soft=True),
    Groove("rock waltz", 3, (90, 150), _STRAIGHT, "X.....?.....", "........X...", "x.x.x.x.x.x.",
           weight=1.5),
    Groove("jazz waltz", 3, (100, 168), (0.6, 1.0), "X.....?.....", "....g.....g.",
           "X...x.x.x...", soft=True),
    Groove("slow three", 3, (75, 110), (0.0, 1.0), "X.......x...", "....X.......",
           "x.x.x.x.x.x.", soft=True),
    Groove("six-eight", 3, (110, 168), _STRAIGHT, "X...........", "......X.....", "x.x.x.x.x.x.",
           weight=1.2),
    Groove("machine waltz", 3, (90, 140), _STRAIGHT, "X...X...X...", "........X...",
           "..x...x...x.", 0.1),
)  # fmt: skip
"""Styles; tempo and swing are drawn between their two bounds."""

_LEVELS = {"X": 1.0, "x": 0.78, "g": 0.3}
_TOMS: tuple[Piece, ...] = ("tom_high", "tom_mid", "tom_low")
_KEEPERS: tuple[Piece, ...] = ("hat_closed", "hat_open", "ride", "crash", "tom_low")


def draw_groove(meter: Literal[3, 4], dice: Dice) -> Groove:
    """A style for a song in that meter."""
    fitting = [groove for groove in GROOVES if groove.meter == meter]
    return dice.choice(fitting, [groove.weight for groove in fitting])


@dataclass(frozen=True, slots=True)
class _Beat:
    """A groove made certain for one kind of section."""

    kick: str
    snare: str
    time: str
    toms: str
    keeper: Piece


class _Drummer:
    """Collects the strokes of one song."""

    def __init__(self, plan: Plan, groove: Groove, dice: Dice) -> None:
        self.plan, self.groove, self.dice = plan, groove, dice
        human = plan.human * groove.human
        self.feels: dict[str, Feel] = {
            name: draw_feel(human, dice) for name in ("kick", "snare", "time", "toms")
        }
        self.level = dice.uniform(0.7, 1.0) * (0.75 if groove.soft else 1.0)
        self.dynamics = dice.uniform(0.05, 0.3) * max(human, 0.2)
        self.hits: list[Hit] = []

    def hit(
        self, beat: float, piece: Piece, level: float, feel: str, *, straight: bool = False
    ) -> None:
        """One stroke, if it falls inside the song."""
        time = self.plan.grid.at(beat, straight=straight) + self.feels[feel].off(self.dice)
        time = round(max(time, 0.0), 6)
        if time < self.plan.duration_s:
            swing = 1.0 + self.dynamics * (self.dice.fraction() - 0.5)
            velocity = min(1.0, max(0.05, level * self.level * swing))
            self.hits.append(Hit(time, piece, round(velocity, 4)))


def draw_drums(plan: Plan, groove: Groove, dice: Dice) -> tuple[Hit, ...]:
    """The drum part of a whole song, in order of time."""
    drummer = _Drummer(plan, groove, dice.child("hands"))
    beats = {
        label: _settle(groove, label, dice.child("groove", label))
        for label in ("intro", "verse", "chorus", "bridge", "outro")
    }
    short = len(plan.parts) == 1
    tacet = {
        "intro": 0.4, "verse": 0.06, "chorus": 0.01, "bridge": 0.25, "outro": 0.25,
    }  # fmt: skip
    crash_rate, fill_rate = dice.uniform(0.3, 1.0), dice.uniform(0.3, 1.0)
    played = False
    for part in plan.parts:
        if not short and dice.chance(tacet[part.label]):
            if part.label == "intro" and dice.chance(0.4):
                _fill(drummer, plan.end_beat(part), dice)
            played = False
            continue
        _section(drummer, part, beats[part.label], dice, crash_rate, fill_rate)
        played = True
    if played and dice.chance(0.8):
        drummer.hit(plan.last_beat, "kick", 0.9, "kick")
        if dice.chance(0.8):
            drummer.hit(plan.last_beat, "crash", 0.85, "time")
    return tuple(sorted(drummer.hits, key=lambda hit: (hit.start_s, hit.piece)))


def _settle(groove: Groove, label: str, dice: Dice) -> _Beat:
    """What the groove is in sections of one label: perhaps becomes yes or no."""

    def sure(marks: str, rate: float) -> str:
        return "".join(("x" if dice.chance(rate) else ".") if m == "?" else m for m in marks)

    kick, snare, time = sure(groove.kick, 0.45), sure(groove.snare, 0.35), sure(groove.time, 0.5)
    steps = groove.meter * 4
    if not time.strip("."):
        time = "." * steps
    if not dice.chance(0.85):
        snare = snare.replace("g", ".")
    if groove.meter == 4 and label in ("chorus", "bridge") and dice.chance(0.12):
        snare = "........X......."
    if dice.chance(0.15):
        extra = dice.integer(1, steps - 1)
        kick = kick[:extra] + "x" + kick[extra + 1 :]
    if dice.chance(0.1):
        kick = "X..." * groove.meter
    if time.strip(".") and dice.chance(0.15):
        time = dice.choice(("x.x.", "x...", "xxxx", "..x.")) * groove.meter
    weights = {
        "intro": (0.75, 0.05, 0.1, 0.0, 0.1),
        "verse": (0.85, 0.05, 0.08, 0.0, 0.02),
        "chorus": (0.35, 0.2, 0.33, 0.1, 0.02),
        "bridge": (0.4, 0.1, 0.35, 0.02, 0.13),
        "outro": (0.6, 0.1, 0.25, 0.05, 0.0),
    }[label]
    keeper = dice.choice(_KEEPERS, weights)
    if "ride" in groove.name and dice.chance(0.8):
        keeper = "ride"
    if groove.human < 0.4 and dice.chance(0.7):
        keeper = "hat_closed"
    if keeper in ("crash", "tom_low") and time.count("x") > 8:
        time = "x.x." * groove.meter
    if keeper == "crash":
        time = "x..." * groove.meter
    return _Beat(kick, snare, time, groove.toms, keeper)


def _section(
    drummer: _Drummer, part: Part, beat: _Beat, dice: Dice, crash_rate: float, fill_rate: float
) -> None:
    plan, hands = drummer.plan, drummer.dice
    meter = plan.meter
    level = 0.6 + 0.4 * part.energy
    # Layers leave quiet sections: only the kick, only the cymbal, no snare.
    without: set[str] = set()
    if part.label in ("intro", "bridge", "outro") and dice.chance(0.35):
        without.add(dice.choice(("kick", "snare", "time")))
    elif part.label == "verse" and part.turn == 0 and dice.chance(0.12):
        without.add(dice.choice(("snare", "time")))
    open_rate = dice.choice((0.0, 0.1, 0.35), (0.5, 0.3, 0.2))
    roll_rate = 0.25 if drummer.groove.name in ("trap", "hip-hop") else 0.0
    accent = dice.choice((0.65, 0.8, 1.0))
    mid_crash = dice.choice((0, 4, 8), (0.6, 0.2, 0.2))
    for bar in range(part.n_bars):
        start = float((part.first_bar + bar) * meter)
        last = bar == part.n_bars - 1
        fill_at = float(meter)
        if last and dice.chance(fill_rate):
            fill_at = meter - dice.choice((1.0, 2.0, float(meter)), (0.35, 0.45, 0.2))
        elif bar % 4 == 3 and dice.chance(0.18 * fill_rate):
            fill_at = meter - 1.0
        crash = (bar == 0 and dice.chance(crash_rate * (0.4 + 0.6 * part.energy))) or bool(
            mid_crash and bar and bar % mid_crash == 0 and dice.chance(0.6)
        )
        if crash:
            drummer.hit(start, "crash", 0.9 * level, "time")
            if beat.kick[0] == ".":
                drummer.hit(start, "kick", 0.8 * level, "kick")
        for step in range(meter * 4):
            place = step * 0.25
            now = start + place
            in_fill = place >= fill_at
            mark = beat.kick[step]
            if mark in _LEVELS and "kick" not in without and not (in_fill and step % 4):
                drummer.hit(now, "kick", _LEVELS[mark] * level, "kick")
            if in_fill:
                continue
            mark = beat.snare[step]
            if mark in _LEVELS and "snare" not in without and (mark != "g" or hands.chance(0.75)):
                drummer.hit(now, "snare", _LEVELS[mark] * level, "snare")
            if beat.toms and beat.toms[step] in _LEVELS:
                tom = _TOMS[(step // 3 + bar) % 3]
                drummer.hit(now, tom, _LEVELS[beat.toms[step]] * level, "toms")
            mark = beat.time[step]
            if mark in _LEVELS and "time" not in without and not (crash and step == 0):
                soft = 1.0 if step % 4 == 0 else accent if step % 2 == 0 else accent * 0.75
                keeper = beat.keeper
                if keeper == "hat_closed" and step % 4 == 2 and step > 8 and dice.chance(open_rate):
                    keeper = "hat_open"
                drummer.hit(now, keeper, _LEVELS[mark] * level * soft * 0.85, "time")
                if (
                    roll_rate
                    and keeper == "hat_closed"
                    and step % 4 == 3
                    and dice.chance(roll_rate)
                ):
                    drummer.hit(now + 0.125, keeper, 0.5 * level, "time")
        if fill_at < meter:
            _fill(drummer, int(start) + meter, dice, meter - fill_at, level)


def _fill(
    drummer: _Drummer, end_beat: int, dice: Dice, length: float = 2.0, level: float = 0.8
) -> None:
    """Strokes that lead into the beat `end_beat`."""
    kind = dice.choice(("roll", "toms", "eighths", "triplets", "broken", "linear"))
    if kind == "triplets" and length > 2:
        kind = "toms"
    step = {"eighths": 0.5, "triplets": 1.0 / 3.0}.get(kind, 0.25)
    if drummer.plan.tempo_bpm > 150 and step == 0.25:
        step = 0.5
    count = int(length / step + 0.5)
    for place in range(count):
        share = place / count
        loud = level * (0.65 + 0.35 * share)
        tom = _TOMS[min(2, int(share * 3))]
        piece: Piece = "snare"
        if kind == "toms":
            piece = "snare" if share < 0.25 else tom
        elif kind in ("eighths", "triplets"):
            piece = tom
        elif kind == "broken":
            if place % 4 == 1 or dice.chance(0.3):
                continue
            piece = dice.choice(("snare", tom))
        elif kind == "linear":
            piece = dice.choice(("kick", "snare", tom, tom))
        feel = "snare" if piece == "snare" else "kick" if piece == "kick" else "toms"
        beat = end_beat - length + place * step
        drummer.hit(beat, piece, loud, feel, straight=kind == "triplets")
