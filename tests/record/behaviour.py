"""What stemline does, written down: run it before and after a change that is to change nothing.

    python tests/record/behaviour.py --python .venv/bin/python --out before.json
    python tests/record/behaviour.py --compare before.json after.json

Of stems there are digests, which hold for one machine; `--samples FILE.npz` keeps the samples too.
Texts, JSON, beats and exit codes are kept whole, but for what differs from run to run: seconds,
paths, digests of files and the like have a placeholder.
"""

import argparse
import base64
import difflib
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from record import cases, inputs

Array = NDArray[np.float32]

_START_S = 120.0
_VOLATILE = frozenset(
    {
        "realtime_factor", "artifact_sha256", "sha256", "request_id", "seconds_elapsed",
        "seconds_left", "size_bytes", "date", "load_average", "weights_sha256",
    }
)  # fmt: skip
_INNER_VOLATILE = frozenset({"seconds", "versions", "machine", "node_dtypes", "weight_dtypes"})
"""Their values differ and their keys do not."""
_MEASURES = ("models", "export", "verify", "band")
"""Verbs whose fractions are measured, and differ between machines."""


@dataclass
class Record:
    """What was seen."""

    texts: dict[str, Any] = field(default_factory=dict)
    """Whatever is the same on all machines, by the name of its case."""
    digests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of stems and sounds, by case and name: SHA-256 of float32 samples, shape, rate."""
    samples: dict[str, Array] = field(default_factory=dict)
    """The same samples, (n_samples, channels), by `case/name`."""
    engines: dict[str, Any] = field(default_factory=dict)

    def add_sound(self, case: str, name: str, samples: Array, rate_hz: int) -> None:
        """Keep one stem of a case."""
        samples = np.ascontiguousarray(samples, np.float32)
        digest = hashlib.sha256(samples.tobytes()).hexdigest()
        of_case = self.digests.setdefault(case, {})
        of_case[name] = {"sha256": digest, "shape": list(samples.shape), "rate_hz": rate_hz}
        self.samples[f"{case}/{name}"] = samples

    def to_json(self) -> dict[str, Any]:
        """All but samples."""
        return {"texts": self.texts, "digests": self.digests, "engines": self.engines}


class Driver:
    """driver.py in the environment under test, in a working folder."""

    def __init__(self, python: Path, work: Path) -> None:
        self.python = python
        self.work = work
        self._process = subprocess.Popen(
            [str(python), str(Path(__file__).with_name("driver.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=work,
            env=environment(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """One reply."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the driver ended while it did {do} {request}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def command(self, *argv: str) -> dict[str, Any]:
        """What the command says, normalised."""
        reply = self.ask("command", argv=list(argv))
        is_measured = bool(argv) and argv[0] in _MEASURES
        reply["err"] = self.plain(reply["err"], is_measured)
        if "--json" in argv:
            reply["out"] = [self._json(line, argv[0]) for line in reply["out"].splitlines()]
        else:
            reply["out"] = self.plain(reply["out"], is_measured)
        return reply

    def _json(self, line: str, verb: str) -> Any:
        value = json.loads(line)
        if verb in ("bench", "demo"):
            return shape_of(value)
        return self.settled(value, verb in _MEASURES)

    def plain(self, text: str, is_measured: bool = False) -> str:
        """A text without what differs from run to run."""
        text = text.replace(str(self.work), "<work>")
        text = text.replace(str(self.python.parent.parent), "<venv>")
        for pattern, instead in _TEXT:
            text = re.sub(pattern, instead, text)
        if is_measured:
            text = re.sub(r"\d+\.\d+(e-?\d+)?", "<x>", text)
            text = re.sub(r"\d+ MB", "<x> MB", text)
        return text

    def settled(self, value: Any, is_measured: bool = False) -> Any:
        """JSON without what differs from run to run; without fractions too where they do."""
        match value:
            case dict():
                return {
                    key: "<volatile>"
                    if key in _VOLATILE
                    else self._settled_keys(inner)
                    if key in _INNER_VOLATILE
                    else self.settled(inner, is_measured)
                    for key, inner in value.items()
                }
            case list():
                return [self.settled(inner, is_measured) for inner in value]
            case str():
                return self.plain(value)
            case float() if is_measured:
                return "<x>"
        return value

    @staticmethod
    def _settled_keys(value: Any) -> Any:
        return dict.fromkeys(sorted(value), "<x>") if isinstance(value, dict) else "<x>"


