"""What HTDemucs and HDemucs share: a U-Net over the spectrogram beside one over the waveform."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import cast

from torch import Tensor, nn

from ..config import DemucsConfig
from .layers import DecoderLayer, EncoderLayer, LayerShape

_LEAST_STD = 1e-5  # silence is divided by this, not by zero


class FrequencyCode(nn.Module):
    """A learnt vector for each frequency."""

    def __init__(self, n_bins: int, channels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_bins, channels)


@dataclass
class Encoded:
    """The encoders' outputs, as the decoders take them in."""

    spectrogram: Tensor
    """(batch, C, F, T), or (batch, C, T) once one bin is left."""
    waveform: Tensor
    """(batch, C, T)."""
    spectrogram_skips: list[Tensor] = field(default_factory=list)
    waveform_skips: list[Tensor] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    """Frames that each layer over time took in, of the spectrogram's branch."""
    waveform_lengths: list[int] = field(default_factory=list)


class HybridNetwork(nn.Module):
    """The encoders and the decoders; what goes from one to the other is the subclass's."""

    def __init__(self, config: DemucsConfig) -> None:
        super().__init__()
        self.config = config
        spectrogram, waveform = list(spectrogram_layers(config)), list(waveform_layers(config))
        # The order in which they are made is that of the checkpoints' parameters.
        self.encoder = nn.ModuleList(EncoderLayer(config, shape) for shape in spectrogram)
        self.decoder = nn.ModuleList(_decoders(config, spectrogram))
        self.tencoder = nn.ModuleList(EncoderLayer(config, shape) for shape in waveform)
        self.tdecoder = nn.ModuleList(_decoders(config, waveform))
        self.freq_emb: FrequencyCode | None = None
        if config.freq_emb:
            n_bins = max(config.bins[0] // config.stride, 1)
            self.freq_emb = FrequencyCode(n_bins, config.channels)

    def encode(self, spectrogram: Tensor, waveform: Tensor) -> Encoded:
        """Standardise both inputs and encode them down to where they meet or end."""
        done = Encoded(spectrogram, waveform)
        tencoder = iter(cast("Iterable[EncoderLayer]", self.tencoder))
        for layer in cast("Iterable[EncoderLayer]", self.encoder):
            met = None
            waveform_layer = next(tencoder, None)
            if waveform_layer is not None:
                done.waveform_lengths.append(done.waveform.shape[-1])
                done.waveform = waveform_layer(done.waveform)
                if waveform_layer.shape.bare:
                    met = done.waveform
                else:
                    done.waveform_skips.append(done.waveform)
            x = done.spectrogram
            if not layer.shape.over_frequency and x.ndim == 4:
                x = x.squeeze(2)
            done.lengths.append(x.shape[-1])
            x = layer(x, met)
            if layer.shape.index == 0 and self.freq_emb is not None:
                weight = self.config.freq_emb * self.config.emb_scale
                x = x + weight * self.freq_emb.embedding.weight.T[:, :, None]
            done.spectrogram = x
            done.spectrogram_skips.append(x)
        return done

    def decode(
        self, encoded: Encoded, spectrogram: Tensor | None, waveform: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Decode with the skips -> both branches of every stem, (batch, S·C, ...).

        The inputs are what the decoders begin with besides the skips; None for nothing.
        """
        n_apart = len(self.decoder) - len(self.tdecoder)
        tdecoder = cast("list[DecoderLayer]", list(self.tdecoder))
        for index, layer in enumerate(cast("Iterable[DecoderLayer]", self.decoder)):
            if spectrogram is not None and layer.shape.over_frequency and spectrogram.ndim == 3:
                spectrogram = spectrogram.unsqueeze(2)
            x = _sum(spectrogram, encoded.spectrogram_skips.pop())
            spectrogram, inner = layer(x, encoded.lengths.pop())
            if index < n_apart:
                continue
            waveform_layer = tdecoder[index - n_apart]
            if waveform_layer.shape.bare:
                x = inner.squeeze(2)
            else:
                x = _sum(waveform, encoded.waveform_skips.pop())
            waveform, _ = waveform_layer(x, encoded.waveform_lengths.pop())
        assert spectrogram is not None and waveform is not None  # as many layers as skips
        return spectrogram, waveform


def spectrogram_layers(config: DemucsConfig) -> Iterator[LayerShape]:
    """The layers of the spectrogram's encoder, outermost first."""
    channels = config.spectrogram_channels
    for index, width in enumerate(config.widths):
        over_frequency = index < len(config.bins)
        stride = config.stride if over_frequency else config.time_stride
        shape = LayerShape(index, channels, width, 2 * stride, stride, stride // 2, over_frequency)
        if over_frequency and config.bins[index] <= config.kernel_size:
            # One kernel over all that is left: one bin comes out.
            shape = replace(shape, kernel_size=config.bins[index], padding=0)
        yield shape
        channels = width


def waveform_layers(config: DemucsConfig) -> Iterator[LayerShape]:
    """The layers of the waveform's encoder: as many as go over frequency, and as wide."""
    channels, stride = config.audio_channels, config.stride
    for index, n_bins in enumerate(config.bins):
        width = config.widths[index]
        bare = n_bins <= config.kernel_size
        yield LayerShape(index, channels, width, 2 * stride, stride, stride // 2, False, bare)
        channels = width


def standardized(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each row of x less its mean over its unbiased standard deviation; and those two."""
    axes = tuple(range(1, x.ndim - 1))
    # The last axis first and alone: sums stay short, which keeps float32 exact, and are fast.
    mean = x.mean(-1, keepdim=True).mean(axes, keepdim=True)
    x = x - mean
    n_values = x.shape[1] * x.shape[2] * (x.shape[3] if x.ndim == 4 else 1)
    power = (x * x).mean(-1, keepdim=True).mean(axes, keepdim=True)
    std = (power * (n_values / (n_values - 1))).sqrt()
    return x / (_LEAST_STD + std), mean, std


def of_stems(x: Tensor, n_stems: int, mean: Tensor, std: Tensor) -> Tensor:
    """(batch, S·C, ...) -> (batch, S, C, ...), at the level of the input again."""
    x = x.reshape(-1, n_stems, x.shape[1] // n_stems, *x.shape[2:])
    return x * std.unsqueeze(1) + mean.unsqueeze(1)


def _decoders(config: DemucsConfig, shapes: list[LayerShape]) -> Iterator[DecoderLayer]:
    """The decoder layers, innermost first; the outermost outputs every stem."""
    for shape in reversed(shapes):
        n_stems = len(config.stems) if shape.index == 0 else 1
        yield DecoderLayer(config, replace(shape, channels=shape.channels * n_stems))


def _sum(x: Tensor | None, skip: Tensor) -> Tensor:
    return skip if x is None else x + skip
