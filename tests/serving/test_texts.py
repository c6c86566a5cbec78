"""A model that separates what texts describe, from every side: Python, the command, gRPC."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audiosep_helpers import ENCODER, SEPARATOR, lightning, small_spec, write_vocabulary
from cli_helpers import run
from grpc_helpers import running_server
from helpers import gain_separator, music, snr_db
from worker_helpers import WorkerProcess, files_below

import stemline
from stemline.arrays import Array
from stemline.errors import MissingNetworkError, RemoteError, RequestError, UnknownModelError
from stemline.export.export import export_model
from stemline.export.weights import random_network
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.client.client import StemlineClient
from stemline.serving.jobs import SeparateOptions
from stemline.serving.library import EngineOptions, Library
from stemline.serving.separator import Separator
from stemline.serving.text_embeddings import OpenReader, TextEmbeddings, checked_texts

RATE = 32000
DOG, STEPS = "a dog barking", "footsteps"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts of a small model, of weights that count as trained. Not to be changed."""
    import torch

    folder = tmp_path_factory.mktemp("checkpoint")
    networks = random_network(SEPARATOR, seed=4), random_network(ENCODER, seed=5)
    torch.save(lightning(*networks), folder / "audiosep.ckpt")
    carried = write_vocabulary(folder)
    root = tmp_path_factory.mktemp("artifacts")
    export_model(small_spec(carried), weights=folder / "audiosep.ckpt", root=root)
    return root


@pytest.fixture(scope="module")
def library(exported: Path) -> Iterator[Library]:
    library = Library(exported, EngineOptions("cpu", 1))
    yield library
    library.close()


@pytest.fixture(scope="module")
def separator(library: Library) -> Separator:
    return library.separator("small")


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "street.wav"
    soundfile.write(path, music(RATE, 2, RATE).T, RATE, subtype="FLOAT")
    return path


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [16000, 32000, 96000])
@pytest.mark.parametrize("seconds", [0.001, 0.2, 0.25, 0.26, 1.3])
def test_every_text_is_a_stem_as_long_as_the_track(
    separator: Separator, channels: int, rate_hz: int, seconds: float
) -> None:
    samples = music(round(seconds * rate_hz), channels, rate_hz)
    stems = separator.separate(samples, rate_hz, SeparateOptions(text=(DOG, STEPS)))
    assert list(stems) == [DOG, STEPS]
    assert all(stem.shape == samples.shape for stem in stems.values())
    assert all(np.any(stem[:, -1:] != 0) for stem in stems.values())
    assert snr_db(stems[DOG], stems[STEPS]) < 60  # they are not the same


def test_a_text_makes_the_same_stem_alone_and_among_others(separator: Separator) -> None:
    samples = music(RATE, 2, RATE)
    both = separator.separate(samples, RATE, SeparateOptions(text=(STEPS, DOG)))
    alone = separator.separate(samples, RATE, SeparateOptions(text=(DOG,)))
    np.testing.assert_array_equal(both[DOG], alone[DOG])


def test_channels_are_separated_by_themselves_and_mono_is_their_mix(separator: Separator) -> None:
    samples = music(RATE, 2, RATE)
    options = SeparateOptions(text=(DOG,), residual=True)
    stereo = separator.separate(samples, RATE, options)
    left = separator.separate(samples[:1], RATE, options)
    np.testing.assert_array_equal(stereo[DOG][:1], left[DOG])
    np.testing.assert_allclose(stereo[f"no_{DOG}"], samples - stereo[DOG], atol=1e-6)
    mono = SeparateOptions(text=(DOG,), mono=True, residual=True)
    with separator.stream([samples], AudioFormat(RATE, 2, samples.shape[1]), mono) as separation:
        found = list(separation)
        assert separation.audio.channels == 1
    got = np.concatenate([block.stems[DOG] for block in found], axis=1)
    mixed = samples.mean(axis=0, keepdims=True)
    np.testing.assert_array_equal(got, separator.separate(mixed, RATE, options)[DOG])
    np.testing.assert_array_equal(got, separator.separate(samples, RATE, mono)[DOG])


