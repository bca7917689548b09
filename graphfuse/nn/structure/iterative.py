"""Graph and embeddings learned in turn, each from the other (IDGL)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from graphfuse._check import check_range, check_shape
from graphfuse.errors import NegativeWeights
from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.kernels.normalise import SMALLEST
from graphfuse.nn.structure.contract import check_bool, enter


class Iteration(NamedTuple):
    """What one iteration gives.

    Parameters
    ----------
    output : object
        What the network returned first.
    similarity : tensor (G, R, R)
        S_t, as the learner gave it.
    weight : tensor (G, R, R)
        A_t, the graph that the network ran on.
    active : bool tensor (G,)
        Graphs that still changed; the others stand as they were, and are left out of a mean over iterations.
    """

    output: Any
    similarity: Tensor
    weight: Tensor
    active: Tensor


def share_rows(weight: Tensor) -> Tensor:
    """Return the rows of non-negative weights divided by their sum; a row of zeros stays so."""
    if bool((weight < 0).any()):
        raise NegativeWeights("Learned graphs are mixed by shares of weights >= 0; some are negative. Use a threshold.")
    total = weight.sum(-1, keepdim=True)
    heard = total > SMALLEST
    return torch.where(heard, weight / torch.where(heard, total, 1.0), 0.0)


def size(similarity: Tensor, counted: Tensor | None) -> Tensor:
    """Return ``||S||_F^2`` of each graph, (G,), over the counted rows (G, R); detached."""
    rows = similarity.detach().double().square().sum(-1)  # (G, R)
    return (rows if counted is None else torch.where(counted, rows, 0.0)).sum(-1)


class IterativeGraph(nn.Module):
    """Learn ``A_t = lam A_0 + (1 - lam) (eta f(S(H_{t-1})) + (1 - eta) f(S(X)))`` until it rests, f dividing rows.

    ``A_1 = lam A_0 + (1 - lam) f(S(X))``; the network gives the output and H_t on A_t; the loop ends when
    ``||S_t - S_{t-1}||_F^2 <= eps ||S_1||_F^2`` or after `most` renewals. Without A_0, lam is 0. Each graph of a batch
    rests on its own, so that a subject's result does not depend on the others. Dense: R x R numbers a graph.

    Parameters
    ----------
    learner : callable (x (G, R, F), candidates) -> (G, R, R)
        S of the features, >= 0.
    network : callable (x (G, R, F), Adjacency) -> (output, hidden (G, R, D))
    hidden_learner : callable or None
        S of the hidden states; None = the `learner`, which then needs D = F.
    skip : float
        lam.
    rate : float
        eta.
    tolerance : float
        eps.
    most : int
        Renewals of the graph.

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite, NegativeWeights, MemoryBudget

    References
    ----------
    Chen, Wu and Zaki (2020). Iterative deep graph learning for graph neural networks: better and robust node
    embeddings. NeurIPS; defaults of the authors' public code for tables.
    """

    def __init__(
        self,
        learner: Callable,
        network: Callable,
        hidden_learner: Callable | None = None,
        skip: float = 0.25,
        rate: float = 0.1,
        tolerance: float = 1e-3,
        most: int = 10,
    ):
        super().__init__()
        self.learner, self.network, self.hidden_learner = learner, network, hidden_learner
        self.skip, self.rate = check_range("skip", skip, 0.0, 1.0), check_range("rate", rate, 0.0, 1.0)
        self.tolerance, self.most = check_range("tolerance", tolerance, 0.0), check_range("most", most, 0)

    def forward(
        self,
        x: Tensor,
        prior: Tensor | None = None,
        candidates: Tensor | None = None,
        counted: Tensor | None = None,
    ) -> Iterator[Iteration]:
        """Yield each `Iteration`, so that losses can be averaged; the last is the prediction.

        Parameters
        ----------
        x : tensor (G, R, F)
        prior : tensor (G, R, R) or None
            A_0, >= 0, normalised by the caller; by rows, if people are attached later.
        candidates : bool tensor (G, R, R) or None
        counted : bool tensor (G, R) or None
            Rows that decide when to rest: the fitted people, so that attached ones do not. None = all.
        """
        enter(x, candidates)
        if prior is not None:
            check_shape("prior", prior, (*x.shape[:2], x.shape[1]))
            _check_prior(prior)
        if counted is not None:
            check_bool("counted", check_shape("counted", counted, tuple(x.shape[:2])))
        return self._iterations(x, prior, candidates, counted)

    def _iterations(self, x, prior, candidates, counted) -> Iterator[Iteration]:
        relearn = self.learner if self.hidden_learner is None else self.hidden_learner
        first = before = self.learner(x, candidates)
        of_features = weight = self._with_prior(first, prior)
        active = torch.ones(len(x), dtype=torch.bool, device=x.device)
        output, hidden = self.network(x, Adjacency.from_dense(weight))
        yield Iteration(output, first, weight, active)
        for _ in range(self.most):
            # A graph at rest keeps its similarities, and with them its weights.
            now = torch.where(active[:, None, None], relearn(hidden, candidates), before)
            weight = self.rate * self._with_prior(now, prior) + (1 - self.rate) * of_features
            output, hidden = self.network(x, Adjacency.from_dense(weight))
            yield Iteration(output, now, weight, active)
            active = active & (size(now - before, counted) > self.tolerance * size(first, counted))
            if not active.any():
                return
            before = now

    def _with_prior(self, similarity: Tensor, prior: Tensor | None) -> Tensor:
        shares = share_rows(similarity)
        return shares if prior is None else self.skip * prior + (1 - self.skip) * shares


def _check_prior(prior: Tensor) -> None:
    check_finite("prior", prior, LIMIT)
    negative = int((prior < 0).sum())
    if negative:
        raise NegativeWeights(f"prior must hold weights >= 0; {negative} are negative. Use their absolute values.")
