import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from demucs_network_helpers import (
    export_demucs,
    inputs_of,
    small_hdemucs,
    small_htdemucs,
    unsettled,
)
from torch import Tensor, nn

from stemline.engines import open_engine
from stemline.evaluation.parity import snr_db
from stemline.families.common.checkpoint import load_strictly
from stemline.families.demucs.config import HDEMUCS, HTDEMUCS, HTDEMUCS_6S, DemucsConfig
from stemline.families.demucs.network import build_demucs
from stemline.families.demucs.network.branch import Branch
from stemline.families.demucs.network.htdemucs import Htdemucs
from stemline.families.demucs.network.positions import time_code, time_frequency_code
from stemline.families.demucs.network.recurrent import FramedLstm, LocalAttention
from stemline.families.demucs.network.transformer import Attention


@pytest.mark.parametrize(
    ("config", "n_keys", "n_parameters"),
    # NETWORKS §2.4 and §2.5, counted on the original classes.
    [
        (HTDEMUCS, 533, 41_984_456),
        (HTDEMUCS_6S, 525, 27_414_996),
        (HDEMUCS, 395, 83_637_832),
        (replace(HDEMUCS, cac=False), 395, 83_633_984),
    ],
    ids=["htdemucs", "htdemucs_6s", "hdemucs", "magnitudes"],
)
def test_the_official_configurations_have_the_official_parameters(
    config: DemucsConfig, n_keys: int, n_parameters: int
) -> None:
    with torch.device("meta"):  # shapes without the memory
        network = build_demucs(config)
    state = network.state_dict()
    assert len(state) == n_keys
    assert sum(value.numel() for value in state.values()) == n_parameters
    # Quantised checkpoints have no names: this order is all they go by.
    assert [name for name, _ in network.named_parameters()] == list(state)


def test_keys_and_shapes_are_the_official_ones() -> None:
    with torch.device("meta"):
        state = build_demucs(HTDEMUCS).state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert next(iter(shapes)) == "encoder.0.conv.weight"
    assert shapes["encoder.0.dconv.layers.1.3.weight"] == (96, 6, 1)
    assert shapes["decoder.3.conv_tr.weight"] == (48, 16, 8, 1)
    assert shapes["tdecoder.3.conv_tr.weight"] == (48, 8, 8)
    assert shapes["freq_emb.embedding.weight"] == (512, 48)
    assert shapes["channel_upsampler.weight"] == (512, 384, 1)
    assert shapes["crosstransformer.layers.0.self_attn.in_proj_weight"] == (1536, 512)
    assert shapes["crosstransformer.layers_t.3.cross_attn.out_proj.bias"] == (512,)
    assert list(shapes)[-1] == "crosstransformer.layers_t.4.gamma_2.scale"
    with torch.device("meta"):
        state = build_demucs(HDEMUCS).state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert shapes["encoder.4.dconv.layers.0.3.lstm.weight_ih_l1_reverse"] == (768, 384)
    assert shapes["encoder.5.dconv.layers.1.4.query_decay.weight"] == (16, 384, 1)
    assert shapes["tencoder.4.conv.weight"] == (768, 384, 8)
    assert "tencoder.4.rewrite.weight" not in shapes
    assert shapes["tdecoder.0.norm2.weight"] == (384,)


CONFIGS = {
    "htdemucs": small_htdemucs(),
    "htdemucs, magnitudes, cross first": small_htdemucs(
        cac=False, bottom_channels=0, t_cross_first=True, dconv_mode=1
    ),
    "hdemucs": small_hdemucs(),
    "hdemucs, magnitudes": small_hdemucs(cac=False, hybrid_old=True, dconv_mode=3),
}


