"""Top-k pooling: the nodes of the largest projection are kept."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_option, check_range
from graphfuse.kernels import Adjacency
from graphfuse.nn.pool.contract import Pooled
from graphfuse.nn.pool.keep import induced_subgraph, keep_largest, num_kept, take_nodes
from graphfuse.nn.readout import mask_nodes

NONLINEARITIES = {"sigmoid": torch.sigmoid, "tanh": torch.tanh}


class TopKPooling(nn.Module):
    """Keep the ``ceil(ratio R)`` nodes of largest ``s_r = f(x_r . p / ||p||)``, as ``x_r <- s_r x_r``.

    The kept nodes come in the order of their score, with the edges between them as they are, weighted or binary. Of
    equal scores the lower node number wins. The parameter is named as in ``torch_geometric.nn.TopKPooling`` and may be
    loaded from it.

    Parameters
    ----------
    in_channels : int
    ratio : float
        In (0, 1].
    nonlinearity : {"sigmoid", "tanh"}
        f: "tanh" as in Graph U-Nets, "sigmoid" as in BrainGNN.

    References
    ----------
    Gao and Ji (2019). Graph U-Nets. ICML. Li et al. (2021). BrainGNN: interpretable brain graph neural network for
    fMRI analysis. Medical Image Analysis.
    """

    def __init__(self, in_channels: int, ratio: float = 0.5, nonlinearity: str = "tanh"):
        super().__init__()
        self.ratio = check_range("ratio", ratio, 0.0, 1.0, open_low=True)
        self.nonlinearity = check_option("nonlinearity", nonlinearity, NONLINEARITIES)
        bound = in_channels**-0.5
        self.select = nn.ParameterDict({"weight": torch.empty(1, in_channels).uniform_(-bound, bound)})

    def scores(self, x: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return s of every node, (G, R), of x (G, R, D); 0 where a node is not usable."""
        score = NONLINEARITIES[self.nonlinearity](self._projection(mask_nodes(x, nodes)))
        return score if nodes is None else torch.where(nodes, score, 0.0)

    def forward(self, x: Tensor, adjacency: Adjacency, nodes: Tensor | None = None) -> Pooled:
        """Return `Pooled` of x (G, R, D), an adjacency (G, R, R), and usable nodes, bool (G, R) or None for all.

        Where fewer nodes than r are usable, the places left are filled with some that are not, and stay so.
        """
        x = mask_nodes(x, nodes)
        projection = self._projection(x)  # its order is that of s, and it does not saturate
        kept = keep_largest(projection, nodes, num_kept(self.ratio, x.shape[1]))
        usable = torch.ones_like(kept, dtype=torch.bool) if nodes is None else take_nodes(nodes, kept)
        score = NONLINEARITIES[self.nonlinearity](take_nodes(projection, kept))
        score = torch.where(usable, score, 0.0)
        return Pooled(take_nodes(x, kept) * score[..., None], induced_subgraph(adjacency, kept), usable, kept, score)

    def _projection(self, x: Tensor) -> Tensor:
        weight = self.select["weight"][0]
        return x @ (weight / weight.norm().clamp(min=torch.finfo(weight.dtype).tiny))  # (G, R)