_TEXT = (
    (r"127\.0\.0\.1:(?!1\b)\d+", "<address>"),
    (r"\b[0-9a-f]{64}\b", "<sha256>"),
    (
        r"of audio in [\d.]+ s, [\d.]+× real time(, [\d.]+% of it)?",
        r"of audio in <x> s, <x>× real time\1",
    ),
    (r"real time, [\d.]+% of it", "real time, <x>% of it"),
    (r"held-out songs, \d+ s", "held-out songs, <x> s"),
    (r"\bstemline \d+\.\d+[\w.+-]*", "stemline <version>"),
    (r"[\d.]+× faster", "<x>× faster"),
    (r"[ \t]+\n", "\n"),
    (r"(no stemline server answers at \S+ without TLS): .*", r"\1: <why>"),
    (
        r"this onnxruntime has no CUDA \(it has [^)]*\)",
        "this onnxruntime has no CUDA (<providers>)",
    ),
    (r"/\S*/site-packages/", "<venv>/site-packages/"),
)


def shape_of(value: Any) -> Any:
    """The keys of JSON, its values as their kinds; of a list its first."""
    match value:
        case dict():
            return {key: shape_of(inner) for key, inner in value.items()}
        case list():
            return [shape_of(inner) for inner in value[:1]]
        case bool() | str():
            return type(value).__name__
        case int() | float():
            return "number"
    return value


def environment() -> dict[str, str]:
    """This process's, without what changes how the command speaks or runs."""
    unwanted = ("STEMLINE_", "FORCE_", "NO_COLOR", "TERMINAL_WIDTH", "GITHUB_ACTIONS", "PY_COLORS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "COLUMNS": "200", "TERM": "dumb", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}


@contextmanager
def serving(driver: Driver, *flags: str) -> Iterator[str]:
    """The address of `stemline serve` in the environment under test."""
    log = driver.work / f"server{len(list(driver.work.glob('server*.log')))}.log"
    command = [
        str(driver.python.parent / "stemline"), "serve", "--port", "0", *cases.HERE, *flags,
    ]  # fmt: skip
    with log.open("w") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=driver.work,
            env=environment(),
        )
    try:
        until = time.monotonic() + _START_S
        while (found := re.search(r"^serving on (\S+)\n", log.read_text(), re.M)) is None:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server did not start: {log.read_text()}")
            time.sleep(0.05)
        yield found[1]
    finally:
        process.terminate()
        process.wait(60)


def make_artifacts(driver: Driver, record: Record, *, small: bool) -> None:
    """Export, and what an export says; with `small` the Demucs artifacts of golden/ are taken."""
    for name, argv in inputs.EXPORTS.items():
        if small and name in ("bag", "ht", "hd"):
            continue
        for artifact in driver.work.glob(f"artifacts/{name}*.fp32"):
            shutil.rmtree(artifact)
        for again in ("", " again"):
            done = driver.command("export", *argv, "--artifacts", "artifacts", "--json")
            if not again and done["code"] != 0:
                raise RuntimeError(f"{name} was not exported: {done}")
            # What PyTorch warns of is its own.
            done["err"] = "".join(
                line
                for line in done["err"].splitlines(keepends=True)
                if re.match(r"[\w.-]+: |warning: |error: ", line)
            )
            record.texts[f"export {name}{again}"] = done
        record.texts[f"export {name} in words"] = {
            key: value
            for key, value in driver.command("export", *argv, "--artifacts", "artifacts").items()
            if key != "err"
        }
    artifacts = driver.work / "artifacts"
    for folder in sorted(artifacts.iterdir()):
        if folder.is_dir():
            engine = driver.ask("engine", path=str(folder / "1" / "model.onnx"))
            record.engines[folder.name] = {**driver.settled(engine), "digest": engine["digest"]}
            record.texts[f"files of {folder.name}"] = sorted(
                str(path.relative_to(folder)) for path in folder.rglob("*")
            )
    _damage(driver.work)


