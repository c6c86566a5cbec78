"""Tracks through Demucs models whose networks multiply: levels, bags, shifts, ways in.

What comes out of these is known without a network; real ones are in tests/export and
tests/oracles.
"""

import json
import shutil
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from cli_helpers import run
from demucs_track_helpers import (
    EQUAL,
    GAINS,
    IDENTITY,
    RATE,
    SIGNATURES,
    STEMS,
    gain_info,
    through,
    write_gain_bag,
    write_gains,
)
from grpc_helpers import call_separate, running_server
from helpers import gain_separator, in_blocks, music, snr_db

from stemline.arrays import Array
from stemline.engines import open_engine
from stemline.errors import (
    ArtifactError,
    RemoteError,
    RequestError,
    SeparationClosedError,
    UnknownStemError,
)
from stemline.evaluation.separation import separate_whole
from stemline.preprocessing.audio import AudioFormat
from stemline.preprocessing.channels import from_channels, to_channels
from stemline.preprocessing.rereadable import Rereadable
from stemline.preprocessing.resample import Resampler
from stemline.serving import library, track_input
from stemline.serving.client.client import StemlineClient
from stemline.serving.jobs import SeparateOptions
from stemline.serving.library import Library
from stemline.serving.separator import Separator
from stemline.v1 import stemline_pb2 as pb

