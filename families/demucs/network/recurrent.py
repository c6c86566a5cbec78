"""The parts of HDemucs's inner branches besides convolutions: an LSTM in frames, and attention.

Both take any number of rows and of frames, so that a graph made of them has both axes free.
"""

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRAME = 200
"""The longest sequence, in frames, that the LSTM takes in at once."""
HOP = FRAME // 2
# What a frame knows little of: at its inner sides so much is left to its neighbours.
EDGE = HOP // 2
# For whole numbers that a graph may leave free; torch has no types for the two.
_least: Callable[[int, int], int] = torch.sym_min
_most: Callable[[int, int], int] = torch.sym_max


class FramedLstm(nn.Module):
    """A two-layer bidirectional LSTM over half-overlapping frames of 200, with a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, num_layers=2, bidirectional=True)
        self.linear = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, C, T) -> (rows, C, T).

        Up to 200 frames are one sequence. Longer ones become ceil(T / 100) sequences, zeros after
        the end. The same operations do both, so that T may be free in a graph.
        """
        _, n_channels, n_frames = x.shape
        # Not −(−T // 100): a graph's integer division truncates, it does not floor.
        n_sequences = (n_frames + HOP - 1) // HOP
        steps = torch.arange(FRAME, device=x.device)
        starts = HOP * torch.arange(n_sequences, device=x.device)
        # The last sequence begins before T, and so ends less than a frame after it.
        y = F.pad(x, (0, FRAME)).index_select(2, (starts[:, None] + steps).reshape(-1))
        y = y.reshape(-1, n_channels, n_sequences, FRAME)
        y = y.permute(3, 0, 2, 1).reshape(FRAME, -1, n_channels)
        # From its last frame back: the end of the only sequence, or 200, zeros and all.
        n_steps = _least(n_frames, FRAME)
        backwards = (n_steps - 1 - steps).clamp(min=0)
        for layer in range(self.lstm.num_layers):
            y = self._layer(layer, y, backwards)
        y = cast("Tensor", self.linear(y)).reshape(FRAME, -1, n_sequences, n_channels)
        y = y.permute(1, 3, 2, 0).reshape(-1, n_channels, n_sequences * FRAME)
        return x + y.index_select(2, _places(n_frames, n_sequences, x.device))

    def _layer(self, layer: int, x: Tensor, backwards: Tensor) -> Tensor:
        """One layer in both directions, (200, sequences, C or 2C) -> (200, sequences, 2C).

        Each direction is an LSTM of its own, which sees what is beyond the sequence's end last,
        when nothing depends on it any more: so 200 steps do for shorter sequences too.
        """
        state = x.new_zeros(1, x.shape[1], self.lstm.hidden_size)
        outputs = []
        for suffix, order in (("", None), ("_reverse", backwards)):
            weights = [
                cast("Tensor", getattr(self.lstm, f"{kind}_l{layer}{suffix}"))
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            y = x if order is None else x.index_select(0, order)
            # Biases, one layer, no dropout, not training, one direction, steps first.
            y, _, _ = torch.lstm(y, (state, state), weights, True, 1, 0.0, False, False, False)
            outputs.append(y if order is None else y.index_select(0, order))
        return torch.cat(outputs, 2)


def _places(n_frames: int, n_sequences: int, device: torch.device) -> Tensor:
    """Where each of T frames lies among sequences of 200 laid end to end.

    Sequence k has the frames from 100 k + 50 to 100 k + 149; the first also those before, the
    last also those after.
    """
    frames = torch.arange(n_frames, device=device)
    sequence = ((frames - EDGE).clamp(min=0) // HOP).clamp(max=n_sequences - 1)
    # All of it is in the first where there need be no other.
    is_long = _least(_most(n_frames - FRAME, 0), 1)
    return frames + (FRAME - HOP) * (sequence * is_long)


class LocalAttention(nn.Module):
    """Attention over time that each head and query may let fade with distance.

    Query s weighs key t by softmax over t of q_s·k_t/√d − |t − s|·f_s, where the fading
    f_s = Σ n·σ(decay_n)/2 / √4 over n = 1 … 4; itself it does not see.
    """

    N_HEADS = 4
    N_DECAYS = 4
    ITSELF = -100.0

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.content = nn.Conv1d(channels, channels, 1)
        self.query = nn.Conv1d(channels, channels, 1)
        self.key = nn.Conv1d(channels, channels, 1)
        self.query_decay = nn.Conv1d(channels, self.N_HEADS * self.N_DECAYS, 1)
        self.proj = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, C, T) -> (rows, C, T)."""
        _, n_channels, n_frames = x.shape
        heads = (-1, self.N_HEADS, n_channels // self.N_HEADS, n_frames)
        query = self.query(x).reshape(heads) / (n_channels // self.N_HEADS) ** 0.5
        decay = self.query_decay(x).reshape(-1, self.N_HEADS, self.N_DECAYS, n_frames)
        weights = torch.arange(1, self.N_DECAYS + 1, dtype=x.dtype, device=x.device)
        weights = weights[:, None] / (2 * self.N_DECAYS**0.5)
        fading = (torch.sigmoid(decay) * weights).sum(2)  # (rows, heads, T)
        frames = torch.arange(n_frames, device=x.device)
        distance = (frames[:, None] - frames[None]).abs()
        logits = torch.matmul(query.transpose(2, 3), self.key(x).reshape(heads))
        logits = logits - fading[..., None] * distance.to(x.dtype)  # (rows, heads, s, t)
        logits = torch.where(distance == 0, self.ITSELF, logits)
        content = self.content(x).reshape(heads)
        y = torch.matmul(content, torch.softmax(logits, 3).transpose(2, 3))
        out: Tensor = x + self.proj(y.reshape(-1, n_channels, n_frames))
        return out