def _damage(work: Path) -> None:
    """Folders of artifacts that something is wrong with, or that lack some."""
    artifacts = work / "artifacts"

    def copy(name: str, folder: str) -> Path:
        return Path(shutil.copytree(artifacts / name, work / folder / name, dirs_exist_ok=True))

    copy("tiny.fp32", "only-tiny")
    copy("mini-beats.fp32", "only-beats")
    copy("bag-aaaa1111.fp32", "part-of-bag")
    engine = copy("ht.fp32", "damaged") / "1" / "model.onnx"
    engine.write_bytes(engine.read_bytes()[:1000])
    (copy("hd.fp32", "damaged") / "manifest.json").write_text("{")
    manifest = copy("bag-aaaa1111.fp32", "damaged") / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema_version": 99}))
    (work / "folder" / "cut.csv").mkdir(parents=True, exist_ok=True)


def add_stems(record: Record, case: str, folder: Path) -> list[str]:
    """The stems in a folder, decoded; gives back their files' names."""
    paths = sorted(folder.glob("*")) if folder.is_dir() else []
    for path in paths:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        record.add_sound(case, path.name, samples, rate_hz)
        record.texts.setdefault(f"{case}: files", {})[path.name] = soundfile.info(path).subtype
    return [path.name for path in paths]


def record_separations(driver: Driver, record: Record, address: str) -> None:
    """The command, here and through a server, and the Python API."""
    for name, (file, *options) in cases.SEPARATIONS.items():
        here = ("separate", f"audio/{file}", *options, "--json", *cases.HERE, "--allow-untrained")
        _separation(driver, record, f"separate {name}", here)
        if name in cases.REMOTE:
            remote = ("separate", f"audio/{file}", *options, "--json", "--server", address)
            _separation(driver, record, f"remote {name}", remote)
    for name, (model, file) in cases.API.items():
        reply = driver.ask(
            "separate", model=model, artifacts="artifacts", source=f"audio/{file}",
            target="api.npz",
        )  # fmt: skip
        record.texts[f"api {name}"] = reply
        with np.load(driver.work / "api.npz") as stems:
            for stem in stems.files:
                record.add_sound(f"api {name}", stem, stems[stem].T, 0)
    for words in (("separate", "audio/short.wav", "-m", "mini", *cases.HERE),
                  ("separate", "audio/loud.wav", "-m", "bag", *cases.HERE),
                  ("separate", "audio/short.wav", "-m", "bag", "--server", address),
                  ("separate", "audio/loud.wav", "-m", "tiny", "--server", address),
                  ("separate", "audio/short.wav", "audio/one.wav", *cases.HERE, "--jobs", "2"),
                  ("separate", "audio/short.wav", "--server", address)):  # fmt: skip
        shown = driver.plain(" ".join(words))
        record.texts[f"words: {shown}"] = driver.command(*words, "-o", "words")


def _separation(driver: Driver, record: Record, case: str, argv: tuple[str, ...]) -> None:
    # The stems of the cases without a server stay for what follows.
    out = f"out/{case.removeprefix('separate ')}"
    record.texts[case] = driver.command(*argv, "-o", out)
    add_stems(record, case, driver.work / out / Path(argv[1]).stem)


def record_beats(driver: Driver, record: Record, address: str) -> None:
    """`stemline beats`: JSON, words and files."""
    for name, (file, *options) in cases.BEATS.items():
        for kind, where in (("beats", cases.HERE), ("remote beats", ("--server", address))):
            out = f"beats/{kind} {name}"
            files = (
                "--beats", f"{out}/x.beats", "--csv", f"{out}/x.csv", "--click", f"{out}/x.wav",
                "--activations", f"{out}/x.npz",
            )  # fmt: skip
            argv = ("beats", f"audio/{file}", *options, *where)
            record.texts[f"{kind} {name}"] = driver.command(*argv, "--json", *files)
            _beat_files(record, f"{kind} {name}", driver.work / out)
            if name in ("song", "silence"):
                record.texts[f"{kind} {name} in words"] = driver.command(*argv)
    song = ("beats", "audio/short.wav", "-m", "mini-beats", *cases.HERE)
    stems = ("--stems-from", "out/mini default model")
    record.texts["beats of stems"] = driver.command(*song, *stems, "--json")


