import pytest
import torch
import torch.nn.functional as F
from allin1_helpers import SMALL, small_allin1, spectrograms
from torch import Tensor

from stemline.bench.studies.real.allin1_original import neighbours
from stemline.families.allin1.config import AllInOneConfig
from stemline.families.allin1.network.all_in_one import AllInOne, InstrumentAttention, TimeAttention
from stemline.families.allin1.network.neighbourhood import Band

# Sums of a few dozen products in float64.
EXACT = 1e-12


def test_the_published_configuration_has_the_published_parameters() -> None:
    with torch.device("meta"):
        network = AllInOne(AllInOneConfig())
    state = network.state_dict()
    assert len(state) == 491
    assert sum(value.numel() for value in state.values()) == 300_631
    layer = "encoder.layers.10."
    assert state[layer + "timelayer.attention2.self.rpb"].shape == (2, 9)
    assert state[layer + "timelayer.intermediate.dense.weight"].shape == (192, 48)
    assert state[layer + "instlayer.attention.self.rpb"].shape == (2, 9, 9)
    assert state["function_classifier.classifier.weight"].shape == (10, 96)


def test_dilations_double_and_the_last_block_works_on_10240_frames() -> None:
    config = AllInOneConfig()
    assert config.dilations == tuple(2**i for i in range(11))
    assert config.windows[0] == 10 and config.windows[-1] == 10240
    network = AllInOne(config)
    last = network.encoder.layers[-1].timelayer
    assert (last.attention.band.dilation, last.attention2.band.dilation) == (1024, 2048)


@pytest.mark.parametrize("block", [3, 4, 8])
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (3, 4), (5, 1), (5, 2), (5, 3), (7, 5)])
def test_every_query_has_the_keys_and_biases_of_the_rule(
    kernel: int, dilation: int, block: int
) -> None:
    least = kernel * dilation
    band, cpu = Band(kernel, dilation, least, block), torch.device("cpu")
    for length in range(least, least + 3 * block * dilation + 1):
        keys = band.keys(length, cpu).flatten(0, 1)
        biases = band.biases(cpu)[band.cases(length, cpu).flatten()]
        rows = band.places(length, cpu)
        assert band.queries(length, cpu).flatten()[rows].tolist() == list(range(length))
        position, relative = neighbours(length, kernel, dilation)
        for frame, row in enumerate(rows.tolist()):
            bias = biases[row // block, row % block]
            inside = bias < 2 * kernel - 1
            found = zip(keys[row // block][inside].tolist(), bias[inside].tolist(), strict=True)
            wanted = zip(position[frame].tolist(), relative[frame].tolist(), strict=True)
            assert sorted(found) == sorted(wanted)


def heads(x: Tensor, config: AllInOneConfig) -> Tensor:
    return x.unflatten(-1, (config.num_heads, config.head_size))


def time_attention_by_the_rule(attention: TimeAttention, x: Tensor) -> Tensor:
    """Padded as the original pads: zeros before the projections, cropped afterwards."""
    n_frames, band = x.shape[2], attention.band
    y = F.pad(x, (0, 0, 0, max(0, band.window - n_frames)))
    q, k, v = (heads(z, SMALL) for z in attention.self(y))
    at, relative = neighbours(y.shape[2], band.kernel_size, band.dilation)
    logits = torch.einsum("bithc,bitjhc->bithj", q, k[:, :, at])
    logits = logits + attention.self.rpb[:, relative].transpose(0, 1)
    out = torch.einsum("bithj,bitjhc->bithc", logits.softmax(-1), v[:, :, at])
    cropped: Tensor = attention.output(out.flatten(-2)[:, :, :n_frames])
    return cropped


@pytest.mark.parametrize(("dilation", "window"), [(1, 10), (2, 10), (4, 40), (8, 40), (5, 30)])
def test_attention_over_time_is_the_rule_for_short_and_long_clips(
    dilation: int, window: int
) -> None:
    torch.manual_seed(1)
    attention = TimeAttention(SMALL, dilation, window).double()
    torch.nn.init.normal_(attention.self.rpb)
    for n_frames in [1, 2, 3, *range(window - 2, window + 3), 3 * window + 1, 4 * window + 7]:
        x = torch.randn(2, 3, n_frames, SMALL.dim_embed, dtype=torch.float64)
        wanted = time_attention_by_the_rule(attention, x)
        torch.testing.assert_close(attention(x), wanted, rtol=0, atol=EXACT)


def instrument_attention_by_the_rule(attention: InstrumentAttention, x: Tensor) -> Tensor:
    n_stems, n_frames = x.shape[1:3]
    y = F.pad(x, (0, 0, 0, max(0, 5 - n_frames), 0, 5 - n_stems))
    q, k, v = (heads(z, SMALL) for z in attention.self(y))
    rows, row_bias = neighbours(5, 5, 1)
    columns, column_bias = neighbours(y.shape[2], 5, 1)
    near = [z[:, rows][:, :, :, columns] for z in (k, v)]  # (batch, i, ki, t, kt, heads, c)
    logits = torch.einsum("bithc,bimtnhc->bithmn", q, near[0])
    bias = attention.self.rpb[:, row_bias[:, :, None, None], column_bias]  # (heads, i, ki, t, kt)
    logits = logits + bias.permute(1, 3, 0, 2, 4)
    weights = logits.flatten(-2).softmax(-1).unflatten(-1, (5, 5))
    out = torch.einsum("bithmn,bimtnhc->bithc", weights, near[1])
    cropped: Tensor = attention.output(out.flatten(-2)[:, :n_stems, :n_frames])
    return cropped


@pytest.mark.parametrize("n_stems", [1, 4, 5])
@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 31])
def test_attention_over_stems_is_the_rule_with_the_missing_stems_as_padding(
    n_stems: int, n_frames: int
) -> None:
    torch.manual_seed(2)
    config = AllInOneConfig(
        depth=1, dim_embed=SMALL.dim_embed, stems=("a", "b", "c", "d", "e")[:n_stems]
    )
    attention = InstrumentAttention(config).double()
    torch.nn.init.normal_(attention.self.rpb)
    x = torch.randn(2, n_stems, n_frames, SMALL.dim_embed, dtype=torch.float64)
    wanted = instrument_attention_by_the_rule(attention, x)
    torch.testing.assert_close(attention(x), wanted, rtol=0, atol=EXACT)


def test_a_batch_is_its_rows() -> None:
    network, x = small_allin1(), spectrograms(3, 57)
    with torch.inference_mode():
        together = network(x)
        for row in range(3):
            for one, many in zip(network(x[row, None]), together, strict=True):
                # Products of another size are summed in another order.
                torch.testing.assert_close(one[0], many[row], rtol=0, atol=1e-5)


def test_every_weight_learns() -> None:
    network = small_allin1().train()
    outputs = network(spectrograms(1, 60))
    sum(output.square().mean() for output in outputs).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), name
        # A key's bias moves all logits of a query alike, which the softmax does not see, but for
        # padding; everything else must move.
        assert weight.grad.abs().max() > 0 or name.endswith("key.bias"), name


def test_before_training_beats_are_rare() -> None:
    network = AllInOne(SMALL)
    biases = [
        network.get_submodule(f"{name}_classifier").classifier.bias.sigmoid().item()
        for name in ("beat", "downbeat", "section")
    ]
    assert biases == pytest.approx([0.05, 0.0125, 0.001])
