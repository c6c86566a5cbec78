import hashlib
from pathlib import Path

import pytest
import torch
from export_helpers import FileServer, spec_of

from stemline.errors import CacheError, DownloadError, IntegrityError, WeightsError
from stemline.export.download import cache_path, cached_checkpoint
from stemline.export.models import MODELS
from stemline.export.weights import load_network, resolve_weights
from stemline.families.mdx23c.config import Mdx23cConfig


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_checkpoint_is_downloaded_once_and_then_taken_from_the_cache(
    config: Mdx23cConfig, checkpoint: Path, server: FileServer, cache: Path
) -> None:
    url = server.serve("tiny.ckpt", checkpoint.read_bytes())
    spec = spec_of(config, url, sha256=digest_of(checkpoint))
    first = resolve_weights(spec)
    second = resolve_weights(spec)
    assert first == second
    assert (first.kind, first.trained, first.sha256) == ("official", True, digest_of(checkpoint))
    assert server.asked == ["/tiny.ckpt"]
    assert [path.name for path in cache.iterdir()] == ["tiny.ckpt"]


def test_a_mirror_is_asked_when_the_first_address_fails(
    config: Mdx23cConfig, checkpoint: Path, server: FileServer
) -> None:
    url = server.serve("mirror.ckpt", checkpoint.read_bytes())
    weights = resolve_weights(spec_of(config, f"{server.url}/gone.ckpt", url))
    assert server.asked == ["/gone.ckpt", "/mirror.ckpt"]
    assert weights.path is not None and weights.path.name == "gone.ckpt"


def test_a_file_that_is_not_the_published_one_is_never_used_nor_replaced_by_random(
    config: Mdx23cConfig, checkpoint: Path, server: FileServer, cache: Path
) -> None:
    url = server.serve("tiny.ckpt", checkpoint.read_bytes())
    spec = spec_of(config, url, sha256="0" * 64)
    with pytest.raises(IntegrityError, match="not kept"):
        resolve_weights(spec, "auto")
    assert list(cache.iterdir()) == []
    cache_path(spec).write_bytes(checkpoint.read_bytes())  # put there by hand
    with pytest.raises(IntegrityError, match="has SHA-256"):
        resolve_weights(spec, "auto")


def test_without_a_published_digest_the_first_one_seen_is_kept(
    config: Mdx23cConfig, checkpoint: Path, server: FileServer, cache: Path
) -> None:
    spec = spec_of(config, server.serve("tiny.ckpt", checkpoint.read_bytes()))
    resolve_weights(spec)
    assert (cache / "tiny.ckpt.sha256").read_text().startswith(digest_of(checkpoint))
    (cache / "tiny.ckpt").write_bytes(checkpoint.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match=r"remove tiny\.ckpt\.sha256"):
        cached_checkpoint(spec)


def test_a_page_in_place_of_a_checkpoint_is_not_kept(
    config: Mdx23cConfig, server: FileServer, cache: Path
) -> None:
    spec = spec_of(config, server.serve("tiny.ckpt", b"<html>please log in</html>"))
    with pytest.raises(IntegrityError, match="no checkpoint"):
        resolve_weights(spec)
    assert list(cache.iterdir()) == []


def test_a_connection_that_is_cut_leaves_nothing(
    config: Mdx23cConfig, checkpoint: Path, server: FileServer, cache: Path
) -> None:
    data = checkpoint.read_bytes()
    spec = spec_of(config, server.serve("tiny.ckpt", data[:1000], claim=len(data)))
    with pytest.raises(DownloadError, match="cut off"):
        resolve_weights(spec, "official")
    assert list(cache.iterdir()) == []


def test_official_fails_where_auto_takes_random_weights_and_says_why(
    config: Mdx23cConfig, server: FileServer
) -> None:
    spec = spec_of(config, f"{server.url}/gone.ckpt", "http://127.0.0.1:9/refused.ckpt")
    with pytest.raises(DownloadError, match=r"HTTP 404.*no connection.*--weights PATH"):
        resolve_weights(spec, "official")
    weights = resolve_weights(spec, "auto")
    assert (weights.kind, weights.trained, weights.sha256) == ("random", False, "random:0")
    assert "gone.ckpt (HTTP 404)" in weights.reason


def test_random_weights_are_not_downloaded(config: Mdx23cConfig, server: FileServer) -> None:
    weights = resolve_weights(spec_of(config, f"{server.url}/x.ckpt"), "random")
    assert (weights.trained, weights.reason) == (False, "")
    assert server.asked == []


def test_a_file_given_is_taken_with_its_digest(config: Mdx23cConfig, checkpoint: Path) -> None:
    weights = resolve_weights(spec_of(config), str(checkpoint))
    assert (weights.kind, weights.sha256) == ("file", digest_of(checkpoint))
    state = load_network(spec_of(config), weights).network.state_dict()
    saved = torch.load(checkpoint, weights_only=True)
    assert all(torch.equal(state[key], saved[key]) for key in saved)


@pytest.mark.parametrize("choice", ["nowhere.ckpt", "Random", ""])
def test_weights_that_are_no_file_are_named(choice: str, config: Mdx23cConfig) -> None:
    with pytest.raises(WeightsError, match="no such file; give auto, official, random"):
        resolve_weights(spec_of(config), choice)


def test_a_model_without_an_address_wants_its_file(config: Mdx23cConfig) -> None:
    with pytest.raises(WeightsError, match="--weights PATH"):
        resolve_weights(spec_of(config), "auto")


def test_a_cache_that_cannot_be_written_is_no_reason_for_random_weights(
    config: Mdx23cConfig, checkpoint: Path, server: FileServer, cache: Path
) -> None:
    cache.parent.write_text("a file where the folder should be")
    spec = spec_of(config, server.serve("tiny.ckpt", checkpoint.read_bytes()))
    with pytest.raises(CacheError, match="STEMLINE_CACHE"):
        resolve_weights(spec, "auto")


@pytest.mark.parametrize("choice", ["auto", "official"])
def test_weights_that_ship_with_stemline_need_no_download(choice: str, cache: Path) -> None:
    spec = MODELS["mini"]
    weights = resolve_weights(spec, choice)
    assert spec.bundled is not None
    assert (weights.kind, weights.trained) == ("bundled", True)
    assert weights.sha256 == digest_of(spec.bundled)
    assert not cache.exists() or list(cache.iterdir()) == []
    assert load_network(spec, weights).network.training is False


def test_weights_that_ship_with_stemline_are_at_most_4_mb() -> None:
    assert MODELS["mini"].bundled is not None
    assert MODELS["mini"].bundled.stat().st_size <= 4_000_000