def test_chunks_have_no_seams(separator: Separator) -> None:
    """At twice the overlap the stems are nearly the same, in the interior too."""
    samples = music(3 * RATE, 1, RATE)
    usual = separator.separate(samples, RATE, SeparateOptions(text=(DOG,)))[DOG]
    more = separator.separate(samples, RATE, SeparateOptions(text=(DOG,), overlap=8))[DOG]
    assert snr_db(more, usual) > 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (SeparateOptions(), "and none was given"),
        (SeparateOptions(text=("",)), "an empty one says nothing"),
        (SeparateOptions(text=(" \n ",)), "an empty one says nothing"),
        (SeparateOptions(text=tuple(map(str, range(33)))), "33 texts are too many"),
        (SeparateOptions(text=("x" * 10_001,)), "has 10001"),
        (SeparateOptions(text=(DOG,), stems=("dog",)), "no stems of its own"),
        (SeparateOptions(text=(DOG,), shifts=2), "no shifts"),
        (SeparateOptions(text=(DOG, "residual"), residual=True), "what the residual is called"),
    ],
)
def test_what_cannot_be_asked_for_is_said(
    separator: Separator, options: SeparateOptions, words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        separator.check(options)
    with pytest.raises(RequestError, match=words):
        separator.stream([], AudioFormat(RATE, 1, 0), options)


@pytest.mark.parametrize(
    ("options", "field"),
    [(SeparateOptions(text=(DOG,)), "text"), (SeparateOptions(mono=True), "mono")],
)
def test_a_model_of_stems_takes_no_text(options: SeparateOptions, field: str) -> None:
    stems = gain_separator()
    with pytest.raises(RequestError) as raised:
        stems.check(options)
    assert raised.value.field == field
    stems.close()


def test_texts_are_taken_once_and_without_space_around() -> None:
    assert checked_texts([" a dog ", "a cat", "a dog", "A dog"]) == ("a dog", "a cat", "A dog")


class CountingReader:
    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.closed = 0

    def __call__(self, texts: list[str]) -> Array:
        self.asked.append(list(texts))
        return np.array([[len(text), 1] for text in texts], np.float32)

    def close(self) -> None:
        self.closed += 1


def test_an_embedding_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = CountingReader()
    texts = TextEmbeddings(lambda: OpenReader(reader, reader))  # type: ignore[arg-type]
    assert [row[0] for row in texts.of(["a", "bb", "a"])] == [1, 2, 1]
    assert [row[0] for row in texts.of(["bb", "ccc"])] == [2, 3]
    assert reader.asked == [["a"], ["bb"], ["ccc"]]  # each alone: padding changes the last bits
    monkeypatch.setattr("stemline.serving.text_embeddings._MOST_KEPT", 2)
    texts.of(["dddd"])  # "a" and "bb" are those asked for longest ago
    texts.of(["ccc"])
    assert reader.asked[-1] == ["dddd"]
    texts.of(["bb"])
    assert reader.asked[-1] == ["bb"]
    texts.close()
    assert reader.closed == 1


def test_a_model_without_its_text_encoder_says_so(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "small.fp32").symlink_to(exported / "small.fp32")
    library = Library(tmp_path)
    with pytest.raises(MissingNetworkError, match="lacks its text encoder; export it again"):
        library.separator("small").check(SeparateOptions(text=(DOG,)))
    library.close()


def test_with_a_text_the_model_that_takes_one_is_meant(exported: Path, tmp_path: Path) -> None:
    assert Library(exported).find(by_text=True).name == "small.fp32"
    with pytest.raises(UnknownModelError, match=r"none is exported that take one.*audiosep"):
        library = Library(tmp_path)
        (tmp_path / "x").mkdir()
        library._default_by_text([])


def test_python_the_command_and_the_server_make_the_same_samples(
    exported: Path, street: Path, tmp_path: Path
) -> None:
    stems = stemline.separate(street, artifacts=exported, text=[DOG, STEPS], residual=True)
    assert list(stems) == [DOG, STEPS, "residual"]
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(f"\ufeff{STEPS}\n\n{DOG}\n", encoding="utf-8")
    with running_server(library=Library(exported)) as (address, _):
        for server in ([], ["--server", address]):
            out = tmp_path / f"out{len(server)}"
            where = server or ["--artifacts", exported]
            done = run(
                "separate", street, "--text", DOG, "--text-file", prompts, "--residual",
                "--float32", "-o", out, *where,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            for name, wanted in stems.items():
                got, _ = soundfile.read(out / "street" / f"{name}.wav", dtype="float32")
                np.testing.assert_array_equal(got.T, wanted)
        client = StemlineClient(address)
        (model,) = client.list_models()
        assert (model.takes_text, list(model.stems)) == (True, [])
        with pytest.raises(RemoteError, match="none was given") as raised:
            list(client.separate([music(100)], AudioFormat(RATE, 2, 100), model="small"))
        assert raised.value.reason == "RequestError"
        client.close()


@pytest.mark.parametrize("mono", [False, True])
def test_the_worker_writes_the_files_of_the_command(
    mono: bool, exported: Path, street: Path, tmp_path: Path
) -> None:
    words = ["--text", DOG, "--text", STEPS, "--residual", *(["--mono"] if mono else [])]
    done = run("separate", street, "--artifacts", exported, "-o", tmp_path / "command", *words)
    assert done.returncode == 0, done.stderr
    with WorkerProcess(exported) as worker:
        out = tmp_path / "worker"
        result = worker.result(
            "separate", file=street, out=out, text=[DOG, STEPS], residual=True, mono=mono
        )
    assert list(result["stems"]) == [DOG, STEPS, "residual"]
    names = files_below(tmp_path / "command")
    assert len(names) == 3 and files_below(out) == names
    for name in names:
        assert (out / name).read_bytes() == (tmp_path / "command" / name).read_bytes(), name


def test_stems_are_named_after_texts_safely(exported: Path, street: Path, tmp_path: Path) -> None:
    odd = ["../../etc/passwd", "a\tb", "é" * 200, "é" * 201, "con?"]
    written = stemline.separate_file(street, tmp_path / "out", artifacts=exported, text=odd)
    assert list(written.stems) == odd
    paths = list(written.stems.values())
    assert len(set(paths)) == len(odd)
    for path in paths:
        assert path.parent == tmp_path / "out" / "street"
        assert len(path.name.encode()) < 130
        assert path.is_file()
