"""HypergraphConv equals its closed form; PyG's layer is another operator but on regular hypergraphs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.nn import HypergraphConv as PyGHypergraphConv

from graphfuse.errors import NonFinite, ShapeMismatch
from graphfuse.kernels import Adjacency
from graphfuse.kernels.hypergraph import Hypergraph
from graphfuse.nn.conv.hypergraph import HypergraphConv


def incidences(seed=0):
    torch.manual_seed(seed)
    return torch.rand(3, 6, 4, dtype=torch.float64) * (torch.rand(3, 6, 4) < 0.6) + 0.01


def ring(nodes=6, size=3):
    """Hyperedge e holds the nodes e, e + 1, .. e + size - 1: every node in as many hyperedges."""
    incidence = torch.zeros(nodes, nodes, dtype=torch.float64)
    for e in range(nodes):
        incidence[[(e + i) % nodes for i in range(size)], e] = 1.0
    return incidence[None]


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize(("wide", "out"), [(4, 7), (7, 4)])
def test_equals_the_closed_form(layout, wide, out):
    incidence, weight = incidences(), torch.rand(4, dtype=torch.float64) + 0.1
    conv, x = HypergraphConv(wide, out).double(), torch.randn(3, 6, wide, dtype=torch.float64)
    torch.nn.init.normal_(conv.bias)
    got = conv(x, Hypergraph.of(Adjacency.from_dense(incidence, layout), weight)).detach()
    theta, bias = conv.lin.weight.detach().numpy(), conv.bias.detach().numpy()
    for g in range(3):
        h, w = incidence[g].numpy(), np.diag(weight.numpy())
        node, edge = np.diag((h @ w).sum(1) ** -0.5), np.diag(1 / h.sum(0))
        np.testing.assert_allclose(got[g], node @ h @ w @ edge @ h.T @ node @ x[g].numpy() @ theta.T + bias, atol=1e-12)


def both(incidence):
    """PyG's layer and ours with the same weights, on one binary hypergraph."""
    theirs, ours = PyGHypergraphConv(4, 5).double(), HypergraphConv(4, 5).double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 6, 4, dtype=torch.float64)
    return ours(x, Hypergraph.of(incidence))[0], theirs(x[0], incidence[0].nonzero().T)


def test_equals_pyg_with_copied_weights_where_all_degrees_are_equal():
    torch.testing.assert_close(*both(ring()))


def test_differs_from_pyg_elsewhere_because_its_operator_is_not_symmetric():
    incidence = ring()
    incidence[0, 0, 0] = 0.0
    ours, theirs = both(incidence)
    assert (ours - theirs).abs().max() > 1e-3


def test_hyperedges_that_are_edges_give_half_of_identity_plus_the_symmetric_adjacency():
    adjacency = ring(size=2)[0] @ ring(size=2)[0].T - 2 * torch.eye(6)  # a cycle
    adjacency[0, 3] = adjacency[3, 0] = 1.0
    ends = adjacency.triu(1).nonzero()
    incidence = torch.nn.functional.one_hot(ends, 6).sum(1).T[None].double()
    conv, x = HypergraphConv(4, 4, bias=False).double(), torch.randn(1, 6, 4, dtype=torch.float64)
    root = adjacency.sum(1).rsqrt()
    operator = (torch.eye(6) + root[:, None] * adjacency * root) / 2
    torch.testing.assert_close(conv(x, Hypergraph.of(incidence))[0], operator @ conv.lin(x[0]))


def test_the_stored_operator_gives_the_same_as_the_factors():
    hypergraph, conv = Hypergraph.of(incidences()), HypergraphConv(4, 7).double()
    x = torch.randn(3, 6, 4, dtype=torch.float64)
    torch.testing.assert_close(conv(x, Adjacency.from_dense(hypergraph.to_dense())), conv(x, hypergraph))


def test_permuted_nodes_permute_the_output_and_permuted_hyperedges_change_nothing():
    incidence, conv = incidences(), HypergraphConv(4, 7).double()
    x, order, edges = torch.randn(3, 6, 4, dtype=torch.float64), torch.randperm(6), torch.randperm(4)
    y = conv(x, Hypergraph.of(incidence))
    torch.testing.assert_close(conv(x[:, order], Hypergraph.of(incidence[:, order])), y[:, order])
    torch.testing.assert_close(conv(x, Hypergraph.of(incidence[:, :, edges])), y)


def test_gradients_reach_every_parameter_the_features_and_the_memberships():
    incidence, conv = incidences().requires_grad_(), HypergraphConv(4, 7).double()
    x = torch.randn(3, 6, 4, dtype=torch.float64, requires_grad=True)
    conv(x, Hypergraph.of(incidence)).square().sum().backward()
    for tensor in (incidence, x, *conv.parameters()):
        assert tensor.grad.abs().sum() > 0


def test_features_of_another_shape_or_nan_are_refused():
    conv, hypergraph = HypergraphConv(4, 7).double(), Hypergraph.of(incidences())
    with pytest.raises(ShapeMismatch, match="x must"):
        conv(torch.randn(3, 5, 4, dtype=torch.float64), hypergraph)
    with pytest.raises(NonFinite):
        conv(torch.full((3, 6, 4), torch.nan, dtype=torch.float64), hypergraph)
