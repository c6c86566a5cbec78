"""Beats and Analyze over the wire: what a local run finds, in its turn, and refused in words."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from beat_helpers import (
    FACTS,
    GAINS,
    LABELS,
    RATE,
    STEMS,
    ClickEngine,
    RestlessEngine,
    click_mixture,
    click_separator,
    click_times,
    write_beat_artifact,
)
from demucs_track_helpers import gain_info, write_gains
from grpc_helpers import (
    SHA256,
    GainLibrary,
    reasons,
    retry_s,
    running_server,
    wrong_fields,
)
from helpers import GainEngine, gain_separator, in_blocks, music, tiny_info

from stemline.arrays import Array
from stemline.engines import BeatInfo, EngineSpec, TensorSpec
from stemline.errors import MISSING, USAGE, EngineError, LimitError, RemoteError
from stemline.families.beats import BeatActivations
from stemline.postprocessing.encode import OutputFormat
from stemline.postprocessing.sections import Section
from stemline.preprocessing.audio import AudioFormat
from stemline.serving.beat_models import find_beat_model
from stemline.serving.beat_tracker import BeatTracker
from stemline.serving.client.client import StemlineClient
from stemline.serving.jobs import Beat, Beats, BeatsFound, SeparateOptions
from stemline.serving.library import EngineOptions, Library
from stemline.serving.messages.beats import activation_messages, beats_of, result_message
from stemline.serving.rpc import uploads
from stemline.serving.rpc.budget import beats_budget
from stemline.serving.separator import Separator
from stemline.v1 import stemline_pb2 as pb
from stemline.v1 import stemline_pb2_grpc as pb_grpc

Code = grpc.StatusCode
ORDER = ("drums", "bass", "other", "vocals")
BEATS = click_times(8, 120, 4)
SONG = click_mixture(BEATS, (2.5,), ((2.5, 6.5),), 8)
STEREO = AudioFormat(RATE, 2, None)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Exported models: `clicks`, which hears stems, and `tiny`, which makes them."""
    root = tmp_path_factory.mktemp("artifacts")
    write_beat_artifact(root)
    write_gains(root, gain_info("tiny", stems=ORDER), [GAINS[name] for name in ORDER])
    write_gains(root, gain_info("two", stems=("vocals", "rest")), (1.0, 0.5))
    write_beat_artifact(root, model="raw", trained=False)
    library = Library(root, EngineOptions("cpu", 1))
    yield library
    library.close()


@pytest.fixture(scope="module")
def address(library: Library) -> Iterator[str]:
    with running_server(library=library) as (address, _):
        yield address


def local_tracker(library: Library) -> BeatTracker:
    return find_beat_model(library).open(library, library.find("tiny"))


def assert_same(got: Beats | None, wanted: Beats) -> None:
    """Bit by bit, activations too."""
    assert got == wanted
    assert got.activations is not None and wanted.activations is not None
    assert got.activations.labels == wanted.activations.labels
    assert got.activations.frame_rate_hz == wanted.activations.frame_rate_hz
    for name in ("beat", "downbeat", "section", "function"):
        given = getattr(got.activations, name)
        assert given.dtype == np.float32
        np.testing.assert_array_equal(given, getattr(wanted.activations, name))


@pytest.mark.parametrize(("rate_hz", "channels"), [(RATE, 2), (48000, 1), (22050, 6)])
def test_beats_over_the_wire_are_those_of_a_local_run(
    library: Library, address: str, rate_hz: int, channels: int
) -> None:
    song = click_mixture(BEATS, (2.5,), ((2.5, 6.5),), 8, rate_hz, channels)[:, :-7]
    audio = AudioFormat(rate_hz, channels, None)
    blocks = list(in_blocks(song, 7001))
    wanted = local_tracker(library).track_blocks(blocks, audio, with_activations=True)
    assert len(wanted.beats) > 10
    told: list[pb.Progress] = []
    with StemlineClient(address) as client:
        got = client.beats(blocks, audio, activations=True, on_progress=told.append)
        assert_same(got, wanted)
        assert told[-1].samples_done == song.shape[1]
        assert client.beats(iter(blocks), audio).activations is None
    assert [*wanted.seconds, "wall"] == list(got.seconds)


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_a_file_is_heard_as_its_samples_are(
    library: Library, address: str, tmp_path: Path, container: str
) -> None:
    path = tmp_path / "song"
    subtype = {"WAV": "FLOAT", "FLAC": "PCM_24"}[container]
    soundfile.write(path, 0.5 * SONG.T, RATE, subtype, format=container)
    samples = soundfile.read(path, dtype="float32")[0].T
    wanted = local_tracker(library).track(samples, RATE, with_activations=True)
    with StemlineClient(address) as client:
        assert_same(client.beats_file(path, activations=True), wanted)


