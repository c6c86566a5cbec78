"""Is what `stemline demo` says true? Its figures once more, from the files it wrote.

    python tests/check_demo.py [demo]

Nothing of stemline is imported, and all is computed another way than stemline does: SI-SDR by an
angle, beats paired as in any bipartite graph, labels weighed by pairs of sections.
"""

import json
import math
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

TOLERANCE_DB = 0.01
"""Figures are of 32-bit files and of sums in another order; both are off by far less than this."""
SILENT_RMS = 1e-4
ALONE_DB = 30.0
"""Where the mixture is a stem's to this SI-SDR, nothing sounds beside it: nothing to separate."""
LIMIT_DB = 100.0
"""Figures end here, on both sides: a stem that is missing has −100 dB."""
SUM_TOLERANCE = 1e-5
"""How far the stems may add up from the mixture: four roundings to 24 bits of samples below 1."""
WINDOW_S, FRAME_S, TEMPO_TOLERANCE, TEMPO_BPM = 0.07, 0.01, 0.04, 0.6
EDGE_S = 1e-6
"""An event that lies on the very edge of a window may count or not: times have six digits."""
SHARE_TOLERANCE = 1e-4
"""How far shares of the time may be off: times have six digits, songs a second at the least."""
TRACK_GAIN, CLICK_S = 0.5, 0.04
QUIET, LOUD = 1e-3, 0.1
"""What is left of a click track without the track: rounding to 16 bits is 3e-5, a click 0.4."""

Signal = NDArray[np.float64]
Beats = list[tuple[float, int]]


def disagreements(folder: Path) -> list[str]:
    """Every statement of report.json that the files do not bear out; none where all is true."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    files = report["files"]
    mixture, rate_hz = _read(folder / files["mixture"])
    truth, separated = (
        {stem: _read(folder / path)[0] for stem, path in files[kind].items()}
        for kind in ("truth", "separated")
    )
    found = [
        f"{stem} has {signal.size} samples, the mixture {mixture.size}"
        for stem, signal in [*truth.items(), *separated.items()]
        if signal.size != mixture.size
    ]
    if found:
        return found
    found += _stems(report, mixture, truth, separated)
    beats, true = (_read_beats(folder / files[name]) for name in ("beats", "true_beats"))
    found += _beats(report["beats"], beats, true)
    found += _sections(report["beats"], report["song"]["duration_s"])
    found += _clicks(folder / files["clicks"], folder / files["mixture"], [at for at, _ in beats])
    found += _speed(report["grpc"], report["latency"], mixture.size / 2 / rate_hz)
    for name in ("picture", "beats_picture"):
        if not (folder / files[name]).read_bytes().startswith(b"\x89PNG"):
            found.append(f"{name} is no PNG")
    return found


# Stems.


def si_sdr_db(estimate: Signal, reference: Signal) -> float:
    """10 · log10(c² / (1 − c²)), c the cosine of the angle between the two signals; within ±100.

    What of the estimate points along the reference has length c, what does not √(1 − c²): the
    ratio of eq. 5 in Le Roux et al., "SDR – half-baked or well done?" (ICASSP 2019). The reference
    is not silent.
    """
    lengths = math.sqrt(np.sum(estimate**2)) * math.sqrt(np.sum(reference**2))
    found = (float(np.sum(estimate * reference)) / lengths) ** 2 if lengths else 0.0
    least = 10 ** (-LIMIT_DB / 10)
    return 10 * math.log10(max(found, least) / max(1 - found, least))


def _stems(
    report: dict[str, Any], mixture: Signal, truth: dict[str, Signal], separated: dict[str, Signal]
) -> list[str]:
    found = []
    off = float(np.max(np.abs(sum(truth.values()) - mixture)))
    if off > SUM_TOLERANCE:
        found.append(f"the true stems add up to something {off:.1e} away from the mixture")
    gains = []
    for row in report["stems"]:
        stem, after_db, gain_db = row["stem"], None, None
        is_silent = math.sqrt(np.mean(truth[stem] ** 2)) < SILENT_RMS
        before_db = None if is_silent else si_sdr_db(mixture, truth[stem])
        if before_db is None or before_db > ALONE_DB:
            before_db = None
        else:
            after_db = si_sdr_db(separated[stem], truth[stem])
            gains.append(gain_db := after_db - before_db)
        found += _near(f"{stem}, mixture", row["mixture_si_sdr_db"], before_db)
        found += _near(f"{stem}, separated", row["si_sdr_db"], after_db)
        found += _near(f"{stem}, improvement", row["improvement_db"], gain_db)
    mean_db = sum(gains) / len(gains) if gains else None
    return found + _near("mean improvement", report["mean_improvement_db"], mean_db)


def _read(path: Path) -> tuple[Signal, int]:
    """Both channels of a WAV file one after the other, and its rate in hertz."""
    samples, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
    return samples.T.reshape(-1), rate_hz


def _speed(grpc: dict[str, Any], latency: dict[str, Any], audio_s: float) -> list[str]:
    factor, ratio = audio_s / grpc["seconds"], latency["torch_ms"] / latency["onnx_ms"]
    return [
        *_near("length of the audio", grpc["audio_s"], audio_s, 1e-6 * audio_s),
        *_near("real-time factor", grpc["realtime_factor"], factor, 1e-6 * factor),
        *_near("speed-up over PyTorch", latency["ratio"], ratio, 1e-6 * ratio),
    ]


# Beats and sections.


def f_measure(true_s: Sequence[float], found_s: Sequence[float], window_s: float) -> float:
    """The harmonic mean of precision and recall: of a greatest matching's pairs in both."""
    near = np.abs(np.subtract.outer(found_s, true_s)) <= window_s
    n_pairs = int(np.sum(maximum_bipartite_matching(csr_matrix(near)) >= 0)) if near.size else 0
    if not n_pairs:
        return 0.0
    precision, recall = n_pairs / len(found_s), n_pairs / len(true_s)
    return 2 * precision * recall / (precision + recall)


