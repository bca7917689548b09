"""Products of embeddings as a graph (FBNetGen)."""

from __future__ import annotations

from torch import Tensor, nn

from graphfuse._check import check_option
from graphfuse.nn.structure.contract import among, enter


def _of_shares(h: Tensor) -> Tensor:
    share = h.softmax(-1)
    return share @ share.mT


def _of_products(h: Tensor) -> Tensor:
    return (h @ h.mT).sigmoid()


FORMS = {"sigmoid": _of_products, "softmax": _of_shares}


class InnerProductGraph(nn.Module):
    """Weights ``softmax(h_i) . softmax(h_j)``, or ``sigmoid(h_i . h_j)``, of ``h = W x + b``.

    "softmax" shares each node out among D latent communities, and two nodes are joined as far as they share them: the
    form of FBNetGen, from memory. "sigmoid" is the decoder of a graph autoencoder. Weights lie in 0 .. 1 and the graph
    is symmetric. Dense: R x R numbers a graph.

    Parameters
    ----------
    in_channels, out_channels : int
        Features of a node, F, and width of h, D.
    form : {"sigmoid", "softmax"}

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite, MemoryBudget

    References
    ----------
    Kan et al. (2022). FBNetGen: task-aware GNN-based fMRI analysis via functional brain network generation. MIDL.
    Kipf and Welling (2016). Variational graph auto-encoders. NeurIPS workshop.
    """

    def __init__(self, in_channels: int, out_channels: int, form: str = "softmax"):
        super().__init__()
        self.in_channels, self.form = in_channels, check_option("form", form, FORMS)
        self.lin = nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Return weights (G, R, R) of x (G, R, F) among the candidates (G, R, R)."""
        enter(x, candidates, self.in_channels)
        return among(FORMS[self.form](self.lin(x)), candidates)