def seeded(config: DemucsConfig) -> nn.Module:
    torch.manual_seed(0)
    network = build_demucs(config)
    unsettled(network)
    return network


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_each_row_of_a_batch_is_computed_alone(config: DemucsConfig) -> None:
    network, inputs = seeded(config), inputs_of(config, 3)
    with torch.inference_mode():
        together = network(*inputs)
        alone = [network(*(value[row, None] for value in inputs)) for row in range(3)]
    for index, (name, shape) in enumerate(config.outputs.items()):
        assert together[index].shape == (3, *shape), name
        # Float32 sums in another order.
        torch.testing.assert_close(
            together[index], torch.cat([row[index] for row in alone]), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("n_samples", [1, 2, 63, 64, 65, 64 * 200, 64 * 200 + 1, 64 * 301 + 5])
def test_hdemucs_takes_any_length(n_samples: int) -> None:
    config = small_hdemucs()
    inputs = inputs_of(config, 2, n_samples)
    with torch.inference_mode():
        outputs = seeded(config)(*inputs)
    assert [tuple(value.shape) for value in outputs] == [
        (2, 3, 2, n_samples),
        (2, 3, *inputs[1].shape[1:]),
    ]
    assert all(torch.isfinite(value).all() for value in outputs)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_silence_in_gives_what_is_finite_and_silent(config: DemucsConfig) -> None:
    with torch.inference_mode():
        outputs = seeded(config)(*(torch.zeros_like(value) for value in inputs_of(config, 1)))
    assert all(float(value.abs().max()) == 0 for value in outputs)  # at the input's level


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_louder_mixture_gives_stems_louder_by_as_much(config: DemucsConfig) -> None:
    network, inputs = seeded(config), inputs_of(config, 1)
    with torch.inference_mode():
        quiet, loud = network(*inputs), network(*(1000 * value for value in inputs))
    for value, louder in zip(quiet, loud, strict=True):
        assert snr_db(1000 * value.numpy(), louder.numpy()) > 60  # all but the least std's share


def test_the_network_is_built_without_memory_and_takes_over_a_state_dict() -> None:
    config = small_htdemucs()
    given = seeded(config)
    with torch.device("meta"):
        network = build_demucs(config)
    load_strictly(network, given.state_dict(), "given")
    inputs = inputs_of(config, 1)
    with torch.inference_mode():
        for value, wanted in zip(network(*inputs), given(*inputs), strict=True):
            assert torch.equal(value, wanted)


def plainly(branch: Branch, x: Tensor) -> Tensor:
    """The branch as its modules say it, on (batch, C, F, T)."""
    batch, n_channels, n_bins, n_frames = x.shape
    y = x.transpose(1, 2).reshape(-1, n_channels, n_frames)
    *modules, scale = list(branch)
    for module in modules:
        y = module(y)
    y = y * scale.scale[:, None]  # type: ignore[operator]
    return x + y.reshape(batch, n_bins, n_channels, n_frames).transpose(1, 2)


@pytest.mark.parametrize("index", [0, 3])
def test_a_branch_is_what_its_modules_in_a_row_are(index: int) -> None:
    branch = Branch(small_hdemucs(), index, channels=16, dilation=2)
    unsettled(branch)
    # Far off its mean, as after a bias: a variance by E[x²] − E[x]² would lose all its digits.
    branch[0].bias.data += 30  # type: ignore[operator, union-attr]
    x = torch.randn(2, 16, 5, 33, generator=torch.Generator().manual_seed(2)) + 10
    with torch.inference_mode():
        torch.testing.assert_close(branch(x), plainly(branch, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n_frames", [1, 99, 100, 101, 199, 200])
def test_up_to_200_frames_are_one_sequence(n_frames: int) -> None:
    module = FramedLstm(6)
    x = torch.randn(2, 6, n_frames)
    with torch.inference_mode():
        y, _ = module.lstm(x.permute(2, 0, 1))
        wanted = x + module.linear(y).permute(1, 2, 0)
        torch.testing.assert_close(module(x), wanted)


@pytest.mark.parametrize("n_frames", [201, 299, 300, 301, 433])
def test_longer_ones_are_sequences_that_each_give_their_middle(n_frames: int) -> None:
    module = FramedLstm(6)
    x = torch.randn(2, 6, n_frames)
    count = math.ceil(n_frames / 100)
    padded = F.pad(x, (0, 100 * count + 100 - n_frames))
    pieces = []
    with torch.inference_mode():
        for k in range(count):
            y, _ = module.lstm(padded[..., 100 * k : 100 * k + 200].permute(2, 0, 1))
            y = module.linear(y).permute(1, 2, 0)
            pieces.append(y[..., 0 if k == 0 else 50 : 200 if k == count - 1 else 150])
        wanted = x + torch.cat(pieces, 2)[..., :n_frames]
        torch.testing.assert_close(module(x), wanted)


@pytest.mark.parametrize("n_frames", [1, 2, 7])
def test_local_attention_by_its_formula(n_frames: int) -> None:
    module = LocalAttention(8)
    x = torch.randn(2, 8, n_frames)
    with torch.inference_mode():
        got = module(x)
        query, key, content = (
            convolution(x).reshape(2, 4, 2, n_frames)
            for convolution in (module.query, module.key, module.content)
        )
        decay = torch.sigmoid(module.query_decay(x)).reshape(2, 4, 4, n_frames)
        y = torch.empty(2, 4, 2, n_frames)
        for row, head, s in np.ndindex(2, 4, n_frames):
            logits = torch.empty(n_frames)
            for t in range(n_frames):
                fading = sum((n + 1) * decay[row, head, n, s] / 2 / 2 for n in range(4))
                product = query[row, head, :, s] @ key[row, head, :, t] / math.sqrt(2)
                logits[t] = -100 if t == s else product - abs(t - s) * fading
            y[row, head, :, s] = content[row, head] @ torch.softmax(logits, 0)
        wanted = x + module.proj(y.reshape(2, 8, n_frames))
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("n_other", [3, 11])
def test_attention_is_what_torchs_own_module_gives(n_other: int) -> None:
    theirs = nn.MultiheadAttention(12, 3, batch_first=True).eval()
    unsettled(theirs)
    ours = Attention(12, 3)
    load_strictly(ours, theirs.state_dict(), "theirs")
    x, other = torch.randn(2, 7, 12), torch.randn(2, n_other, 12)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x, other, None), theirs(x, other, other)[0])


def test_the_codes_of_positions_by_their_formulas() -> None:
    code = time_code(1344, 16, 10000)
    for position, j in [(0, 0), (1, 3), (1343, 0), (700, 7)]:
        phase = position / 10000 ** (j / 7)
        # Float32 phases of a thousand radians are off by their rounding, 6e-5.
        assert code[position, j] == pytest.approx(math.cos(phase), abs=2e-4)
        assert code[position, 8 + j] == pytest.approx(math.sin(phase), abs=2e-4)
    code = time_frequency_code(5, 3, 16, 10000)
    assert code.shape == (15, 16)
    for frame, frequency, pair in [(4, 2, 0), (4, 1, 3), (0, 2, 1), (3, 0, 2)]:
        token = code[frame * 3 + frequency]
        turn = 10000 ** (-2 * pair / 8)
        assert token[2 * pair] == pytest.approx(math.sin(frame * turn), abs=1e-6)
        assert token[2 * pair + 1] == pytest.approx(math.cos(frame * turn), abs=1e-6)
        assert token[8 + 2 * pair] == pytest.approx(math.sin(frequency * turn), abs=1e-6)
        assert token[8 + 2 * pair + 1] == pytest.approx(math.cos(frequency * turn), abs=1e-6)


def test_in_a_cross_layer_each_attends_to_what_the_other_was_before() -> None:
    """The waveform's output of one cross layer does not depend on the spectrogram's own layer."""
    config = small_htdemucs(t_layers=1, t_cross_first=True)
    network = seeded(config)
    assert isinstance(network, Htdemucs)
    tokens = torch.randn(1, 12, 32), torch.randn(1, 5, 32)
    with torch.inference_mode():
        _, before = network.crosstransformer(*tokens, 4)
        network.crosstransformer.layers[0].linear1.weight *= 2  # type: ignore[operator, union-attr]
        _, after = network.crosstransformer(*tokens, 4)
    assert torch.equal(before, after)


@pytest.mark.parametrize("name", ["htdemucs", "hdemucs, magnitudes"])
def test_onnx_runtime_gives_what_torch_gives_at_every_batch(name: str, tmp_path: Path) -> None:
    config = CONFIGS[name]
    network = seeded(config)
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_demucs(network, config, path)
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert not kinds & {"EyeLike", "If", "Loop", "NonZero", "GatherND"}
    engine = open_engine(path, device="cpu")
    for batch in (1, 3):
        inputs = inputs_of(config, batch)
        with torch.inference_mode():
            wanted = network(*inputs)
        got = engine.run(
            {key: value.numpy() for key, value in zip(config.inputs, inputs, strict=True)}
        )
        for key, value in zip(config.outputs, wanted, strict=True):
            assert snr_db(value.numpy(), got[key]) > 90, key  # float32; 115 dB and more here


def test_one_graph_of_hdemucs_does_every_length_and_batch(tmp_path: Path) -> None:
    """A sample, one sequence of the LSTM in full and one over, and several."""
    onnxruntime = pytest.importorskip("onnxruntime")
    config = small_hdemucs()
    network = seeded(config)
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_demucs(network, config, path, free_length=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for n_samples in (1, 64, 65, 64 * 150, 64 * 200, 64 * 200 + 1, 64 * 433 + 7):
        for batch in (1, 3):
            inputs = inputs_of(config, batch, n_samples)
            with torch.inference_mode():
                wanted = network(*inputs)
            got = session.run(
                None, {k: v.numpy() for k, v in zip(config.inputs, inputs, strict=True)}
            )
            for value, other in zip(wanted, got, strict=True):
                assert snr_db(value.numpy(), other) > 90, (n_samples, batch)
