"""AudioSep's networks: official keys and sizes, and what must hold of any weights."""

import pytest
import torch
from audiosep_helpers import ENCODER, SEPARATOR
from export_helpers import build_network

from stemline.export.weights import random_network
from stemline.families.audiosep.config import PAD, SeparatorConfig, TextEncoderConfig


def official(config: SeparatorConfig | TextEncoderConfig) -> dict[str, torch.Tensor]:
    with torch.device("meta"):  # shapes without the memory
        return build_network(config).state_dict()


def test_the_separator_has_the_official_keys_but_for_the_fourier_constants() -> None:
    state = official(SeparatorConfig())
    # NETWORKS: 332 entries, five of which are the constants; 26,447,941 numbers are trained.
    assert len(state) == 332 - 5
    learnt = [v for k, v in state.items() if "running_" not in k and "num_batches" not in k]
    assert sum(value.numel() for value in learnt) == 26_447_941
    assert state["film.encoder_block1->conv_block1->beta1.weight"].shape == (32, 512)
    assert state["film.decoder_block1->beta2.bias"].shape == (384,)
    assert state["base.decoder_block3.conv1.weight"].shape == (384, 256, 2, 2)
    assert state["base.decoder_block6.bn2.weight"].shape == (64,)
    assert sum(key.startswith("film.") for key in state) == 76


def test_the_text_tower_has_the_official_keys() -> None:
    state = official(TextEncoderConfig())
    roberta = [key for key in state if key.startswith("text_branch.")]
    assert (
        sum(state[key].numel() for key in roberta) == 124_645_632
    )  # roberta-base, with its pooler
    assert state["text_branch.embeddings.position_embeddings.weight"].shape == (514, 768)
    assert "text_branch.encoder.layer.11.attention.output.LayerNorm.bias" in state
    assert [tuple(state[f"text_projection.{i}.weight"].shape) for i in (0, 2)] == [
        (512, 768),
        (512, 512),
    ]


@pytest.fixture(scope="module")
def separator() -> torch.nn.Module:
    """A small one whose norms are not those of a new network."""
    network = random_network(SEPARATOR, seed=5)
    torch.manual_seed(5)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if "running_var" in name or (".bn" in name and name.endswith("weight")):
                value.uniform_(0.5, 1.5)
            elif value.ndim == 1 and value.is_floating_point():
                value.uniform_(-0.5, 0.5)
    return network


def inputs(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(batch)
    embedding = torch.nn.functional.normalize(torch.randn(batch, SEPARATOR.n_embedding))
    return torch.rand(batch, SEPARATOR.n_frames, SEPARATOR.n_bins) * 3, embedding


def test_a_mask_never_raises_and_rows_of_a_batch_are_alone(separator: torch.nn.Module) -> None:
    magnitude, embedding = inputs(3)
    with torch.inference_mode():
        mask = separator(magnitude, embedding)
        alone = torch.cat(
            [separator(m[None], e[None]) for m, e in zip(magnitude, embedding, strict=True)]
        )
    assert mask.shape == (3, 2, SEPARATOR.n_frames, SEPARATOR.n_bins)
    gain = mask.square().sum(1).sqrt()
    assert 0 < gain.min() and gain.max() < 1
    torch.testing.assert_close(mask, alone, atol=1e-5, rtol=1e-4)


def test_the_embedding_decides_what_is_separated(separator: torch.nn.Module) -> None:
    magnitude, embedding = inputs(1)
    with torch.inference_mode():
        here, there = separator(magnitude, embedding), separator(magnitude, -embedding)
    assert (here - there).abs().max() > 1e-3


def test_frames_are_filled_up_with_what_the_norm_makes_of_the_mean(
    separator: torch.nn.Module,
) -> None:
    """The original pads behind its norm: frames that the norm makes zero are worth the same."""
    magnitude, embedding = inputs(1)
    bn = separator.get_submodule("base.bn0")
    zero = bn.running_mean - bn.bias * torch.sqrt(bn.running_var + bn.eps) / bn.weight
    longer = random_network(SEPARATOR, seed=0)
    config = SeparatorConfig(
        **{
            **{k: v for k, v in SEPARATOR.to_json().items() if k != "kind"},
            "chunk_samples": (SEPARATOR.n_padded_frames - 1) * SEPARATOR.hop_samples,
        }
    )
    longer = build_network(config)
    longer.load_state_dict(separator.state_dict())
    n_fill = SEPARATOR.n_padded_frames - SEPARATOR.n_frames
    fill = zero[None, None, : SEPARATOR.n_bins].expand(1, n_fill, -1)
    with torch.inference_mode():
        wanted = longer(torch.cat([magnitude, fill], 1), embedding)[:, :, : SEPARATOR.n_frames]
        got = separator(magnitude, embedding)
    assert n_fill > 0
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


def test_what_the_original_never_uses_has_no_influence(separator: torch.nn.Module) -> None:
    magnitude, embedding = inputs(1)
    changed = build_network(SEPARATOR)
    unused = ("->beta2.weight", ".bn2.weight")
    state = {
        key: value + 9
        if key.endswith(unused) and "conv_block" not in key and "decoder" in key
        else value
        for key, value in separator.state_dict().items()
    }
    assert sum(not torch.equal(state[k], v) for k, v in separator.state_dict().items()) == 12
    changed.load_state_dict(state)
    with torch.inference_mode():
        assert torch.equal(changed(magnitude, embedding), separator(magnitude, embedding))


def test_an_embedding_has_length_1_and_is_the_same_however_far_a_row_is_filled_up() -> None:
    network = random_network(ENCODER, seed=2)
    short = torch.tensor([[0, 50, 60, 2]])
    filled = torch.full((2, 20), PAD)
    filled[0, :4] = short[0]
    filled[1] = torch.arange(20) + 10
    with torch.inference_mode():
        alone, together = network(short), network(filled)
    assert torch.linalg.norm(together, dim=-1).numpy() == pytest.approx([1, 1], abs=1e-6)
    torch.testing.assert_close(together[:1], alone, atol=1e-6, rtol=0)
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_the_order_of_the_words_matters() -> None:
    network = random_network(ENCODER, seed=2)
    with torch.inference_mode():
        rows = network(torch.tensor([[0, 50, 60, 2], [0, 60, 50, 2]]))
    assert (rows[0] - rows[1]).abs().max() > 1e-4
