"""GCNConv equals PyTorch Geometric's."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import GCNConv as PyGGCNConv

from graphfuse.errors import NegativeWeights
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import GCNConv


def graphs(seed=0, loops=True):
    """Three weighted graphs of six nodes, directed, one node isolated, some self-loops."""
    torch.manual_seed(seed)
    weight = torch.rand(3, 6, 6, dtype=torch.float64) * (torch.rand(3, 6, 6) < 0.4)
    weight[1, 2], weight[1, :, 2] = 0.0, 0.0
    return weight if loops else weight * (1 - torch.eye(6))


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize(("wide", "out"), [(4, 7), (7, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_pyg_with_all_gradients(layout, wide, out, bias):
    theirs, ours = PyGGCNConv(wide, out, bias=bias).double(), GCNConv(wide, out, bias=bias).double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 6, wide, dtype=torch.float64)
    edge_index, edge_weight = Adjacency.from_dense(graphs()).to_edge_index()

    xs, ws = [x.clone().requires_grad_() for _ in "ab"], [edge_weight.clone().requires_grad_() for _ in "ab"]
    y_theirs = theirs(xs[0].flatten(0, 1), edge_index, ws[0]).view(3, 6, out)
    adjacency = Adjacency.from_edge_index(edge_index, ws[1], num_nodes=6, num_graphs=3, layout=layout)
    y_ours = ours(xs[1], adjacency)
    torch.testing.assert_close(y_ours, y_theirs)

    for y in (y_theirs, y_ours):
        (y * y.detach().cos()).sum().backward()
    torch.testing.assert_close(xs[1].grad, xs[0].grad)
    torch.testing.assert_close(ws[1].grad, ws[0].grad)
    for mine, yours in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert mine.grad.shape == yours.grad.shape
    for name, yours in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, yours.grad)


def test_permuted_nodes_permute_the_output():
    conv, weight, x, order = GCNConv(4, 3).double(), graphs(), torch.randn(3, 6, 4).double(), torch.randperm(6)
    y = conv(x, Adjacency.from_dense(weight))
    permuted = conv(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]))
    torch.testing.assert_close(permuted, y[:, order])


def test_without_edges_it_is_a_linear_layer():
    conv, x = GCNConv(4, 3), torch.randn(3, 6, 4)
    y = conv(x, Adjacency.from_dense(graphs().float()).without_edges())
    torch.testing.assert_close(y, conv.lin(x) + conv.bias)


def test_new_nodes_leave_the_fitted_ones_alone():
    conv, weight, x = GCNConv(4, 3).double(), graphs()[:1], torch.randn(1, 6, 4).double()
    new_x, edges = torch.randn(1, 2, 4).double(), torch.rand(2, 6)
    adjacency = Adjacency.from_dense(weight)
    together = conv(torch.cat([x, new_x], 1), adjacency.attach(edges))
    alone = conv(torch.cat([x, new_x[:, 1:]], 1), adjacency.attach(edges[1:]))
    torch.testing.assert_close(together[:, :6], conv(x, adjacency))
    torch.testing.assert_close(together[:, 7], alone[:, 6])


def test_negative_weights_are_refused():
    with pytest.raises(NegativeWeights):
        GCNConv(4, 3)(torch.randn(3, 6, 4), Adjacency.from_dense(-graphs().float()))
