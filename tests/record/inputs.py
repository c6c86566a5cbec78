"""What the record is made of: seeded audio files, small networks, and artifacts of them."""

import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

Array = NDArray[np.float32]

GOLDEN = Path(__file__).parent / "golden"
DEMUCS = GOLDEN / "demucs.zip"
"""Packages of small Demucs networks, and the artifacts that were exported from them."""
BAG = ("aaaa1111", "bbbb2222")
"""The networks of `bag`: the first counts for its first stem alone, the second for the other."""

CONFIG = """
audio: {chunk_size: 3968, dim_f: 256, dim_t: 32, hop_length: 128, n_fft: 512, num_channels: 2,
  sample_rate: 44100}
model: {act: gelu, bottleneck_factor: 2, growth: 4, norm: InstanceNorm, num_blocks_per_scale: 1,
  num_channels: 4, num_scales: 2, num_subbands: 4, scale: !!python/tuple [2, 2]}
training: {instruments: [Vocals, Instrumental], target_instrument: null}
inference: {batch_size: 1, dim_t: 32, num_overlap: 4}
"""

EXPORTS: dict[str, tuple[str, ...]] = {
    "tiny": ("tiny", "--family", "mdx23c", "--config", "tiny.yaml", "--weights", "random"),
    "mini": ("mini", "mini-beats", "--variants", "fp32"),
    "bag": ("bag", "--family", "demucs", "--config", "packages/bag.yaml", "--weights", "packages"),
    "ht": ("ht", "--family", "demucs", "--weights", "packages/ht.safetensors"),
    "hd": ("hd", "--family", "demucs", "--weights", "packages/hd.safetensors"),
}
"""What `stemline export` is called with, for artifacts of these names."""


def tones(n_samples: int, channels: int, rate_hz: int, seed: int) -> Array:
    """Decaying tones and a little noise, (channels, n_samples)."""
    random = np.random.default_rng(seed)
    time_s = np.arange(n_samples) / rate_hz
    out = 0.02 * random.standard_normal((channels, n_samples))
    for frequency_hz in random.uniform(80, 0.2 * rate_hz, 6):
        decay = np.exp(-3 * (time_s % random.uniform(0.2, 0.7)))
        pan = random.uniform(0.2, 1, (channels, 1))
        out += 0.1 * pan * decay * np.sin(2 * np.pi * frequency_hz * time_s)
    return out.astype(np.float32)