def test_a_model_of_the_server_stands_in_for_a_tracker(library: Library, address: str) -> None:
    with StemlineClient(address) as client:
        tracker = client.beat_tracker("clicks", "tiny.fp32")
        told: list[tuple[int, int | None]] = []
        audio = AudioFormat(RATE, 2, SONG.shape[1])
        found = tracker.track_blocks(
            [SONG], audio, on_progress=lambda done, total: told.append((done, total))
        )
    assert found == local_tracker(library).track(SONG, RATE)
    assert told[-1] == (SONG.shape[1], SONG.shape[1])
    accepted = tracker.accepted
    assert accepted is not None
    assert (accepted.model, accepted.artifact, accepted.separator) == (
        "clicks",
        "clicks.fp32",
        "tiny.fp32",
    )
    assert (accepted.provider, accepted.device) == ("CPUExecutionProvider", "cpu")
    assert tuple(accepted.labels) == LABELS
    assert accepted.artifact_sha256 == find_beat_model(library).model.sha256


def whole(separation: Iterator[Any], names: tuple[str, ...]) -> dict[str, Array]:
    blocks = list(separation)
    return {name: np.concatenate([b.stems[name] for b in blocks], axis=1) for name in names}


@pytest.mark.parametrize(
    "options",
    [
        SeparateOptions(),
        SeparateOptions(stems=("Vocals",), residual=True),
        SeparateOptions(stems=("bass", "drums"), residual=True, overlap=0.5),
        SeparateOptions(residual=True, shifts=2, seed=3),
    ],
)
def test_an_analysis_is_a_separation_and_the_beats_of_it(
    library: Library, address: str, options: SeparateOptions
) -> None:
    blocks = list(in_blocks(SONG, 9999))
    with StemlineClient(address) as client:
        with client.separate(blocks, STEREO, options, model="tiny") as separation:
            stems = whole(separation, separation.stems)
        with client.analyze(blocks, STEREO, options, activations=True) as analysis:
            assert analysis.stems == separation.stems
            got = whole(analysis, analysis.stems)
    for name, wanted in stems.items():
        np.testing.assert_array_equal(got[name], wanted)
    heard = library.separator("tiny").separate(SONG, RATE, replace(options, stems=()))
    wanted = local_tracker(library).track_stems(heard, RATE, with_activations=True)
    assert_same(analysis.beats, wanted)
    assert analysis.beats_accepted is not None
    assert analysis.beats_accepted.separator == "tiny.fp32"
    assert analysis.summary is not None
    assert analysis.summary.n_samples == SONG.shape[1]


def test_the_beats_of_an_analysis_are_those_of_beats(address: str) -> None:
    with StemlineClient(address) as client:
        with client.analyze([SONG], STEREO, activations=True) as analysis:
            list(analysis)
        wanted = client.beats([SONG], STEREO, activations=True)
    assert len(wanted.beats) > 10
    assert_same(analysis.beats, wanted)


def test_a_track_is_separated_once_and_every_sample_of_it() -> None:
    info = replace(tiny_info(ORDER, n_frames=256), default_overlap=2)
    engine = GainEngine(info, [GAINS[name] for name in ORDER])
    hearing = ClickEngine()
    library = GainLibrary(
        {"tiny.fp32": Separator(engine, info)}, trackers={"clicks.fp32": tracker_of(hearing)}
    )
    with running_server(library=library) as (address, _), StemlineClient(address) as client:
        with client.separate([SONG], STEREO) as separation:
            list(separation)
        n_chunks = sum(engine.batches)
        with client.analyze([SONG], STEREO, SeparateOptions(stems=("bass",))) as analysis:
            assert whole(analysis, ("bass",))["bass"].shape == SONG.shape
    assert sum(engine.batches) == 2 * n_chunks == 2 * analysis.chunks_done
    assert hearing.frames == [800]
    assert analysis.beats is not None
    assert [beat.time_s for beat in analysis.beats.beats] == [time_s for time_s, _ in BEATS]


def test_stems_of_a_file_come_with_its_beats(address: str, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, SONG.T, RATE, "FLOAT")
    output = OutputFormat("flac", bits=24)
    options = SeparateOptions(stems=("drums",), residual=True)
    with StemlineClient(address) as client:
        found = client.analyze_file(song, tmp_path / "both", output, options)
        paths = client.separate_file(song, tmp_path / "stems", output, options, model="tiny")
        assert found.beats == client.beats_file(song)
    assert list(found.stems) == list(paths) == ["drums", "no_drums"]
    for name, path in paths.items():
        assert found.stems[name].read_bytes() == path.read_bytes()
    assert sorted(tmp_path.joinpath("both").iterdir()) == sorted(found.stems.values())


def test_at_another_rate_an_analysis_hears_the_stems_it_sends(
    library: Library, address: str
) -> None:
    song = click_mixture(BEATS, (), (), 8, 48000)
    with StemlineClient(address) as client:
        with client.analyze([song], AudioFormat(48000, 2, None), activations=True) as analysis:
            stems = whole(analysis, analysis.stems)
    wanted = local_tracker(library).track_stems(stems, 48000, with_activations=True)
    assert_same(analysis.beats, wanted)


def tracker_of(engine: ClickEngine) -> BeatTracker:
    return BeatTracker(engine, FACTS, name="clicks.fp32", sha256=SHA256)


def beats_messages(
    samples: Array = SONG, *, first: pb.BeatsConfig | None = None
) -> Iterator[pb.BeatsRequest]:
    config = pb.BeatsConfig()
    config.MergeFrom(first or config)
    if first is None or not first.HasField("input"):
        config.input.pcm.sample_rate_hz = RATE
        config.input.pcm.channels = 2
    yield pb.BeatsRequest(config=config)
    data = samples.T.astype("<f4").tobytes()
    for start in range(0, len(data), 100_000):
        yield pb.BeatsRequest(audio=data[start : start + 100_000])


