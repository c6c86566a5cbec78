"""Whole files by the `demucs` command and by `stemline separate`, alternately on one core.

    python -m stemline.bench.studies.against_demucs --models htdemucs,htdemucs_ft:vocals

Both get the same random weights, in packages that demucs's own functions write, the same WAV file
and the same settings (no shifts, overlap 0.25, float32 WAV). Each is a process of its own, pinned
to one core, start and load included; wall seconds and peak resident memory are the system's, which
counts what a process is started from: so what takes much memory here has a process of its own too.
Their stems are compared as well. Needs `make test-oracles` to have installed demucs.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile

from stemline.evaluation.parity import snr_db
from stemline.evaluation.signal import music_like
from stemline.families.demucs.bags import BAGS, OfficialBag

from ..machine import describe_machine
from .common import run_measured

_RATE_HZ = 44100
# What HTDemucs's packages hold besides the defaults of its class (the official 955717e8).
_HT_KWARGS: dict[str, Any] = {"dconv_mode": 3, "bottom_channels": 512}
_MAGNITUDES = {"cac": False}
_KWARGS: dict[str, Sequence[dict[str, Any]]] = {
    "htdemucs": [_HT_KWARGS],
    "htdemucs_ft": [_HT_KWARGS] * 4,
    "htdemucs_6s": [{**_HT_KWARGS, "bottom_channels": 0}],
    "hdemucs_mmi": [{}],
    "mdx_extra": [{}, {**_MAGNITUDES, "hybrid_old": True}, _MAGNITUDES, {}],
}


@dataclass(frozen=True)
class Row:
    """One model, or one stem of it, both ways."""

    model: str
    stem: str
    """The one of `--two-stems`; empty for all stems."""
    audio_s: float
    rounds: int
    demucs_s: list[float]
    stemline_s: list[float]
    speedup: float
    """The ratio of the medians."""
    speedup_min: float
    """The ratio of the fastest."""
    demucs_peak_mb: float
    stemline_peak_mb: float
    snr_db: float
    """The worst stem's, ours against theirs."""
    networks: list[str]
    """The ones that ours ran."""


def write_repository(bag: OfficialBag, folder: Path) -> None:
    """A folder for demucs's `--repo`: the bag's YAML and a package for each of its networks."""
    import torch
    from demucs.hdemucs import HDemucs
    from demucs.htdemucs import HTDemucs
    from demucs.states import save_with_checksum, serialize_model
    from omegaconf import OmegaConf

    folder.mkdir(parents=True, exist_ok=True)
    is_ht = bag.bag.segment_s is None
    for seed, (signature, kwargs) in enumerate(
        zip(bag.bag.members, _KWARGS[bag.name], strict=True)
    ):
        torch.manual_seed(seed)
        common = {"sources": list(bag.stems), "samplerate": _RATE_HZ, **kwargs}
        if is_ht:
            from fractions import Fraction

            network = HTDemucs(**common, segment=Fraction(39, 5), depth=4, dconv_comp=8, t_layers=5)
        else:
            network = HDemucs(**common)
        package = serialize_model(network, OmegaConf.create({}))
        save_with_checksum(package, folder / f"{signature}.th")
    lines = [f"models: {json.dumps(list(bag.bag.members))}"]
    if bag.bag.weights is not None:
        lines.append(f"weights: {json.dumps([list(row) for row in bag.bag.weights])}")
    if bag.bag.segment_s is not None:
        lines.append(f"segment: {bag.bag.segment_s}")
    (folder / f"{bag.name}.yaml").write_text("\n".join(lines) + "\n")


def own_name(name: str) -> str:
    """What our artifact of these weights is called."""
    return f"own-{name.replace('_', '-')}"


def prepare(name: str, work: Path) -> None:
    """Packages for demucs, and our artifacts of the same weights."""
    from stemline.export.export import export_custom

    repository = work / name
    write_repository(BAGS[name], repository)
    bag = repository / f"{name}.yaml"
    export_custom(own_name(name), "demucs", bag, repository, root=work / "artifacts")


