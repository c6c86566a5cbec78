"""Is what `stemline demo` says true? Its figures once more, from the files it wrote.

    python tests/check_demo.py [demo]

Nothing of stemline is imported, and SI-SDR is computed another way than stemline does.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from check_demo_beats import beats_disagreements
from numpy.typing import NDArray

TOLERANCE_DB = 0.01
"""Figures are of 32-bit files and of sums in another order; both are off by far less than this."""
SILENT_RMS = 1e-4
ALONE_DB = 30.0
"""Where the mixture is a stem's to this SI-SDR, nothing sounds beside it: nothing to separate."""
LIMIT_DB = 100.0
"""Figures end here, on both sides: a stem that is missing has −100 dB."""
SUM_TOLERANCE = 1e-5
"""Of the stems' sum against the mixture: four roundings of samples below 1, to 24 bits each."""

Signal = NDArray[np.float64]


def si_sdr_db(estimate: Signal, reference: Signal) -> float | None:
    """10 · log10(c² / (1 − c²)), c the cosine of the angle between the two signals.

    What of the estimate points along the reference has length c, what does not √(1 − c²): the
    ratio of eq. 5 in Le Roux et al., "SDR – half-baked or well done?" (ICASSP 2019). It is −∞ for
    an estimate that has nothing of the reference, and None for one that is a multiple of it, as
    far as 64 bits tell. The reference is not silent.
    """
    lengths = math.sqrt(np.sum(estimate**2)) * math.sqrt(np.sum(reference**2))
    cosine = float(np.sum(estimate * reference)) / lengths if lengths else 0.0
    found, lost = cosine**2, 1 - cosine**2
    if lost <= 1e-15:
        return None
    return 10 * math.log10(found / lost) if found else -math.inf


def disagreements(folder: Path) -> list[str]:
    """Every statement of report.json that the files do not bear out; none where all is true."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    files = report["files"]
    mixture, rate_hz = _read(folder / files["mixture"])
    truth = {stem: _read(folder / path)[0] for stem, path in files["truth"].items()}
    separated = {stem: _read(folder / path)[0] for stem, path in files["separated"].items()}
    found = [
        f"{kind}/{stem} has {signal.size} samples, the mixture {mixture.size}"
        for kind, signals in (("truth", truth), ("separated", separated))
        for stem, signal in signals.items()
        if signal.size != mixture.size
    ]
    if found:
        return found
    off = float(np.max(np.abs(sum(truth.values()) - mixture)))
    if off > SUM_TOLERANCE:
        found.append(f"the true stems add up to something {off:.1e} away from the mixture")
    improvements = []
    for row in report["stems"]:
        stem = row["stem"]
        before_db = after_db = gained_db = None
        if not _rests_or_is_alone(truth[stem], mixture):
            before_db, after_db = (_limited(x, truth[stem]) for x in (mixture, separated[stem]))
            gained_db = after_db - before_db
            improvements.append(gained_db)
        found += _compare(f"{stem}, mixture", row["mixture_si_sdr_db"], before_db)
        found += _compare(f"{stem}, separated", row["si_sdr_db"], after_db)
        found += _compare(f"{stem}, improvement", row["improvement_db"], gained_db)
    mean_db = sum(improvements) / len(improvements) if improvements else None
    found += _compare("mean improvement", report["mean_improvement_db"], mean_db)
    found += beats_disagreements(folder, report)
    return found + _other_figures(folder, report, mixture.size / 2 / rate_hz)


def _other_figures(folder: Path, report: dict[str, Any], audio_s: float) -> list[str]:
    """What follows from other figures, and that the picture is one."""
    found = []
    grpc, latency = report["grpc"], report["latency"]
    if not math.isclose(grpc["audio_s"], audio_s, rel_tol=1e-6):
        found.append(f"the report has {grpc['audio_s']} s of audio, the files have {audio_s} s")
    if not math.isclose(grpc["realtime_factor"], audio_s / grpc["seconds"], rel_tol=1e-6):
        found.append("the real-time factor is not the audio's length over the time it took")
    if not math.isclose(latency["ratio"], latency["torch_ms"] / latency["onnx_ms"], rel_tol=1e-6):
        found.append("the speed-up is not PyTorch's time over ONNX Runtime's")
    if not (folder / report["files"]["picture"]).read_bytes().startswith(b"\x89PNG"):
        found.append("the picture is no PNG")
    return found


def _read(path: Path) -> tuple[Signal, int]:
    """Both channels of a WAV file one after the other, and its rate in hertz."""
    samples, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
    return samples.T.reshape(-1), rate_hz


def _rests_or_is_alone(stem: Signal, mixture: Signal) -> bool:
    """Whether there is nothing to separate: only then has a stem no figures."""
    if math.sqrt(np.mean(stem**2)) < SILENT_RMS:
        return True
    before_db = si_sdr_db(mixture, stem)
    return before_db is None or before_db > ALONE_DB


def _limited(estimate: Signal, reference: Signal) -> float:
    value_db = si_sdr_db(estimate, reference)
    return LIMIT_DB if value_db is None else min(max(value_db, -LIMIT_DB), LIMIT_DB)


def _compare(what: str, said: float | None, measured: float | None) -> list[str]:
    if said is None or measured is None:
        agrees = said is measured
    else:
        agrees = abs(said - measured) <= TOLERANCE_DB
    return [] if agrees else [f"{what}: the report says {said} dB, the files {measured} dB"]


def main() -> None:
    """Exit 0 where all is true, 1 with what is not."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    if not (folder / "report.json").is_file():
        sys.exit(f"{folder}: no report.json; run `make demo` first")
    found = disagreements(folder)
    for line in found:
        print(line, file=sys.stderr)
    if not found:
        print(f"{folder}: every figure of the report is what its files give")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
