"""Attention as a graph: whom a node's query meets."""

from __future__ import annotations

from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.nn.structure.contract import enter, softmax_among


class AttentionSimilarity(nn.Module):
    """Weights ``mean_h softmax_j(q_i . k_j / sqrt(D))`` with ``q = W_q x`` and ``k = W_k x`` of each head h.

    Rows sum to 1 over their candidates; the graph is directed. Dense: R x R numbers a graph and head.

    Parameters
    ----------
    in_channels, out_channels : int
        Features of a node, F, and width of one head, D.
    heads : int

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite, MemoryBudget

    References
    ----------
    Vaswani et al. (2017). Attention is all you need. NeurIPS; as a metric of graph learning in Chen, Wu and Zaki
    (2020). Iterative deep graph learning for graph neural networks. NeurIPS. The mean over heads is ours.
    """

    def __init__(self, in_channels: int, out_channels: int, heads: int = 1):
        super().__init__()
        self.in_channels, self.heads = in_channels, check_range("heads", heads, 1)
        self.lin_query = nn.Linear(in_channels, heads * out_channels, bias=False)
        self.lin_key = nn.Linear(in_channels, heads * out_channels, bias=False)

    def forward(self, x: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Return weights (G, R, R) of x (G, R, F) among the candidates (G, R, R)."""
        enter(x, candidates, self.in_channels)
        q, k = (lin(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for lin in (self.lin_query, self.lin_key))
        score = q @ k.mT / q.shape[-1] ** 0.5  # (G, H, R, R)
        return softmax_among(score, None if candidates is None else candidates[:, None]).mean(1)
