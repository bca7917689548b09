"""Monte-Carlo passes: what drops or draws in training does so in prediction too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from graphfuse._check import check_range
from graphfuse.errors import InvalidOption
from graphfuse.nn.conv import GATConv, GATv2Conv, TransformerConv
from graphfuse.nn.drop_edge import DropEdge
from graphfuse.nn.heads.uncertainty import Uncertainty, decompose
from graphfuse.nn.heads.variational import VariationalLinear

# Modules that are random in training mode and differ in nothing else. The three convolutions drop edges. In evaluation
# mode torch's encoder layers take a path of their own, past the dropouts within them.
STOCHASTIC = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    nn.MultiheadAttention,
    nn.RNNBase,
    nn.TransformerDecoderLayer,
    nn.TransformerEncoder,
    nn.TransformerEncoderLayer,
    DropEdge,
    GATConv,
    GATv2Conv,
    TransformerConv,
    VariationalLinear,
)


@contextmanager
def drawing(module: nn.Module, stochastic: tuple[type[nn.Module], ...] = STOCHASTIC) -> Iterator[None]:
    """Keep the random parts of a module drawing, all else (batch normalisation) in evaluation mode, while it lasts.

    Parameters
    ----------
    module : Module
        Left as it was found.
    stochastic : tuple of module types
        What draws; give ``(*STOCHASTIC, OwnLayer)`` for a layer that is not known here.

    Raises
    ------
    InvalidOption
        The module has no such part, so that all passes would be one.
    """
    modes = {part: part.training for part in module.modules()}
    random = [part for part in modes if isinstance(part, stochastic)]
    if not random:
        raise InvalidOption(
            "Monte-Carlo passes need a part that draws, such as Dropout or VariationalLinear; this "
            f"{type(module).__name__} has none. Add one, or name its type in stochastic=."
        )
    try:
        module.eval()
        for part in random:
            part.training = True
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@torch.no_grad()
def mc_predict(
    module: nn.Module, inputs: tuple, passes: int = 30, stochastic: tuple[type[nn.Module], ...] = STOCHASTIC
) -> Uncertainty:
    """Return mean probabilities and their uncertainty over several random passes, ``softmax(module(*inputs))``.

    Dropout of features gives Monte-Carlo dropout, dropout of edges EV-GCN's Monte-Carlo edge dropout, a
    `VariationalLinear` draws of its weights. The numbers are torch's own: seed it for the same bits.

    Parameters
    ----------
    module : Module
        ``module(*inputs) -> logits (B, C)``; its modes are left as they were found.
    inputs : tuple
    passes : int
    stochastic : tuple of module types
        See `drawing`.

    Raises
    ------
    InvalidOption
        No part draws, or ``passes < 1``.
    NonFinite, ShapeMismatch

    References
    ----------
    Gal and Ghahramani (2016). Dropout as a Bayesian approximation. ICML.
    Huang and Chung (2020). Edge-variational graph convolutional networks for uncertainty-aware disease prediction.
    MICCAI.
    """
    check_range("passes", passes, 1)
    with drawing(module, stochastic):
        return decompose(torch.stack([module(*inputs).softmax(-1) for _ in range(passes)]))
