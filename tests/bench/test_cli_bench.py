"""`stemline bench` as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path


def bench(artifacts: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "stemline", "bench", "--artifacts", artifacts]
    return subprocess.run(
        list(map(str, [*command, *arguments])),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_json_is_one_value_and_plots_are_named_in_it(artifacts: Path, tmp_path: Path) -> None:
    done = bench(
        artifacts, "tiny", "--engines", "onnx", "--batches", "1,2", "--rounds", "1",
        "--json", "--plot", tmp_path / "new" / "plots",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [(row["engine"], row["batch"]) for row in report["rows"]] == [("onnx", 1), ("onnx", 2)]
    assert all(Path(path).is_file() for path in report["plots"])
    assert len(report["plots"]) == 2


def test_the_table_says_what_is_estimated_and_where_it_ran(artifacts: Path) -> None:
    done = bench(
        artifacts, "--engines", "onnx", "--batches", "1", "--rounds", "1",
        "--overlaps", "2", "--max-s", "1e-9", "--grpc", "--clip-s", "0.1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    engines, overlaps, grpc = (dict(zip(lines[i], lines[i + 1], strict=True)) for i in (0, 2, 4))
    assert (engines["model"], engines["weights"], engines["batch"]) == ("tiny", "random", "1")
    assert engines["SNR"] == ""
    assert overlaps["seconds"].endswith("ESTIMATED")
    assert overlaps["really run"].startswith("1 in ")
    assert grpc["clip"] == "0.1 s" and float(grpc["ratio"]) > 0
    assert "1 thread(s), " in done.stderr


def test_an_unknown_engine_is_a_wrong_call(artifacts: Path) -> None:
    done = bench(artifacts, "tiny", "--engines", "abacus")
    assert done.returncode == 2
    assert done.stderr.strip() == "error: no engine 'abacus'; there are torch, onnx"


def test_numbers_that_are_none_are_a_wrong_call(artifacts: Path) -> None:
    done = bench(artifacts, "tiny", "--batches", "1,two")
    assert done.returncode == 2
    assert "--batches takes numbers by commas; got '1,two'" in done.stderr


def test_a_model_that_is_not_exported_is_missing(tmp_path: Path) -> None:
    done = bench(tmp_path, "mdx23c")
    assert done.returncode == 3
    assert "stemline export mdx23c" in done.stderr


def test_weights_that_are_not_there_are_missing(artifacts: Path, tmp_path: Path) -> None:
    done = bench(artifacts, "tiny", "--batches", "1", "--weights", tmp_path / "none.ckpt")
    assert done.returncode == 3
    assert "none.ckpt: no such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failure_beside_results_is_reported_and_fails_the_command(
    artifacts: Path, tmp_path: Path
) -> None:
    lone = tmp_path / "carried.onnx"
    lone.write_bytes((artifacts / "tiny.fp32" / "1" / "model.onnx").read_bytes())
    done = bench(
        artifacts, lone, "--engines", "onnx", "--batches", "1", "--rounds", "1", "--grpc"
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].startswith("tiny\tonnx")
    assert "tiny, gRPC: " in done.stderr and "lone files" in done.stderr


def test_quality_is_in_the_table_in_json_and_on_the_page(
    trained: Path, checkpoint: Path, tmp_path: Path
) -> None:
    page = tmp_path / "quality.md"
    options = [
        "tiny", "--engines", "torch,onnx", "--batches", "1", "--rounds", "1", "--quality",
        "--quality-overlaps", "2", "--songs", "1", "--song-s", "1", "--weights", checkpoint,
    ]  # fmt: skip
    done = bench(trained, *options, "--markdown", page)
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    (header,) = [i for i, line in enumerate(lines) if "SI-SDR improvement" in line]
    quality = [dict(zip(lines[header], lines[header + k], strict=True)) for k in (1, 2)]
    assert [row["engine"] for row in quality] == ["torch fp32 cpu", "onnx fp32 cpu"]
    assert quality[1]["overlap"] == "2" and quality[1]["against torch"].endswith(" dB")
    assert "song 1 of 1" in done.stderr
    text = page.read_text()
    assert "--quality-overlaps 2 --songs 1" in text
    assert "--weights tiny.ckpt --markdown quality.md" in text and str(tmp_path.parent) not in text
    assert "One song with its chunks one by one" in text
    done = bench(trained, *options, "--engines", "onnx", "--json")
    assert len(json.loads(done.stdout)["quality"]) == 1


def test_options_of_quality_without_it_are_a_wrong_call(artifacts: Path, tmp_path: Path) -> None:
    for option in ("--markdown", "--songs-dir"):
        done = bench(artifacts, "tiny", option, tmp_path / "x")
        assert done.returncode == 2
        assert option in done.stderr and "--quality" in done.stderr


def test_songs_of_an_impossible_length_or_number_are_a_wrong_call_at_once(trained: Path) -> None:
    for option, value in (("--song-s", "0.2"), ("--song-s", "inf"), ("--songs", "100000")):
        done = bench(trained, "tiny", "--engines", "onnx", "--quality", option, value)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {option} is ") and len(done.stderr.splitlines()) == 1
