"""What `stemline demo` prints: figures of its report, and what to do next."""

import shlex
import shutil
import sys
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..library import SMALL_MODEL, Library
from .options import DEFAULT_ARTIFACTS
from .report import print_table, say
from .small_model import tell_of_small_model

if TYPE_CHECKING:
    from stemline.bench.results import Machine


def say_machine(machine: "Machine") -> None:
    """Where figures come from; other work there makes them worse."""
    versions = ", ".join(
        f"{name} {machine.versions[name]}"
        for name in ("python", "torch", "onnxruntime", "stemline")
        if name in machine.versions
    )
    say(f"{machine.cpu}, {machine.cores} cores, load {machine.load_average}; {versions}")


def print_demo(report: dict[str, Any], out: Path, artifacts: Path) -> None:
    """Tables of what was found, then what to do next.

    `report` is report.json's, `out` the folder it is in.
    """
    song, model, grpc, latency = (report[name] for name in ("song", "model", "grpc", "latency"))
    input_stems = "training never heard it" if song["held_out"] else "training may have heard it"
    say(
        f"song {song['seed']} of the synthetic band, {song['duration_s']:g} s of it; {heard}; "
        "SI-SDR against its true stems, higher is better:"
    )
    print_table(
        f"stems by {model['artifact']}",
        ("stem", "SI-SDR in the mixture", "SI-SDR separated", "improvement"),
        [
            *(
                (
                    score["stem"],
                    db(score["mixture_si_sdr_db"]),
                    db(score["si_sdr_db"]),
                    db(score["improvement_db"], "+"),
                )
                for score in report["stems"]
            ),
            ("mean", "", "", db(report["mean_improvement_db"], "+")),
        ],
    )
    _print_beats(report["beats"], report["beats_model"]["artifact"])
    threads = "1 thread" if latency["threads"] == 1 else f"{latency['threads']} threads"
    print_table(
        "speed and fidelity",
        ("what", "figure", "how"),
        [
            (
                "real-time factor",
                f"{grpc['realtime_factor']:.2f}×",
                f"{grpc['audio_s']:.1f} s of audio to stems and beats over gRPC in "
                f"{grpc['seconds']:.1f} s, {grpc['provider']}",
            ),
            (
                "PyTorch",
                f"{latency['torch_ms']:.1f} ms",
                f"a chunk of {latency['chunk_s']:.2f} s on the CPU, {threads}; median of "
                f"{latency['rounds']}, by turns",
            ),
            (
                "ONNX Runtime",
                f"{latency['onnx_ms']:.1f} ms",
                f"the same; {latency['ratio']:.2f}× as fast as PyTorch",
            ),
            (
                "agreement with PyTorch",
                db(model["parity_db"]),
                f"SNR of the worst stem, measured at export; {model['budget_db']:.0f} dB is asked",
            ),
        ],
    )
    files = report["files"]
    print_table(
        "written",
        ("what", "where"),
        [
            ("the song", str(out / files["mixture"])),
            ("its true stems", str(out / "truth")),
            *((stem, str(out / path)) for stem, path in files["separated"].items()),
            ("picture", str(out / files["picture"])),
            ("its beats, with their place in the bar", str(out / files["beats"])),
            ("the song with a click on each", str(out / files["clicks"])),
            ("beats and sections, a picture", str(out / files["beats_picture"])),
            ("every figure", str(out / "report.json")),
        ],
    )
    _print_next(artifacts)


def _print_beats(beats: dict[str, Any], artifact: str) -> None:
    """What was found beside what is true."""
    scores = beats["scores"]
    print_table(
        f"beats by {artifact}, in the stems that came out",
        ("what", "found", "true", "F-measure"),
        [
            ("tempo", _bpm(beats["bpm"]), _bpm(beats["true_bpm"]), ""),
            *(
                (
                    f"{what}s",
                    str(beats[f"n_{what}s"]),
                    str(beats[f"n_true_{what}s"]),
                    f"{scores[what]:.3f}, within 70 ms",
                )
                for what in ("beat", "downbeat")
            ),
            (
                "sections",
                str(len(beats["segments"])),
                str(len(beats["true_segments"])),
                f"{scores['boundary_half']:.2f}, boundaries within 0.5 s; "
                f"{scores['boundary_three']:.2f} within 3 s",
            ),
        ],
    )
    print_table(
        f"sections; {scores['label']:.0%} of the time has its right name",
        ("found", "true"),
        [
            (_segment(found), _segment(true))
            for found, true in zip_longest(beats["segments"], beats["true_segments"])
        ],
    )


def _segment(segment: dict[str, Any] | None) -> str:
    if segment is None:
        return ""
    return f"{segment['start']:.2f} to {segment['end']:.2f} s {segment['label']}"


def _bpm(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g} bpm"


def _print_next(artifacts: Path) -> None:
    """The command for a song of the user's own, and how to separate it better."""
    command = stemline_command()
    where = "" if artifacts == DEFAULT_ARTIFACTS else f" --artifacts {shlex.quote(str(artifacts))}"
    used = Library(artifacts).find().info.model  # there is one: the demo has exported `mini`
    with_it = "" if used == SMALL_MODEL else f" with {used}"
    say(f"separate a song of your own{with_it}: {command} separate song.wav{where}")
    say(f"find its beats: {command} beats song.wav{where}")
    tell_of_small_model("", used, command=command, options=where)


def stemline_command() -> str:
    """What to type in a shell for the `stemline` of this interpreter.

    The bare name only where a shell finds this very script by it: not in a virtual environment
    that is not activated, as `make demo` uses one.
    """
    script = Path(sys.executable).parent / "stemline"
    found = shutil.which("stemline")
    if not script.is_file():
        return f"{shlex.quote(sys.executable)} -m stemline.serving.cli"
    if found is not None and script.samefile(found):
        return "stemline"
    here = Path.cwd()
    is_below = here in script.parent.parents  # in `here` itself, a bare name would not be a path
    return shlex.quote(str(script.relative_to(here) if is_below else script))


def db(value: float | None, sign: str = "") -> str:
    """As `-1.25 dB`; `none` where there is no figure, as for a stem that rests."""
    return "none" if value is None else f"{value:{sign}.2f} dB"