STEREO = AudioFormat(RATE, 2, None)
# Float32: the level out and in, and weighted means of a few segments.
TOLERANCE = 2e-6


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mine`, a network for each stem, and `mean`, to whose stems all networks count."""
    root = tmp_path_factory.mktemp("bags")
    write_gain_bag(root, IDENTITY, by_place=True)
    write_gain_bag(root, EQUAL, "mean")
    return root


@pytest.fixture
def opened() -> Iterator[Callable[[Path], Library]]:
    """Libraries that are closed when the test ends."""
    made: list[Library] = []

    def open_library(root: Path) -> Library:
        made.append(Library(root))
        return made[-1]

    yield open_library
    for each in made:
        each.close()


Open = Callable[[Path], Library]


def resampled(samples: Array, from_hz: int, to_hz: int) -> Array:
    stream = Resampler(from_hz, to_hz, samples.shape[0])
    return np.concatenate([stream.push(samples), stream.flush()], axis=1)


# Levels and lengths --------------------------------------------------------------------------


@pytest.mark.parametrize("dynamic_length", [False, True], ids=["fixed", "free"])
def test_quality_is_measured_on_what_the_pipeline_gives(
    dynamic_length: bool, tmp_path: Path, opened: Open
) -> None:
    """Export and bench separate without a queue, by a loop of their own."""
    info = gain_info(dynamic_length=dynamic_length)
    folder = write_gains(tmp_path, info, GAINS[0], by_place=not dynamic_length)
    samples = music(30_001) + np.float32(0.02)
    wanted = opened(tmp_path).separator("mine").separate(samples, RATE)
    engine = open_engine(folder / "1" / "model.onnx", device="cpu")
    got = separate_whole(engine, info, samples)
    assert list(got) == list(wanted)
    for stem, other in wanted.items():
        np.testing.assert_array_equal(got[stem], other)


@pytest.mark.parametrize("dynamic_length", [False, True], ids=["fixed", "free"])
@pytest.mark.parametrize("n_samples", [1, 2, 3307, 3308, 4409, 4410, 4411, 30_001])
def test_stems_are_as_long_as_the_track_and_what_the_network_makes_of_it(
    n_samples: int, dynamic_length: bool, tmp_path: Path, opened: Open
) -> None:
    write_gains(tmp_path, gain_info(dynamic_length=dynamic_length), GAINS[0])
    samples = music(n_samples) + np.float32(0.02)
    got = opened(tmp_path).separator("mine").separate(samples, RATE)
    assert list(got) == list(STEMS)
    for stem, gain in zip(STEMS, GAINS[0], strict=True):
        assert got[stem].shape == samples.shape
        np.testing.assert_allclose(got[stem], through(gain, samples), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("rate_hz", "channels"), [(48_000, 2), (22_050, 1), (RATE, 1), (8000, 6)])
def test_other_rates_and_channels(
    rate_hz: int, channels: int, tmp_path: Path, opened: Open
) -> None:
    """Stems are a gain away from the mixture in the network's channels, there and back."""
    write_gains(tmp_path, gain_info(), GAINS[0])
    samples = music(rate_hz // 2 + 1, channels, rate_hz)
    got = opened(tmp_path).separator("mine").separate(samples, rate_hz)
    heard = resampled(to_channels(samples, 2), rate_hz, RATE)
    for stem, gain in zip(STEMS, GAINS[0], strict=True):
        back = resampled(through(gain, heard).astype(np.float32), RATE, rate_hz)
        wanted = from_channels(back, min(channels, 2))[:, : samples.shape[1]]
        assert got[stem].shape == (min(channels, 2), samples.shape[1])
        # There and back may be a sample short, and is filled up.
        np.testing.assert_allclose(
            got[stem][:, : wanted.shape[1]], wanted, rtol=0, atol=2 * TOLERANCE
        )


def test_stems_follow_the_level_of_the_track(bags: Path, opened: Open) -> None:
    """A network hears every track at one level: 10·x + c gives 10·y + c."""
    separator = opened(bags).separator("mine")
    samples = music(20_000)
    quiet = separator.separate(samples, RATE)
    loud = separator.separate(10 * samples + np.float32(0.3), RATE)
    for stem in STEMS:
        np.testing.assert_allclose(loud[stem], 10 * quiet[stem] + 0.3, rtol=0, atol=2e-5)


def test_the_level_is_that_of_the_whole_track(tmp_path: Path, opened: Open) -> None:
    """A quiet beginning with a mean of its own does not come back at that mean."""
    write_gains(tmp_path, gain_info(), (0.0, 1.0, 1.0))
    samples = np.concatenate([0.01 * music(20_000) + 0.25, music(20_000, seed=1) - 0.25], axis=1)
    samples = samples.astype(np.float32)
    got = opened(tmp_path).separator("mine").separate(samples, RATE)
    np.testing.assert_allclose(got["drums"], through(0, samples), rtol=0, atol=TOLERANCE)


def test_silence_stays_silence(bags: Path, opened: Open) -> None:
    here = opened(bags)
    for model in ("mine", "mean"):
        for samples in (
            here.separator(model).separate(np.zeros((2, 9999), np.float32), RATE).values()
        ):
            assert not samples.any()


def test_two_stems_add_up_to_the_mixture(bags: Path, opened: Open) -> None:
    samples = music(15_000)
    options = SeparateOptions(stems=("bass",), residual=True, shifts=2)
    got = opened(bags).separator("mine").separate(samples, RATE, options)
    assert list(got) == ["bass", "no_bass"]
    np.testing.assert_allclose(got["bass"] + got["no_bass"], samples, rtol=0, atol=TOLERANCE)


# Bags ----------------------------------------------------------------------------------------


def test_stems_are_the_weighted_mean_of_the_networks(tmp_path: Path, opened: Open) -> None:
    weights = ((1.0, 0.0, 0.5), (3.0, 2.0, 0.0), (0.0, 0.0, 1.5))
    write_gain_bag(tmp_path, weights)
    samples = music(12_000)
    got = opened(tmp_path).separator("mine").separate(samples, RATE, SeparateOptions(shifts=1))
    gains = np.average(GAINS, axis=0, weights=np.array(weights))
    for stem, gain in zip(STEMS, gains, strict=True):
        np.testing.assert_allclose(got[stem], through(gain, samples), rtol=0, atol=2 * TOLERANCE)


@pytest.mark.parametrize("shifts", [0, 2])
def test_one_stem_loads_and_runs_its_network_alone(
    bags: Path, opened: Open, shifts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is, its shifts included, what it is when all stems are asked for."""
    samples = music(12_000)
    wanted = opened(bags).separator("mine").separate(samples, RATE, SeparateOptions(shifts=shifts))
    loaded: list[str] = []
    open_engine = library.open_engine

    def recorded(path: Path, *arguments: Any) -> Any:
        loaded.append(path.parent.parent.name)
        return open_engine(path, *arguments)

    monkeypatch.setattr(library, "open_engine", recorded)
    separator = opened(bags).separator("mine")
    assert loaded == []
    options = SeparateOptions(stems=("Vocals",), shifts=shifts)
    with separator.stream(in_blocks(samples, 5000), STEREO, options) as separation:
        got = np.concatenate([block.stems["vocals"] for block in separation], axis=1)
    assert separation.networks == (f"mine-{SIGNATURES[2]}.fp32",)
    assert loaded == [f"mine-{SIGNATURES[2]}.fp32"]
    np.testing.assert_allclose(got, wanted["vocals"], rtol=0, atol=TOLERANCE)


def test_a_stem_can_be_had_while_the_networks_of_others_are_missing(
    bags: Path, opened: Open, tmp_path: Path
) -> None:
    kept = f"mine-{SIGNATURES[2]}.fp32"
    shutil.copytree(bags / kept, tmp_path / kept)
    samples = music(9000)
    wanted = opened(bags).separator("mine").separate(samples, RATE)["vocals"]
    separator = opened(tmp_path).separator("mine")
    got = separator.separate(samples, RATE, SeparateOptions(stems=("vocals",)))
    np.testing.assert_array_equal(got["vocals"], wanted)
    for stems in ((), ("drums",), ("vocals", "drums")):
        with pytest.raises(ArtifactError, match=r"mine\.fp32 lacks network 1 of 3.*export mine"):
            separator.check(SeparateOptions(stems=stems))
    with pytest.raises(ArtifactError, match=r"lacks network 2 of 3"):
        separator.separate(samples, RATE, SeparateOptions(stems=("bass",)))


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_mean_is_never_taken_over_fewer_networks(
    missing: int, bags: Path, opened: Open, tmp_path: Path
) -> None:
    for index, signature in enumerate(SIGNATURES):
        if index != missing:
            shutil.copytree(bags / f"mean-{signature}.fp32", tmp_path / f"mean-{signature}.fp32")
    separator = opened(tmp_path).separator("mean")
    for stem in STEMS:
        with pytest.raises(ArtifactError, match=f"lacks network {missing + 1} of 3"):
            separator.separate(music(100), RATE, SeparateOptions(stems=(stem,)))


def test_a_network_by_itself_gives_only_what_it_counts_for(bags: Path, opened: Open) -> None:
    separator = opened(bags).separator(f"mine-{SIGNATURES[1]}")
    assert separator.stems == ("bass",)
    samples = music(9000)
    wanted = opened(bags).separator("mine").separate(samples, RATE)["bass"]
    got = separator.separate(samples, RATE)
    assert list(got) == ["bass"]
    np.testing.assert_array_equal(got["bass"], wanted)
    with pytest.raises(UnknownStemError, match="'drums'; it has bass"):
        separator.check(SeparateOptions(stems=("drums",)))


def test_callers_of_different_networks_do_not_mix(bags: Path, opened: Open) -> None:
    separator = opened(bags).separator("mean")
    lone = opened(bags).separator("mine")
    samples = [music(20_000, seed=seed) for seed in range(4)]
    wanted = [lone.separate(x, RATE, SeparateOptions(stems=(stem,)))[stem]
              for x, stem in zip(samples, (*STEMS, "bass"), strict=True)]  # fmt: skip
    got: dict[int, Array] = {}

    def call(index: int, stem: str) -> None:
        done = lone.separate(samples[index], RATE, SeparateOptions(stems=(stem,)))
        got[index] = done[stem]

    threads = [
        threading.Thread(target=call, args=(index, stem))
        for index, stem in enumerate((*STEMS, "bass"))
    ]
    for thread in threads:
        thread.start()
    mean = separator.separate(samples[0], RATE)
    for thread in threads:
        thread.join(30)
    for index, expected in enumerate(wanted):
        np.testing.assert_array_equal(got[index], expected)
    for stem, gain in zip(STEMS, np.mean(GAINS, axis=0), strict=True):
        np.testing.assert_allclose(mean[stem], through(gain, samples[0]), atol=2 * TOLERANCE)


# Shifts --------------------------------------------------------------------------------------


def test_a_seed_makes_the_stems(bags: Path, opened: Open) -> None:
    """These networks' gains depend on where a segment begins, so shifts show."""
    separator = opened(bags).separator("mine")
    samples = music(12_000)

    def stems(shifts: int, seed: int) -> Array:
        options = SeparateOptions(shifts=shifts, seed=seed)
        return np.stack(list(separator.separate(samples, RATE, options).values()))

    np.testing.assert_array_equal(stems(2, 5), stems(2, 5))
    assert snr_db(stems(2, 5), stems(2, 6)) < 40
    assert snr_db(stems(0, 5), stems(1, 5)) < 40
    np.testing.assert_array_equal(stems(0, 5), stems(0, 6))


@pytest.mark.parametrize("shifts", [-1, 101, 2**40])
def test_shifts_out_of_range_are_refused_here_and_there(bags: Path, shifts: int) -> None:
    options = SeparateOptions(shifts=shifts)
    here = Library(bags)
    with pytest.raises(RequestError, match=f"0 to 100; got {shifts}") as raised:
        here.separator("mine").check(options)
    assert raised.value.field == "shifts"
    with running_server(library=here) as (address, _), StemlineClient(address) as client:
        with pytest.raises(RequestError, match=f"0 to 100; got {shifts}"):
            client.separate([music(10)], STEREO, options, model="mine")
        with pytest.raises(RequestError, match="64 bits"):
            client.separate([music(10)], STEREO, SeparateOptions(seed=2**63), model="mine")
        # Of a client that does not look, the server does.
        config = pb.SeparateConfig(model="mine", shifts=101)
        with pytest.raises(grpc.RpcError, match="0 to 100; got 101"):
            call_separate(address, [pb.SeparateRequest(config=config)])


def test_another_family_has_no_shifts() -> None:
    separator: Separator = gain_separator()
    with pytest.raises(RequestError, match="tiny is of family mdx23c, which has no shifts"):
        separator.stream([music(10)], STEREO, SeparateOptions(shifts=1))
    separator.close()


# Two readings --------------------------------------------------------------------------------


def test_nothing_runs_before_the_level_is_known_and_then_all_is_there(
    bags: Path, opened: Open
) -> None:
    """A stream that comes once is kept: what it gives is what a file gives."""
    separator = opened(bags).separator("mine")
    samples = music(20_000)
    wanted = separator.separate(samples, RATE)
    ended = threading.Event()

    def blocks() -> Iterator[Array]:
        yield from in_blocks(samples, 3000)
        ended.set()

    with separator.stream(blocks(), STEREO) as separation:
        parts = []
        for block in separation:
            assert ended.is_set()
            parts.append(block.stems["drums"])
    np.testing.assert_allclose(np.concatenate(parts, axis=1), wanted["drums"], atol=TOLERANCE)


def test_what_goes_wrong_in_the_first_reading_is_raised(bags: Path, opened: Open) -> None:
    def blocks() -> Iterator[Array]:
        yield music(5000)
        raise OSError("the disk went away")

    with opened(bags).separator("mine").stream(blocks(), STEREO) as separation:
        with pytest.raises(OSError, match="the disk went away"):
            next(separation)
    assert separation.chunks_done == 0


def test_a_file_that_fails_when_it_is_read_again_is_raised(bags: Path, opened: Open) -> None:
    class Once:
        n_times = 0

        def __iter__(self) -> Iterator[Array]:
            self.n_times += 1
            yield music(3000)
            if self.n_times == 2:
                raise OSError("the disk went away")
            yield music(3000)

    with opened(bags).separator("mine").stream(Once(), STEREO) as separation:
        with pytest.raises(OSError, match="the disk went away"):
            list(separation)


class FullDisk:
    """A temporary file on a disk that is full, as its buffer finds out again when it is closed."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def write(self, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_full_disk_in_the_first_reading_is_raised_and_nobody_waits_for_ever(
    bags: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.SpooledTemporaryFile", FullDisk)
    separator = opened(bags).separator("mine")
    with separator.stream(iter([music(5000)]), STEREO) as separation:
        with pytest.raises(OSError, match="No space left"):
            list(separation)


def test_shifts_that_would_hold_gigabytes_are_refused(tmp_path: Path, opened: Open) -> None:
    """Of segments of 44 s; the message says how many there may be."""
    write_gains(tmp_path, gain_info(dynamic_length=True, chunk_samples=44 * 44100), GAINS[0])
    separator = opened(tmp_path).separator("mine")
    with pytest.raises(RequestError, match=r"would hold .* GB; at most 1\d are taken"):
        separator.check(SeparateOptions(shifts=50))
    separator.check(SeparateOptions(shifts=5))


def test_closing_ends_the_first_reading(bags: Path, opened: Open) -> None:
    began, go_on = threading.Event(), threading.Event()
    n_given = 0

    def blocks() -> Iterator[Array]:
        nonlocal n_given
        while True:
            n_given += 1
            yield music(1000)
            began.set()
            go_on.wait(30)

    separator = opened(bags).separator("mine")
    separation = separator.stream(blocks(), STEREO)
    assert began.wait(30)
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            next(separation)
        except SeparationClosedError as error:
            raised.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    separation.close()
    waiting.join(30)  # at once: the blocks still do not come
    assert len(raised) == 1
    go_on.set()
    with separation:
        pass  # leaving waits until the feeding has ended
    assert n_given <= 3
    assert separator.n_queued == 0


def test_memory_does_not_grow_with_the_track(
    bags: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    separator = opened(bags).separator("mine")
    separator.load()
    monkeypatch.setattr(track_input, "Rereadable", partial(Rereadable, in_memory_bytes=1 << 16))
    block = music(RATE // 2)

    def peak_bytes(n_blocks: int) -> int:
        blocks = (block.copy() for _ in range(n_blocks))
        tracemalloc.start()
        try:
            with separator.stream(blocks, STEREO, SeparateOptions(residual=True)) as separation:
                n_samples = sum(part.stems["drums"].shape[1] for part in separation)
            assert n_samples == n_blocks * block.shape[1]
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_bytes(2)
    short, long = peak_bytes(4), peak_bytes(24)
    # Twenty blocks more are 3.5 MB; what a few cuts and a block hold varies by when threads run.
    assert long - short < 1_500_000


# Ways in -------------------------------------------------------------------------------------


def test_the_command_a_server_and_the_library_give_the_same_samples(
    bags: Path, tmp_path: Path, opened: Open
) -> None:
    samples = music(20_000)
    song = tmp_path / "song.wav"
    soundfile.write(song, samples.T, RATE, subtype="FLOAT")
    options = SeparateOptions(stems=("drums", "vocals"), shifts=2, seed=11, residual=False)
    wanted = opened(bags).separator("mine").separate(samples, RATE, options)
    assert list(wanted) == ["drums", "vocals"]

    arguments = ("--stems", "vocals,drums", "--shifts", "2", "--seed", "11", "--bits", "32")
    done = run(
        "separate", song, "-m", "mine", "--artifacts", bags, "-o", tmp_path, *arguments, "--json"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    ran = [f"mine-{SIGNATURES[index]}.fp32" for index in (0, 2)]
    assert (report["artifact"], report["networks"]) == ("mine.fp32", ran)
    for stem, expected in wanted.items():
        got = soundfile.read(report["stems"][stem], dtype="float32")[0]
        np.testing.assert_array_equal(got.T, expected)

    with running_server(library=Library(bags)) as (address, _), StemlineClient(address) as client:
        with client.separate(in_blocks(samples, 5000), STEREO, options, model="mine") as separation:
            blocks = list(separation)
        listed = {model.artifact: model for model in client.list_models()}
    assert list(separation.accepted.networks) == ran
    for stem, expected in wanted.items():
        got = np.concatenate([block.stems[stem] for block in blocks], axis=1)
        np.testing.assert_array_equal(got, expected)
    assert sorted(listed) == ["mean.fp32", "mine.fp32"]


def test_models_lists_a_bag_once_with_its_networks(bags: Path, tmp_path: Path) -> None:
    root = tmp_path / "artifacts"
    shutil.copytree(bags, root)
    shutil.rmtree(root / f"mean-{SIGNATURES[1]}.fp32")
    done = run("models", "--artifacts", root, "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["model"]: row for row in json.loads(done.stdout) if row["artifacts"]}
    assert sorted(rows) == ["mean", "mine"]
    (mine,), (mean,) = rows["mine"]["artifacts"], rows["mean"]["artifacts"]
    assert rows["mine"]["stems"] == list(STEMS)
    assert mine["artifact"] == "mine.fp32"
    assert mine["networks"] == [f"mine-{signature}.fp32" for signature in SIGNATURES]
    assert (mine["complete"], mean["complete"]) == (True, False)
    assert mean["networks"] == [f"mean-{SIGNATURES[index]}.fp32" for index in (0, 2)]


def test_the_command_says_in_a_line_which_network_is_missing(bags: Path, tmp_path: Path) -> None:
    root, song = tmp_path / "artifacts", tmp_path / "song.wav"
    shutil.copytree(bags / f"mine-{SIGNATURES[2]}.fp32", root / f"mine-{SIGNATURES[2]}.fp32")
    soundfile.write(song, music(5000).T, RATE)
    done = run("separate", song, "-m", "mine", "--artifacts", root, "-o", tmp_path / "out")
    assert done.returncode == 3  # something is missing that the message tells how to get
    assert done.stderr.strip().splitlines() == [
        "error: mine.fp32 lacks network 1 of 3, which counts for these stems; export it again: "
        "stemline export mine"
    ]
    assert not (tmp_path / "out").exists()


def test_a_server_says_which_network_is_missing_and_serves_the_other_stems(
    bags: Path, tmp_path: Path
) -> None:
    kept = f"mine-{SIGNATURES[2]}.fp32"
    shutil.copytree(bags / kept, tmp_path / kept)
    samples = music(5000)
    with running_server(library=Library(tmp_path)) as (address, _):
        with StemlineClient(address) as client:
            with pytest.raises(RemoteError, match="lacks network 1 of 3") as raised:
                client.separate([samples], STEREO, model="mine")
            assert raised.value.status == "FAILED_PRECONDITION"
            options = SeparateOptions(stems=("vocals",))
            with client.separate([samples], STEREO, options, model="mine") as separation:
                n_samples = sum(block.stems["vocals"].shape[1] for block in separation)
    assert n_samples == 5000