def call_beats(address: str, messages: Iterator[pb.BeatsRequest]) -> list[pb.BeatsResponse]:
    with grpc.insecure_channel(address) as channel:
        return list(pb_grpc.StemlineServiceStub(channel).Beats(messages, timeout=30))


def call_analyze(address: str, messages: Iterator[pb.AnalyzeRequest]) -> list[pb.AnalyzeResponse]:
    with grpc.insecure_channel(address) as channel:
        return list(pb_grpc.StemlineServiceStub(channel).Analyze(messages, timeout=30))


def test_responses_come_in_the_order_of_the_proto(address: str) -> None:
    config = pb.BeatsConfig(activations=True)
    kinds = [r.WhichOneof("response") for r in call_beats(address, beats_messages(first=config))]
    assert kinds[0] == "accepted"
    assert kinds[-3:] == ["progress", "activations", "result"]
    first = pb.AnalyzeConfig(activations=True)
    first.separate.input.pcm.sample_rate_hz = RATE
    first.separate.input.pcm.channels = 2
    messages = [pb.AnalyzeRequest(config=first), pb.AnalyzeRequest(audio=bytes(8 * 9000))]
    kinds = [r.WhichOneof("response") for r in call_analyze(address, iter(messages))]
    assert kinds[:2] == ["accepted", "beats_accepted"]
    assert set(kinds[2:-4]) == {"stem_block"}
    assert kinds[-4:] == ["progress", "activations", "beats", "summary"]


@pytest.mark.parametrize("bpm_range", [None, (121.0, 127.4)])
def test_the_fitted_tempo_travels_beside_the_most_frequent_one(
    bpm_range: tuple[float, float] | None,
) -> None:
    beats = tuple(Beat(round(60 / 124 * i, 2), i % 4 + 1) for i in range(60))
    found = Beats(
        bpm=124.0, beats=beats, segments=(), duration_s=30.0, seconds={}, bpm_range=bpm_range
    )
    result = result_message(
        BeatsFound(found, SHA256, n_samples=30 * RATE, sample_rate_hz=RATE, elapsed_s=1.0), ()
    )
    assert (result.tempo.bpm, result.bpm) == (124.0, 125)
    assert beats_of(result, [], LABELS) == found
    result.ClearField("tempo")  # an older server's
    assert beats_of(result, [], LABELS).bpm == 125.0


def test_long_activations_travel_in_small_messages_and_come_back_as_they_were() -> None:
    random = np.random.default_rng(0)
    rows = random.random((5, 40_000)).astype(np.float32)
    given = BeatActivations(rows[0], rows[1], rows[2], rows[3:], LABELS, 100.0)
    found = Beats(
        bpm=None,
        beats=(Beat(57 * 441 / 44100, 3),),
        segments=(Section(0.0, 1 / 3, "verse"),),
        duration_s=400.0,
        seconds={"engine": 0.1},
        activations=given,
    )
    result = result_message(
        BeatsFound(found, SHA256, n_samples=400 * RATE, sample_rate_hz=RATE, elapsed_s=100.0), ()
    )
    assert result.realtime_factor == 4
    blocks = list(activation_messages(given))
    assert len(blocks) == 4
    assert max(block.ByteSize() for block in blocks) < 2**19
    assert [block.offset_frames for block in blocks] == [0, 13107, 26214, 39321]
    sent = [pb.ActivationBlock.FromString(block.SerializeToString()) for block in blocks]
    back = beats_of(pb.BeatsResult.FromString(result.SerializeToString()), sent, LABELS)
    assert_same(back, found)
    assert back.seconds == {"engine": 0.1, "wall": 100.0}


def test_a_network_without_labels_comes_back_without_them() -> None:
    beat = np.linspace(0, 1, 100, dtype=np.float32)
    nothing = np.zeros(0, np.float32)
    given = BeatActivations(beat, beat / 2, nothing, np.zeros((0, 100), np.float32), (), 100.0)
    found = Beats(None, (), (), 1.0, {}, given)
    event = BeatsFound(found, "", n_samples=RATE, sample_rate_hz=RATE, elapsed_s=1.0)
    result = result_message(event, ())
    assert_same(beats_of(result, list(activation_messages(given)), ()), replace(found))


