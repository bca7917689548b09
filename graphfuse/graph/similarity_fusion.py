"""Similarity network fusion: one graph of people from the networks of several modalities."""

from __future__ import annotations

import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from graphfuse._check import check_option, check_range
from graphfuse._memory import check_memory
from graphfuse.errors import NotFitted
from graphfuse.graph.measured import Features, Presence, measured
from graphfuse.graph.scaled_network import ScaledNetwork
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.cross_diffusion import NORMS, average, cross_diffused, local_kernel, others, pairs_of, positive


class SimilarityNetworkFusion(BaseEstimator):
    """Fused similarities of people: ``P_m <- S_m (mean_{u != m} P_u) S_m^T``, `steps` times, then the mean over m.

    The similarities of modality m are those of `graphfuse.graph.scaled_network.scaled_similarity` between standardised
    features. P_m is them, normalised; S_m the K largest entries of each row of P_m, divided by their sum.

    A person without a modality has no row in its network: the means run over the networks that know a pair, and a pair
    known to one network only diffuses along that one. A pair that none knows gets 0. Missing values are never read.

    Parameters
    ----------
    neighbours : int
        K, of the local scale and of S.
    mu : float
        Width of the similarities; the source says 0.3 to 0.8.
    steps : int
        Times that the networks exchange. With "b0" it is a number and not a limit: more steps flatten the network.
    norm : {"b0", "half"}
        "half": ``w_ij / (2 sum_{k != i} w_ik)`` off the diagonal and 1/2 on it, after every step, as the paper writes.
        "b0": rows divided by their sums at first, and `alpha` added to the diagonal after every step, as the released
        code in Python does. Both are symmetrised every time.
    alpha : float
    edges : int or None
        Edges kept in a row of the graph, symmetrised by the maximum; None = all.

    Attributes
    ----------
    fused_ : Tensor (N, N) float64
        Symmetric.

    Notes
    -----
    Transductive: `fit` makes a node of everybody it is given, and each row depends on all of them, never on labels.
    Give it training subjects alone and attach the others, then `scope` is ``training``; or say how many of them are
    new, then it is ``features``.

    `attach` gives a new person i one more step among the fitted networks, ``mean_m S_m(i) (mean_{u != m} P_u) S_m^T``
    over the modalities that she has, S_m(i) from her distances to fitted people, and normalises it as a fitted row. No
    fitted row changes. With "b0" her row weighs somewhat more than a fitted one, part of which stays at the person
    herself. The source gives no extension; this is ours.

    References
    ----------
    Wang et al. (2014). Similarity network fusion for aggregating data types on a genomic scale. Nature Methods 11:333.
    """

    uses_y = False

    def __init__(self, neighbours=20, mu=0.5, steps=20, norm="b0", alpha=1.0, edges=None):
        self.neighbours = neighbours
        self.mu = mu
        self.steps = steps
        self.norm = norm
        self.alpha = alpha
        self.edges = edges

    @property
    def scope(self) -> str:
        """``features`` when people who are no training subjects were fitted, else ``training``."""
        return "features" if getattr(self, "n_unlabelled_", 0) else "training"

    def fit(self, features: Features, present: Presence | None = None, unlabelled: int = 0) -> SimilarityNetworkFusion:
        """Fuse the networks of these people.

        Parameters
        ----------
        features, present
            See `graphfuse.graph.measured.measured`, for the errors too.
        unlabelled : int
            How many of the people, the last ones, are no training subjects.
        """
        self._check_options()
        rows, has = measured(features, present)
        self.has_ = torch.stack(list(has.values()))  # (modalities, N)
        count, people = self.has_.shape
        self.n_unlabelled_ = check_range("unlabelled", unlabelled, 0, people)
        check_memory(f"The fusion of {people} people", 6 * 8 * count * people**2, "Fit fewer and attach the others.")
        fitted = {name: ScaledNetwork.of(rows[name], has[name], self.neighbours, self.mu) for name in rows}
        self.networks_ = {name: network for name, (network, _) in fitted.items()}
        self._fuse(torch.stack([weight for _, weight in fitted.values()]))
        return self

    def adjacency(self) -> Adjacency:
        """The fused graph of the fitted people, (1, N, N), symmetric, no self-loops."""
        self._check_fitted()
        kept = self._heaviest(self.fused_.clone().fill_diagonal_(0))
        # Sparse, however full: a row is then summed alone, and keeps its bits when people are attached.
        return Adjacency.from_dense(torch.maximum(kept, kept.T).float(), layout="sparse")

    def attach(self, features: Features, present: Presence | None = None) -> Adjacency:
        """Fitted people and M new ones, (1, N + M, N + M): a new person listens to fitted ones, and nobody to her."""
        return self.adjacency().attach(self._heaviest(self.similarity(features, present)).float())

    def similarity(self, features: Features, present: Presence | None = None) -> Tensor:
        """Fused similarities (M, N) of new people to the fitted ones, each from her own data alone."""
        self._check_fitted()
        rows, has = measured(features, present, {name: net.rows.shape[1] for name, net in self.networks_.items()})
        pairs = torch.stack(list(has.values()))[:, :, None] & self.has_[:, None, :]  # (modalities, M, N)
        steps = torch.stack([self._step(m, rows[name], has[name]) for m, name in enumerate(self.networks_)])
        return NORMS[self.norm].row(average(torch.where(pairs, steps, 0.0), pairs), self.alpha)

    def _fuse(self, weight: Tensor) -> None:
        norm, pairs = NORMS[self.norm], pairs_of(self.has_)
        status, local = cross_diffused(weight, self.has_, self.neighbours, self.steps, norm, self.alpha)
        self.fused_ = norm.end(average(status, pairs))
        own = weight.diagonal(dim1=1, dim2=2)
        self.total_ = weight.sum(2) - (1 - norm.own) * own  # (modalities, N)
        self.carried_ = others(status, pairs) @ local.mT  # (modalities, N, N): one more step but for the S of who asks

    def _step(self, m: int, rows: Tensor, has: Tensor) -> Tensor:
        """Status (M, N) of new people after one step in modality m."""
        weight, own = list(self.networks_.values())[m].weight_of(rows, has)
        mine = weight.sum(1, keepdim=True) + NORMS[self.norm].own * own[:, None]
        status = weight / positive(mine) + weight / positive(self.total_[m])  # symmetrised, as a fitted row is
        return local_kernel(status, self.neighbours) @ self.carried_[m]

    def _heaviest(self, weight: Tensor) -> Tensor:
        """The `edges` largest of each row, the earlier of two equals first."""
        if self.edges is None:
            return weight
        chosen = weight.argsort(dim=1, descending=True, stable=True)[:, : self.edges]
        return torch.zeros_like(weight).scatter(1, chosen, weight.gather(1, chosen))

    def _check_options(self) -> None:
        check_range("neighbours", self.neighbours, 1)
        check_range("mu", self.mu, 0, open_low=True)
        check_range("steps", self.steps, 1)
        check_range("alpha", self.alpha, 0)
        check_option("norm", self.norm, NORMS)
        check_range("edges", 1 if self.edges is None else self.edges, 1)

    def _check_fitted(self) -> None:
        if not hasattr(self, "fused_"):
            raise NotFitted("SimilarityNetworkFusion has not been fitted; call fit(features) first.")
