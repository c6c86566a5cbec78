"""Samples at the edges of what floats are, through everything that takes samples; run as a program.

`python extreme_cases.py BATCH` prints every case before it tries it, and their number at the end.
"""

import io
import struct
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from demucs_track_helpers import gain_info, through, write_gains
from numpy.typing import NDArray

from stemline import load_separator
from stemline.bench.containers.making import by_soundfile, encoded, pyav
from stemline.bench.memory import peak_rss_mb
from stemline.errors import AudioError, EncodingError
from stemline.postprocessing.dbn import DownbeatTracker, PlainBeatTracker
from stemline.postprocessing.encode import OutputFormat, StemWriter
from stemline.postprocessing.formats import FORMATS
from stemline.postprocessing.formats.mp3 import _MPEGS
from stemline.postprocessing.istft import Istft
from stemline.postprocessing.overlap_add import OverlapAdd
from stemline.postprocessing.triangle_add import TriangleAdd
from stemline.preprocessing.audio import decode_pcm, open_audio
from stemline.preprocessing.audio.check import checked
from stemline.preprocessing.resample import Resampler
from stemline.preprocessing.spectrogram import log_spectrogram
from stemline.preprocessing.stft import Stft
from stemline.separators import Separator

Samples = NDArray[np.float32]
N = 4096
FLOAT = np.finfo(np.float32)
_NOISE = np.random.default_rng(0).standard_normal(N)
_WILD = np.array([np.nan, np.inf, -np.inf, 1e38, 0.5, -0.5, 0, 2.0**31])
with np.errstate(over="ignore"):
    EXTREMES: dict[str, Samples] = {
        name: np.asarray(samples).astype(np.float32)
        for name, samples in {
            "2^31": np.full(N, 2.0**31),
            "-2^31": np.full(N, -(2.0**31)),
            "noise of 2^31": np.clip(_NOISE * 2.0**31, -(2.0**31), 2.0**31),
            "1e38": np.full(N, 1e38),
            "greatest": np.full(N, FLOAT.max),
            "greatest by turns": np.where(np.arange(N) % 2, FLOAT.max, -FLOAT.max),
            "denormal": np.full(N, FLOAT.smallest_subnormal),
            "denormals": _NOISE * 1e-40,
            "no number": np.full(N, np.nan),
            "infinite": np.full(N, np.inf),
            "minus infinite": np.full(N, -np.inf),
            "a bit of all": np.tile(_WILD, N // 8),
            "full scale": np.ones(N),
            "a hair beyond": np.full(N, np.nextafter(np.float32(1), np.float32(2))),
            "noise": _NOISE * 0.1,
            "silence": np.zeros(N),
            "negative silence": np.full(N, -0.0),
            "one": np.full(1, 0.5),
            "none": np.zeros(0),
        }.items()
    }
IS_AUDIO = {
    name: samples.size > 0 and bool((np.abs(samples) <= 2.0**31).all())
    for name, samples in EXTREMES.items()
}
Case = tuple[str, Callable[[], None]]


def outputs(container: str) -> Iterator[tuple[OutputFormat, int, int]]:
    """Every kind of file of one format: rates and numbers of channels."""
    if container == "mp3":
        for mpeg in _MPEGS:
            for rate in mpeg.rates_hz:
                for kbps in (mpeg.bitrates_kbps[0], mpeg.bitrates_kbps[-1]):
                    yield OutputFormat("mp3", bitrate_kbps=kbps), rate, 1 + (kbps > 100)
        for kbps in _MPEGS[0].bitrates_kbps:
            yield OutputFormat("mp3", bitrate_kbps=kbps), 44100, 2
        return
    for bits in (16, 24, 32) if container == "wav" else (16, 24):
        for channels in range(1, 9):
            yield OutputFormat(container, bits=bits), 44100, channels
        for rate in (1, 7, 1000, 65535, 655_350):
            yield OutputFormat(container, bits=bits), rate, 2


def held(samples: Samples, output: OutputFormat) -> Samples:
    """What a file is to hold of samples."""
    if not output.clips:
        return samples
    return np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1, 1)