def _beat_files(record: Record, case: str, folder: Path) -> None:
    for path in sorted(folder.glob("*")):
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                for name in arrays.files:
                    if arrays[name].ndim and arrays[name].dtype.kind == "f":
                        rows = np.atleast_2d(arrays[name]).T
                        record.add_sound(case, f"activations {name}", rows, 0)
                    else:
                        record.texts[f"{case}: {name}"] = arrays[name].tolist()
        elif path.suffix == ".wav":
            samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
            record.add_sound(case, path.name, samples, rate_hz)
        else:
            record.texts[f"{case}: {path.name}"] = path.read_text()


def record_calls(driver: Driver, record: Record, address: str) -> None:
    """Raw calls, those that succeed and those that fail."""
    for name, (method, messages) in cases.raw_calls(driver.work).items():
        reply = driver.ask("call", address=address, method=method, messages=messages)
        record.texts[f"call {name}"] = _told(driver, record, f"call {name}", reply)
    for name, (method, messages) in cases.wrong_calls().items():
        reply = driver.ask("call", address=address, method=method, messages=messages)
        record.texts[f"wrong call {name}"] = _without_answers(driver, reply)


def _without_answers(driver: Driver, reply: dict[str, Any]) -> Any:
    """The status of a call that failed: how much was answered before depends on its pace."""
    return driver.settled({key: value for key, value in reply.items() if key != "responses"})


def _told(driver: Driver, record: Record, case: str, reply: dict[str, Any]) -> Any:
    """The responses without progress; blocks put together and kept as sounds."""
    kept: list[Any] = []
    stems: dict[str, bytes] = {}
    activations: dict[str, list[float]] = {}
    rate_hz, channels = 44100, 2
    for response in reply.pop("responses"):
        if block := response.get("stem_block"):
            stems[block["stem"]] = stems.get(block["stem"], b"") + base64.b64decode(block["data"])
        elif block := response.get("activations"):
            for name, values in block.items():
                if isinstance(values, list):
                    activations.setdefault(name, []).extend(values)
        elif "progress" not in response:
            accepted = response.get("accepted", {})
            if "channels" in accepted:
                rate_hz, channels = accepted["sample_rate_hz"], accepted["channels"]
            kept.append(driver.settled(response))
    for stem, data in stems.items():
        if data[:4] in (b"RIFF", b"fLaC"):
            samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        elif "shorts" in case:
            samples = np.frombuffer(data, "<i2").reshape(-1, channels) / np.float32(32768)
        else:
            samples = np.frombuffer(data, "<f4").reshape(-1, channels)
        record.add_sound(case, stem, samples, rate_hz)
    for name, values in activations.items():
        record.add_sound(case, f"activations {name}", np.asarray(values)[:, None], 0)
    return {**driver.settled(reply), "answers": kept}


def record_words(driver: Driver, record: Record, address: str) -> None:
    """What is said to those who ask for help, call it wrong, or list models."""
    record.texts["--version"] = driver.command("--version")
    record.texts["--help"] = driver.command("--help")
    for verb in cases.VERBS:
        record.texts[f"{verb} --help"] = driver.command(verb, "--help")
    record.texts["models"] = driver.command("models", "--artifacts", "artifacts")
    record.texts["models as json"] = driver.command("models", "--artifacts", "artifacts", "--json")
    record.texts["models of nothing"] = driver.command("models", "--artifacts", "nowhere")
    for name, argv in cases.WRONG.items():
        record.texts[f"wrong: {name}"] = driver.command(*argv, *cases.HERE)
        record.texts[f"wrong, remote: {name}"] = driver.command(*argv, "--server", address)
    for name, argv in cases.WRONG_SERVER.items():
        record.texts[f"wrong: {name}"] = driver.command(*argv)
    with serving(driver, *cases.STRICT_FLAGS) as strict:
        for name, argv in cases.STRICT.items():
            record.texts[f"strict: {name}"] = driver.command(*argv, "--server", strict)
        for method in ("Separate", "Beats", "Analyze", "ListModels"):
            for token in ("", "another"):
                reply = driver.ask(
                    "call", address=strict, method=method, messages=[{}], token=token
                )
                record.texts[f"strict: call {method} {token}"] = _without_answers(driver, reply)
        reply = driver.ask(
            "call", address=strict, method="ListModels", messages=[{}], token="secret"
        )
        record.texts["strict: models"] = driver.settled(reply)
    for name, argv in cases.WRONG_HERE.items():
        record.texts[f"wrong: {name}"] = driver.command(*argv)