def compare(
    name: str, stem: str, audio_s: float, rounds: int, work: Path, core: int, threads: int = 1
) -> Row:
    """A model by name, all stems or one, on a synthetic file. Raises CalledProcessError."""
    bag = BAGS[name]
    repository, artifacts, song = work / name, work / "artifacts", work / "song.wav"
    ours = own_name(name)
    if not list(artifacts.glob(f"{ours}*")):
        command = [sys.executable, "-m", __spec__.name, "--prepare", name, "--work", str(work)]
        subprocess.run(command, check=True)
    if not song.exists():
        samples = music_like(int(audio_s * _RATE_HZ), _RATE_HZ, 2)
        soundfile.write(song, samples.T, _RATE_HZ, "FLOAT")
    theirs_out, ours_out = work / "theirs", work / "ours"
    python = sys.executable
    theirs = [
        *(python, "-m", "demucs.separate", "--repo", str(repository), "-n", name, "-d", "cpu"),
        *("--shifts", "0", "--overlap", "0.25", "--float32", "--clip-mode", "none"),
        *("-o", str(theirs_out), *(("--two-stems", stem) if stem else ()), str(song)),
    ]
    ours_command = [
        *(python, "-m", "stemline.serving.cli", "separate", str(song), "-o", str(ours_out)),
        *("-m", ours, "--artifacts", str(artifacts), "--bits", "32"),
        *("--threads", str(threads), "--device", "cpu", "--json"),
        *(("--two-stems", stem) if stem else ()),
    ]
    demucs_s, stemline_s, peaks = [], [], (0.0, 0.0)
    for _ in range(rounds):
        their_s, their_mb = run_measured(theirs, core)
        our_s, our_mb = run_measured(ours_command, core)
        demucs_s.append(their_s)
        stemline_s.append(our_s)
        peaks = max(peaks[0], their_mb), max(peaks[1], our_mb)
    stems = (stem,) if stem else bag.stems
    pairs = [
        (theirs_out / name / "song" / f"{s}.wav", ours_out / "song" / f"{s}.wav") for s in stems
    ]
    said = subprocess.run(ours_command, capture_output=True, text=True, check=True).stdout
    return Row(
        model=name,
        stem=stem,
        audio_s=audio_s,
        rounds=rounds,
        demucs_s=[round(s, 2) for s in demucs_s],
        stemline_s=[round(s, 2) for s in stemline_s],
        speedup=round(median(demucs_s) / median(stemline_s), 3),
        speedup_min=round(min(demucs_s) / min(stemline_s), 3),
        demucs_peak_mb=round(peaks[0]),
        stemline_peak_mb=round(peaks[1]),
        snr_db=round(min(snr_db(_read(a), _read(b)) for a, b in pairs), 1),
        networks=json.loads(said)["networks"],
    )


def _read(path: Path) -> Any:
    """(channels, n)."""
    return np.ascontiguousarray(soundfile.read(path, dtype="float32", always_2d=True)[0].T)


def main() -> None:
    """Measure what the command line names; one JSON object on standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--models", default="htdemucs,htdemucs_ft:vocals,htdemucs_6s,hdemucs_mmi")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)))
    parser.add_argument("--work", type=Path, help="keep what is written here")
    parser.add_argument("--prepare", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare(options.prepare, options.work)
        return
    with TemporaryDirectory(prefix="stemline-bench-") as temporary:
        work = options.work or Path(temporary)
        rows = []
        for chosen in options.models.split(","):
            name, _, stem = chosen.partition(":")
            if name not in _KWARGS:
                parser.error(f"no model {name!r}; there are {', '.join(_KWARGS)}")
            rows.append(compare(name, stem, options.seconds, options.rounds, work, options.core))
            print(json.dumps(asdict(rows[-1])), file=sys.stderr, flush=True)
    machine = asdict(describe_machine(1))
    print(json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=2))


if __name__ == "__main__":
    main()
