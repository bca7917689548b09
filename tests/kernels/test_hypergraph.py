"""The hypergraph operator equals its closed form, dense and sparse, in values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import MemoryBudget, NegativeWeights, NonFinite, ShapeMismatch
from graphfuse.kernels import Adjacency
from graphfuse.kernels.hypergraph import Hypergraph, concatenated, incidence_of, transposed

GRAPHS, NODES, EDGES = 2, 6, 4


def incidences(seed=0):
    """Soft memberships; node 5 of graph 1 in no hyperedge, hyperedge 3 of graph 0 empty."""
    torch.manual_seed(seed)
    incidence = torch.rand(GRAPHS, NODES, EDGES, dtype=torch.float64) * (torch.rand(GRAPHS, NODES, EDGES) < 0.6)
    incidence[0, :, 3], incidence[1, 5] = 0.0, 0.0
    return incidence


def closed_form(h: np.ndarray, w: np.ndarray) -> np.ndarray:
    """``Dv^-1/2 H W De^-1 H^T Dv^-1/2`` of one graph, empty ones as zeros."""
    with np.errstate(divide="ignore"):
        node, edge = (h @ w) ** -0.5, 1 / h.sum(0)
    node, edge = np.where(np.isfinite(node), node, 0), np.where(np.isfinite(edge), edge, 0)
    return np.diag(node) @ h @ np.diag(w) @ np.diag(edge) @ h.T @ np.diag(node)


def edges_of_a_graph(adjacency: torch.Tensor) -> torch.Tensor:
    """Incidence (1, R, E) of a simple graph, a hyperedge an edge."""
    ends = adjacency.triu(1).nonzero()
    return torch.nn.functional.one_hot(ends, len(adjacency)).sum(1).T[None].to(torch.float64)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("weighted", [True, False])
def test_equals_the_closed_form(layout, weighted):
    incidence = incidences()
    weight = torch.rand(GRAPHS, EDGES, dtype=torch.float64) if weighted else None
    hypergraph = Hypergraph.of(Adjacency.from_dense(incidence, layout), weight)
    x = torch.randn(GRAPHS, NODES, 3, dtype=torch.float64)
    for g in range(GRAPHS):
        wanted = closed_form(incidence[g].numpy(), np.ones(EDGES) if weight is None else weight[g].numpy())
        np.testing.assert_allclose(hypergraph.to_dense()[g], wanted, atol=1e-12)
        np.testing.assert_allclose((hypergraph @ x)[g], wanted @ x[g].numpy(), atol=1e-12)
    assert hypergraph.shape == (GRAPHS, NODES, NODES)


def test_hyperedges_that_are_the_edges_of_a_graph_give_half_of_identity_plus_its_symmetric_form():
    torch.manual_seed(1)
    adjacency = (torch.rand(9, 9, dtype=torch.float64) < 0.4).double().triu(1)
    adjacency = adjacency + adjacency.T
    adjacency[0, 1] = adjacency[1, 0] = 1.0
    assert (adjacency.sum(1) > 0).all()
    root = adjacency.sum(1).rsqrt()
    wanted = (torch.eye(9) + root[:, None] * adjacency * root) / 2
    torch.testing.assert_close(Hypergraph.of(edges_of_a_graph(adjacency)).to_dense()[0], wanted)


def test_gradients_reach_memberships_and_weights_and_equal_autograds_through_the_closed_form():
    base, x = incidences(), torch.randn(GRAPHS, NODES, 3, dtype=torch.float64)
    base[1, 5], base[0, :, 3] = 0.2, 0.3
    weight = torch.rand(GRAPHS, EDGES, dtype=torch.float64) + 0.5
    h, w = base.clone().requires_grad_(), weight.clone().requires_grad_()
    node, edge = (h @ w[..., None])[..., 0].rsqrt(), 1 / h.sum(1)
    theta = node[..., None] * ((h * (w * edge)[:, None]) @ h.mT) * node[:, None]
    (theta @ x).cos().sum().backward()
    for layout in ("dense", "sparse"):
        ours, mine = base.clone().requires_grad_(), weight.clone().requires_grad_()
        (Hypergraph.of(Adjacency.from_dense(ours, layout), mine) @ x).cos().sum().backward()
        torch.testing.assert_close(ours.grad[base > 0], h.grad[base > 0])
        torch.testing.assert_close(mine.grad, w.grad)


def test_the_operator_is_symmetric_with_the_root_of_the_degrees_as_fixed_point():
    incidence, weight = incidences()[:1, :, :3], torch.rand(3, dtype=torch.float64) + 0.1
    hypergraph = Hypergraph.of(incidence, weight)
    torch.testing.assert_close(hypergraph.to_dense(), hypergraph.to_dense().mT)
    root = (incidence @ weight).sqrt()[..., None]
    torch.testing.assert_close(hypergraph @ root, root)


def test_members_who_do_not_hear_a_hyperedge_speak_to_it_only():
    incidence = incidences()[:1]
    hears = incidence.clone()
    hears[0, 2:, 0] = 0.0
    got = Hypergraph.of(hears, members=incidence).to_dense()[0].numpy()
    h, m = hears[0].numpy(), incidence[0].numpy()
    edge = m.sum(0)
    edge = np.where(edge > 0, 1 / np.where(edge > 0, edge, 1), 0)
    root = np.where(h.sum(1) > 0, 1 / np.sqrt(np.where(h.sum(1) > 0, h.sum(1), 1)), 0)
    np.testing.assert_allclose(got, np.diag(root) @ h @ np.diag(edge) @ m.T @ np.diag(root), atol=1e-12)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_concatenated_groups_lie_side_by_side(layout):
    first, second = incidences(), incidences(1)[:, :, :3]
    groups = [Adjacency.from_dense(first, layout), Adjacency.from_dense(second, layout)]
    joined = concatenated(groups)
    assert torch.equal(joined.to_dense(), torch.cat([first, second], 2))
    both = Hypergraph.of(joined)
    total = first.sum(2) + second.sum(2)
    parts = [
        h @ torch.where(h.sum(1) > 0, 1 / h.sum(1).clamp(min=1e-9), 0.0).diag_embed() @ h.mT for h in (first, second)
    ]
    root = torch.where(total > 0, total.clamp(min=1e-9).rsqrt(), 0.0)
    torch.testing.assert_close(both.to_dense(), root[..., None] * sum(parts) * root[:, None])


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_selected_and_converted_hypergraphs_are_their_share(layout):
    hypergraph = Hypergraph.of(Adjacency.from_dense(incidences(), layout), torch.rand(GRAPHS, EDGES))
    torch.testing.assert_close(hypergraph[[1]].to_dense()[0], hypergraph.to_dense()[1])
    torch.testing.assert_close(hypergraph[torch.tensor([False, True])].to_dense(), hypergraph[1:].to_dense())
    single = hypergraph.to(torch.float32)
    torch.testing.assert_close(single @ torch.ones(GRAPHS, NODES, 1), hypergraph.to_dense().sum(2, True).float())


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_transposed_is_the_transpose(layout):
    incidence = incidences()
    assert torch.equal(transposed(Adjacency.from_dense(incidence, layout)).to_dense(), incidence.mT)


def test_incidence_of_puts_values_in_their_places_in_any_order():
    incidence = incidences()
    graph, node, edge = incidence.nonzero(as_tuple=True)
    order = torch.randperm(len(graph))
    got = incidence_of(
        (graph * NODES + node)[order],
        (graph * EDGES + edge)[order],
        incidence[graph, node, edge][order],
        incidence.shape,
    )
    assert torch.equal(got.to_dense(), incidence)


def test_what_is_no_hypergraph_is_refused(monkeypatch):
    incidence = incidences()
    with pytest.raises(NegativeWeights):
        Hypergraph.of(-incidence)
    with pytest.raises(NegativeWeights, match="hyperedges"):
        Hypergraph.of(incidence, -torch.ones(EDGES))
    with pytest.raises(NonFinite, match="hyperedges"):
        Hypergraph.of(incidence, torch.full((EDGES,), torch.nan))
    with pytest.raises(ShapeMismatch, match="weight"):
        Hypergraph.of(incidence, torch.ones(EDGES + 1))
    with pytest.raises(ShapeMismatch, match="members"):
        Hypergraph.of(incidence, members=incidence[:, :, 1:])
    with pytest.raises(ShapeMismatch, match="share"):
        concatenated([Adjacency.from_dense(incidence), Adjacency.from_dense(incidence[:, 1:])])
    hypergraph = Hypergraph.of(incidence)
    monkeypatch.setenv("GRAPHFUSE_MEMORY_GB", "1e-8")
    with pytest.raises(MemoryBudget, match="features"):
        hypergraph.to_dense()
