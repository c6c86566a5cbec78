"""Beats and downbeats of a mixture: several bidirectional LSTM networks, and their mean.

Böck, Krebs and Widmer, "Joint Beat and Downbeat Tracking with Recurrent Neural Networks" (ISMIR
2016), as madmom computes it: LSTM units with peepholes (Gers, Schraudolph and Schmidhuber,
"Learning Precise Timing with LSTM Recurrent Networks", JMLR 2002), and one bias a gate.
"""

import torch
from torch import Tensor, nn

from .config import CLASSES, MadmomConfig

INPUT_GATE, FORGET_GATE, CELL, OUTPUT_GATE = range(4)
"""The order of gates in the parameters."""
_N_DIRECTIONS, _N_GATES = 2, 4
# Random weights: states that move with the music, and a beat in one frame of several.
_RECURRENT_GAIN, _INPUT_GAIN, _OUTPUT_GAIN = 0.7, 2.0, 6.0
_FIRST_LOGITS = (1.5, 0.0, -1.0)


class MadmomBlstm(nn.Module):
    """Networks of one size, all computed at once: their parameters lie side by side."""

    def __init__(self, config: MadmomConfig) -> None:
        super().__init__()
        self.config = config
        n, wide = config.n_networks, 2 * config.units
        self.layers = nn.ModuleList(
            BlstmLayer(n, config.n_features if layer == 0 else wide, config.units)
            for layer in range(config.n_layers)
        )
        self.weight = nn.Parameter(torch.randn(n, wide, len(CLASSES)) * _OUTPUT_GAIN / wide**0.5)
        self.bias = nn.Parameter(torch.tensor(_FIRST_LOGITS).repeat(n, 1))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, features) -> probabilities of beat and downbeat, (batch, frames) each."""
        x = features.expand(self.config.n_networks, *features.shape)
        for layer in self.layers:
            x = layer(x)
        logits = x @ self.weight[:, None] + self.bias[:, None, None]
        mean = logits.softmax(-1).mean(0)  # (batch, frames, classes)
        return mean[..., CLASSES.index("beat")], mean[..., CLASSES.index("downbeat")]


class BlstmLayer(nn.Module):
    """One layer of all networks, forwards and backwards in time."""

    def __init__(self, n_networks: int, n_in: int, units: int) -> None:
        super().__init__()
        first = (n_networks, _N_DIRECTIONS, _N_GATES)
        self.input_weights = nn.Parameter(torch.randn(*first, n_in, units))
        """(networks, directions, gates, inputs, units), the later ones shaped alike."""
        self.recurrent_weights = nn.Parameter(torch.randn(*first, units, units))
        self.bias = nn.Parameter(torch.zeros(*first, units))
        self.peepholes = nn.Parameter(0.5 * torch.randn(*first[:2], 3, units))
        """Peepholes of the gates of input, forgetting and output; the cell has none."""
        with torch.no_grad():
            self.input_weights.mul_(_INPUT_GAIN / n_in**0.5)
            self.recurrent_weights.mul_(_RECURRENT_GAIN / units**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(networks, batch, frames, inputs) -> (networks, batch, frames, 2 · units).

        With i, f and o the gates of input, forgetting and output and σ the logistic function,

            i = σ(x W_i + h R_i + p_i ∘ c + b_i)
            f = σ(x W_f + h R_f + p_f ∘ c + b_f)
            c ← f ∘ c + i ∘ tanh(x W_c + h R_c + b_c)
            o = σ(x W_o + h R_o + p_o ∘ c + b_o),  the new c
            h ← o ∘ tanh(c)
        """
        # (networks, directions, gates, batch, frames, units)
        given = torch.einsum("nbti,ndgiu->ndgbtu", x, self.input_weights)
        given = given + self.bias[:, :, :, None, None]
        # The backward direction begins with the last frame.
        given = torch.stack([given[:, 0], given[:, 1].flip(3)], 1)
        forgotten_by, admitted_by, shown_by = (
            self.peepholes[:, :, gate, None] for gate in (1, 0, 2)
        )
        state = given.new_zeros(given.shape[:2] + given.shape[3:4] + given.shape[5:])
        hidden, outputs = state, []  # (networks, 2, batch, units)
        for gates in given.unbind(4):  # (networks, 2, gates, batch, units) of each frame
            gates = gates + hidden[:, :, None] @ self.recurrent_weights
            admit = torch.sigmoid(gates[:, :, INPUT_GATE] + admitted_by * state)
            keep = torch.sigmoid(gates[:, :, FORGET_GATE] + forgotten_by * state)
            state = keep * state + admit * torch.tanh(gates[:, :, CELL])
            show = torch.sigmoid(gates[:, :, OUTPUT_GATE] + shown_by * state)
            hidden = show * torch.tanh(state)
            outputs.append(hidden)
        both = torch.stack(outputs, 3)  # (networks, 2, batch, frames, units)
        return torch.cat([both[:, 0], both[:, 1].flip(2)], -1)