@pytest.mark.parametrize(
    ("config", "code", "field", "says"),
    [
        ({"model": "tiny"}, Code.INVALID_ARGUMENT, "config.model", "finds no beats"),
        ({"model": "beets"}, Code.NOT_FOUND, None, "clicks.fp32"),
        ({"model": "../clicks.onnx"}, Code.NOT_FOUND, None, "clicks.fp32"),
        ({"model": "raw"}, Code.FAILED_PRECONDITION, None, "random weights"),
        ({"separator": "two"}, Code.INVALID_ARGUMENT, "config.separator", "two.fp32 gives rest"),
        ({"separator": "clicks"}, Code.INVALID_ARGUMENT, "config.separator", "gives no stems"),
        ({"separator": "three"}, Code.NOT_FOUND, None, "tiny.fp32"),
        ({"separator": "/etc/x.onnx"}, Code.NOT_FOUND, None, "tiny.fp32"),
        (
            {"input": pb.InputFormat(pcm=pb.PcmInput(sample_rate_hz=RATE, channels=9))},
            Code.INVALID_ARGUMENT,
            "config.input.pcm.channels",
            "9 channels",
        ),
    ],
)
def test_a_config_of_beats_is_refused_before_the_upload(
    address: str, config: dict[str, object], code: Code, field: str | None, says: str
) -> None:
    def endless() -> Iterator[pb.BeatsRequest]:
        yield from beats_messages(SONG[:, :9], first=pb.BeatsConfig(**config))
        while True:
            yield pb.BeatsRequest(audio=bytes(1000))

    with pytest.raises(grpc.RpcError) as raised:
        call_beats(address, endless())
    assert (raised.value.code(), wrong_fields(raised.value)) == (code, [field] if field else [])
    assert says in raised.value.details()
    assert reasons(raised.value)


