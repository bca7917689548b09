"""Running a recurrent layer over runs of unequal length."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def run_packed(layer: nn.GRU | nn.LSTM, x: Tensor, present: Tensor) -> Tensor:
    """Return the state after each step, (B, W, H), zeros where there is none.

    Parameters
    ----------
    layer : GRU or LSTM
        One direction, batch first.
    x : tensor (B, W, D)
    present : bool tensor (B, W)
        True at the first steps of each row; see `graphfuse.nn.temporal.contract.present_first`.
    """
    length = present.sum(1).clamp(min=1).cpu()  # packing takes no empty run
    packed = pack_padded_sequence(x, length, batch_first=True, enforce_sorted=False)
    states, _ = pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=x.shape[1])
    return torch.where(present[..., None], states, 0.0)


def last_state(states: Tensor, present: Tensor) -> Tensor:
    """Return the state at the last step that is present, (B, H), of (B, W, H); zeros where there is none."""
    last = (present.sum(1) - 1).clamp(min=0)
    return states[torch.arange(len(states), device=states.device), last]