def write_and_read(output: OutputFormat, rate: int, samples: Samples) -> None:
    """A file has what was written, clipped, and the count is right."""
    file = io.BytesIO()
    try:
        with StemWriter(file, output, rate, samples.shape[0]) as writer:
            for start in range(0, samples.shape[1], 1000):
                writer.write(samples[:, start : start + 1000])
    except EncodingError as error:
        assert not samples.shape[1], error
        return
    with np.errstate(invalid="ignore"):
        n_beyond = np.count_nonzero(~(np.abs(samples) <= 1)) if output.clips else 0
    assert writer.clipped_samples == n_beyond
    file.seek(0)
    found, found_rate = soundfile.read(file, dtype="float32", always_2d=True)
    assert found_rate == rate
    wanted = held(samples, output)
    if output.container != "mp3":
        step = 0.0 if output.bits == 32 else 2.0 ** (1 - output.bits)  # 1 itself is a step less
        np.testing.assert_allclose(found.T, wanted, atol=step, rtol=0)
        return
    assert np.isfinite(found).all()
    if output.bitrate_kbps >= 64:  # below there is no room for the encoder's delay
        assert found.shape == wanted.T.shape
    if not np.abs(wanted).max() > 1e-30:
        assert np.abs(found).max() < 1e-4
    assert np.abs(found).max() < 4 * max(0.1, np.abs(wanted).max())  # it rings


def encoders(container: str) -> Iterator[Case]:
    for output, rate, channels in outputs(container):
        for name, row in EXTREMES.items():
            quality = output.bitrate_kbps if container == "mp3" else output.bits
            yield (
                f"{container} {quality} {rate} Hz {channels} channels: {name}",
                partial(write_and_read, output, rate, np.tile(row, (channels, 1))),
            )


def assert_read(data: bytes, wanted: Samples, is_audio: bool) -> None:
    """The samples, or a refusal where they are no audio."""
    try:
        with open_audio(io.BytesIO(data)) as reader:
            found = np.concatenate(list(reader.blocks()), axis=1)
    except AudioError:
        assert not is_audio
        return
    assert is_audio
    # A denormal has few digits, which mixing loses.
    np.testing.assert_allclose(found, wanted, atol=1e-43, rtol=1e-6)


# Those of libsndfile that hold floats, and how FFmpeg calls those that only it reads.
_FLOATS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU", "IRCAM", "VOC", "MAT4", "MAT5")
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def decoders() -> Iterator[Case]:
    for name, row in EXTREMES.items():
        is_audio = IS_AUDIO[name]
        for channels in (1, 2, 8):
            samples = np.tile(row, (channels, 1))
            for container in _FLOATS:
                for subtype in ("FLOAT", "DOUBLE"):
                    if not soundfile.check_format(container, subtype):
                        continue
                    try:
                        data = by_soundfile(samples, container, subtype)
                    except soundfile.SoundFileError:  # so many channels it does not hold
                        continue
                    # Of eight channels in WAVE's own order two are made.
                    is_mixed = channels == 8 and container in ("WAVEX", "RF64")
                    yield (
                        f"{container} {subtype} {channels} channels: {name}",
                        partial(assert_read, data, samples[:2] if is_mixed else samples, is_audio),
                    )
        for channels, layout in _LAYOUTS.items():
            samples = np.tile(row, (channels, 1))
            for container, codec in (("mov", "pcm_f32le"), ("matroska", "pcm_f32le")):
                data = encoded(samples, container, codec, layout=layout)
                yield (
                    f"{container} {codec} {layout}: {name}",
                    partial(assert_read, data, samples, is_audio),
                )
        pcm = np.tile(row, (2, 1)).T.astype("<f4").tobytes()
        yield f"PCM: {name}", partial(assert_raw_read, pcm, is_audio)


def assert_raw_read(pcm: bytes, is_audio: bool) -> None:
    try:
        n_samples = sum(block.shape[1] for block in checked(decode_pcm([pcm], "f32le", 2)))
    except AudioError:
        assert not is_audio
        return
    assert is_audio
    assert n_samples == len(pcm) // 8


def refused_or_read(data: bytes) -> None:
    """In bounded time and memory, whatever comes of it."""
    started = time.perf_counter()
    try:
        with open_audio(io.BytesIO(data)) as reader:
            n_samples = sum(block.shape[1] for block in reader.blocks())
            assert n_samples <= 1000 * N
    except AudioError as error:
        assert str(error).startswith("the audio")
    assert time.perf_counter() - started < 5
    assert peak_rss_mb() < 1000


_RATES = (0, 1, 7, 999, 1000, 768_000, 768_001, 2**31 - 1, 2**31, 2**32 - 1)
_FREE_RATES = (0.0, -1.0, 1.0, 2.0**31 - 1, 2.0**32, 1e300, float("nan"), float("inf"), 5e-324)


