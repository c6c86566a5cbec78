"""Are the beats and sections in `stemline demo`'s report what its files give? For check_demo.py.

Nothing of stemline is imported. Beats are paired as in any bipartite graph, not in one pass along
the time; labels are weighed by pairs of sections, not by the edges of both.
"""

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

WINDOW_S = 0.07
EDGE_S = 1e-6
"""An event that lies on the very edge of a window may count or not: times have six digits."""
TOLERANCE = 1e-4
"""Of shares of the time: sections' times have six digits, songs a second at the least."""
FRAME_S = 0.01
"""The last section ends with the last frame."""
TEMPO_TOLERANCE = 0.04
TRACK_GAIN, CLICK_S = 0.5, 0.04
QUIET, LOUD = 1e-3, 0.1
"""What is left of a click track without the track: rounding to 16 bits is 3e-5, a click 0.4."""

Beats = list[tuple[float, int]]


def beats_disagreements(folder: Path, report: dict[str, Any]) -> list[str]:
    """Every statement on beats and sections that is not borne out; none where all is true."""
    files, said = report["files"], report["beats"]
    beats, true = (_read_beats(folder / files[name]) for name in ("beats", "true_beats"))
    found = []
    for what, of in (("beat", beats), ("true_beat", true)):
        found += _same(f"number of {what}s", said[f"n_{what}s"], len(of))
    for what, of in (("downbeat", beats), ("true_downbeat", true)):
        found += _same(f"number of {what}s", said[f"n_{what}s"], len(_downbeats(of)))
    if [time_s for time_s, _ in beats] != sorted({time_s for time_s, _ in beats}):
        found.append("the beats do not ascend")
    scores = said["scores"]
    all_beats = [[time_s for time_s, _ in of] for of in (true, beats)]
    found += _compare_f("beats", scores["beat"], *all_beats, WINDOW_S)
    found += _compare_f("downbeats", scores["downbeat"], *map(_downbeats, (true, beats)), WINDOW_S)
    found += _tempo(said, all_beats[1])
    found += _sections(said, report["song"]["duration_s"])
    found += _clicks(folder / files["clicks"], folder / files["mixture"], all_beats[1])
    if not (folder / files["beats_picture"]).read_bytes().startswith(b"\x89PNG"):
        found.append("the picture of the beats is no PNG")
    return found


def f_measure(true_s: list[float], found_s: list[float], window_s: float) -> float:
    """The harmonic mean of precision and recall: of a greatest matching's pairs in both."""
    if not true_s or not found_s:
        return 0.0
    n_pairs = greatest_matching(
        [[j for j, one in enumerate(true_s) if abs(one - at) <= window_s] for at in found_s]
    )
    if not n_pairs:
        return 0.0
    precision, recall = n_pairs / len(found_s), n_pairs / len(true_s)
    return 2 * precision * recall / (precision + recall)


def greatest_matching(near: list[list[int]]) -> int:
    """`near[i]` are those that i may be paired with; the most pairs, each used once.

    Kuhn's: every i in turn takes a free partner, or one whose own can take another.
    """
    partner_of: dict[int, int] = {}

    def place(i: int, tried: set[int]) -> bool:
        for j in near[i]:
            if j not in tried:
                tried.add(j)
                if j not in partner_of or place(partner_of[j], tried):
                    partner_of[j] = i
                    return True
        return False

    return sum(place(i, set()) for i in range(len(near)))


def _read_beats(path: Path) -> Beats:
    """Lines of seconds, a tab and the place in the bar."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [(float(time_s), int(position)) for time_s, position in lines]


def _downbeats(beats: Beats) -> list[float]:
    return [time_s for time_s, position in beats if position == 1]


def _tempo(said: dict[str, Any], beats_s: list[float]) -> list[str]:
    """The most frequent of the tempi from beat to beat, and whether it is the true one."""
    counts = Counter(round(60 / (after - before)) for before, after in pairwise(beats_s))
    most = [bpm for bpm, count in counts.items() if count == max(counts.values())]
    if said["bpm"] not in (most or [None]):
        return [f"tempo: the report says {said['bpm']} bpm, the beats {most or None}"]
    is_right = bool(most) and abs(said["bpm"] - said["true_bpm"]) <= TEMPO_TOLERANCE * abs(
        said["true_bpm"]
    )
    return _same("whether the tempo is right", said["scores"]["tempo"], float(is_right))


def _sections(said: dict[str, Any], duration_s: float) -> list[str]:
    found, true = said["segments"], said["true_segments"]
    scores = said["scores"]
    problems = []
    for what, segments in (("sections", found), ("true sections", true)):
        begins = segments[0]["start"] == 0
        ends = abs(segments[-1]["end"] - duration_s) <= FRAME_S
        gaps = [one for one, other in pairwise(segments) if one["end"] != other["start"]]
        if not begins or not ends or gaps:
            problems.append(f"the {what} do not fill the song")
    inner = [[segment["start"] for segment in segments[1:]] for segments in (true, found)]
    whole = [[0.0, *starts, duration_s] for starts in inner]
    for name, window_s in (("half", 0.5), ("three", 3.0)):
        problems += _compare_f(f"boundaries, {name}", scores[f"boundary_{name}"], *whole, window_s)
        if inner[0]:
            what = f"inner boundaries, {name}"
            problems += _compare_f(what, scores[f"inner_{name}"], *inner, window_s)
        else:
            problems += _same(f"inner boundaries, {name}", scores[f"inner_{name}"], None)
    right_s = sum(
        max(0.0, min(one["end"], other["end"], duration_s) - max(one["start"], other["start"]))
        for one in found
        for other in true
        if one["label"] == other["label"]
    )
    if not math.isclose(scores["label"], right_s / duration_s, abs_tol=TOLERANCE):
        problems.append(
            f"labels: the report says {scores['label']}, the sections {right_s / duration_s}"
        )
    return problems


def _clicks(clicks: Path, mixture: Path, beats_s: list[float]) -> list[str]:
    """A click on every beat, and nothing else beside the song."""
    both, rate_hz = soundfile.read(clicks, dtype="float64", always_2d=True)
    song = soundfile.read(mixture, dtype="float64", always_2d=True)[0]
    if both.shape != song.shape:
        return ["the click track is not as long as the song"]
    level = np.abs(both - np.clip(TRACK_GAIN * song, -1, 1)).max(axis=1)
    problems = []
    for time_s in beats_s:
        start = round(time_s * rate_hz)
        own = level[start : start + round(CLICK_S * rate_hz)]
        # At the very end a click is cut off before it is loud.
        if len(own) > 0.005 * rate_hz and own[: round(0.005 * rate_hz)].max() < LOUD:
            problems.append(f"there is no click on the beat at {time_s} s")
        own[:] = 0
    if level.max(initial=0.0) > QUIET:
        at_s = int(np.argmax(level)) / rate_hz
        problems.append(f"the click track has something at {at_s:.3f} s that is no beat")
    return problems


def _compare_f(
    what: str, said: float, true_s: list[float], found_s: list[float], window_s: float
) -> list[str]:
    low, high = (f_measure(true_s, found_s, window_s + edge) for edge in (-EDGE_S, EDGE_S))
    if said is not None and low - 1e-9 <= said <= high + 1e-9:
        return []
    return [f"{what}: the report has an F-measure of {said}, the files {low}"]


def _same(what: str, said: object, measured: object) -> list[str]:
    return [] if said == measured else [f"{what}: the report says {said}, the files {measured}"]