def groove(duration_s: float, rate_hz: int, seed: int, bpm: float = 120.0) -> Array:
    """A kick, a snare, a hi-hat, a bass and chords in bars of four, (2, n_samples)."""
    random = np.random.default_rng(seed)
    n_samples = round(duration_s * rate_hz)
    out = np.zeros((2, n_samples))
    beat_s = 60 / bpm

    def add(start_s: float, sound: Callable[[Array], Array], length_s: float, left: float) -> None:
        start = round(start_s * rate_hz)
        n = min(round(length_s * rate_hz), n_samples - start)
        if n > 0:
            out[:, start : start + n] += np.array([[left], [1 - left]]) * sound(
                np.arange(n) / rate_hz
            )

    roots_hz = (55.0, 73.4, 65.4, 49.0)
    for half in range(int(2 * duration_s / beat_s)):
        start_s, beat = half * beat_s / 2, half // 2
        hiss = random.standard_normal(rate_hz)
        add(start_s, lambda t, h=hiss: 0.15 * h[: len(t)] * np.exp(-60 * t), 0.1, 0.4)  # type: ignore[misc]
        if half % 2:
            continue
        if beat % 2 == 0:
            add(start_s, lambda t: 0.9 * np.sin(60 * np.exp(-20 * t)) * np.exp(-9 * t), 0.3, 0.5)
        else:
            add(start_s, lambda t, h=hiss: 0.5 * h[: len(t)] * np.exp(-25 * t), 0.2, 0.5)  # type: ignore[misc]
        root_hz = roots_hz[beat // 4 % 4]
        add(
            start_s,
            lambda t, f=root_hz: 0.4 * np.sin(2 * np.pi * f * t) * np.exp(-3 * t),  # type: ignore[misc]
            beat_s,
            0.5,
        )
        if beat % 4 == 0:
            for factor in (4.0, 5.04, 5.99):
                add(
                    start_s,
                    lambda t, f=factor * root_hz: 0.12 * np.sin(2 * np.pi * f * t),  # type: ignore[misc]
                    4 * beat_s,
                    0.6,
                )
    return (0.6 * out).astype(np.float32)


def write_audio(folder: Path) -> None:
    """The audio files of the record, and files that are none."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, samples: Array, rate_hz: int, subtype: str) -> None:
        soundfile.write(folder / name, samples.T, rate_hz, subtype=subtype)

    write("stereo.wav", tones(3 * 44100, 2, 44100, 1), 44100, "FLOAT")
    write("short.wav", tones(22050, 2, 44100, 2), 44100, "PCM_16")
    write("mono.wav", tones(2 * 22050, 1, 22050, 3), 22050, "PCM_16")
    write("odd.wav", tones(71_993, 2, 48_000, 4), 48_000, "PCM_24")
    write("one.wav", tones(1, 2, 44100, 5), 44100, "FLOAT")
    write("six.wav", tones(30_001, 6, 44100, 6), 44100, "PCM_16")
    write("stereo.flac", tones(44_100, 2, 44100, 7), 44100, "PCM_16")
    write("loud.wav", np.clip(20 * tones(22_050, 2, 44100, 8), -1, 1), 44100, "FLOAT")
    write("song.wav", groove(12.0, 44100, 9), 44100, "PCM_16")
    write("song48.wav", groove(8.0, 48_000, 10, 97.0), 48_000, "PCM_16")
    silence = np.zeros((2, 44_100), np.float32)
    write("silence.wav", silence, 44100, "PCM_16")
    silence[0, 100] = np.nan
    write("nan.wav", silence, 44100, "FLOAT")
    write("empty.wav", np.zeros((2, 0), np.float32), 44100, "PCM_16")
    write("fast.wav", tones(9600, 2, 96_000, 11), 96_000, "PCM_16")
    (folder / "text.wav").write_text("these are words, not music\n" * 50)
    (folder / "nothing.wav").write_bytes(b"")
    (folder / "cut.flac").write_bytes((folder / "stereo.flac").read_bytes()[:20_000])


def unpack_demucs(folder: Path) -> None:
    """The small Demucs networks: `packages` and `artifacts` in this folder."""
    with zipfile.ZipFile(DEMUCS) as packed:
        packed.extractall(folder)


def pack_demucs(folder: Path) -> None:
    """Write the archive of `packages` and of the artifacts of those networks, in this folder."""
    names = {"bag-aaaa1111.fp32", "bag-bbbb2222.fp32", "ht.fp32", "hd.fp32"}
    with zipfile.ZipFile(DEMUCS, "w", zipfile.ZIP_LZMA) as packed:
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if path.is_file() and (
                parts[0] == "packages" or (parts[0] == "artifacts" and parts[1] in names)
            ):
                # Of one date, so that the same files give the same archive.
                entry = zipfile.ZipInfo("/".join(parts))
                entry.compress_type = zipfile.ZIP_LZMA
                packed.writestr(entry, path.read_bytes())


def write_packages(folder: Path) -> None:
    """Packages of small Demucs networks with seeded weights. Needs PyTorch.

    Their stems have names of their own, so that an export does not measure them on songs.
    """
    from demucs_track_helpers import TINY_HTDEMUCS, write_bag_yaml, write_network

    folder.mkdir(parents=True, exist_ok=True)
    small = {**TINY_HTDEMUCS, "sources": ["strings", "brass"]}
    for seed, name in enumerate(BAG):
        write_network(folder / f"{name}.safetensors", small, seed + 1)
    write_bag_yaml(folder / "bag.yaml", BAG, weights=[[1, 0], [0, 1]])
    hybrid = {
        "sources": ["strings", "brass"],
        "channels": 4,
        "depth": 4,
        "nfft": 256,
        "norm_starts": 3,
        "dconv_attn": 3,
        "dconv_lstm": 3,
        "dconv_comp": 2,
        "segment": Fraction(64 * 433 + 7, 44100),
    }
    write_network(folder / "hd.safetensors", hybrid, 3, "HDemucs")
    transformer = {
        "sources": ["strings", "brass", "choir"],
        "channels": 8,
        "depth": 2,
        "nfft": 512,
        "dconv_mode": 3,
        "bottom_channels": 16,
        "t_layers": 2,
        "t_heads": 2,
        "segment": Fraction(1, 5),
    }
    write_network(folder / "ht.safetensors", transformer, 4)


def write_inputs(work: Path) -> None:
    """All that is there before the first command: `audio`, `packages`, `tiny.yaml` and the like."""
    write_audio(work / "audio")
    unpack_demucs(work)
    (work / "tiny.yaml").write_text(CONFIG)
    (work / "wrong.yaml").write_text("audio: {chunk_size: 5}\n")
    (work / "broken.yaml").write_text("audio: [\n")
    (work / "wrong-bag.yaml").write_text('{"models": ["aaaa1111", "cccc3333"]}')
    (work / "bad.ckpt").write_bytes(b"no checkpoint")
    (work / "token.txt").write_text("secret\n")
    (work / "wrong-token.txt").write_text("another\n")
    (work / "a-file").write_text("keep\n")
