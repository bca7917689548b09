"""Cross diffusion as a layer: a few steps of similarity network fusion, with gradients to the similarities."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.errors import MissingModality, NegativeWeights, ShapeMismatch
from graphfuse.kernels.cross_diffusion import NORMS, average, cross_diffused, pairs_of
from graphfuse.kernels.finite import LIMIT, check_finite


class CrossDiffusion(nn.Module):
    """Steps ``P_m <- S_m (mean_{u != m} P_u) S_m^T`` over M networks, then their mean; it has no parameters.

    P is the normalised network and S its K largest entries a row, divided by their sum. Gradients reach every
    similarity; which K are the largest is taken as given.

    A missing modality of a node neither gives nor takes: the mean runs over the networks that know a pair, and a pair
    known to one network only diffuses along that one. Changing missing similarities changes no bit.

    Every node's row depends on all nodes. Over the regions of one person that is harmless; over people it is
    transductive, so that new people change the rows of the others: attach them with
    `graphfuse.graph.similarity_fusion.SimilarityNetworkFusion` instead.

    Parameters
    ----------
    neighbours : int
        K; the node itself counts.
    steps : int
        2 or 3; the source fuses once, with 20, and learns nothing through it: the layer is ours.
    norm : {"b0", "half"}
        "half" keeps 1/2 on the diagonal and 1/2 off it, as the paper writes; "b0" adds `alpha` to the diagonal after
        each step, as the released code in Python does.
    alpha : float

    References
    ----------
    Wang et al. (2014). Similarity network fusion for aggregating data types on a genomic scale. Nature Methods 11:333.
    """

    def __init__(self, neighbours: int = 20, steps: int = 2, norm: str = "b0", alpha: float = 1.0):
        super().__init__()
        self.neighbours, self.steps = check_range("neighbours", neighbours, 1), check_range("steps", steps, 1)
        self.norm, self.alpha = check_option("norm", norm, NORMS), check_range("alpha", alpha, 0)

    def forward(self, weight: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the fused network (..., N, N), symmetric.

        Parameters
        ----------
        weight : Tensor (..., M, N, N)
            Similarities >= 0, each node's with itself on the diagonal.
        present : bool Tensor (..., M, N) or None
            Which nodes each network knows; None = all.

        Raises
        ------
        MissingModality
            A node that no network knows.
        NegativeWeights, NonFinite, ShapeMismatch
        """
        present = _present(weight, present)
        weight = torch.where(pairs_of(present), weight, 0.0)
        check_finite("Similarities of those who are present", weight, LIMIT)
        if bool((weight.detach() < 0).any()):
            raise NegativeWeights("Similarities must be at least 0; got negative ones. Take their absolute values.")
        norm = NORMS[self.norm]
        status, _ = cross_diffused(weight, present, self.neighbours, self.steps, norm, self.alpha)
        return check_finite("The fused network", norm.end(average(status, pairs_of(present))))


def _present(weight: Tensor, present: Tensor | None) -> Tensor:
    if weight.dim() < 3 or weight.shape[-1] != weight.shape[-2]:
        raise ShapeMismatch(f"weight must have shape (..., M, N, N); got {tuple(weight.shape)}.")
    if present is None:
        return torch.ones(weight.shape[:-1], dtype=torch.bool, device=weight.device)
    present = check_shape("present", torch.as_tensor(present).bool(), tuple(weight.shape[:-1]))
    absent = int((~present.any(-2)).sum())
    if absent:
        raise MissingModality(f"Every node needs one network at least; {absent} are in none. Leave them out.")
    return present
