"""What `stemline demo` prints: figures of its report, and what to do next."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..library import SMALL_MODEL
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
    heard = "training never heard it" if song["held_out"] else "training may have heard it"
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
    threads = "1 thread" if latency["threads"] == 1 else f"{latency['threads']} threads"
    print_table(
        "speed and fidelity",
        ("what", "figure", "how"),
        [
            (
                "real-time factor",
                f"{grpc['realtime_factor']:.2f}×",
                f"{grpc['audio_s']:.1f} s of audio over gRPC in {grpc['seconds']:.1f} s, "
                f"{grpc['provider']}",
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
            ("every figure", str(out / "report.json")),
        ],
    )
    where = "" if artifacts == DEFAULT_ARTIFACTS else f" --artifacts {artifacts}"
    say(f"separate a song of your own: stemline separate song.wav{where}")
    tell_of_small_model("", SMALL_MODEL)


def db(value: float | None, sign: str = "") -> str:
    """As `-1.25 dB`; `none` where there is no finite figure, as for a stem that rests."""
    return "none" if value is None else f"{value:{sign}.2f} dB"
