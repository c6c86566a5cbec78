"""A worker session as a program drives it: a real process, its answers, and what it leaves."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from cli_helpers import run
from worker_helpers import WorkerProcess, files_below, write_models, write_noise

from stemline.serving.worker.lines import MOST_BYTES
from stemline.serving.worker.worker import MOST_UNDER_WAY

MOST_GROWTH_MB = 30
"""Of 200 jobs; one job's arrays come and go."""
LONG_S = 300
STEMS = ["drums.wav", "bass.wav", "vocals.wav"]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("artifacts"), "mine", "other")


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("songs") / "song.wav", 0.7)


@pytest.fixture(scope="module")
def long_song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("songs") / "long.wav", LONG_S, 16000, 1)


@pytest.fixture(scope="module")
def shared(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """One worker for all tests that leave it as it was."""
    with WorkerProcess(artifacts, cwd=tmp_path_factory.mktemp("cwd")) as worker:
        yield worker


def test_a_model_is_cached_once_it_was_loaded(artifacts: Path, song: Path, tmp_path: Path) -> None:
    with WorkerProcess(artifacts) as worker:
        first, second = (
            worker.ask("load_model", model="mine"),
            worker.ask("load_model", model="mine"),
        )
        assert (first["result"]["cached"], second["result"]["cached"]) == (False, True)
        assert second["elapsed"] < first["elapsed"]
        assert second["result"]["stems"] == ["drums", "bass", "vocals"]
        separated = worker.result("separate", file=song, model="mine", out=tmp_path)
        assert separated["cached"]
        assert not worker.result("separate", file=song, model="other", out=tmp_path)["cached"]


OPTIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "as usual": ({}, ()),
    "24 bits": ({"bits": 24}, ("--bits", "24")),
    "float": ({"bits": 32}, ("--float32",)),
    "flac": ({"format": "flac"}, ("--flac",)),
    "mp3": ({"format": "mp3", "bitrate": 128}, ("--mp3", "--bitrate", "128")),
    "one stem and the rest": (
        {"stems": ["Vocals"], "residual": True},
        ("--two-stems", "vocals"),
    ),
    "two stems and the rest": (
        {"stems": ["drums", "vocals"], "residual": True},
        ("--stems", "drums,vocals", "--residual"),
    ),
    "shifts": ({"shifts": 2, "seed": 5}, ("--shifts", "2", "--seed", "5")),
    "overlap": ({"overlap": 0.5}, ("--overlap", "0.5")),
    "names": (
        {"filename": "{model}/{track} {stem}.{ext}"},
        ("--filename", "{model}/{track} {stem}.{ext}"),
    ),
    "no tags": ({"tags": False, "format": "flac"}, ("--no-tags", "--flac")),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_files_are_those_of_the_command(
    case: str, shared: WorkerProcess, artifacts: Path, song: Path, tmp_path: Path
) -> None:
    params, arguments = OPTIONS[case]
    result = shared.result("separate", file=song, model="mine", out=tmp_path / "worker", **params)
    done = run(
        "separate", song, "-m", "mine", "--artifacts", artifacts, "--json",
        "-o", tmp_path / "command", *arguments,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = files_below(tmp_path / "command")
    assert names and files_below(tmp_path / "worker") == names
    for name in names:
        assert (tmp_path / "worker" / name).read_bytes() == (
            tmp_path / "command" / name
        ).read_bytes(), name
    said = json.loads(done.stdout)
    for key in ("model", "artifact", "artifact_sha256", "networks", "n_samples", "faults"):
        assert result[key] == said[key], key
    assert [Path(one).name for one in result["stems"].values()] == [
        Path(one).name for one in said["stems"].values()
    ]


WRONG_LINES: dict[str, tuple[bytes, Any, str]] = {
    "no JSON": (b"separate song.wav", None, "line"),
    "half an object": (b'{"id": 1, "method": "stats"', None, "line"),
    "a list": (b"[1, 2]", None, "line"),
    "no UTF-8": (b'{"id": 1, "method": "\xff"}', None, "line"),
    "deep": (b"[" * 500_000, None, "line"),
    "too long": (b'{"id": 1, "method": "' + b"x" * MOST_BYTES + b'"}', None, "line"),
    "a number of JSON's that is none": (b'{"id": 1, "method": "stats", "x": NaN}', None, "line"),
    "a number with too many digits": (b'{"id": ' + b"9" * 10_000 + b"}", None, "line"),
    "no id": (b'{"method": "stats"}', None, "id"),
    "an id that is null": (b'{"id": null, "method": "stats"}', None, "id"),
    "an id that is true": (b'{"id": true, "method": "stats"}', None, "id"),
    "an id that is a list": (b'{"id": [1], "method": "stats"}', None, "id"),
    "an id beyond floats": (b'{"id": 1e999, "method": "stats"}', None, "id"),
    "a long id": (b'{"id": "' + b"x" * 300 + b'", "method": "stats"}', None, "id"),
    "no method": (b'{"id": 1}', 1, "method"),
    "an unknown method": (b'{"id": 1, "method": "seperate"}', 1, "method"),
    "a method that is a number": (b'{"id": 1, "method": 5}', 1, "method"),
    "another field": (b'{"id": 1, "method": "stats", "parameters": {}}', 1, "parameters"),
    "params that are a list": (b'{"id": 1, "method": "stats", "params": []}', 1, "params"),
    "an unknown parameter": (b'{"id": 1, "method": "stats", "params": {"x": 1}}', 1, "x"),
}


@pytest.mark.parametrize("case", WRONG_LINES)
def test_a_wrong_line_is_answered_and_the_worker_goes_on(case: str, shared: WorkerProcess) -> None:
    line, request_id, field = WRONG_LINES[case]
    shared.write(line)
    answer = shared.next()
    assert answer["id"] == request_id
    assert (answer["error"]["type"], answer["error"]["field"]) == ("RequestError", field)
    assert answer["error"]["exit_code"] == 2
    assert "waiting" in shared.result("stats")


WRONG_PARAMS: dict[str, tuple[str, dict[str, Any], str, str | None]] = {
    "no file": ("separate", {}, "RequestError", "file"),
    "a file that is a number": ("separate", {"file": 5}, "RequestError", "file"),
    "a path with a NUL": ("separate", {"file": "a\0b"}, "RequestError", "file"),
    "a path that is no text": ("separate", {"file": "\ud800"}, "RequestError", "file"),
    "stems that are numbers": ("separate", {"file": "x", "stems": [1]}, "RequestError", "stems"),
    "bits that are a text": ("separate", {"file": "x", "bits": "16"}, "RequestError", "bits"),
    "bits that are true": ("separate", {"file": "x", "bits": True}, "RequestError", "bits"),
    "bits that no format has": ("separate", {"file": "x", "bits": 17}, "EncodingError", "format"),
    "an unknown format": ("separate", {"file": "x", "format": "ogg"}, "EncodingError", "format"),
    "an overlap that is a text": (
        "separate", {"file": "x", "overlap": "8"}, "RequestError", "overlap",
    ),
    "strict that is 1": ("separate", {"file": "x", "strict": 1}, "RequestError", "strict"),
    "a misspelt field": ("separate", {"file": "x", "residul": True}, "RequestError", "residul"),
    "a template that leads out": (
        "separate", {"file": "x", "filename": "../{stem}.{ext}"}, "RequestError", "filename",
    ),
    "a field of another method": ("beats", {"file": "x", "bits": 16}, "RequestError", "bits"),
    "a text for a model without": (
        "separate", {"file": "x", "model": "mine", "text": ["rain"]}, "RequestError", "text",
    ),
    "an empty text": ("separate", {"file": "x", "text": [" "]}, "RequestError", "text"),
    "mono for a model of stereo": (
        "separate", {"file": "x", "model": "mine", "mono": True}, "RequestError", "mono",
    ),
    "shifts beyond": ("separate", {"file": "x", "model": "mine", "shifts": 101}, "RequestError",
                      "shifts"),
    "an unknown stem": ("separate", {"file": "x", "model": "mine", "stems": ["tuba"]},
                        "UnknownStemError", None),
    "an unknown model": ("separate", {"file": "x", "model": "mne"}, "UnknownModelError", None),
    "a model to load that is none": ("load_model", {"model": "mne"}, "UnknownModelError", None),
    "no such beat model": ("beats", {"file": "x", "model": "mine"}, "WrongModelError", "model"),
    "an id that was never there": ("cancel", {"id": [1]}, "RequestError", "id"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_PARAMS)
def test_wrong_fields_are_named(case: str, shared: WorkerProcess) -> None:
    method, params, kind, field = WRONG_PARAMS[case]
    error = shared.error(method, **params)
    assert (error["type"], error.get("field")) == (kind, field)
    assert error["message"]


def test_a_file_that_is_none_is_an_error_of_file(shared: WorkerProcess, tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("no audio at all")
    for path in (tmp_path / "missing.wav", text, tmp_path, Path("/dev/zero")):
        error = shared.error("separate", file=path, model="mine", out=tmp_path / "out")
        assert error["field"] == "file", path
    assert files_below(tmp_path) == ["text.wav"]


def test_a_damaged_file_is_read_for_what_there_is_unless_strict(
    shared: WorkerProcess, song: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.wav"
    damaged.write_bytes(song.read_bytes()[:-40_000])
    result = shared.result("separate", file=damaged, model="mine", out=tmp_path / "out")
    assert len(result["faults"]) == 1
    error = shared.error("separate", file=damaged, model="mine", out=tmp_path, strict=True)
    assert (error["type"], error["field"]) == ("AudioError", "file")


def test_a_stem_is_not_written_over_its_input(
    shared: WorkerProcess, song: Path, tmp_path: Path
) -> None:
    source = tmp_path / "drums.wav"
    source.write_bytes(song.read_bytes())
    error = shared.error(
        "separate", file=source, model="mine", out=tmp_path, filename="{stem}.{ext}"
    )
    assert (error["type"], error["field"]) == ("RequestError", "out")
    assert source.read_bytes() == song.read_bytes()


def test_what_is_replaced_is_said(shared: WorkerProcess, song: Path, tmp_path: Path) -> None:
    first, second = (
        shared.result("separate", file=song, model="mine", out=tmp_path) for _ in range(2)
    )
    assert first["warnings"] == []
    assert len(second["warnings"]) == 1 and "will be replaced" in second["warnings"][0]


def test_progress_comes_until_the_answer(
    shared: WorkerProcess, long_song: Path, tmp_path: Path
) -> None:
    shared.send(7, "separate", file=long_song, model="mine", out=tmp_path)
    messages = [shared.next()]
    while "event" in messages[-1]:
        messages.append(shared.next())
    *events, answer = messages
    fractions = [event["fraction"] for event in events]
    assert len(fractions) >= 2 and fractions == sorted(fractions)
    assert 0 < fractions[0] < 1
    for event in events:
        assert (event["left_s"] is None) == (event["fraction"] < 0.01)
    assert {message["id"] for message in messages} == {7}
    assert answer["elapsed"] >= answer["result"]["seconds"]["wall"] > 0.5


def test_a_cancelled_job_is_answered_and_leaves_nothing(
    shared: WorkerProcess, long_song: Path, tmp_path: Path
) -> None:
    shared.send("long", "separate", file=long_song, model="mine", out=tmp_path / "out")
    assert shared.next()["event"] == "progress"
    assert files_below(tmp_path / "out")  # parts, none under its final name
    assert not set(STEMS) & {Path(name).name for name in files_below(tmp_path)}
    shared.send("c", "cancel", id="long")
    answers = {}
    while len(answers) < 2:
        message = shared.next()
        if "event" not in message:
            answers[message["id"]] = message
    assert answers["c"]["result"] == {"found": True}
    assert answers["long"]["cancelled"] is True and not {"result", "error"} & set(answers["long"])
    assert not (tmp_path / "out").exists()
    assert shared.result("cancel", id="long") == {"found": False}


def test_a_job_that_waits_is_cancelled_at_once(
    shared: WorkerProcess, long_song: Path, song: Path, tmp_path: Path
) -> None:
    shared.send("long", "separate", file=long_song, model="mine", out=tmp_path)
    shared.send("waits", "separate", file=song, model="mine", out=tmp_path / "never")
    shared.send("c", "cancel", id="waits")
    assert shared.next() == {"id": "waits", "cancelled": True, "elapsed": pytest.approx(0, abs=1)}
    assert shared.answer("c")["result"] == {"found": True}
    shared.send("c", "cancel", id="long")
    assert shared.answer("long")["cancelled"]
    assert not (tmp_path / "never").exists()
    assert shared.result("stats")["waiting"] == []


def test_two_requests_under_way_never_have_one_id(
    shared: WorkerProcess, long_song: Path, tmp_path: Path
) -> None:
    shared.send(1, "separate", file=long_song, model="mine", out=tmp_path)
    again = {"separate": {"file": "x"}, "beats": {"wrong": 1}, "stats": {}, "no method": {}}
    for method, params in again.items():
        shared.send(1.0, method, **params)
    shared.write('{"id": 1, "method": 5}')
    errors = []
    while len(errors) < 5:
        if "event" not in (answer := shared.next()):
            assert answer["id"] is None
            errors.append(answer["error"]["field"])
    assert errors == ["id"] * 4 + ["method"]
    shared.send("c", "cancel", id=1)
    assert shared.answer(1)["cancelled"]
    shared.send(1, "stats")
    assert "result" in shared.answer(1)


def test_several_requests_are_at_work_at_once(
    artifacts: Path, song: Path, long_song: Path, tmp_path: Path
) -> None:
    with WorkerProcess(artifacts, "--jobs", "2") as worker:
        worker.send("long", "separate", file=long_song, model="mine", out=tmp_path)
        assert worker.next()["event"] == "progress"
        worker.send("short", "separate", file=song, model="mine", out=tmp_path)
        while "event" in (answer := worker.next()):
            assert answer["id"] == "long"
        assert answer["id"] == "short" and "result" in answer
        stats = worker.result("stats")
        assert (stats["running"], stats["jobs"]) == (["long"], 2)


def test_the_end_of_the_input_finishes_what_was_accepted(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    with WorkerProcess(artifacts) as worker:
        for number in range(5):
            worker.send(number, "separate", file=song, model="mine", out=tmp_path / str(number))
        worker.end_of_input()
        assert worker.exit_code() == 0
        assert [message["id"] for message in worker.rest() if "result" in message] == [*range(5)]
    assert len(files_below(tmp_path)) == 15


def test_the_last_line_needs_no_end(artifacts: Path) -> None:
    with WorkerProcess(artifacts) as worker:
        assert worker.process.stdin is not None
        worker.process.stdin.write(b'{"id": 1, "method": "models"}')
        worker.end_of_input()
        assert worker.exit_code() == 0
        (answer,) = worker.rest()
        models = answer["result"]["models"]
        assert [model["model"] for model in models] == ["mine", "other"]
        assert not any(model["loaded"] for model in models)


def test_exit_finishes_what_was_accepted_and_answers_last(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    with WorkerProcess(artifacts) as worker:
        worker.send("work", "separate", file=song, model="mine", out=tmp_path)
        worker.send("end", "exit")
        worker.send("late", "separate", file=song, model="mine", out=tmp_path)
        assert worker.exit_code() == 0
        answers = {message["id"]: message for message in worker.rest() if "event" not in message}
    assert list(answers)[-1] == "end" and "result" in answers["work"]
    assert answers["late"]["error"]["type"] == "DrainingError"


def test_sigterm_finishes_what_was_accepted_and_takes_no_more(
    artifacts: Path, song: Path, long_song: Path, tmp_path: Path
) -> None:
    with WorkerProcess(artifacts) as worker:
        worker.send("work", "separate", file=long_song, model="mine", out=tmp_path)
        assert worker.next()["event"] == "progress"
        worker.process.send_signal(signal.SIGTERM)
        while not worker.result("stats")["draining"]:
            pass
        assert worker.error("load_model", model="mine")["type"] == "DrainingError"
        assert worker.exit_code() == 0
        answers = [message for message in worker.rest() if "event" not in message]
    assert [answer["id"] for answer in answers] == ["work"] and "result" in answers[0]
    assert len(files_below(tmp_path)) == 3


def test_a_second_sigterm_cancels_what_is_under_way(
    artifacts: Path, long_song: Path, tmp_path: Path
) -> None:
    with WorkerProcess(artifacts) as worker:
        worker.send("work", "separate", file=long_song, model="mine", out=tmp_path / "out")
        worker.send("waits", "separate", file=long_song, model="mine", out=tmp_path / "out")
        assert worker.next()["event"] == "progress"
        for _ in range(2):
            worker.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        assert worker.exit_code() == 1
        answers = {message["id"]: message for message in worker.rest() if "event" not in message}
    assert all(answers[name].get("cancelled") for name in ("work", "waits"))
    assert not (tmp_path / "out").exists()


def test_a_worker_ends_when_nobody_reads_its_answers(
    artifacts: Path, long_song: Path, tmp_path: Path
) -> None:
    with WorkerProcess(artifacts) as worker:
        worker.send("work", "separate", file=long_song, model="mine", out=tmp_path / "out")
        assert worker.next()["event"] == "progress"
        worker.read_no_more()
        assert worker.exit_code() == 1
    assert not (tmp_path / "out").exists()


def test_kill_leaves_no_half_file_and_the_next_job_removes_the_parts(
    artifacts: Path, song: Path, long_song: Path, tmp_path: Path
) -> None:
    with WorkerProcess(artifacts) as worker:
        worker.send("work", "separate", file=long_song, model="mine", out=tmp_path)
        assert worker.next()["event"] == "progress"
        worker.process.kill()
        assert worker.exit_code() == -signal.SIGKILL
    left = files_below(tmp_path)
    assert left and all(name.endswith(".part") for name in left)
    short = tmp_path / "long.wav"  # of the same name, so that its stems are the same files
    short.write_bytes(song.read_bytes())
    with WorkerProcess(artifacts) as worker:
        worker.result("separate", file=short, model="mine", out=tmp_path)
    assert files_below(tmp_path) == ["long.wav", *sorted(f"long/{name}" for name in STEMS)]


def test_a_worker_ends_after_two_signals_though_nobody_reads(
    artifacts: Path, long_song: Path, tmp_path: Path
) -> None:
    with WorkerProcess(artifacts, is_read=False) as worker:
        worker.send("work", "separate", file=long_song, model="mine", out=tmp_path)
        for _ in range(300):  # whose answers are more than a pipe holds
            worker.send("x" * 150, "none")
        for _ in range(2):
            time.sleep(1)
            worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(30) == 1
    assert not [name for name in files_below(tmp_path) if not name.endswith(".part")]


def test_no_more_than_a_thousand_requests_are_under_way(
    artifacts: Path, long_song: Path, tmp_path: Path
) -> None:
    with WorkerProcess(artifacts) as worker:
        for number in range(MOST_UNDER_WAY + 1):
            worker.send(number, "separate", file=long_song, model="mine", out=tmp_path)
        assert worker.answer(MOST_UNDER_WAY)["error"]["type"] == "LimitError"
        worker.send("c", "cancel", id=MOST_UNDER_WAY - 1)
        assert worker.answer("c")["result"] == {"found": True}
        worker.send("again", "separate", file=long_song, model="mine", out=tmp_path)
        assert worker.result("stats")["waiting"][-1] == "again"


def test_stems_of_another_model_are_left_alone(
    shared: WorkerProcess, song: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        for model in ("mine", "other"):
            shared.result("separate", file=song, model=model, out=tmp_path, tags=False)
    folders = [tmp_path / "song", tmp_path / "song" / "other"]
    assert files_below(tmp_path) == sorted(
        (folder / name).relative_to(tmp_path).as_posix() for folder in folders for name in STEMS
    )


PRINTS = """
import ctypes, threading, time

def talk():
    libc = ctypes.CDLL(None)
    while True:
        libc.write(1, b"from C\\n", 7)
        time.sleep(0.005)

threading.Thread(target=talk, daemon=True).start()
"""


def test_standard_output_is_json_whatever_a_library_prints(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    code = f"{PRINTS}time.sleep(0)"
    nothing = "import os; os.write(2, b'read %d bytes' % len(os.read(0, 9)) + bytes([10]))"
    with WorkerProcess(artifacts, code=_once_taken(f"{code}\n{nothing}")) as worker:
        for number in range(10):
            worker.send(number, "separate", file=song, model="mine", out=tmp_path)
            assert "result" in worker.answer(number)  # every line until then was JSON
        worker.end_of_input()
        assert worker.exit_code() == 0
        assert list(worker.rest()) == []
    assert {"from C\n", "printed\n", "read 0 bytes\n"} <= set(worker.said)


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_worker_without_input_or_output_says_so(closed: str) -> None:
    stemline = Path(sys.executable).parent / "stemline"
    done = subprocess.run(
        ["sh", "-c", f"exec {stemline} worker {closed}"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "one of them is closed" in done.stderr and "Traceback" not in done.stderr


def _once_taken(code: str) -> str:
    """Code that runs as soon as the worker has its streams."""
    return f"""
import stemline.serving.worker.standard_streams as streams
taken = streams.take_standard_streams

def take():
    found = taken()
    print("printed", flush=True)
    exec({code!r}, {{}})
    return found

streams.take_standard_streams = take
"""


def test_200_jobs_in_a_row_take_no_more_memory(artifacts: Path, song: Path, tmp_path: Path) -> None:
    with WorkerProcess(artifacts) as worker:
        for _ in range(20):
            worker.result("separate", file=song, model="mine", out=tmp_path)
        before_mb = worker.result("stats")["resident_mb"]
        for _ in range(200):
            worker.result("separate", file=song, model="mine", out=tmp_path)
        stats = worker.result("stats")
        worker.end_of_input()
        assert worker.exit_code() == 0
    assert stats["resident_mb"] - before_mb < MOST_GROWTH_MB
    assert stats["done"] >= 220


def test_the_least_recently_used_model_is_closed_where_memory_is_short(
    artifacts: Path, song: Path, tmp_path: Path
) -> None:
    (model, *_) = _listed(artifacts)
    budget_mb = 1.5 * model["memory_mb"]
    assert budget_mb > 0
    with WorkerProcess(artifacts, "--memory-mb", str(budget_mb)) as worker:
        cached = [
            worker.result("separate", file=song, model=name, out=tmp_path)["cached"]
            for name in ("mine", "mine", "other", "other", "mine")
        ]
        assert cached == [False, True, False, True, False]
        assert [kept["artifact"] for kept in worker.result("stats")["models"]] == ["mine.fp32"]


def _listed(artifacts: Path) -> list[dict[str, Any]]:
    with WorkerProcess(artifacts) as worker:
        models: list[dict[str, Any]] = worker.result("models")["models"]
        return models


def test_samples_are_those_of_python(
    shared: WorkerProcess, artifacts: Path, song: Path, tmp_path: Path
) -> None:
    import stemline

    shared.result("separate", file=song, model="mine", out=tmp_path, bits=32)
    with stemline.load_separator("mine", artifacts=artifacts) as separator:
        for stem, samples in separator.separate(song).items():
            written, _ = soundfile.read(tmp_path / "song" / f"{stem}.wav", dtype="float32")
            assert (written == samples.T).all(), stem
