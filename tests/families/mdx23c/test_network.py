import pytest
import torch
from export_helpers import build_network, tiny_config

from stemline.errors import UnknownModelError
from stemline.export.models import MODELS, find_model
from stemline.export.weights import random_network
from stemline.families.mdx23c.config import Mdx23cConfig
from stemline.families.mdx23c.network import frequency_gain


@pytest.mark.parametrize(
    ("name", "n_parameters"),
    # NETWORKS §1.2, counted on the original class.
    [
        ("mdx23c", 111_990_272),
        ("mdx23c-drumsep", 109_378_624),
        ("mdx23c-drumsep5", 109_376_576),
    ],
)
def test_the_official_configurations_have_the_official_parameters(
    name: str, n_parameters: int
) -> None:
    with torch.device("meta"):  # shapes without the memory
        state = build_network(find_model(name).config).state_dict()
    assert len(state) == 319
    assert sum(value.numel() for value in state.values()) == n_parameters


def test_keys_shapes_and_order_are_the_official_ones() -> None:
    with torch.device("meta"):
        state = build_network(MODELS["mdx23c"].config).state_dict()
    keys = list(state)
    assert keys[0] == "first_conv.weight"
    assert keys[-2:] == ["final_conv.0.weight", "final_conv.2.weight"]
    block = "encoder_blocks.0.tfc_tdf.blocks.0."
    assert [key.removeprefix(block) for key in keys[1:15]] == [
        "tfc1.0.weight",
        "tfc1.0.bias",
        "tfc1.2.weight",
        "tdf.0.weight",
        "tdf.0.bias",
        "tdf.2.weight",
        "tdf.3.weight",
        "tdf.3.bias",
        "tdf.5.weight",
        "tfc2.0.weight",
        "tfc2.0.bias",
        "tfc2.2.weight",
        "shortcut.weight",
        "encoder_blocks.0.tfc_tdf.blocks.1.tfc1.0.weight",
    ]
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert shapes["first_conv.weight"] == (128, 16, 1, 1)
    assert shapes[block + "tdf.2.weight"] == (256, 1024)
    assert shapes["encoder_blocks.4.downscale.conv.2.weight"] == (768, 640, 2, 2)
    assert shapes["bottleneck_block.blocks.1.tdf.5.weight"] == (32, 8)
    assert shapes["decoder_blocks.0.upscale.conv.2.weight"] == (768, 640, 2, 2)
    assert shapes["decoder_blocks.4.tfc_tdf.blocks.0.tfc1.2.weight"] == (128, 256, 3, 3)
    assert shapes["final_conv.2.weight"] == (32, 128, 1, 1)


def test_each_row_of_a_batch_is_computed_alone(config: Mdx23cConfig) -> None:
    network = random_network(config)
    rows = torch.randn(3, *config.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together = network(rows)
        alone = torch.cat([network(row[None]) for row in rows])
    # Float32 sums in another order.
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_random_weights_are_the_same_each_time_and_leave_the_callers_state(
    config: Mdx23cConfig,
) -> None:
    before = torch.get_rng_state()
    first, second = random_network(config, 0), random_network(config, 0)
    assert torch.equal(before, torch.get_rng_state())
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key])
    other = random_network(config, 1).state_dict()
    assert not torch.equal(other["first_conv.weight"], first.state_dict()["first_conv.weight"])


def test_the_lowest_subband_of_a_channel_comes_first() -> None:
    """A first convolution that picks one band shows which bins it is."""
    config = tiny_config(norm=None, act="relu")
    network = build_network(config)
    seen = []
    network.get_submodule("first_conv").register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0])
    )
    mixture = torch.arange(256.0)[None, None, :, None].expand(1, 4, 256, 32)
    with torch.inference_mode():
        network(mixture + 1000 * torch.arange(4)[None, :, None, None])
    # Channel 2 of 4, band 1 of 4: bins 64 to 127.
    assert torch.equal(seen[0][0, 2 * 4 + 1, :, 0], 2000 + torch.arange(64.0, 128.0))


def test_a_single_stem_keeps_its_axis() -> None:
    config = tiny_config(stems=("vocals",))
    with torch.inference_mode():
        stems = random_network(config)(torch.zeros(2, *config.input_shape))
    assert stems.shape == (2, 1, 4, 256, 32)


def test_a_level_normed_network_answers_a_louder_mixture_with_louder_stems() -> None:
    network = random_network(tiny_config(level_norm=True, frequency_gain=0.7))
    mixture = torch.randn(1, *network.config.input_shape)
    with torch.inference_mode():
        quiet, loud = network(mixture), network(1000 * mixture)
    # Exact but for float32's rounding of the level and of products with it.
    torch.testing.assert_close(loud, 1000 * quiet, rtol=1e-4, atol=1e-2)


def test_each_row_is_normed_by_its_own_level() -> None:
    network = random_network(tiny_config(level_norm=True))
    rows = (
        torch.randn(2, *network.config.input_shape)
        * torch.tensor([1.0, 100.0])[:, None, None, None]
    )
    with torch.inference_mode():
        together, alone = network(rows), network(rows[:1])
    torch.testing.assert_close(together[:1], alone)


def test_silence_in_gives_silence_out_of_a_level_normed_network() -> None:
    network = random_network(tiny_config(level_norm=True, frequency_gain=0.7))
    with torch.inference_mode():
        stems = network(torch.zeros(1, *network.config.input_shape))
    assert torch.isfinite(stems).all()
    assert stems.abs().max() < 1e-7


def test_consistent_stems_add_up_to_the_mixture() -> None:
    network = random_network(tiny_config(mixture_consistency=True))
    mixture = torch.randn(2, *network.config.input_shape)
    with torch.inference_mode():
        torch.testing.assert_close(network(mixture).sum(1), mixture, rtol=1e-4, atol=1e-5)


def test_the_frequency_gain_is_taken_back_after_the_network() -> None:
    # With one stem, consistency makes the network an identity, whatever lies between.
    network = random_network(
        tiny_config(stems=("vocals",), frequency_gain=0.7, mixture_consistency=True)
    )
    mixture = torch.randn(1, *network.config.input_shape)
    with torch.inference_mode():
        torch.testing.assert_close(network(mixture)[:, 0], mixture, rtol=1e-4, atol=1e-5)


def test_treble_weighs_more_with_a_frequency_gain() -> None:
    gain = frequency_gain(1024, 0.7, torch.device("cpu"))
    assert gain.shape == (1024, 1)
    assert float(gain[27, 0]) == pytest.approx(1.0)
    assert float(gain[1023, 0]) == pytest.approx((1026 / 30) ** 0.7)


def test_an_unknown_model_is_answered_by_those_there_are() -> None:
    with pytest.raises(
        UnknownModelError, match="no model 'mdx24'; there are mini, mdx23c, mdx23c-dr"
    ):
        find_model("mdx24")
