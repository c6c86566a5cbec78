"""AudioSep's checkpoints in the layouts that are found, and files that are none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from audiosep_helpers import ENCODER, SEPARATOR, clap, constants, lightning, small_spec
from torch import nn

from stemline.errors import CheckpointError
from stemline.export.weights import member_weights, random_network, resolve_weights
from stemline.families import find_family
from stemline.families.model_spec import ModelSpec

SPEC = small_spec()
assert SPEC.text_encoder is not None
TEXT = SPEC.text_encoder


@pytest.fixture(scope="module")
def networks() -> tuple[nn.Module, nn.Module]:
    return random_network(SEPARATOR, seed=4), random_network(ENCODER, seed=5)


def loaded(spec: ModelSpec, path: Path) -> nn.Module:
    return find_family("audiosep").load(spec, path).network


def same(got: nn.Module, wanted: nn.Module) -> bool:
    ours, theirs = got.state_dict(), wanted.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[k], theirs[k]) for k in ours)


def mappings(path: Path) -> list[tuple[int, int]]:
    """Where a file is mapped in this process, as addresses."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    ranges = [line.split()[0].split("-") for line in lines if line.endswith(str(path))]
    return [(int(low, 16), int(high, 16)) for low, high in ranges]


def as_transformers(encoder: nn.Module) -> dict[str, Any]:
    """The keys of `ClapTextModelWithProjection`."""
    names = {
        "text_branch.": "text_model.",
        "text_projection.0.": "text_projection.linear1.",
        "text_projection.2.": "text_projection.linear2.",
    }
    state = encoder.state_dict()
    for ours, theirs in names.items():
        state = {key.replace(ours, theirs): value for key, value in state.items()}
    return state


def test_lightnings_file_has_both_networks(
    networks: tuple[nn.Module, nn.Module], tmp_path: Path
) -> None:
    path = tmp_path / "audiosep.ckpt"
    torch.save(lightning(*networks), path)
    assert same(loaded(SPEC, path), networks[0])
    assert same(loaded(TEXT, path), networks[1])


def test_weights_stay_in_the_file_and_the_optimizer_is_never_read(
    networks: tuple[nn.Module, nn.Module], tmp_path: Path
) -> None:
    """Every tensor is the mapped file's own memory: nothing is copied, nothing else is held."""
    path = tmp_path / "audiosep.ckpt"
    torch.save(lightning(*networks), path)
    for spec in (SPEC, TEXT):
        network = loaded(spec, path)
        mapped = mappings(path)
        assert all(
            any(low <= value.data_ptr() < high for low, high in mapped)
            for value in network.state_dict().values()
        )


LAYOUTS: dict[str, Callable[[nn.Module], dict[str, Any]]] = {
    "CLAP's own": clap,
    "bare": lambda encoder: dict(encoder.state_dict()),
    "transformers'": as_transformers,
    "transformers', below a name": lambda encoder: {
        "state_dict": {f"clap.{key}": value for key, value in as_transformers(encoder).items()}
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_text_tower_is_read_in_every_layout(
    layout: str, networks: tuple[nn.Module, nn.Module], tmp_path: Path
) -> None:
    path = tmp_path / "clap.pt"
    torch.save(LAYOUTS[layout](networks[1]), path)
    assert same(loaded(TEXT, path), networks[1])


def test_a_separator_alone_is_read_with_the_fourier_constants_and_without(
    networks: tuple[nn.Module, nn.Module], tmp_path: Path
) -> None:
    path = tmp_path / "separator.pt"
    bare = networks[0].state_dict()
    for state in (
        bare,
        {**bare, **{k.removeprefix("ss_model."): v for k, v in constants().items()}},
    ):
        torch.save(state, path)
        assert same(loaded(SPEC, path), networks[0])


def test_what_a_file_lacks_is_said_with_what_to_do(
    networks: tuple[nn.Module, nn.Module], tmp_path: Path
) -> None:
    separator, encoder = tmp_path / "separator.pt", tmp_path / "encoder.pt"
    torch.save(networks[0].state_dict(), separator)
    torch.save(clap(networks[1]), encoder)
    with pytest.raises(CheckpointError, match=r"separator\.pt holds no encoder.*--weights FOLDER"):
        loaded(TEXT, separator)
    with pytest.raises(CheckpointError, match=r"encoder\.pt holds no network of AudioSep"):
        loaded(SPEC, encoder)
    state = networks[0].state_dict()
    del state["film.decoder_block2->beta2.bias"]  # of no use, and yet in every true checkpoint
    torch.save(state, separator)
    with pytest.raises(CheckpointError, match=r"has no key film\.decoder_block2->beta2\.bias"):
        loaded(SPEC, separator)


@pytest.mark.parametrize("with_both", [False, True])
def test_a_folder_holds_a_file_for_each(
    with_both: bool, networks: tuple[nn.Module, nn.Module], tmp_path: Path
) -> None:
    """CLAP's own file is taken for the texts, even where AudioSep's has them too."""
    other = random_network(ENCODER, seed=9)
    both = lightning(networks[0], other)
    if not with_both:
        own = {key: v for key, v in both["state_dict"].items() if key.startswith("ss_model.")}
        both["state_dict"] = own
    torch.save(both, tmp_path / "audiosep.ckpt")
    torch.save(clap(networks[1]), tmp_path / "clap.pt")
    (tmp_path / "readme.txt").write_text("not a checkpoint")
    for spec, name, wanted in (
        (SPEC, "audiosep.ckpt", networks[0]),
        (TEXT, "clap.pt", networks[1]),
    ):
        chosen = member_weights(SPEC, spec, tmp_path)
        assert chosen == tmp_path / name
        assert same(loaded(spec, tmp_path / name), wanted)


def test_a_folder_with_none_or_two_is_refused(
    networks: tuple[nn.Module, nn.Module], tmp_path: Path
) -> None:
    torch.save(networks[0].state_dict(), tmp_path / "separator.pt")
    with pytest.raises(CheckpointError, match=r"one file with an encoder of texts; none of its"):
        member_weights(SPEC, TEXT, tmp_path)
    for name in ("one.pt", "two.pt"):
        torch.save(clap(networks[1]), tmp_path / name)
    with pytest.raises(CheckpointError, match=r"an encoder of texts; it holds one\.pt, two\.pt"):
        member_weights(SPEC, TEXT, tmp_path)


@pytest.mark.parametrize("choice", ["auto", "official", "random"])
def test_a_word_for_weights_is_the_same_for_both(choice: str) -> None:
    assert [member_weights(SPEC, one, choice) for one in SPEC.networks] == [choice, choice]
    assert [one.artifact_stem for one in SPEC.networks] == ["small", "small-text"]


def test_one_file_is_the_weights_of_both(tmp_path: Path) -> None:
    path = tmp_path / "audiosep.ckpt"
    path.write_bytes(b"weights")
    chosen = [resolve_weights(one, member_weights(SPEC, one, path)) for one in SPEC.networks]
    assert [one.path for one in chosen] == [path, path]
