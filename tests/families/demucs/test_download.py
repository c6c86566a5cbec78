"""The files of Demucs networks: one form where the other is gone, and digests nobody published."""

import hashlib
from pathlib import Path

import pytest
from demucs_track_helpers import TINY_HTDEMUCS, write_network
from export_helpers import FileServer

from stemline.errors import IntegrityError
from stemline.export.export import export_model
from stemline.export.weights import load_network, resolve_weights
from stemline.families.demucs.kwargs import config_from_kwargs
from stemline.families.demucs.models import bag_of
from stemline.families.model_spec import CheckpointFile, ModelSpec


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """One network as `.th` and as `.safetensors`."""
    folder = tmp_path_factory.mktemp("forms")
    for name in ("x.th", "x.safetensors"):
        write_network(folder / name, TINY_HTDEMUCS)
    return (folder / "x.th").read_bytes(), (folder / "x.safetensors").read_bytes()


def spec_of(server: FileServer, th_sha256: str | None) -> ModelSpec:
    """A model whose `.th` has a published digest, and whose safetensors have none."""
    files = (
        CheckpointFile(f"{server.url}/x-8726e21a.th", th_sha256, None),
        CheckpointFile(f"{server.url}/x.safetensors", None, None),
    )
    config = config_from_kwargs("HTDemucs", TINY_HTDEMUCS)
    return bag_of("tiny", "tiny", ("x",), ((1.0, 1.0),), (config,), (files,), "MIT")


def test_the_first_form_is_taken_where_it_is(
    server: FileServer, forms: tuple[bytes, bytes], cache: Path
) -> None:
    th, safe = forms
    server.serve("x-8726e21a.th", th)
    server.serve("x.safetensors", safe)
    weights = resolve_weights(spec_of(server, digest_of(th)))
    assert (weights.kind, weights.path) == ("official", cache / "x-8726e21a.th")
    assert server.asked == ["/x-8726e21a.th"]


def test_the_other_form_is_taken_where_the_first_is_gone(
    server: FileServer, forms: tuple[bytes, bytes], cache: Path
) -> None:
    """Its digest is recorded, and held to from then on."""
    th, safe = forms
    server.serve("x.safetensors", safe)
    spec = spec_of(server, digest_of(th))
    weights = resolve_weights(spec, "official")
    assert (weights.kind, weights.path) == ("official", cache / "x.safetensors")
    assert weights.sha256 == digest_of(safe)
    assert (cache / "x.safetensors.sha256").read_text().split()[0] == digest_of(safe)
    assert server.asked == ["/x-8726e21a.th", "/x.safetensors"]
    load_network(spec, weights)

    assert resolve_weights(spec, "official") == weights
    assert len(server.asked) == 2
    (cache / "x.safetensors").write_bytes(safe + b"!")
    with pytest.raises(IntegrityError, match=r"x\.safetensors has SHA-256"):
        resolve_weights(spec, "official")


def test_a_file_that_is_not_the_published_one_is_not_made_up_for(
    server: FileServer, forms: tuple[bytes, bytes], cache: Path
) -> None:
    """Neither by the other form nor by random weights."""
    th, safe = forms
    server.serve("x-8726e21a.th", th + b"!")
    server.serve("x.safetensors", safe)
    with pytest.raises(IntegrityError, match=r"8726e21a\.th gave a file whose SHA-256 is not"):
        resolve_weights(spec_of(server, digest_of(th)))
    assert server.asked == ["/x-8726e21a.th"]
    assert not list(cache.glob("x*"))


def test_a_page_in_place_of_safetensors_is_no_checkpoint(
    server: FileServer, forms: tuple[bytes, bytes], cache: Path
) -> None:
    server.serve("x.safetensors", b"<html>not here</html>")
    with pytest.raises(IntegrityError, match="gave a file that is no checkpoint"):
        resolve_weights(spec_of(server, digest_of(forms[0])))
    assert not list(cache.glob("x*"))


def test_where_no_address_answers_weights_are_random_and_say_why(server: FileServer) -> None:
    weights = resolve_weights(spec_of(server, "ab"))
    assert (weights.kind, weights.sha256) == ("random", "random:0")
    assert "x-8726e21a.th (HTTP 404), nor " in weights.reason
    assert "x.safetensors (HTTP 404)" in weights.reason


def test_a_second_export_of_the_other_form_fetches_nothing(
    server: FileServer, forms: tuple[bytes, bytes], cache: Path, tmp_path: Path
) -> None:
    """Even with an empty cache: an artifact of it is up to date."""
    th, safe = forms
    server.serve("x.safetensors", safe)
    spec = spec_of(server, digest_of(th))
    first = export_model(spec, root=tmp_path / "artifacts")
    assert [(result.artifact, result.status) for result in first] == [("tiny.fp32", "exported")]
    asked = len(server.asked)
    again = export_model(spec, root=tmp_path / "artifacts")
    assert [result.status for result in again] == ["unchanged"]
    for path in cache.iterdir():
        path.unlink()
    last = export_model(spec, root=tmp_path / "artifacts")
    assert [result.status for result in last] == ["unchanged"]
    assert last[0].trained
    assert len(server.asked) == asked