def _read_beats(path: Path) -> Beats:
    """Lines of seconds, a tab and the place in the bar."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [(float(time_s), int(position)) for time_s, position in lines]


def _beats(said: dict[str, Any], beats: Beats, true: Beats) -> list[str]:
    found, scores = [], said["scores"]
    (all_s, down_s), (true_s, true_down_s) = (
        ([at for at, _ in of], [at for at, place in of if place == 1]) for of in (beats, true)
    )
    times = {"beats": all_s, "downbeats": down_s, "true_beats": true_s}
    for what, of in {**times, "true_downbeats": true_down_s}.items():
        found += _same(f"number of {what}", said[f"n_{what}"], len(of))
    if all_s != sorted(set(all_s)):
        found.append("the beats do not ascend")
    found += _near_f("beats", scores["beat"], true_s, all_s, WINDOW_S)
    found += _near_f("downbeats", scores["downbeat"], true_down_s, down_s, WINDOW_S)
    # The tempo is that of the usual intervals, whose lengths even out, and perhaps the true one.
    bpm = _usual_bpm(all_s)
    is_bpm = said["bpm"] is None if bpm is None else abs((said["bpm"] or 0) - bpm) <= TEMPO_BPM
    if not is_bpm:
        return [*found, f"tempo: the report says {said['bpm']} bpm, the beats {bpm}"]
    off = abs(said["bpm"] / said["true_bpm"] - 1) if bpm else math.inf
    return found + _same("tempo's score", scores["tempo"], float(off <= TEMPO_TOLERANCE))


def _usual_bpm(times_s: list[float]) -> float | None:
    """60 over the mean of the intervals that are within a quarter of the median."""
    intervals = [after - before for before, after in pairwise(times_s)]
    if not intervals:
        return None
    middle = median(intervals)
    return 60 / fmean(one for one in intervals if abs(one / middle - 1) <= 0.25)


def _sections(said: dict[str, Any], duration_s: float) -> list[str]:
    found, true, scores = said["segments"], said["true_segments"], said["scores"]
    problems = []
    for what, segments in (("sections", found), ("true sections", true)):
        is_whole = not segments[0]["start"] and abs(segments[-1]["end"] - duration_s) <= FRAME_S
        if not is_whole or any(one["end"] != other["start"] for one, other in pairwise(segments)):
            problems.append(f"the {what} do not fill the song")
    inner = [[segment["start"] for segment in segments[1:]] for segments in (true, found)]
    whole = [[0.0, *starts, duration_s] for starts in inner]
    for name, window_s in (("half", 0.5), ("three", 3.0)):
        problems += _near_f(f"boundaries, {name}", scores[f"boundary_{name}"], *whole, window_s)
        what, score = f"inner boundaries, {name}", scores[f"inner_{name}"]
        problems += _near_f(what, score, *inner, window_s) if inner[0] else _same(what, score, None)
    right_s = sum(
        max(0.0, min(one["end"], other["end"], duration_s) - max(one["start"], other["start"]))
        for one in found
        for other in true
        if one["label"] == other["label"]
    )
    return problems + _near("labels", scores["label"], right_s / duration_s, SHARE_TOLERANCE)


def _clicks(clicks: Path, mixture: Path, beats_s: list[float]) -> list[str]:
    """A click on every beat, and nothing else beside the song."""
    (both, rate_hz), (song, _) = map(soundfile.read, (clicks, mixture))  # (n_samples, 2)
    if both.shape != song.shape:
        return ["the click track is not as long as the song"]
    level = np.abs(both - np.clip(TRACK_GAIN * song, -1, 1)).max(axis=1)
    places = [slice(round(at * rate_hz), round((at + CLICK_S) * rate_hz)) for at in beats_s]
    # A click at the very end may have no time to be loud.
    heights = [level[place].max() for place in places if place.stop <= len(level)]
    found = ["there is no click on a beat"] if min(heights, default=1) < LOUD else []
    for place in places:
        level[place] = 0
    return [*found, "the click track has more than beats"] if level.max() > QUIET else found


# What the report says beside what the files have.


def _near_f(
    what: str, said: float | None, true_s: list[float], found_s: list[float], window_s: float
) -> list[str]:
    low, high = (f_measure(true_s, found_s, window_s + edge) for edge in (-EDGE_S, EDGE_S))
    is_near = said is not None and low - 1e-9 <= said <= high + 1e-9
    return [] if is_near else _same(what, said, low)


def _near(
    what: str, said: float | None, measured: float | None, tolerance: float = TOLERANCE_DB
) -> list[str]:
    if said is None or measured is None:
        return _same(what, said, measured)
    return [] if abs(said - measured) <= tolerance else _same(what, said, measured)


def _same(what: str, said: object, measured: object) -> list[str]:
    return [] if said == measured else [f"{what}: the report says {said}, the files {measured}"]


def main() -> None:
    """Exit 0 where all is true, 1 with what is not."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    if not (folder / "report.json").is_file():
        sys.exit(f"{folder}: no report.json; run `make demo` first")
    found = disagreements(folder)
    for line in found:
        print(line, file=sys.stderr)
    if not found:
        print(f"{folder}: every figure of the report is what its files say")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
