"""Hypergraph of people: each one's hyperedge holds the most alike, one group of hyperedges a modality."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from torch import Tensor

from graphfuse._check import check_option, check_range
from graphfuse.errors import NotFitted
from graphfuse.graph.measured import Features, Presence, distances, measured
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.hypergraph import Hypergraph, concatenated, incidence_of


def soft(distance: Tensor, mean: Tensor, width: float) -> Tensor:
    """Membership ``exp(-d^2 / (m avg_d)^2)`` of distances (N, k) from centres whose mean distance is `mean` (N, 1)."""
    return torch.exp(-((distance / torch.where(mean > 0, width * mean, 1.0)) ** 2))


def binary(distance: Tensor, mean: Tensor, width: float) -> Tensor:
    """Membership 1."""
    return torch.ones_like(distance)


MEMBERSHIPS = {"binary": binary, "soft": soft}


class Members(NamedTuple):
    """Who lies in each of Z hyperedges: nodes int64 (Z, k) and their membership float32 (Z, k)."""

    node: Tensor
    value: Tensor


class PopulationHypergraph(BaseEstimator):
    """Hyperedges of people: a centre and her k nearest by Euclidean distance, in each modality that she has.

    The incidences of the modalities lie side by side, ``H = [H_1 || .. || H_M]``, one hyperedge a person and modality;
    this is the whole fusion. Membership of a person at distance d from the centre is ``exp(-d^2 / (m avg_d)^2)``,
    avg_d the mean distance of the centre to everybody, herself included. Features are taken as they are: standardise
    them before.

    Who lacks a modality is in no hyperedge of its group and centre of none, so its values change no bit.

    Parameters
    ----------
    neighbours : int
        k, without the centre. The authors' code counts the centre, so that its 10 is 9 here.
    membership : {"soft", "binary"}
    width : float
        m.

    Notes
    -----
    Inductive: a new person gets a hyperedge of her own over the k nearest fitted people and herself; she hears it and
    nothing else, and nobody hears her. Fitted rows and degrees never change. The source is transductive; this is ours.

    References
    ----------
    Feng, You, Zhang, Ji and Gao (2019). Hypergraph neural networks. AAAI; the membership as in the authors' code.
    """

    uses_y, scope = False, "training"

    def __init__(self, neighbours: int = 10, membership: str = "soft", width: float = 1.0):
        self.neighbours = neighbours
        self.membership = membership
        self.width = width

    def fit(self, features: Features, present: Presence | None = None) -> PopulationHypergraph:
        """Take these people as nodes; see `graphfuse.graph.measured.measured` for the arguments and errors."""
        check_range("neighbours", self.neighbours, 1)
        check_option("membership", self.membership, MEMBERSHIPS)
        check_range("width", self.width, 0, open_low=True)
        self.rows_, self.has_ = measured(features, present)
        groups = {name: self._among_fitted(name) for name in self.rows_}
        self.nodes_ = {name: group.node for name, group in groups.items()}
        self.values_ = {name: group.value for name, group in groups.items()}
        return self

    def hypergraph(self) -> Hypergraph:
        """The hypergraph of the fitted people, (1, N, N) as an operator."""
        return Hypergraph.of(self._fitted_incidence())

    def extended(self, features: Features, present: Presence | None = None) -> Hypergraph:
        """The hypergraph of the fitted people and of M new ones, who come last, (1, N + M, N + M)."""
        fitted = self._fitted_incidence()
        rows, has = measured(features, present, {name: rows.shape[1] for name, rows in self.rows_.items()})
        people = fitted.shape[1] + len(next(iter(has.values())))
        groups = [self._of_new(rows[name], has[name], name) for name in self.rows_]
        old = incidence_of(fitted.pattern.row, fitted.pattern.col, fitted.weight, (1, people, fitted.shape[2]))
        hears = concatenated([old, *(_own(centre, people) for centre, _ in groups)])
        speaks = concatenated([old, *(_spoken(centre, group, people) for centre, group in groups)])
        return Hypergraph.of(hears, members=speaks)

    def adjacency(self) -> Adjacency:
        """The operator of the fitted people as weights between them, (1, N, N), normalised already; see `theta`."""
        return theta(self.hypergraph())

    def attach(self, features: Features, present: Presence | None = None) -> Adjacency:
        """The operator of fitted and new people, (1, N + M, N + M); fitted rows keep the bits of `adjacency`."""
        return theta(self.extended(features, present))

    def _fitted_incidence(self) -> Adjacency:
        """Incidence (1, N, Z) of the modalities side by side."""
        if not hasattr(self, "values_"):
            raise NotFitted("PopulationHypergraph has not been fitted; call fit(features) first.")
        groups = [
            _incidence(Members(self.nodes_[name], self.values_[name]), len(self.has_[name])) for name in self.rows_
        ]
        return concatenated(groups)

    def _among_fitted(self, name: str) -> Members:
        """The hyperedge of each fitted person who has a modality."""
        who = self.has_[name].nonzero()[:, 0]
        rows = self.rows_[name][who]
        distance = distances(rows, rows)
        mean = distance.mean(1, keepdim=True) if len(who) else distance[:, :1]
        distance.fill_diagonal_(-1.0)  # a centre comes first, before those who equal her
        return self._members(distance, mean, who, self.neighbours + 1)

    def _of_new(self, rows: Tensor, has: Tensor, name: str) -> tuple[Tensor, Members]:
        """Nodes (Z,) of the new people who have a modality, and the fitted people in the hyperedge of each."""
        who, new = self.has_[name].nonzero()[:, 0], has.nonzero()[:, 0]
        distance = distances(rows[new], self.rows_[name][who])
        mean = distance.sum(1, keepdim=True) / (len(who) + 1)  # her own 0 counts, as a fitted centre's does
        return new + len(self.has_[name]), self._members(distance, mean, who, self.neighbours)

    def _members(self, distance: Tensor, mean: Tensor, who: Tensor, k: int) -> Members:
        near, order = torch.sort(distance, dim=1, stable=True)
        near = near[:, :k].clamp(min=0)
        value = MEMBERSHIPS[self.membership](near, mean, self.width)
        return Members(who[order[:, :k]], value.float())


def theta(hypergraph: Hypergraph) -> Adjacency:
    """Return ``Dv^-1/2 H W De^-1 M^T Dv^-1/2`` as weights between nodes, (G, R, R), without gradients.

    It is normalised: multiply by it as it is. It is sparse, and each row is summed alone in the order of its
    hyperedges, so rows of nodes that hear nothing new keep their bits when others are attached.
    """
    graphs, nodes, _ = hypergraph.shape
    left = _csr(hypergraph.spread) * hypergraph.weight.detach().flatten().numpy()[None]
    product = (left.tocsr() @ _csr(hypergraph.gather)).tocoo()
    edge_index = torch.as_tensor(np.stack(product.coords[::-1]))  # sources, targets
    weight = torch.as_tensor(product.data)
    return Adjacency.from_edge_index(edge_index, weight, num_nodes=nodes, num_graphs=graphs, layout="sparse")


def _csr(adjacency: Adjacency) -> csr_array:
    sparse = adjacency.sparse()
    pattern = sparse.pattern
    return csr_array((sparse.weight.detach().numpy(), pattern.col.numpy(), pattern.crow.numpy()), shape=pattern.size)


def _incidence(group: Members, people: int) -> Adjacency:
    edges, k = group.node.shape
    hyperedge = torch.arange(edges).repeat_interleave(k)
    return incidence_of(group.node.flatten(), hyperedge, group.value.flatten(), (1, people, edges))


def _own(centre: Tensor, people: int) -> Adjacency:
    """Incidence (1, people, Z) of the centres (Z,) alone, membership 1."""
    return incidence_of(centre, torch.arange(len(centre)), torch.ones(len(centre)), (1, people, len(centre)))


def _spoken(centre: Tensor, group: Members, people: int) -> Adjacency:
    """Incidence (1, people, Z) of hyperedges of the centres (Z,) and the fitted people in them."""
    own = centre[:, None]
    return _incidence(
        Members(torch.cat([group.node, own], 1), torch.cat([group.value, torch.ones(own.shape)], 1)), people
    )