def record_slow(driver: Driver, record: Record) -> None:
    """What takes long: measuring anew, the bench, the demo, the band."""
    for names in (("tiny",), ("mini", "mini-beats"), ("ht", "bag-aaaa1111")):
        argv = ("verify", *names, "--artifacts", "artifacts")
        if "ht" in names:
            argv = (
                "verify",
                "ht",
                "--artifacts",
                "artifacts",
                "--weights",
                "packages/ht.safetensors",
            )
        record.texts[f"verify {' '.join(names)}"] = driver.command(*argv)
        record.texts[f"verify {' '.join(names)} as json"] = driver.command(*argv, "--json")
    bench = (
        "bench", "tiny", "--engines", "torch,onnx", "--batches", "1", "--rounds", "1",
        "--overlaps", "2", "--track-s", "1", "--grpc", "--clip-s", "1", "--artifacts", "artifacts",
    )  # fmt: skip
    done = driver.command(*bench, "--json")
    record.texts["bench"] = {key: done[key] for key in ("code", "out")}
    band = ("band", "--seed", "3", "--count", "2", "--duration-s", "1.5", "--out", "songs")
    record.texts["band"] = driver.command(*band, "--json")
    record.texts["band in words"] = driver.command(*band, "--layers")
    for folder in sorted((driver.work / "songs").iterdir()):
        record.texts[f"band {folder.name}"] = sorted(path.name for path in folder.iterdir())
        for path in sorted(folder.glob("*.wav")):
            samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
            record.add_sound(f"band {folder.name}", path.name, samples, rate_hz)
    done = driver.command(
        "demo", "--out", "demo", "--duration-s", "4", "--artifacts", "artifacts", "--json"
    )
    record.texts["demo"] = {key: done[key] for key in ("code", "out")}
    record.texts["demo files"] = sorted(
        str(path.relative_to(driver.work)) for path in (driver.work / "demo").rglob("*")
    )


def make_record(python: Path, work: Path, *, small: bool = False) -> Record:
    """All of it, in an empty folder; with `small` what takes a minute at most."""
    record = Record()
    inputs.write_inputs(work)
    with Driver(python, work) as driver:
        make_artifacts(driver, record, small=small)
        with serving(driver, "--allow-untrained") as address:
            record_separations(driver, record, address)
            record_beats(driver, record, address)
            record_calls(driver, record, address)
            record_words(driver, record, address)
        if not small:
            record_slow(driver, record)
    return record


def differences(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """Where two records differ, in words."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            path = f"{where} > {key}" if where else str(key)
            if key not in after:
                yield f"{path}: only before"
            elif key not in before:
                yield f"{path}: only after"
            else:
                yield from differences(before[key], after[key], path)
    elif isinstance(before, str) and isinstance(after, str) and before != after:
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=1
        )
        yield f"{where}:\n    " + "\n    ".join(lines)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{where}[{index}]")
    elif before != after:
        yield f"{where}:\n    before {before!r}\n    after  {after!r}"


def main() -> int:
    """Make a record, or compare two; 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--samples", type=Path, help="Keep the samples of all stems here too.")
    parser.add_argument("--work", type=Path, help="An empty folder; a temporary one if unset.")
    parser.add_argument("--small", action="store_true", help="Only what the test looks at.")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"))
    given = parser.parse_args()
    if given.compare:
        before, after = (json.loads(path.read_text()) for path in given.compare)
        found = list(differences(before, after))
        print("\n".join(found) if found else "no differences")
        return 1 if found else 0
    if given.out is None:
        parser.error("give --out FILE, or --compare BEFORE AFTER")
    # The interpreter of an environment is a link, which must not be followed.
    python = given.python / "python" if given.python.is_dir() else given.python
    python = Path(os.path.abspath(python))
    with tempfile.TemporaryDirectory(prefix="record") as temporary:
        work = (given.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        record = make_record(python, work, small=given.small)
    given.out.write_text(json.dumps(record.to_json(), indent=1, ensure_ascii=False) + "\n")
    if given.samples:
        np.savez_compressed(given.samples, **record.samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
