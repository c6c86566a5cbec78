import itertools

import numpy as np
import pytest
import torch
from helpers import snr_db
from torch import nn

from stemline.export import winograd
from stemline.export.winograd import WinogradConv2d, transforms, winograd_convolutions

# Float32 with transform entries up to 5: measured 116 dB on 128 to 640 channels.
WINOGRAD_DB = 105.0


def test_the_transforms_give_a_correlation_exactly() -> None:
    a_t, g, b_t = transforms()
    random = np.random.default_rng(0)
    for _ in range(20):
        kernel, patch = random.standard_normal(3), random.standard_normal(6)
        wanted = np.correlate(patch, kernel, "valid")
        np.testing.assert_allclose(a_t @ ((g @ kernel) * (b_t @ patch)), wanted, atol=1e-12)


@pytest.mark.parametrize("slab_bytes", [1, 60_000, 10**9])
@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 4), (12, 20), (36, 8)])
def test_a_winograd_convolution_is_the_convolution(
    height: int, width: int, slab_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "MAX_SLAB_BYTES", slab_bytes)
    torch.manual_seed(0)
    for n_in, n_out, batch in itertools.product((1, 5), (1, 7), (1, 3)):
        direct = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        fast = WinogradConv2d(direct, height, width)
        x = torch.randn(batch, n_in, height, width)
        with torch.inference_mode():
            wanted, got = direct(x).numpy(), fast(x).numpy()
        assert snr_db(wanted, got) > WINOGRAD_DB


class Mixed(nn.Module):
    """Convolutions of which some can and some cannot be Winograd's."""

    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.Conv2d(2, 96, 1, bias=False)
        self.plain = nn.Conv2d(96, 96, 3, padding=1, bias=False)
        self.biased = nn.Conv2d(96, 96, 3, padding=1)
        self.strided = nn.Conv2d(96, 96, 3, stride=2, padding=1, bias=False)
        self.deep = nn.Conv2d(96, 96, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.biased(self.plain(self.widen(x)))
        y: torch.Tensor = self.deep(self.strided(x))
        return y


def test_only_convolutions_that_gain_are_swapped_and_all_come_back() -> None:
    torch.manual_seed(0)
    network = Mixed().eval()
    x = torch.randn(2, 2, 64, 64)
    before = dict(network.named_modules())
    with torch.inference_mode():
        wanted = network(x).numpy()
        with winograd_convolutions(network, [(2, 64, 64)]) as n_swapped:
            assert n_swapped == 1  # `deep` sees 32×32, below 4096 positions
            assert isinstance(network.plain, WinogradConv2d)
            assert snr_db(wanted, network(x).numpy()) > WINOGRAD_DB
    assert dict(network.named_modules()) == before


@pytest.mark.parametrize("size", [(62, 68), (68, 62)])
def test_maps_that_are_no_whole_tiles_keep_their_convolution(size: tuple[int, int]) -> None:
    network = Mixed().eval()
    with winograd_convolutions(network, [(2, *size)]) as n_swapped:
        assert n_swapped == 0
