"""What the record asks for: every command and every raw call, by name."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

VERBS = (
    "demo", "models", "export", "verify", "separate", "beats", "serve", "worker", "bench", "band",
)  # fmt: skip
HERE = ("--artifacts", "artifacts", "--device", "cpu", "--threads", "1")
"""What a command that runs networks here is given besides."""

WAV = ("--format", "wav", "--bits", "32")
SEPARATIONS: dict[str, tuple[str, ...]] = {
    "mini": ("stereo.wav", "-m", "mini", *WAV),
    "mini one of its stems": ("stereo.wav", "-m", "mini", "--stems", "Vocals, drums", *WAV),
    "mini two stems": ("stereo.wav", "-m", "mini", "--two-stems", "vocals", *WAV),
    "mini mono 22050 Hz": ("mono.wav", "-m", "mini.fp32", *WAV),
    "mini odd length 48000 Hz": ("odd.wav", "-m", "mini", "--overlap", "4", *WAV),
    "mini one sample": ("one.wav", "-m", "mini", *WAV),
    "mini six channels": ("six.wav", "-m", "mini", *WAV),
    "mini flac": ("stereo.flac", "-m", "mini", *WAV),
    "mini default model": ("short.wav", *WAV),
    "mini path": ("short.wav", "-m", "artifacts/mini.fp32/1/model.onnx", *WAV),
    "tiny": ("stereo.wav", "-m", "tiny", *WAV),
    "tiny overlap 2": ("stereo.wav", "-m", "tiny", "--overlap", "2", *WAV),
    "tiny overlap 0.5": ("odd.wav", "-m", "tiny", "--overlap", "0.5", *WAV),
    "tiny overlap 8": ("short.wav", "-m", "tiny", "--overlap", "8", *WAV),
    "tiny batch 3": ("mono.wav", "-m", "tiny", "--batch-size", "3", *WAV),
    "tiny 16 bits": ("short.wav", "-m", "tiny"),
    "tiny 24 bits": ("short.wav", "-m", "tiny", "--bits", "24"),
    "tiny flac 16 bits": ("short.wav", "-m", "tiny", "--format", "flac"),
    "tiny flac 24 bits": ("short.wav", "-m", "tiny", "--format", "flac", "--bits", "24"),
    "tiny mp3": ("short.wav", "-m", "tiny", "--format", "mp3", "--bitrate", "128"),
    "tiny clipped": ("loud.wav", "-m", "tiny"),
    "ht": ("short.wav", "-m", "ht", *WAV),
    "ht overlap 0.5": ("odd.wav", "-m", "ht", "--overlap", "0.5", *WAV),
    "ht shifts": ("short.wav", "-m", "ht", "--shifts", "2", "--seed", "5", *WAV),
    "ht other seed": ("short.wav", "-m", "ht", "--shifts", "2", "--seed", "6", *WAV),
    "ht one sample": ("one.wav", "-m", "ht", *WAV),
    "ht two stems": ("mono.wav", "-m", "ht", "--two-stems", "brass", *WAV),
    "hd": ("short.wav", "-m", "hd", *WAV),
    "hd odd length 48000 Hz": ("odd.wav", "-m", "hd", *WAV),
    "hd mono 22050 Hz": ("mono.wav", "-m", "hd", "--shifts", "1", *WAV),
    "bag": ("short.wav", "-m", "bag", *WAV),
    "bag one stem": ("short.wav", "-m", "bag", "--stems", "brass", *WAV),
    "bag two stems": ("short.wav", "-m", "bag", "--two-stems", "strings", *WAV),
    "bag one network": ("short.wav", "-m", "bag-aaaa1111", *WAV),
}
"""Of `stemline separate`: the audio file, then options."""

REMOTE = (
    "mini", "mini two stems", "mini mono 22050 Hz", "mini odd length 48000 Hz", "mini one sample",
    "mini default model", "tiny overlap 2", "tiny flac 24 bits", "tiny mp3", "tiny clipped", "ht",
    "ht shifts", "ht two stems", "hd", "bag", "bag one stem", "bag two stems",
)  # fmt: skip
"""Those of them that are asked of a server too."""

API = {
    "mini": ("mini", "stereo.wav"),
    "mini odd length 48000 Hz": ("mini", "odd.wav"),
    "tiny": ("tiny", "short.wav"),
    "ht": ("ht", "mono.wav"),
    "hd": ("hd", "short.wav"),
    "bag": ("bag", "six.wav"),
}
"""Through Python: a model and an audio file."""

BEATS: dict[str, tuple[str, ...]] = {
    "song": ("song.wav", "-m", "mini-beats"),
    "song at 48000 Hz": ("song48.wav",),
    "short": ("short.wav", "-m", "mini-beats.fp32", "--separator", "mini"),
    "silence": ("silence.wav",),
    "one sample": ("one.wav",),
}
"""Of `stemline beats`, with the same meaning."""

NAN = "audio/nan.wav"
TEXT = "audio/text.wav"
GOOD = "audio/short.wav"
WRONG: dict[str, tuple[str, ...]] = {
    "unknown model": ("separate", GOOD, "-m", "mdx24"),
    "model that is not exported": ("separate", GOOD, "-m", "htdemucs"),
    "model of a path": ("separate", GOOD, "-m", "../artifacts/mini.fp32"),
    "no such onnx": ("separate", GOOD, "-m", "none.onnx"),
    "unknown stem": ("separate", GOOD, "-m", "mini", "--stems", "vocals,tuba"),
    "unknown two-stems": ("separate", GOOD, "-m", "bag", "--two-stems", "tuba"),
    "two of two-stems": ("separate", GOOD, "-m", "mini", "--two-stems", "vocals,drums"),
    "stems and two-stems": (
        "separate", GOOD, "-m", "mini", "--stems", "drums", "--two-stems", "drums",
    ),
    "overlap of 1.5": ("separate", GOOD, "-m", "mini", "--overlap", "1.5"),
    "overlap of -4": ("separate", GOOD, "-m", "mini", "--overlap", "-4"),
    "overlap of 100000": ("separate", GOOD, "-m", "mini", "--overlap", "100000"),
    "overlap of nan": ("separate", GOOD, "-m", "mini", "--overlap", "nan"),
    "overlap of 1 for ht": ("separate", GOOD, "-m", "ht", "--overlap", "1"),
    "overlap that is a word": ("separate", GOOD, "-m", "mini", "--overlap", "much"),
    "missing file": ("separate", "audio/none.wav", "-m", "mini"),
    "folder without audio": ("separate", "folder", "-m", "mini"),
    "text as audio": ("separate", TEXT, "-m", "mini"),
    "nothing as audio": ("separate", "audio/nothing.wav", "-m", "mini"),
    "empty audio": ("separate", "audio/empty.wav", "-m", "mini"),
    "cut audio": ("separate", "audio/cut.flac", "-m", "mini"),
    "nan": ("separate", NAN, "-m", "mini"),
    "nan for ht": ("separate", NAN, "-m", "ht"),
    "no file": ("separate", "-m", "mini"),
    "shifts of mini": ("separate", GOOD, "-m", "mini", "--shifts", "2"),
    "shifts of -1": ("separate", GOOD, "-m", "ht", "--shifts", "-1"),
    "shifts of 101": ("separate", GOOD, "-m", "ht", "--shifts", "101"),
    "seed too great": ("separate", GOOD, "-m", "ht", "--shifts", "2", "--seed", str(2**63)),
    "unknown format": ("separate", GOOD, "-m", "mini", "--format", "ogg"),
    "13 bits": ("separate", GOOD, "-m", "mini", "--bits", "13"),
    "flac of 32 bits": ("separate", GOOD, "-m", "mini", "--format", "flac", "--bits", "32"),
    "bitrate of 7": ("separate", GOOD, "-m", "mini", "--format", "mp3", "--bitrate", "7"),
    "mp3 at 96000 Hz": ("separate", "audio/fast.wav", "-m", "mini", "--format", "mp3"),
    "stems of a beat model": ("separate", GOOD, "-m", "mini-beats"),
    "same names": ("separate", GOOD, "audio/../audio/short.wav", "-m", "mini"),
    "one of two files": ("separate", TEXT, "audio/one.wav", "-m", "mini", "-o", "two"),
    "json of one of two": ("separate", "audio/none.wav", TEXT, "-m", "mini", "--json"),
    "out that is a file": ("separate", GOOD, "-m", "mini", "-o", "a-file"),
    "jobs of 0": ("separate", GOOD, "-m", "mini", "--jobs", "0"),
    "no such option": ("separate", GOOD, "--quick"),
    "beats of a separator": ("beats", GOOD, "-m", "mini"),
    "beats of an unknown model": ("beats", GOOD, "-m", "none"),
    "beats by an unknown separator": ("beats", GOOD, "--separator", "none"),
    "beats by a separator of other stems": ("beats", GOOD, "--separator", "ht"),
    "beats by a beat model": ("beats", GOOD, "--separator", "mini-beats"),
    "beats of a missing file": ("beats", "audio/none.wav"),
    "beats of text": ("beats", TEXT),
    "beats of text as json": ("beats", TEXT, "--json"),
    "beats of nan": ("beats", NAN),
    "beats of empty audio": ("beats", "audio/empty.wav"),
    "beats over the input": ("beats", GOOD, "--click", GOOD),
    "beats over another": ("beats", GOOD, "--csv", "x", "--beats", "x"),
    "click of ogg": ("beats", GOOD, "--click", "click.ogg"),
    "click at 96000 Hz": ("beats", "audio/fast.wav", "--click", "click.mp3"),
    "csv below a file": ("beats", GOOD, "--csv", "a-file/x.csv"),
    "beats of several to a file": ("beats", GOOD, "audio/song.wav", "--csv", "a-file"),
    "csv that is a folder": ("beats", "audio/cut.flac", "--csv", "folder"),
    "stems from nowhere": ("beats", GOOD, "--stems-from", "nowhere"),
    "stems of another track": ("beats", "audio/song.wav", "--stems-from", "out/mini/stereo"),
    "stems that are too few": ("beats", GOOD, "--stems-from", "out/bag/short"),
    "separator and stems": ("beats", GOOD, "--separator", "mini", "--stems-from", "out"),
}  # fmt: skip
"""Called wrong, here and through a server."""

WRONG_HERE: dict[str, tuple[str, ...]] = {
    "no artifacts": ("separate", GOOD, "--artifacts", "nowhere"),
    "a model and no artifacts": ("separate", GOOD, "-m", "mini", "--artifacts", "nowhere"),
    "beats and no artifacts": ("beats", GOOD, "--artifacts", "nowhere"),
    "untrained": ("separate", GOOD, "-m", "tiny", "--artifacts", "artifacts"),
    "untrained alone": ("separate", GOOD, "--artifacts", "only-tiny"),
    "beats alone": ("separate", GOOD, "--artifacts", "only-beats"),
    "beats without a separator": ("beats", GOOD, "--artifacts", "only-beats"),
    "unknown device": ("separate", GOOD, "-m", "mini", "--artifacts", "artifacts", "--device", "x"),
    "no such cuda": (
        "separate", GOOD, "-m", "mini", "--artifacts", "artifacts", "--device", "cuda:77",
    ),
    "threads of 0": ("separate", GOOD, "-m", "mini", "--threads", "0"),
    "batch of 0": ("separate", GOOD, "-m", "mini", "--batch-size", "0"),
    "part of a bag": ("separate", GOOD, "-m", "bag", "--artifacts", "part-of-bag"),
    "stem of a missing network": (
        "separate", GOOD, "-m", "bag", "--stems", "brass", "--artifacts", "part-of-bag",
    ),
    "cut engine": ("separate", GOOD, "-m", "ht", "--artifacts", "damaged"),
    "broken manifest": ("separate", GOOD, "-m", "hd", "--artifacts", "damaged"),
    "another version of a manifest": (
        "separate", GOOD, "-m", "bag-aaaa1111", "--artifacts", "damaged",
    ),
    "models of damaged ones": ("models", "--artifacts", "damaged"),
    "verify of a cut engine": ("verify", "ht", "--artifacts", "damaged"),
    "verify of damaged ones as json": ("verify", "ht", "hd", "--artifacts", "damaged", "--json"),
    "verify of nothing": ("verify", "--artifacts", "artifacts"),
    "verify of an unknown one": ("verify", "none", "--artifacts", "artifacts"),
    "verify of what is not exported": ("verify", "mini", "--artifacts", "nowhere"),
    "verify with wrong weights": (
        "verify", "ht", "--artifacts", "artifacts", "--weights", "packages/hd.safetensors",
    ),
    "verify with no weights": (
        "verify", "ht", "--artifacts", "artifacts", "--weights", "packages/none.th",
    ),
    "export of nothing": ("export",),
    "export of an unknown model": ("export", "mdx24", "--artifacts", "new"),
    "export of all and one": ("export", "mini", "--all", "--artifacts", "new"),
    "export of an unknown family": (
        "export", "x", "--family", "none", "--weights", "bad.ckpt", "--artifacts", "new",
    ),
    "export of an unknown variant": (
        "export", "mini", "--variants", "fp99", "--artifacts", "new",
    ),
    "export of a family without weights": ("export", "x", "--family", "mdx23c"),
    "export of demucs without weights": ("export", "x", "--family", "demucs"),
    "export of allin1 without weights": ("export", "x", "--family", "allin1"),
    "export of two of a family": ("export", "x", "y", "--family", "demucs"),
    "export of two with weights": ("export", "mini", "mdx23c", "--weights", "x.ckpt"),
    "export with a config alone": ("export", "x", "--config", "tiny.yaml"),
    "export of missing weights": (
        "export", "x", "--family", "mdx23c", "--config", "tiny.yaml", "--weights", "none.ckpt",
        "--artifacts", "new",
    ),
    "export of bad weights": (
        "export", "x", "--family", "mdx23c", "--config", "tiny.yaml", "--weights", "bad.ckpt",
        "--artifacts", "new",
    ),
    "export of a wrong config": (
        "export", "x", "--family", "mdx23c", "--config", "wrong.yaml", "--weights", "random",
        "--artifacts", "new",
    ),
    "export of a broken config": (
        "export", "x", "--family", "mdx23c", "--config", "broken.yaml", "--weights", "random",
        "--artifacts", "new",
    ),
    "export of a missing config": (
        "export", "x", "--family", "mdx23c", "--config", "none.yaml", "--weights", "random",
        "--artifacts", "new",
    ),
    "export of a name with a slash": (
        "export", "x/y", "--family", "mdx23c", "--config", "tiny.yaml", "--weights", "random",
        "--artifacts", "new",
    ),
    "export of the name of another": (
        "export", "mini", "--family", "mdx23c", "--config", "tiny.yaml", "--weights", "random",
        "--artifacts", "new",
    ),
    "export of a bag that lacks one": (
        "export", "x", "--family", "demucs", "--config", "wrong-bag.yaml", "--weights", "packages",
        "--artifacts", "new",
    ),
    "export of a bag from a file": (
        "export", "x", "--family", "demucs", "--config", "packages/bag.yaml", "--weights",
        "packages/ht.safetensors", "--artifacts", "new",
    ),
    "export of bad demucs weights": (
        "export", "x", "--family", "demucs", "--weights", "bad.ckpt", "--artifacts", "new",
    ),
    "export of another's weights": (
        "export", "htdemucs", "--weights", "packages/ht.safetensors", "--artifacts", "new",
    ),
    "export of a bag of the table from a file": (
        "export", "htdemucs_ft", "--weights", "packages/ht.safetensors", "--artifacts", "new",
    ),
    "export of bad allin1 weights": (
        "export", "x", "--family", "allin1", "--weights", "bad.ckpt", "--artifacts", "new",
    ),
    "export of madmom from nowhere": (
        "export", "madmom-downbeats", "--weights", "nowhere", "--artifacts", "new",
    ),
    "bench of an unknown engine": ("bench", "mini", "--engines", "x", "--artifacts", "artifacts"),
    "bench of an unknown model": ("bench", "none", "--artifacts", "artifacts"),
    "bench of bad batches": ("bench", "mini", "--batches", "x", "--artifacts", "artifacts"),
    "bench of a batch of 0": ("bench", "mini", "--batches", "0", "--artifacts", "artifacts"),
    "bench of a bad overlap": (
        "bench", "mini", "--overlaps", "1.5", "--artifacts", "artifacts",
    ),
    "bench of songs and no quality": ("bench", "mini", "--songs-dir", "audio"),
    "bench of markdown and no quality": ("bench", "mini", "--markdown", "x.md"),
    "bench with no tables": ("bench", "mini", "--quality", "--markdown", "a-file"),
    "band too long": ("band", "--duration-s", "1000"),
    "band of no songs": ("band", "--count", "0"),
    "band below a file": ("band", "--duration-s", "0.5", "--out", "a-file"),
    "demo too long": ("demo", "--duration-s", "100"),
    "demo below a file": ("demo", "--out", "a-file", "--artifacts", "artifacts"),
    "no verb": (),
    "unknown verb": ("divide",),
    "serve of a wrong port": ("serve", "--port", "70000"),
    "serve beyond loopback": ("serve", "--host", "0.0.0.0"),
    "serve with half of tls": ("serve", "--tls-cert", "a-file"),
    "serve with a client's authority alone": ("serve", "--tls-client-ca", "a-file"),
    "serve with no token": ("serve", "--token-file", "none"),
    "serve of less in all": ("serve", "--max-beats-total-s", "5"),
    "serve of no streams": ("serve", "--max-streams", "0"),
    "serve of a bad idle": ("serve", "--idle-s", "-1"),
}  # fmt: skip
"""Called wrong, where no server matters. Last those that set up a log of the process."""

WRONG_SERVER: dict[str, tuple[str, ...]] = {
    "no server": ("separate", GOOD, "--server", "127.0.0.1:1"),
    "no server for beats": ("beats", GOOD, "--server", "127.0.0.1:1"),
    "bad address": ("separate", GOOD, "--server", "nowhere"),
    "device and server": ("separate", GOOD, "--server", "127.0.0.1:1", "--device", "cpu"),
    "device and server for beats": ("beats", GOOD, "--server", "127.0.0.1:1", "--threads", "1"),
    "stems and server": ("beats", GOOD, "--server", "127.0.0.1:1", "--stems-from", "out"),
    "missing authority": ("separate", GOOD, "--server", "127.0.0.1:1", "--tls-ca", "none.pem"),
    "missing token": ("separate", GOOD, "--server", "127.0.0.1:1", "--token-file", "none.txt"),
}
"""Of servers that are not there."""

STRICT: dict[str, tuple[str, ...]] = {
    "no token": ("separate", GOOD),
    "wrong token": ("separate", GOOD, "--token-file", "wrong-token.txt"),
    "right token": ("separate", "audio/one.wav", "--token-file", "token.txt"),
    "untrained": ("separate", GOOD, "-m", "tiny", "--token-file", "token.txt"),
    "too long": ("separate", "audio/stereo.wav", "--token-file", "token.txt"),
    "too long for beats": ("beats", "audio/stereo.flac", "--token-file", "token.txt"),
    "no default for beats": ("beats", "audio/one.wav", "--token-file", "token.txt"),
}
"""Of a server that wants a token, allows no untrained models and little audio."""
STRICT_FLAGS = ("--token-file", "token.txt", "--max-audio-s", "1.5", "--max-beats-s", "0.75")

Message = dict[str, Any]
F32, S16 = "PCM_ENCODING_F32LE", "PCM_ENCODING_S16LE"


def _audio(data: bytes, step: int = 100_000) -> list[Message]:
    parts = (data[start : start + step] for start in range(0, len(data), step))
    return [{"audio": base64.b64encode(part).decode()} for part in parts]


def _pcm(rate_hz: int = 44100, channels: int = 2, encoding: str = F32, **config: Any) -> Message:
    pcm = {"sample_rate_hz": rate_hz, "channels": channels, "encoding": encoding}
    return {"config": {**config, "input": {"pcm": pcm}}}


def _analyze(separate: Message, **config: Any) -> Message:
    return {"config": {"separate": separate["config"], **config}}


def raw_calls(work: Path) -> dict[str, tuple[str, list[Message]]]:
    """Calls that succeed: the method and its messages."""
    samples, _ = soundfile.read(work / "audio" / "short.wav", dtype="float32")
    floats, shorts = samples.astype("<f4").tobytes(), (samples * 32767).astype("<i2").tobytes()
    file = (work / "audio" / "stereo.flac").read_bytes()
    song = (work / "audio" / "song48.wav").read_bytes()
    return {
        "mini floats": ("Separate", [_pcm(model="mini"), *_audio(floats)]),
        "mini residual of two": (
            "Separate",
            [_pcm(model="mini", stems=["DRUMS", "bass"], residual=True), *_audio(floats, 999)],
        ),
        "mini shorts": (
            "Separate",
            [
                _pcm(model="mini", encoding=S16, output={"pcm": {"encoding": S16}}),
                *_audio(shorts, 7777),
            ],
        ),
        "mini file": ("Separate", [{"config": {"model": "mini.fp32"}}, *_audio(file)]),
        "tiny wav": (
            "Separate",
            [_pcm(model="tiny", overlap=2, output={"wav": {"bits": 24}}), *_audio(floats)],
        ),
        "tiny flac": ("Separate", [_pcm(model="tiny", output={"flac": {}}), *_audio(floats)]),
        "bag of one stem": (
            "Separate", [_pcm(model="bag", stems=["brass"], residual=True), *_audio(floats)],
        ),
        "ht shifts": (
            "Separate", [_pcm(model="ht", shifts=2, seed="5", overlap=0.5), *_audio(floats)],
        ),
        "beats": ("Beats", [{"config": {"model": "mini-beats"}}, *_audio(song)]),
        "beats with activations": (
            "Beats", [{"config": {"activations": True, "separator": "mini"}}, *_audio(file)],
        ),
        "analyze": (
            "Analyze",
            [_analyze({"config": {"model": "mini", "stems": ["drums"]}}), *_audio(song)],
        ),
        "models": ("ListModels", [{}]),
    }  # fmt: skip


def wrong_calls() -> dict[str, tuple[str, list[Message]]]:
    """Calls that fail: the method and its messages."""
    good = np.full((5000, 2), 0.25, "<f4").tobytes()
    audio, nan = _audio(good), _audio(np.full((5000, 2), np.nan, "<f4").tobytes())
    text = _audio(b"these are words, not music " * 100)
    separate: dict[str, list[Message]] = {
        "nothing": [],
        "audio first": audio,
        "an empty message": [{}],
        "two configs": [_pcm(model="mini"), _pcm(model="mini")],
        "an empty second message": [_pcm(model="mini"), {}],
        "rate of 0": [_pcm(0, model="mini")],
        "rate of a million": [_pcm(1_000_000_000, model="mini"), *audio],
        "9 channels": [_pcm(channels=9, model="mini")],
        "no channels": [_pcm(channels=0, model="mini")],
        "unknown encoding": [_pcm(encoding=77, model="mini")],  # type: ignore[arg-type]
        "overlap of 1.5": [_pcm(overlap=1.5, model="mini"), *audio],
        "overlap of nan": [_pcm(overlap="NaN", model="mini")],
        "overlap of -4": [_pcm(overlap=-4, model="mini")],
        "overlap of -4 for ht": [_pcm(overlap=-4, model="ht")],
        "shifts of -1": [_pcm(shifts=-1, model="ht")],
        "shifts of mini": [_pcm(shifts=2, model="mini")],
        "shifts of 101": [_pcm(shifts=101, model="ht")],
        "flac of 32 bits": [_pcm(output={"flac": {"bits": 32}}, model="mini")],
        "wav of 12 bits": [_pcm(output={"wav": {"bits": 12}}, model="mini")],
        "mp3 of 7": [_pcm(output={"mp3": {"bitrate_kbps": 7}}, model="mini")],
        "mp3 at 96000 Hz": [_pcm(96_000, output={"mp3": {}}, model="mini"), *audio],
        "pcm of 24 bits": [
            _pcm(output={"pcm": {"encoding": "PCM_ENCODING_S24LE"}}, model="mini"), *audio,
        ],
        "nan": [_pcm(model="mini"), *nan],
        "part of a sample": [_pcm(model="mini"), *_audio(good[:-3])],
        "no samples": [_pcm(model="mini")],
        "no file": [{"config": {"model": "mini"}}],
        "text": [{"config": {"model": "mini"}}, *text],
        "unknown model": [_pcm(model="mdx24"), *audio],
        "a path": [_pcm(model="../../etc/passwd.onnx"), *audio],
        "unknown stem": [_pcm(model="mini", stems=["vocals", "tuba"]), *audio],
        "a beat model": [_pcm(model="mini-beats"), *audio],
    }  # fmt: skip
    beats: dict[str, list[Message]] = {
        "nothing": [],
        "audio first": audio,
        "two configs": [_pcm(), _pcm()],
        "unknown model": [_pcm(model="none"), *audio],
        "a separator": [_pcm(model="mini"), *audio],
        "unknown separator": [_pcm(separator="none"), *audio],
        "separator of other stems": [_pcm(separator="ht"), *audio],
        "rate of 0": [_pcm(0)],
        "nan": [_pcm(), *nan],
        "no samples": [_pcm()],
        "text": [{"config": {}}, *text],
    }
    analyze: dict[str, list[Message]] = {
        "nothing": [],
        "audio first": audio,
        "no separate": [{"config": {"beats_model": "mini-beats"}}, *text],
        "unknown beat model": [_analyze(_pcm(model="mini"), beats_model="none"), *audio],
        "a separator for beats": [_analyze(_pcm(model="mini"), beats_model="mini"), *audio],
        "other stems": [_analyze(_pcm(model="ht")), *audio],
        "unknown stem": [_analyze(_pcm(model="mini", stems=["tuba"])), *audio],
        "overlap of 1.5": [_analyze(_pcm(model="mini", overlap=1.5)), *audio],
        "shifts of mini": [_analyze(_pcm(model="mini", shifts=2)), *audio],
        "9 channels": [_analyze(_pcm(channels=9, model="mini"))],
        "nan": [_analyze(_pcm(model="mini")), *nan],
    }
    calls: dict[str, tuple[str, list[Message]]] = {
        f"{method}: {name}": (method, messages)
        for method, named in (("Separate", separate), ("Beats", beats), ("Analyze", analyze))
        for name, messages in named.items()
    }
    return calls
