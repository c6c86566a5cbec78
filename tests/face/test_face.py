"""The public face: exactly these names and signatures, and nothing loaded before it is used."""

import inspect
import subprocess
import sys
from collections.abc import Callable, Collection
from importlib import metadata
from pathlib import Path

import pytest

import stemline

LOADED = "artifacts=None, device='auto', threads=None"
MADE = "stems=None, residual=False, overlap=None, shifts=0, seed=0, text=None, mono=False"
WRITTEN = "filename='{track}/{stem}.{ext}', format='wav', bits=16, bitrate_kbps=192"
SIGNATURES = {
    "load_separator": f"(model=None, *, {LOADED}, batch_size=None, precision=None, "
    "allow_untrained=False)",
    "load_beat_tracker": f"(model=None, *, separator=None, {LOADED}, allow_untrained=False)",
    "separate": f"(source, sample_rate_hz=None, *, model=None, {LOADED}, batch_size=None, "
    f"precision=None, allow_untrained=False, {MADE}, strict=False, on_progress=None)",
    "separate_file": f"(source, out='separated', *, model=None, {LOADED}, batch_size=None, "
    f"precision=None, allow_untrained=False, {WRITTEN}, {MADE}, strict=False, tags=True, "
    "on_progress=None)",
    "find_beats": f"(source, sample_rate_hz=None, *, model=None, separator=None, {LOADED}, "
    "allow_untrained=False, activations=False, strict=False, on_progress=None)",
    "Client": "(address, *, token=None, tls=False, tls_ca=None, tls_cert=None, tls_key=None, "
    "timeout_s=None)",
}
METHODS = {
    "stemline.separators.Separator": {
        "separate": f"(self, source, sample_rate_hz=None, *, {MADE}, strict=False, "
        "on_progress=None)",
        "separate_file": f"(self, source, out='separated', *, {WRITTEN}, {MADE}, strict=False, "
        "tags=True, on_progress=None)",
        "stream": f"(self, blocks, sample_rate_hz, channels, *, {MADE})",
        "close": "(self)",
        "model": "property",
        "stems": "property",
        "sample_rate_hz": "property",
    },
    "stemline.beat_trackers.BeatTracker": {
        "track": "(self, source, sample_rate_hz=None, *, activations=False, strict=False, "
        "on_progress=None)",
        "track_stems": "(self, stems, sample_rate_hz=None, *, activations=False)",
        "close": "(self)",
        "model": "property",
        "input_stems": "property",
    },
    "stemline.client.Client": {
        "models": "(self)",
        "separate": f"(self, source, sample_rate_hz=None, *, model=None, {MADE}, "
        "strict=False, on_progress=None)",
        "separate_file": f"(self, source, out='separated', *, model=None, {WRITTEN}, {MADE}, "
        "strict=False, tags=True, on_progress=None)",
        "stream": f"(self, blocks, sample_rate_hz, channels, *, model=None, {MADE})",
        "track": "(self, source, sample_rate_hz=None, *, model=None, separator=None, "
        "activations=False, strict=False, on_progress=None)",
        "close": "(self)",
    },
    "stemline.stems.Stems": {
        "save": "(self, folder, format='wav', bits=16, bitrate_kbps=192, tags=True)",
        "n_samples": "property",
        "duration_s": "property",
        # A Mapping's own.
        "get": "(self, key, default=None)",
        "items": "(self)",
        "keys": "(self)",
        "values": "(self)",
    },
}
HEAVY = {"grpc", "numpy", "onnxruntime", "scipy", "soundfile", "soxr", "torch", "typer"}


def signature_of(function: object) -> str:
    """Names, kinds and defaults; types are the matter of typing_face.py."""
    if not isinstance(function, Callable):
        return type(function).__name__
    signature = inspect.signature(function)
    bare = [
        one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()
    ]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def test_public_is_what_all_names() -> None:
    assert stemline.__all__ == sorted(
        [*SIGNATURES, "StemlineError", "__version__", "errors"], key=lambda name: name
    )
    assert dir(stemline) == sorted(stemline.__all__)
    for name in stemline.__all__:
        assert getattr(stemline, name) is getattr(stemline, name)
    with pytest.raises(AttributeError, match="module 'stemline' has no attribute 'load_seperator'"):
        getattr(stemline, "load_seperator")  # noqa: B009


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str) -> None:
    function = getattr(stemline, name)
    assert signature_of(function) == SIGNATURES[name]
    assert function.__doc__


@pytest.mark.parametrize("name", METHODS)
def test_what_comes_back_has_these_methods(name: str) -> None:
    module, _, class_name = name.rpartition(".")
    cls = getattr(sys.modules.get(module) or __import__(module, fromlist=[class_name]), class_name)
    methods = {
        name: signature_of(inspect.getattr_static(cls, name))
        for name in dir(cls)
        if not name.startswith("_")
    }
    assert methods == METHODS[name]


def test_every_error_is_a_stemline_error() -> None:
    public = [one for one in vars(stemline.errors).values() if isinstance(one, type)]
    assert len(public) > 20
    assert all(issubclass(one, stemline.StemlineError) for one in public)


def test_the_version_is_the_distributions() -> None:
    assert stemline.__version__ == metadata.version("stemline")


def loaded_after(code: str, tmp_path: Path, absent: Collection[str] = ()) -> set[str]:
    """The modules that a new process has loaded once it ran this code, some packages `absent`."""
    script = f"import sys\nfor name in {list(absent)}: sys.modules[name] = None\n{code}\n"
    done = subprocess.run(
        [sys.executable, "-c", script + "print(*sys.modules, sep='\\n')"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_stemline_loads_nothing_that_takes_time(tmp_path: Path) -> None:
    code = "import stemline; stemline.__doc__, dir(stemline), stemline.StemlineError"
    loaded = loaded_after(code, tmp_path)
    assert "stemline.errors" in loaded
    assert not HEAVY & loaded
    assert not [name for name in loaded if name.startswith("stemline.serving")]


def test_a_client_needs_nothing_of_the_server(tmp_path: Path) -> None:
    absent = ("grpc_health", "grpc_reflection", "grpc_status", "onnxruntime", "torch", "typer")
    code = "import stemline; stemline.Client('127.0.0.1:1').close()"
    loaded = loaded_after(code, tmp_path, absent)
    assert "grpc" in loaded
    assert "scipy" not in loaded
    assert not {"stemline.serving.rpc", "stemline.serving.library", "stemline.export"} & loaded


def test_loading_a_model_needs_no_torch_and_no_server(tmp_path: Path, artifacts: Path) -> None:
    code = (
        "import stemline\n"
        f"stemline.load_separator('tiny', artifacts={str(artifacts)!r}, threads=1).close()\n"
        f"stemline.load_beat_tracker(artifacts={str(artifacts)!r}, threads=1).close()"
    )
    loaded = loaded_after(code, tmp_path)
    assert "onnxruntime" in loaded
    assert not loaded & {"grpc", "torch", "typer", "rich"}