@pytest.mark.parametrize(
    ("separate", "config", "code", "field", "says"),
    [
        ({"model": "two"}, {}, Code.INVALID_ARGUMENT, "config.separate.model", "bass, drums"),
        ({"model": "clicks"}, {}, Code.INVALID_ARGUMENT, "config.separate.model", "no stems"),
        ({"overlap": 1.5}, {}, Code.INVALID_ARGUMENT, "config.separate.overlap", "1.5"),
        ({"stems": ["tuba"]}, {}, Code.NOT_FOUND, None, "drums, bass"),
        ({"shifts": 101}, {}, Code.INVALID_ARGUMENT, "config.separate.shifts", "101"),
        (
            {"input": pb.InputFormat(pcm=pb.PcmInput(sample_rate_hz=1, channels=2))},
            {},
            Code.INVALID_ARGUMENT,
            "config.separate.input.pcm.sample_rate_hz",
            "1 Hz",
        ),
        (
            {"output": pb.OutputFormat(pcm=pb.PcmOutput(encoding=pb.PCM_ENCODING_S24LE))},
            {},
            Code.INVALID_ARGUMENT,
            "config.separate.output.pcm.encoding",
            "S16LE",
        ),
        ({}, {"beats_model": "tiny"}, Code.INVALID_ARGUMENT, "config.beats_model", "no beats"),
        ({}, {"beats_model": "raw"}, Code.FAILED_PRECONDITION, None, "random weights"),
        (
            {"output": pb.OutputFormat(wav=pb.WavOutput(bits=12))},
            {},
            Code.INVALID_ARGUMENT,
            "config.separate.output",
            "12",
        ),
    ],
)
def test_a_config_of_an_analysis_is_refused_before_the_upload(
    address: str,
    separate: dict[str, object],
    config: dict[str, object],
    code: Code,
    field: str | None,
    says: str,
) -> None:
    def endless() -> Iterator[pb.AnalyzeRequest]:
        first = pb.AnalyzeConfig(separate=pb.SeparateConfig(**separate), **config)
        yield pb.AnalyzeRequest(config=first)
        while True:
            yield pb.AnalyzeRequest(audio=bytes(1000))

    with pytest.raises(grpc.RpcError) as raised:
        call_analyze(address, endless())
    assert (raised.value.code(), wrong_fields(raised.value)) == (code, [field] if field else [])
    assert says in raised.value.details()


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([], "config"),
        ([pb.BeatsRequest(audio=b"1")], "config"),
        ([pb.BeatsRequest(config=pb.BeatsConfig())] * 2, "config"),
        ([pb.BeatsRequest(config=pb.BeatsConfig()), pb.BeatsRequest(audio=b"words" * 99)], "audio"),
    ],
)
def test_what_is_no_audio_or_no_config_is_told_and_the_server_lives_on(
    address: str, messages: list[pb.BeatsRequest], field: str
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        call_beats(address, iter(messages))
    assert raised.value.code() is Code.INVALID_ARGUMENT
    assert wrong_fields(raised.value) == [field]
    assert call_beats(address, beats_messages())[-1].result.n_samples == SONG.shape[1]


def test_a_separation_of_a_beat_model_is_refused_with_the_command_to_run(address: str) -> None:
    with StemlineClient(address) as client:
        with pytest.raises(RemoteError, match=r"clicks\.fp32 finds beats") as raised:
            client.separate([SONG], STEREO, model="clicks")
        assert (raised.value.reason, raised.value.exit_code) == ("WrongModelError", USAGE)
        with pytest.raises(RemoteError) as raised:
            client.beats([SONG], STEREO, model="raw")
        assert (raised.value.reason, raised.value.exit_code) == ("UntrainedError", MISSING)


class GatedEngine(ClickEngine):
    """Holds every run until `gate` is set; `most` is how many ran at the same time."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__()
        self._gate = gate
        self._n_inside = 0
        self.most = 0

    def run(self, inputs: dict[str, Array]) -> dict[str, Array]:
        self._n_inside += 1
        self.most = max(self.most, self._n_inside)
        self._gate.wait(30)
        found = super().run(inputs)
        self._n_inside -= 1
        return found


def gated(gate: threading.Event) -> tuple[GainLibrary, BeatTracker, GatedEngine]:
    engine = GatedEngine(gate)
    tracker = tracker_of(engine)
    separators = {"tiny.fp32": click_separator()}
    return GainLibrary(separators, trackers={"clicks.fp32": tracker}), tracker, engine


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, f"never came: {what}"
        time.sleep(0.005)


def test_tracks_take_turns_with_the_network_and_wait_is_told() -> None:
    gate = threading.Event()
    library, tracker, engine = gated(gate)
    with running_server(library=library) as (address, _), ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(call_beats, address, beats_messages()) for _ in range(3)]
        wait_for(lambda: tracker.n_queued == 2, "two tracks in the queue")
        time.sleep(0.1)
        gate.set()
        results = [call.result()[-1].result for call in calls]
    assert engine.most == 1
    assert sum(result.seconds["queue"] > 0.1 for result in results) >= 2
    for result in results:
        assert [beat.time_s for beat in result.beats] == [time_s for time_s, _ in BEATS]
        assert result.bpm == 120


@pytest.mark.parametrize("is_analysis", [False, True])
def test_a_call_that_goes_away_gives_up_its_turn_at_once(is_analysis: bool) -> None:
    gate = threading.Event()
    library, tracker, engine = gated(gate)

    def messages() -> Iterator[object]:
        if not is_analysis:
            yield from beats_messages()
            return
        config = pb.AnalyzeConfig()
        config.separate.input.pcm.sample_rate_hz = RATE
        config.separate.input.pcm.channels = 2
        yield pb.AnalyzeRequest(config=config)
        for message in list(beats_messages())[1:]:
            yield pb.AnalyzeRequest(audio=message.audio)

    with (
        running_server(library=library) as (address, server),
        grpc.insecure_channel(address) as channel,
    ):
        stub = pb_grpc.StemlineServiceStub(channel)
        begin = stub.Analyze if is_analysis else stub.Beats
        calls = []
        for n_queued in (0, 1, 2):
            calls.append(begin(messages()))
            threading.Thread(target=drained, args=(calls[-1],), daemon=True).start()
            wait_for(lambda: engine.most == 1, "the first's turn")
            wait_for(lambda n=n_queued: tracker.n_queued == n, "its place in the queue")
        # The network still holds the first: what waits behind it goes without it, and so does the
        # first itself.
        calls[1].cancel()
        wait_for(lambda: (tracker.n_queued, server.n_streams) == (1, 2), "the second's end")
        calls[0].cancel()
        wait_for(lambda: server.n_streams == 1, "the first's end")
        gate.set()
        wait_for(lambda: server.n_streams == 0, "the third's end")
        assert calls[2].code() is Code.OK
        assert call_beats(address, beats_messages())[-1].result.bpm == 120


class DeafEngine(ClickEngine):
    """Fails, once it is its turn."""

    def run(self, inputs: dict[str, Array]) -> dict[str, Array]:
        raise EngineError("it does not work")


def deaf() -> GainLibrary:
    separators = {"tiny.fp32": click_separator()}
    return GainLibrary(separators, trackers={"clicks.fp32": tracker_of(DeafEngine())})


@pytest.mark.parametrize("method", ["separate_file", "analyze_file"])
def test_a_call_that_fails_leaves_no_folder_that_was_not_there(tmp_path: Path, method: str) -> None:
    song = tmp_path / "song.wav"
    samples = SONG.T.copy()
    if method == "separate_file":
        samples[-1] = np.nan  # after the call is accepted
    soundfile.write(song, samples, RATE, "FLOAT")
    kept = tmp_path / "kept"
    kept.mkdir()
    with running_server(library=deaf()) as (address, _), StemlineClient(address) as client:
        for folder in (kept, kept / "more", tmp_path / "new" / "deep"):
            with pytest.raises(RemoteError) as raised:
                getattr(client, method)(song, folder, OutputFormat("wav"))
            assert raised.value.status in ("INVALID_ARGUMENT", "INTERNAL")
        (kept / "mine.txt").write_text("here before")
        with pytest.raises(RemoteError):
            getattr(client, method)(song, kept, OutputFormat("wav"))
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"song.wav", "kept", "kept/mine.txt"}


def analysis_of(messages: Iterator[pb.BeatsRequest]) -> Iterator[pb.AnalyzeRequest]:
    """The same recording, sent to Analyze."""
    config = pb.AnalyzeConfig()
    config.separate.input.CopyFrom(next(messages).config.input)
    yield pb.AnalyzeRequest(config=config)
    for message in messages:
        yield pb.AnalyzeRequest(audio=message.audio)


def file_messages(samples: Array = SONG) -> Iterator[pb.BeatsRequest]:
    file = io.BytesIO()
    soundfile.write(file, samples.T, RATE, format="FLAC")
    yield pb.BeatsRequest(config=pb.BeatsConfig(input={"container": {}}))
    yield pb.BeatsRequest(audio=file.getvalue())


def refusal(call: Callable[[], object]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert raised.value.code() is Code.RESOURCE_EXHAUSTED
    assert retry_s(raised.value) == [5]
    assert reasons(raised.value) == [("stemline", "LimitError")]
    return raised.value


# A file tells its 8 s; of PCM as much is held as may come, up to a minute.
@pytest.mark.parametrize(("messages", "held_s"), [(file_messages, 8), (beats_messages, 9)])
@pytest.mark.parametrize("is_analysis", [False, True])
def test_what_calls_for_beats_hold_together_is_bounded(
    messages: Callable[[], Iterator[pb.BeatsRequest]], held_s: float, is_analysis: bool
) -> None:
    gate = threading.Event()
    library, _, engine = gated(gate)

    def one(address: str) -> list[Any]:
        if is_analysis:
            return call_analyze(address, analysis_of(messages()))
        return call_beats(address, messages())

    limits = {"max_beats_s": 9, "max_beats_total_s": 2 * held_s + 1}
    with running_server(library=library, **limits) as (address, server):
        with ThreadPoolExecutor(3) as pool:
            calls = [pool.submit(one, address) for _ in range(2)]
            wait_for(lambda: server.held_audio_s == 2 * held_s, "two calls")
            wait_for(lambda: engine.most == 1, "the network")
            error = refusal(lambda: one(address))
            assert f"{2 * held_s + 1} s of audio at once" in error.details()
            wait_for(lambda: server.held_audio_s == 2 * held_s, "the third's end")
            # One that asks for little gets it, and a separation alone asks for nothing.
            short = pool.submit(call_beats, address, file_messages(SONG[:, : RATE // 2]))
            with StemlineClient(address) as client:
                with client.separate([SONG], STEREO) as separation:
                    assert whole(separation, separation.stems)["bass"].shape == SONG.shape
            gate.set()
            assert short.result()[-1].result.n_samples == RATE // 2
            for call in calls:
                assert call.result()[-1].WhichOneof("response") in ("result", "summary")
        wait_for(lambda: server.held_audio_s == 0, "the end of all")
        assert one(address)


@pytest.mark.parametrize("ending", ["cancelled", "gone", "idle", "fails", "no audio"])
def test_whatever_ends_a_call_gives_back_what_it_held(ending: str) -> None:
    gate = threading.Event()
    library = gated(gate)[0] if ending in ("cancelled", "gone") else deaf()
    going_on = threading.Event()

    def messages() -> Iterator[pb.BeatsRequest]:
        yield from beats_messages()
        if ending == "idle":
            going_on.wait(20)
        if ending == "no audio":
            yield pb.BeatsRequest(audio=np.full(100, np.nan, "<f4").tobytes())

    limits = {"max_beats_s": 9, "max_beats_total_s": 9, "idle_s": 0.3}
    with running_server(library=library, **limits) as (address, server):
        channel = grpc.insecure_channel(address)
        call = pb_grpc.StemlineServiceStub(channel).Beats(messages())
        assert next(call).WhichOneof("response") == "accepted"
        if ending in ("cancelled", "gone"):
            wait_for(lambda: server.held_audio_s == 9, "its audio")
            refusal(lambda: call_beats(address, beats_messages()))
            call.cancel() if ending == "cancelled" else channel.close()
        else:
            with pytest.raises(grpc.RpcError):
                list(call)
        wait_for(lambda: server.held_audio_s == 0, "what it held")
        gate.set()
        going_on.set()
        channel.close()


def test_a_call_refused_midway_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_STEP_S", 2.0)
    gate = threading.Event()
    library, _, engine = gated(gate)
    limits = {"max_beats_s": 9, "max_beats_total_s": 16}
    got: list[pb.BeatsResponse] = []

    def growing() -> None:
        with grpc.insecure_channel(address) as channel:
            long = np.tile(SONG, 2)[:, : round(8.5 * RATE)]
            got.extend(pb_grpc.StemlineServiceStub(channel).Beats(beats_messages(long)))

    with running_server(library=library, **limits) as (address, server):
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(call_beats, address, file_messages())
            wait_for(lambda: engine.most == 1, "its turn")
            refusal(growing)  # 8 s are held beside it, and 9 would be too many
            assert got[0].WhichOneof("response") == "accepted"
            wait_for(lambda: server.held_audio_s == 8, "its end")
            gate.set()
            assert first.result()[-1].result.bpm == 120
        growing()
        assert got[-1].result.n_samples == round(8.5 * RATE)
        wait_for(lambda: server.held_audio_s == 0, "the end of all")


def test_shares_of_audio_add_up_and_a_refused_one_stays_as_it_was() -> None:
    held = beats_budget(1.0)
    with held.share() as one, held.share() as other:
        for tenth in range(1, 8):
            one.grow(tenth / 10)
        one.grow(0.2)  # of a second pass: it is there already
        assert held.held == 0.7
        with pytest.raises(LimitError, match="1 s of audio"):
            other.grow(0.4)
        assert (one.held, other.held) == (0.7, 0.0)
        other.grow(0.3)
        assert held.held == 1.0
    assert held.held == 0.0


def drained(call: Iterator[object]) -> None:
    try:
        for _ in call:
            pass
    except grpc.RpcError:
        pass


def test_calls_for_beats_are_counted_and_limited_like_separations() -> None:
    gate = threading.Event()
    library, _, engine = gated(gate)
    limits = {"max_streams": 1, "max_beats_s": 8.5, "idle_s": 0.3}
    with running_server(library=library, **limits) as (address, _):
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(call_beats, address, beats_messages())
            wait_for(lambda: engine.most == 1, "its turn")
            with pytest.raises(grpc.RpcError) as raised:
                call_beats(address, beats_messages())
            assert raised.value.code() is Code.RESOURCE_EXHAUSTED
            assert retry_s(raised.value)
            time.sleep(0.6)  # in the queue a call may be still for as long as it takes
            gate.set()
            assert call.result()[-1].result.bpm == 120
        with pytest.raises(grpc.RpcError) as raised:
            call_beats(address, beats_messages(np.zeros((2, 9 * RATE), np.float32)))
        assert raised.value.code() is Code.RESOURCE_EXHAUSTED
        assert "8.5 s" in raised.value.details()
        with StemlineClient(address) as client:
            with client.separate([np.zeros((2, 9 * RATE), np.float32)], STEREO) as separation:
                assert whole(separation, separation.stems)["bass"].shape == (2, 9 * RATE)
        going_on = threading.Event()

        def stuck() -> Iterator[pb.BeatsRequest]:
            yield from beats_messages()
            going_on.wait(20)

        with pytest.raises(grpc.RpcError) as raised:
            call_beats(address, stuck())
        assert raised.value.code() is Code.DEADLINE_EXCEEDED
        going_on.set()


def test_a_drain_lets_beats_be_found_first() -> None:
    gate = threading.Event()
    library, _, _ = gated(gate)
    with running_server(library=library) as (address, server), ThreadPoolExecutor(2) as pool:
        call = pool.submit(call_beats, address, beats_messages())
        wait_for(lambda: server.n_streams == 1, "a stream")
        drained_all = pool.submit(server.drain)
        wait_for(lambda: code_of_a_new_call(address) is Code.UNAVAILABLE, "refusals")
        gate.set()
        assert call.result()[-1].result.bpm == 120
        assert drained_all.result()


def code_of_a_new_call(address: str) -> Code:
    """Of one that asks for a model that there is not."""
    with pytest.raises(grpc.RpcError) as raised:
        call_beats(address, iter([pb.BeatsRequest(config=pb.BeatsConfig(model="none"))]))
    return raised.value.code()


@pytest.mark.parametrize("level", [0.0, 2.0**-16 * 0.99])
def test_silence_has_no_beats_whatever_is_heard_in_it(level: float) -> None:
    info = replace(FACTS, best_threshold_downbeat=None)
    tracker = BeatTracker(RestlessEngine(info), info, name="clicks.fp32")
    library = GainLibrary({"tiny.fp32": click_separator()}, trackers={"clicks.fp32": tracker})
    quiet = np.full((2, 3 * RATE), level, np.float32)
    with running_server(library=library) as (address, _), StemlineClient(address) as client:
        with client.analyze([quiet], STEREO) as analysis:
            list(analysis)
        found = (client.beats([quiet], STEREO), analysis.beats)
        assert client.beats([quiet + np.float32(0.01)], STEREO).beats
    for one in found:
        assert one is not None
        assert (one.bpm, one.beats, one.segments) == (None, (), (Section(0.0, 3.0, "verse"),))


def test_the_list_tells_what_each_model_does(address: str) -> None:
    with StemlineClient(address) as client:
        models = {model.artifact: model for model in client.list_models()}
    assert list(models) == ["clicks.fp32", "tiny.fp32", "two.fp32"]  # `raw` is of random weights
    clicks, tiny = models["clicks.fp32"], models["tiny.fp32"]
    assert (clicks.task, tiny.task) == (pb.TASK_BEATS, pb.TASK_SEPARATE)
    assert (list(clicks.stems), list(tiny.stems)) == ([], list(ORDER))
    assert (list(clicks.input_stems), list(tiny.input_stems)) == (list(STEMS), [])
    assert (tuple(clicks.labels), clicks.trained_on_stems_of) == (LABELS, "tiny")
    assert clicks.loaded and tiny.loaded


def test_the_first_model_of_each_kind_is_the_default() -> None:
    separators = {
        f"{name}.fp32": gain_separator(tiny_info(ORDER, model=name), (1.0, 0.5, 0.3, 1.0))
        for name in ("net0", "net1")
    }
    trackers = {f"{name}.fp32": tracker_of(ClickEngine()) for name in ("hear0", "hear1")}
    library = GainLibrary(separators, trackers=trackers)
    models = ("hear1", "net1", "hear0", "net0")
    with running_server(library=library, models=models) as (address, _):
        assert library.opened == [f"{name}.fp32" for name in models]
        accepted = call_beats(address, beats_messages())[0].accepted
        assert accepted.artifact == "hear1.fp32"
        with StemlineClient(address) as client:
            with client.separate([SONG], STEREO) as separation:
                assert separation.accepted.artifact == "net1.fp32"
            # What the stems are separated by is the beat model's to choose, not the server's.
            with client.analyze([SONG], STEREO, beats_model="hear0") as analysis:
                assert analysis.accepted.artifact == "net0.fp32"
                next(analysis)
                assert analysis.beats_accepted is not None
                assert analysis.beats_accepted.artifact == "hear0.fp32"


def test_a_server_of_beat_models_alone_says_what_it_lacks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_beat_artifact(tmp_path)
    write_beat_artifact(tmp_path, model="raw", trained=False)
    library = Library(tmp_path, EngineOptions("cpu", 1))
    with running_server(library=library) as (address, _), StemlineClient(address) as client:
        assert "raw.fp32 has random weights and is not served" in caplog.text
        assert [model.artifact for model in client.list_models()] == ["clicks.fp32"]
        with pytest.raises(RemoteError, match="stemline export tiny") as raised:
            client.beats([SONG], STEREO)
        assert raised.value.status == "NOT_FOUND"
        with pytest.raises(RemoteError, match=r"only what finds beats: clicks\.fp32") as raised:
            client.separate([SONG], STEREO)
        assert raised.value.status == "NOT_FOUND"


def test_untrained_beat_models_are_served_with_a_warning_where_they_are_allowed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def made(allow_untrained: bool) -> GainLibrary:
        return GainLibrary(
            {"tiny.fp32": click_separator()},
            allow_untrained,
            trackers={"raw.fp32": tracker_of(ClickEngine())},
            untrained={"raw.fp32"},
        )

    with running_server(library=made(True)) as (address, _):
        assert "raw.fp32 has random weights" in caplog.text
        assert call_beats(address, beats_messages())[0].accepted.artifact == "raw.fp32"
    with running_server(library=made(False)) as (address, _), StemlineClient(address) as client:
        with pytest.raises(RemoteError, match="random weights") as raised:
            client.beats([SONG], STEREO)
    assert raised.value.status == "FAILED_PRECONDITION"


def test_a_container_and_its_progress_tell_the_whole_length(address: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, SONG.T, RATE, format="FLAC")
    messages = [
        pb.BeatsRequest(config=pb.BeatsConfig()),
        pb.BeatsRequest(audio=file.getvalue()),
    ]
    responses = call_beats(address, iter(messages))
    progress = responses[-2].progress
    assert progress.samples_done == progress.samples_total == SONG.shape[1]
    assert progress.seconds_left == 0
    result = responses[-1].result
    assert result.realtime_factor == pytest.approx(8 / result.seconds["wall"])


class MixtureEngine:
    """Hears how loud each frame of the mixture is."""

    spec = EngineSpec(
        name="mixture",
        inputs=(TensorSpec("features", "float32", ("batch", "frames", 314)),),
        outputs=tuple(
            TensorSpec(name, "float32", ("batch", "frames")) for name in ("beat", "downbeat")
        ),
        provider="MixtureProvider",
        device="cpu",
    )

    def run(self, inputs: dict[str, Array]) -> dict[str, Array]:
        level = inputs["features"].mean(axis=2)
        beat = level / max(1e-9, float(level.max())) * np.float32(0.6)
        return {"beat": beat, "downbeat": beat * beat}

    def close(self) -> None:
        pass


@pytest.mark.parametrize("is_read_twice", [False, True])
def test_what_hears_the_mixture_needs_no_separator_and_hears_it_in_an_analysis(
    library: Library, is_read_twice: bool
) -> None:
    info = BeatInfo("madmom", (), (), 0.05, n_bins=314)

    def tracker() -> BeatTracker:
        return BeatTracker(MixtureEngine(), info, name="mixture.fp32")

    wanted = tracker().track(SONG, RATE, with_activations=True)
    assert (len(wanted.beats) > 10, wanted.segments) == (True, ())
    # One of Demucs's kind takes the level of the whole track first.
    separator = library.separator("two") if is_read_twice else click_separator()
    served = GainLibrary({"tiny.fp32": separator}, trackers={"mixture.fp32": tracker()})
    if is_read_twice:  # its own library closes it
        served.close = lambda: None  # type: ignore[method-assign]
    with running_server(library=served) as (address, _), StemlineClient(address) as client:
        assert_same(client.beats([SONG], STEREO, activations=True), wanted)
        with client.analyze(in_blocks(SONG, 5000), STEREO, activations=True) as analysis:
            assert whole(analysis, analysis.stems)[analysis.stems[0]].shape == SONG.shape
        assert_same(analysis.beats, wanted)
        assert analysis.beats_accepted is not None
        assert analysis.beats_accepted.separator == ""
        with pytest.raises(RemoteError, match="hears the mixture") as raised:
            client.beats([SONG], STEREO, separator="tiny")
        assert (raised.value.status, raised.value.reason) == ("INVALID_ARGUMENT", "RequestError")
    alone = GainLibrary({}, trackers={"mixture.fp32": tracker()})
    with running_server(library=alone) as (address, _), StemlineClient(address) as client:
        assert_same(client.beats([SONG], STEREO, activations=True), wanted)


def test_a_source_that_fails_ends_the_call_with_its_own_error(address: str) -> None:
    def blocks() -> Iterator[Array]:
        yield music(30_000)
        raise OSError("the disk went away")

    with StemlineClient(address) as client:
        with pytest.raises(OSError, match="the disk went away"):
            client.beats(blocks(), STEREO)
        with pytest.raises(OSError, match="the disk went away"):
            list(client.analyze(blocks(), STEREO))
