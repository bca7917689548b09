"""One vector a graph from all levels of a stack of poolings."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from graphfuse.errors import InvalidOption
from graphfuse.nn.readout import mean_max_readout


def jumping_readout(
    levels: Iterable[tuple[Tensor, Tensor | None]], activation: Callable[[Tensor], Tensor] = torch.relu
) -> Tensor:
    """Return ``sum_l f([max_r x_r || mean_r x_r])`` over levels l, (G, 2 D).

    Parameters
    ----------
    levels : iterable of (tensor (G, r_l, D), bool tensor (G, r_l) or None)
        Nodes after each pooling, and which of them are usable.
    activation : callable
        f: ReLU as in HGP-SL; ``torch.nn.Identity()`` as in GCN-SZ.

    Raises
    ------
    InvalidOption
        No level.

    References
    ----------
    Zhang et al. (2019). Hierarchical graph pooling with structure learning. arXiv 1911.05954.
    """
    vectors = [activation(mean_max_readout(x, nodes)) for x, nodes in levels]
    if not vectors:
        raise InvalidOption("jumping_readout needs one level at least; got none. Give (x, nodes) of each.")
    return torch.stack(vectors).sum(0)