def replaced(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def headers() -> Iterator[Case]:
    """Rates and numbers of channels that no file has."""
    silence = np.zeros((2, N), np.float32)
    wav = by_soundfile(silence, "WAV", "PCM_16")
    au = by_soundfile(silence, "AU", "PCM_16")
    vorbis, flac = by_soundfile(silence, "OGG", "VORBIS"), by_soundfile(silence, "FLAC", "PCM_16")
    mkv = encoded(silence, "matroska", "pcm_s16le")
    mov = encoded(silence, "mov", "pcm_s16le")
    caf = encoded(silence, "caf", "alac")
    mov_at, mkv_at = mov.index(b"stsd") + 20, mkv.index(b"\xb5\x88") + 2
    files: dict[str, bytes] = {}
    for rate in _RATES:
        files[f"WAV {rate} Hz"] = replaced(wav, 24, struct.pack("<I", rate))
        files[f"AU {rate} Hz"] = replaced(au, 16, struct.pack(">I", rate))
        head = bytearray(vorbis[:58])
        head[40:44] = struct.pack("<I", rate)
        head[22:26] = bytes(4)
        head[22:26] = struct.pack("<I", ogg_checksum(bytes(head)))
        files[f"Vorbis {rate} Hz"] = bytes(head) + vorbis[58:]
        files[f"FLAC {rate} Hz"] = replaced(
            flac, 18, struct.pack(">I", (rate & 0xFFFFF) << 12 | 0b001_01111_0000)
        )
        files[f"mov {rate} Hz"] = replaced(mov, mov_at + 16 + 8, struct.pack(">I", rate))
    for rate_hz in _FREE_RATES:
        files[f"Matroska {rate_hz} Hz"] = replaced(mkv, mkv_at, struct.pack(">d", rate_hz))
        files[f"CAF {rate_hz} Hz"] = replaced(caf, 20, struct.pack(">d", rate_hz))
    for channels in (0, 3, 9, 255, 256, 65535):
        files[f"WAV {channels} channels"] = replaced(wav, 22, struct.pack("<H", channels))
        files[f"AU {channels} channels"] = replaced(au, 20, struct.pack(">I", channels))
        files[f"mov {channels} channels"] = replaced(mov, mov_at + 16, struct.pack(">H", channels))
        files[f"CAF {channels} channels"] = replaced(caf, 44, struct.pack(">I", channels))
    for first, second in ((44100, 1), (44100, 7), (655_350, 1000), (44100, 655_350)):
        for container, subtype in (("FLAC", "PCM_16"), ("OGG", "VORBIS")):
            if container == "OGG" and 655_350 in (first, second):
                continue  # libvorbis ends the process
            files[f"{container} {first} Hz, then {second} Hz"] = by_soundfile(
                silence, container, subtype, first
            ) + by_soundfile(silence, container, subtype, second)
    files["Matroska at 44100 Hz, then 1 Hz"] = joined_in_matroska(
        by_soundfile(silence, "FLAC", "PCM_16"), by_soundfile(silence, "FLAC", "PCM_16", 1)
    )
    for name, data in files.items():
        yield name, partial(refused_or_read, data)


def joined_in_matroska(first: bytes, second: bytes) -> bytes:
    """The frames of two FLAC files, as one stream with the header of the first."""
    av = pyav()
    out = io.BytesIO()
    n_packets = 0
    with av.open(out, "w", format="matroska") as container:
        stream = None
        for data in (first, second):
            with av.open(io.BytesIO(data)) as source:
                stream = stream or container.add_stream_from_template(source.streams[0])
                for packet in source.demux(source.streams[0]):
                    if packet.size:
                        packet.time_base = Fraction(1, 10)
                        packet.pts = packet.dts = n_packets
                        packet.stream = stream
                        container.mux(packet)
                        n_packets += 1
    return out.getvalue()


def ogg_checksum(page: bytes) -> int:
    """The CRC of RFC 3533."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value


_SAMPLE_RATES = (1000, 7919, 8000, 11025, 44100, 48000, 96000, 192_000, 655_350, 768_000)


def resample(from_hz: int, to_hz: int, samples: Samples) -> None:
    resampler = Resampler(from_hz, to_hz, samples.shape[0])
    found = np.concatenate([resampler.push(samples), resampler.flush()], axis=1)
    assert abs(found.shape[1] - samples.shape[1] * to_hz / from_hz) <= 0.5
    if np.abs(samples).max(initial=0) <= 2.0**31:
        # The filter overshoots where a sample jumps.
        assert np.abs(found).max(initial=0) <= 4 * np.abs(samples).max(initial=0) + 1e-44


def resamplers() -> Iterator[Case]:
    for name, row in EXTREMES.items():
        for from_hz in _SAMPLE_RATES:
            for to_hz in (44100, 48000, 16000):
                for one, other in ((from_hz, to_hz), (to_hz, from_hz)):
                    channels = 8 if from_hz == 8000 else 1 + from_hz % 2
                    yield (
                        f"{one} Hz to {other} Hz, {channels} channels: {name}",
                        partial(resample, one, other, np.tile(row, (channels, 1))),
                    )


def quickest_s(run: Callable[[], object]) -> float:
    """The seconds of the quickest of five runs."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def make_bands(samples: Samples) -> None:
    """Log spectra of the beat networks, by the kernel in C in float32, by scipy in float64."""
    for dtype in (np.float32, np.float64):
        bands = log_spectrogram(samples.astype(dtype), 44100)
        assert np.isfinite(bands).all()
        assert (bands >= 0).all()
        assert bands.any() == (np.abs(samples).max(initial=0) > 1e-30)


def transform_and_back(samples: Samples) -> None:
    """The spectra of the separators' networks, and the samples that they are of."""
    spectra = Stft(1024, 256, 513)(samples)
    found = Istft(1024, 256, 513)(spectra)
    scale = np.abs(samples).max()
    np.testing.assert_allclose(found, samples[..., : found.shape[-1]], atol=1e-5 * scale + 1e-40)


def add_up(samples: Samples) -> None:
    """Chunks that overlap, of one signal, are the signal."""
    added = OverlapAdd(1, samples.shape[0], 1000, 500)
    triangles = TriangleAdd(1, samples.shape[0], 1000, 500)
    for start in range(0, samples.shape[1] - 1000, 500):
        piece = samples[None, :, start : start + 1000]
        whole, last = samples[None, :, start : start + 500], start + 1500 > samples.shape[1]
        found = added.add(piece, start, 1000, start == 0, last, start + 500)
        np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-44)
        found = triangles.add(piece, start, 1000, 0, start + 500)
        np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-42)


def decode_beats(activations: Samples) -> None:
    """Probabilities at their edges: a path or none, and no number is refused."""
    trackers = (
        (DownbeatTracker(fps=100), activations[: 2 * (len(activations) // 2)].reshape(-1, 2)),
        (PlainBeatTracker(fps=100), activations),
    )
    for tracker, given in trackers:
        try:
            found = tracker(given)  # type: ignore[operator]
        except ValueError as error:
            assert not np.isfinite(given).all(), error
        else:
            assert np.isfinite(found).all()
            assert len(found) <= len(given)


def as_quick_as_noise(run: Callable[[Samples], object], quiet: Samples, noise: Samples) -> None:
    assert quickest_s(lambda: run(quiet)) < 10 * quickest_s(lambda: run(noise)) + 0.01


def kernels() -> Iterator[Case]:
    """Our own, in C and numpy, of what the reader lets through."""
    noise = np.tile(EXTREMES["noise"], (2, 1))
    for name, row in EXTREMES.items():
        samples = np.tile(row, (2, 1))
        yield f"beats: {name}", partial(decode_beats, row)
        yield f"beats, as a share: {name}", partial(decode_beats, np.abs(row) * np.float32(0.4))
        if IS_AUDIO[name]:
            yield f"bands: {name}", partial(make_bands, samples)
        if IS_AUDIO[name] and len(row) == N:
            yield f"spectra: {name}", partial(transform_and_back, samples)
            yield f"overlap: {name}", partial(add_up, samples)
            for run in (make_bands, transform_and_back, add_up):
                yield (
                    f"{run.__name__}, as quick as noise: {name}",
                    partial(as_quick_as_noise, run, samples, noise),
                )


def separate(separator: Separator, samples: Samples, rate_hz: int, is_audio: bool) -> None:
    """Whole: read, resampled, through ONNX Runtime, and back, the level taken out and put back."""
    try:
        stems = separator.separate(samples, rate_hz)
    except AudioError:
        # What is resampled may go beyond what is taken.
        assert not is_audio or (rate_hz != 44100 and np.abs(samples).max() > 2.0**30)
        return
    assert is_audio
    found = stems["half"]
    assert found.shape == (min(2, samples.shape[0]), samples.shape[1])
    assert np.isfinite(found).all()
    if rate_hz == 44100:
        wanted = through(0.5, samples)[: len(found)]
        np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(samples).max() + 1e-7)


def separations() -> Iterator[Case]:
    write_gains(Path(), gain_info("gains", stems=("half",)), [0.5])
    with load_separator("gains", artifacts=Path()) as separator:
        for name, row in EXTREMES.items():
            for rate_hz in (1000, 44100, 768_000):
                for channels in (1, 2, 8):
                    samples = np.tile(row, (channels, 1))
                    yield (
                        f"{rate_hz} Hz, {channels} channels: {name}",
                        partial(separate, separator, samples, rate_hz, IS_AUDIO[name]),
                    )


BATCHES: dict[str, Callable[[], Iterator[Case]]] = {
    **{f"{name} written": partial(encoders, name) for name in FORMATS},
    "floats read": decoders,
    "headers read": headers,
    "resampled": resamplers,
    "kernels": kernels,
    "separated": separations,
}


def main() -> None:
    n_cases = 0
    for name, run in BATCHES[sys.argv[1]]():
        print(name, flush=True)
        run()
        n_cases += 1
    print(n_cases)


if __name__ == "__main__":
    main()
